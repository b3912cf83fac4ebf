"""Ctrl-C and the stop button: never lost, and never in the middle of putting things back."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, Self

__all__ = ["InterruptGuard", "exposed", "held", "interrupt_requested", "is_held"]


class InterruptGuard:
    """Remembers an interrupt that the cell's own ``except:`` swallows.

    While it is entered on the main thread, an interrupt sets `requested` and raises
    `KeyboardInterrupt`. Within `held` the first interrupt only sets the flag; a second one raises
    wherever it arrives. Off the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._held = 0
        self._handler: Any = None
        self._outer: InterruptGuard | None = None
        self._installed = False

    def __enter__(self) -> Self:
        global _active
        if threading.current_thread() is threading.main_thread():
            self._outer, _active = _active, self
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        global _active  # noqa: PLW0603 - there is one SIGINT handler in a process
        if self._installed:
            self._installed = False
            _active = self._outer
            if self._handler is not None:
                signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or not self._held:
            raise KeyboardInterrupt


_active: InterruptGuard | None = None


def interrupt_requested() -> bool:
    """Whether the person has asked to stop, as far as the guard of this thread knows."""
    guard = _guard()
    return guard is not None and guard.requested


def held() -> AbstractContextManager[None]:
    """Work that a first interrupt must not tear apart: it is noted, and raised later."""
    return _Held()


def exposed() -> AbstractContextManager[None]:
    """Within `held`, the part that may be interrupted; begins with an interrupt noted before."""
    return _Exposed()


# Classes, since generators take longer and every trial enters a dozen.
class _Held:
    __slots__ = ("_guard",)

    def __enter__(self) -> None:
        self._guard = _guard()
        if self._guard is not None:
            self._guard._held += 1

    def __exit__(self, *_: object) -> None:
        if self._guard is not None:
            self._guard._held -= 1


class _Exposed:
    __slots__ = ("_depth", "_guard")

    def __enter__(self) -> None:
        self._guard = guard = _guard()
        if guard is None:
            return
        self._depth, guard._held = guard._held, 0
        if guard.requested:
            guard._held = self._depth
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        if self._guard is not None:
            self._guard._held = self._depth


def is_held() -> bool:
    """Whether this is work that must not be torn apart."""
    guard = _guard()
    return guard is not None and guard._held > 0


def _guard() -> InterruptGuard | None:
    guard = _active
    if guard is None or threading.get_ident() != threading.main_thread().ident:
        return None
    return guard
