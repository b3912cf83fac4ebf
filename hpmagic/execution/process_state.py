"""The process's own settings, taken at one moment so that they can be set again."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from hpmagic.execution.warning_filters import being_imported

__all__ = ["imported", "take_settings"]

Undo = Callable[[], object]


def take_settings() -> list[Undo]:
    """How to set each thing again as it stands now: those of Python, and of imported libraries.

    Nothing is written where nothing has changed.
    """
    path, argv = list(sys.path), list(sys.argv)
    limit, interval = sys.getrecursionlimit(), sys.getswitchinterval()
    collects, thresholds = gc.isenabled(), gc.get_threshold()
    undo: list[Undo] = [
        _environment(),
        lambda: _set_list(sys.path, path),
        lambda: _set_list(sys.argv, argv),
        lambda: sys.setrecursionlimit(limit),
        lambda: sys.setswitchinterval(interval),
        gc.enable if collects else gc.disable,
        lambda: gc.set_threshold(*thresholds),
    ]
    with contextlib.suppress(OSError):  # the working directory has been removed
        directory = os.getcwd()  # noqa: PTH109 - a plain text is quicker
        undo.append(lambda: os.chdir(directory))
    for name, take in _LIBRARIES.items():
        module = imported(name)
        if module is not None:
            with contextlib.suppress(AttributeError, KeyError, RuntimeError):  # of another version
                undo.append(take(module))
    return undo


def imported(name: str) -> ModuleType | None:
    """A module whose import has ended; another thread may be in the middle of it."""
    module = sys.modules.get(name)
    return None if module is None or being_imported(module) else module


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
                _put_into(settings, saved)

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
                dict.update(settings, saved)

        return set_again


def _torch(torch: Any) -> Undo:
    kind, threads, grads = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
    )
    exact = torch.are_deterministic_algorithms_enabled()
    precision = torch.get_float32_matmul_precision()

    def set_again() -> None:
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(grads)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if torch.are_deterministic_algorithms_enabled() != exact:
            torch.use_deterministic_algorithms(exact)
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)

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


def _put_into(settings: dict[str, Any], saved: dict[str, Any]) -> None:
    """Settings that are not among those saved have been registered since, and stay."""
    for name, value in saved.items():
        if isinstance(value, dict) and isinstance(settings.get(name), dict):
            _put_into(settings[name], value)
        else:
            settings[name] = value


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
