"""What every engine is: something that runs trials and lets them talk to the study.

A trial is not handed its values. It asks for each one when its line executes, and reports its
metrics as it goes: that is its `Conversation`. An engine in the kernel hands the conversation's
methods to the cell; an engine elsewhere carries questions and answers to and fro, within `wait`.
All of an engine's methods are called on the loop's one thread.
"""

from __future__ import annotations

from typing import Any, Protocol

from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import Report
from hpmagic.space import Parameter

__all__ = ["Conversation", "Engine"]


class Conversation(Protocol):
    """The study's side of one running trial."""

    @property
    def number(self) -> int:
        """The trial's number."""
        ...

    @property
    def heeded(self) -> frozenset[str]:
        """The metrics whose reports are judged: such a report waits for its answer."""
        ...

    @property
    def seed(self) -> int | None:
        """The seed of this repeat of the trial; None where nothing is repeated."""
        ...

    def draw(self, parameter: Parameter) -> Any:
        """The value of a hyperparameter, or `WRITTEN`; asked again, the same value.

        Raises:
            Exception: the tuner cannot give one; the study ends with this.
        """
        ...

    def report(self, report: Report) -> None:
        """Hear of a metric.

        Raises:
            Pruned: the trial is to end here. Only for `heeded` metrics.
        """
        ...

    def again(self) -> None:
        """The trial begins anew, since the place where it ran is gone; nothing is heard twice."""
        ...

    def finished(self, outcome: TrialOutcome, order: tuple[str, ...]) -> TrialOutcome:
        """An outcome from elsewhere with the study's own values and distributions put in.

        Args:
            outcome: what the worker sent; of its ``params`` only those the study does not know.
            order: the names drawn, in order.
        """
        ...

    def lost(self, error: Exception) -> TrialOutcome:
        """The outcome of a trial that ended without one, as far as the study has heard."""
        ...


class Engine(Protocol):
    """Runs up to `capacity` trials at a time. The loop closes it, whatever happens."""

    @property
    def capacity(self) -> int:
        """How many trials may run at once; may change as a cluster grows and shrinks."""
        ...

    def start(self, conversation: Conversation) -> None:
        """Begin a trial on a free worker. Returns at once.

        Raises:
            EngineError: no worker can be had.
        """
        ...

    def wait(self) -> tuple[int, TrialOutcome] | None:
        """Carry on the conversations until one trial ends; its number and outcome.

        None when a trial has drawn a value while there is room for another: now that more is known,
        another may begin.

        A trial whose worker died is an outcome like any other. An interrupt is either the outcome
        of a trial or a `KeyboardInterrupt`; the loop then gives up the trials that are left.

        Raises:
            EngineError: no worker can be had.
            Exception: what `Conversation.draw` raised.
        """
        ...

    def keep(self, number: int) -> None:
        """The trial that ended last is the best so far: keep its variables, forget others'."""
        ...

    def publish(self, number: int, outcome: TrialOutcome) -> None:
        """Put the variables of the trial that was kept into the person's namespace."""
        ...

    def close(self) -> None:
        """Leave nothing behind: no process, no file. Trials that still run are given up."""
        ...
