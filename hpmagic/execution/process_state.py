"""The process's own settings, taken at one moment so that they can be set again."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

__all__ = ["take_settings"]

Undo = Callable[[], object]


def take_settings(loggers: Iterable[logging.Logger] = ()) -> list[Undo]:
    """How to set each thing again as it stands now: those of Python, and of imported libraries.

    Nothing is written where nothing has changed. ``loggers`` are taken beside the root.
    """
    path = list(sys.path)
    limit, argv, collects = sys.getrecursionlimit(), list(sys.argv), gc.isenabled()
    undo: list[Undo] = [
        _environment(),
        lambda: _set_list(sys.path, path),
        lambda: _set_list(sys.argv, argv),
        lambda: sys.setrecursionlimit(limit),
        gc.enable if collects else gc.disable,
        _filters(),
    ]
    with contextlib.suppress(OSError):  # the working directory has been removed
        directory = os.getcwd()  # noqa: PTH109 - a plain text is quicker
        undo.append(lambda: os.chdir(directory))
    undo += [_logger(logger) for logger in dict.fromkeys((logging.root, *loggers))]
    for name, take in _LIBRARIES.items():
        module = sys.modules.get(name)
        if module is not None:
            try:
                undo.append(take(module))
            except (AttributeError, KeyError):  # half imported
                continue
    return undo


def _filters() -> Undo:
    filters, show = list(warnings.filters), warnings.showwarning

    def set_again() -> None:
        warnings.showwarning = show
        if warnings.filters != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]

    return set_again


def _logger(logger: logging.Logger) -> Undo:
    handlers, filters = list(logger.handlers), list(logger.filters)
    level, propagate, disabled = logger.level, logger.propagate, logger.disabled
    muted = logging.root.manager.disable

    def set_again() -> None:
        _set_list(logger.handlers, handlers)
        _set_list(logger.filters, filters)
        logger.propagate, logger.disabled = propagate, disabled
        if logger.level != level:
            logger.setLevel(level)
        if logging.root.manager.disable != muted:
            logging.disable(muted)

    return set_again


def _numpy(numpy: Any) -> Undo:
    errors, shown = numpy.geterr(), numpy.get_printoptions()

    def set_again() -> None:
        if numpy.geterr() != errors:
            numpy.seterr(**errors)
        if numpy.get_printoptions() != shown:
            numpy.set_printoptions(**{k: v for k, v in shown.items() if k != "override_repr"})

    return set_again


class _Pandas:
    """Its settings are nested; they are copied when they are others than those copied last."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def __call__(self, _: Any) -> Undo:
        settings = sys.modules["pandas._config.config"]._global_config
        if settings != self._last:
            self._last = _nested(settings)
        saved = self._last

        def set_again() -> None:
            if settings != saved:
                settings.clear()
                settings.update(_nested(saved))

        return set_again


def _sklearn(sklearn: Any) -> Undo:
    settings = sklearn.get_config()

    def set_again() -> None:
        if sklearn.get_config() != settings:
            sklearn.set_config(**settings)

    return set_again


class _Matplotlib:
    """Its settings, copied when they are others than those copied last."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def __call__(self, matplotlib: Any) -> Undo:
        settings = matplotlib.rcParams
        if not dict.__eq__(settings, self._last):
            # Reading them its own way resolves the backend, and imports all of pyplot.
            self._last = dict(dict.items(settings))
        saved = self._last

        def set_again() -> None:
            if not dict.__eq__(settings, saved):
                dict.clear(settings)
                dict.update(settings, saved)

        return set_again


def _torch(torch: Any) -> Undo:
    kind, threads, grads = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )
    exact = torch.are_deterministic_algorithms_enabled()

    def set_again() -> None:
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(grads)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.are_deterministic_algorithms_enabled() != exact:
            torch.use_deterministic_algorithms(exact)

    return set_again


def _locale(locale: Any) -> Undo:
    saved = locale.setlocale(locale.LC_ALL)
    return lambda: (
        locale.setlocale(locale.LC_ALL) == saved or locale.setlocale(locale.LC_ALL, saved)
    )


def _socket(socket: Any) -> Undo:
    timeout = socket.getdefaulttimeout()
    return lambda: socket.setdefaulttimeout(timeout)


def _decimal(decimal: Any) -> Undo:
    # Its context belongs to the context of the code that runs, and is changed in place.
    saved = decimal.getcontext().copy()
    return lambda: decimal.setcontext(saved.copy())


_LIBRARIES: dict[str, Callable[[ModuleType], Undo]] = {
    "numpy": _numpy,
    "pandas": _Pandas(),
    "sklearn": _sklearn,
    "matplotlib": _Matplotlib(),
    "torch": _torch,
    "locale": _locale,
    "socket": _socket,
    "decimal": _decimal,
}


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: _nested(v) if isinstance(v, dict) else v for k, v in settings.items()}


def _environment() -> Undo:
    environ = os.environ
    kept: Any = getattr(environ, "_data", environ)  # reading them one by one takes longer
    saved = dict(kept)

    def set_again() -> None:
        if kept == saved:
            return
        zone = environ.get("TZ")
        for name in kept.keys() - saved.keys():
            del environ[os.fsdecode(name)]
        for name, value in saved.items():
            environ[os.fsdecode(name)] = os.fsdecode(value)
        if environ.get("TZ") != zone and hasattr(time, "tzset"):
            time.tzset()

    return set_again


def _set_list(now: list[Any], saved: list[Any]) -> None:
    if now != saved:
        now[:] = saved
