"""A limit on how long a trial may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from hpmagic.execution.interrupt import is_held
from hpmagic.execution.outcome import TrialTimeout

__all__ = ["deadline", "overdue"]

_AGAIN: Final = 0.5
"""Seconds after which a cell that swallowed the first `TrialTimeout` gets another."""
_raised: TrialTimeout | None = None


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise `TrialTimeout` in the code within that takes longer.

    It is raised between two steps of Python: a long call into compiled code ends first. Off the
    main thread, and on systems without timers, it does nothing.
    """
    usable = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if seconds is None or not usable:
        yield
        return

    def expire(_number: int, _frame: FrameType | None) -> None:
        global _raised  # noqa: PLW0603 - there is one timer in a process
        if not is_held():
            _raised = TrialTimeout(f"the trial took longer than {seconds:g} s")
            raise _raised

    global _raised  # noqa: PLW0603
    _raised = None
    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)
        _raised = None


def overdue() -> TrialTimeout | None:
    """What was raised within `deadline`, even if the cell has swallowed it."""
    return _raised
