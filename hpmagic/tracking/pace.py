"""Politeness: how much of a thread's own work the trials beside it may feel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Pace"]


class Pace:
    """Keeps a thread to a share of the processor's time until somebody is in a hurry.

    Python runs one thread at a time, so what a writer takes, a trial in pure Python loses.

    Args:
        share: of the time, above 0 and up to 1.
    """

    def __init__(self, share: float) -> None:
        self._rest = 1 / share - 1
        self._hurry = threading.Event()
        self._urgent = 0
        self._since: float | None = None

    def begin(self) -> None:
        """The calling thread is the one to be held back; what it did before does not count."""
        self._thread = threading.get_ident()
        self._since = time.thread_time()

    def __call__(self) -> None:
        """Rest in proportion to the work since the last call."""
        if self._since is None or threading.get_ident() != self._thread:
            return
        worked = time.thread_time() - self._since
        self._hurry.wait(worked * self._rest)
        self._since = time.thread_time()

    def wait(self, seconds: float) -> None:
        """Do nothing for so long, or until there is a hurry."""
        self._hurry.wait(seconds)

    def hurry(self) -> None:
        """No rests any more."""
        self._urgent += 1
        self._hurry.set()

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """No rests meanwhile: somebody waits."""
        self.hurry()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._hurry.clear()

    @property
    def hurried(self) -> bool:
        """Whether somebody is in a hurry."""
        return self._hurry.is_set()
