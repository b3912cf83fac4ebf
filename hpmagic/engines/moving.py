"""Trials in the kernel until one changes what cannot be put back, then in a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hpmagic.engines.base import Conversation, Engine
from hpmagic.engines.parcel import Parcel
from hpmagic.execution.outcome import TrialOutcome

__all__ = ["MOVED", "SHARED", "MovingEngine"]

MOVED: Final = (
    "It stays so in the notebook; the trials that follow run in a process of their own, from the "
    "state at the study's start (`--isolation kernel` keeps them here)"
)
SHARED: Final = (
    "The trials are not independent: they see what earlier ones left in it (`--isolation process` "
    "keeps them apart)"
)


class MovingEngine:
    """Moves a study from the kernel to a worker process as soon as that is needed.

    Args:
        kernel: runs trials in the kernel, from the state that `parcel` holds.
        parcel: the state at the study's start.
        process: makes the engine for what follows; it closes the parcel.
    """

    capacity = 1

    def __init__(self, kernel: Engine, parcel: Parcel, process: Callable[[Parcel], Engine]) -> None:
        self._kernel = kernel
        self._parcel = parcel
        self._make = process
        self._process: Engine | None = None
        self._moves = False
        self._here: set[int] = set()

    def start(self, conversation: Conversation) -> None:
        """Begin the trial where trials are independent."""
        if self._moves and self._process is None:
            self._process = self._make(self._parcel)
        if self._process is None:
            self._here.add(conversation.number)
        self._engine.start(conversation)

    def wait(self) -> tuple[int, TrialOutcome] | None:
        """The trial's outcome; one that has changed something for good is the last here."""
        ended = self._engine.wait()
        if ended is not None:
            self._moves = self._moves or "isolation" in ended[1].notes
        return ended

    def keep(self, number: int) -> None:
        """See `Engine.keep`."""
        self._of(number).keep(number)

    def publish(self, number: int, outcome: TrialOutcome) -> None:
        """See `Engine.publish`."""
        self._of(number).publish(number, outcome)

    def close(self) -> None:
        """See `Engine.close`."""
        try:
            self._kernel.close()
        finally:
            if self._process is None:
                self._parcel.close()
            else:
                self._process.close()

    @property
    def _engine(self) -> Engine:
        return self._kernel if self._process is None else self._process

    def _of(self, number: int) -> Engine:
        return self._kernel if number in self._here else self._engine
