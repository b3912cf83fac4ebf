"""The process's own state, put back around each trial."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final, NamedTuple

__all__ = ["Isolation"]


_BUILTINS: Final = vars(builtins)


class _Generator(NamedTuple):
    """A library's global random state, and how to put it back."""

    state: Any
    put_back: Callable[[Any], object]


class Isolation:
    """Gives every trial the random state the study began with, and undoes what a trial sets.

    Random states of `random`, numpy and torch are those at the study's start. Environment
    variables, working directory, import path, warning filters, logging handlers, numpy's error
    handling and the recursion limit are put back to what they were when the trial began, and so are
    Python's built-in functions. A library that is not imported yet is taken into care once it is.
    """

    def __init__(self) -> None:
        self._generators: dict[str, _Generator] = {}
        self._undo: list[Callable[[], object]] = []
        self._builtins = _BUILTINS.copy()
        self.meddled = False
        """Whether the last trial replaced functions of Python's own."""
        self._find_generators()

    def begin(self) -> None:
        """Call before the trial."""
        self._builtins, self.meddled = _BUILTINS.copy(), False
        self._find_generators()
        self.reset_random()
        filters = warnings.catch_warnings()
        filters.__enter__()
        self._undo = [lambda: filters.__exit__(None, None, None), *_process_state()]

    def restore_builtins(self) -> None:
        """Call at once when the cell has ended. It uses no function that may have been replaced."""
        if self._builtins != _BUILTINS:
            self.meddled = True
            _BUILTINS.update(self._builtins)
            for name in [*_BUILTINS]:
                if name not in self._builtins:
                    del _BUILTINS[name]

    def end(self) -> None:
        """Call after the trial; never raises."""
        for undo in self._undo:
            with contextlib.suppress(Exception):
                undo()
        self._undo = []

    def reset_random(self) -> None:
        """Put the random states back to the study's start."""
        for generator in self._generators.values():
            generator.put_back(generator.state)

    def _find_generators(self) -> None:
        for library, find in _FINDERS.items():
            if library not in self._generators and (module := sys.modules.get(library)):
                with contextlib.suppress(AttributeError):  # half imported
                    self._generators[library] = find(module)


def _python(module: Any) -> _Generator:
    return _Generator(module.getstate(), module.setstate)


def _numpy(module: Any) -> _Generator:
    return _Generator(module.random.get_state(legacy=False), module.random.set_state)


def _torch(module: Any) -> _Generator:
    cuda = module.cuda
    states = (
        module.get_rng_state(),
        cuda.get_rng_state_all() if cuda.is_available() and cuda.is_initialized() else None,
    )

    def put_back(states: tuple[Any, Any]) -> None:
        module.set_rng_state(states[0])
        if states[1] is not None:
            cuda.set_rng_state_all(states[1])

    return _Generator(states, put_back)


_FINDERS: dict[str, Callable[[Any], _Generator]] = {
    "random": _python,
    "numpy": _numpy,
    "torch": _torch,
}


def _process_state() -> list[Callable[[], object]]:
    """How to undo what the trial may set, for each thing as it stands now."""
    environment, path = os.environ.copy(), list(sys.path)
    limit = sys.getrecursionlimit()
    undo: list[Callable[[], object]] = [
        lambda: _restore_environment(environment),
        lambda: _restore_list(sys.path, path),
        lambda: sys.setrecursionlimit(limit),
    ]
    with contextlib.suppress(OSError):  # the working directory has been removed
        directory = os.getcwd()  # noqa: PTH109 - a plain text is quicker
        undo.append(lambda: os.chdir(directory))
    if logging := sys.modules.get("logging"):
        root = logging.root
        handlers, level = list(root.handlers), root.level
        undo.append(lambda: _restore_list(root.handlers, handlers))
        undo.append(lambda: root.level == level or root.setLevel(level))
    if numpy := sys.modules.get("numpy"):
        with contextlib.suppress(AttributeError):
            errors = numpy.geterr()
            undo.append(lambda: numpy.seterr(**errors))
    return undo


def _restore_environment(saved: dict[str, str]) -> None:
    if os.environ == saved:
        return
    for name in set(os.environ) - set(saved):
        del os.environ[name]
    os.environ.update(saved)


def _restore_list(now: list[Any], saved: list[Any]) -> None:
    if now != saved:
        now[:] = saved
