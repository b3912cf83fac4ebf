"""The loggers that a cell may set up, put back with their handlers."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from hpmagic.execution.heap.world import World

__all__ = ["Loggers"]


_State = tuple[list[logging.Handler], list[Any], int, bool, bool]
_NEW: Final[_State] = ([], [], logging.NOTSET, True, False)


class Loggers:
    """The root, those in the person's variables, and those that bear no library's name.

    A library sets up its own when it is imported, which another thread may be doing.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._judged: set[str] = set()
        self._own: list[str] = []

    def take(self) -> Callable[[], None]:
        """How to put them back to what they are now; those that are new then are emptied."""
        variables = list(self._world.namespace.values())
        chosen = [thing for thing in variables if isinstance(thing, logging.Logger)]
        saved = {logger: _state(logger) for logger in (logging.root, *self._named(), *chosen)}
        muted = logging.root.manager.disable

        def set_again() -> None:
            for logger in self._named():
                if logger not in saved:
                    _set(logger, _NEW)
            for logger, state in saved.items():
                _set(logger, state)
            if logging.root.manager.disable != muted:
                logging.disable(muted)

        return set_again

    def _named(self) -> list[logging.Logger]:
        known = logging.root.manager.loggerDict
        if len(known) != len(self._judged):
            new = [*known.keys() - self._judged]
            self._judged.update(new)
            self._own += [name for name in new if not self._is_library(name.partition(".")[0])]
        found = [known.get(name) for name in self._own]
        return [logger for logger in found if isinstance(logger, logging.Logger)]

    def _is_library(self, name: str) -> bool:
        if name == self._world.namespace.get("__name__", "__main__"):
            return False
        module = sys.modules.get(name)
        if module is not None:
            return not self._world.owns_module(module)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return False
        if spec is None or spec.origin is None:  # any folder looks like a package without a file
            return False
        return not self._world.owns_file(spec.origin)


def _state(logger: logging.Logger) -> _State:
    handlers, filters = logger.handlers.copy(), logger.filters.copy()
    return handlers, filters, logger.level, logger.propagate, logger.disabled


def _set(logger: logging.Logger, state: _State) -> None:
    if _state(logger) == state:
        return
    logger.handlers[:], logger.filters[:], level, logger.propagate, logger.disabled = state
    if logger.level != level:
        logger.setLevel(level)
