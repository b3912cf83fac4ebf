"""What running the cell once gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hpmagic.distributions import Distribution
from hpmagic.execution.ground import Carry
from hpmagic.records import Output, Repeat, Report, TrialState
from hpmagic.space import Parameter

__all__ = ["WRITTEN", "DrawValue", "Pruned", "Runner", "TrialOutcome", "TrialTimeout"]


class _Written:
    def __repr__(self) -> str:
        return "WRITTEN"

    def __reduce__(self) -> str:
        return "WRITTEN"


WRITTEN: Final = _Written()
"""What `DrawValue` returns to say: the value as the code has it, whatever that evaluates to."""

DrawValue = Callable[[Parameter], Any]
"""Given a parameter whose distribution is known, its value in this trial, or `WRITTEN`.

Called when the tuned line executes, at most once a name and trial."""


class Pruned(BaseException):
    """Raised inside a cell to end a hopeless trial; not an `Exception`, so `except` lets it by."""


class TrialTimeout(BaseException):
    """Raised inside a cell whose trial takes too long; no `Exception`, so `except` lets it by."""


@dataclass(frozen=True)
class TrialOutcome:
    """What one run of the cell gave.

    ``params`` and ``distributions`` hold what was drawn, in order. ``reports`` holds every report
    of a metric in order, and ``values`` what counts of each metric in the end: its last report, or
    its best where the cell asks for that. ``bindings`` are the names that the run bound or changed
    in the namespace and ``deleted`` those it deleted. ``error`` is the exception that ended it,
    with a traceback that begins in the cell; ``reason`` says the same in one line.
    """

    state: TrialState
    params: Mapping[str, object]
    distributions: Mapping[str, Distribution]
    reports: tuple[Report, ...]
    start: float
    duration: float
    values: Mapping[str, float] = field(default_factory=dict)
    bindings: Mapping[str, Any] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    error: BaseException | None = None
    reason: str = ""
    output: Output = field(default_factory=Output)
    notes: Mapping[str, str] = field(default_factory=dict)
    carry: Carry | None = field(default=None, repr=False, compare=False)
    """What the run left in objects that were there before it, for `Runner.publish`."""
    repeats: tuple[Repeat, ...] = ()
    """The runs that this one sums up, if there were several."""


class Runner(Protocol):
    """Runs the cell once, from the state in which the study began."""

    def run(
        self, draw: DrawValue, report: Callable[[Report], None], seed: int | None = None
    ) -> TrialOutcome:
        """Run the cell. Never raises for what the cell does.

        ``seed`` is what the global random states are seeded with, and what `hpmagic.seed` is in the
        cell; when None the states are those at the study's start, and the seed is 0.

        ``report`` may raise `Pruned` to end the trial. Any other `BaseException` that is not an
        `Exception`, from either function, ends the trial and is the outcome's ``error``.

        Raises:
            Exception: what ``draw`` or ``report`` raised, once everything is put back.
        """
        ...

    def publish(self, outcome: TrialOutcome) -> None:
        """Put the bindings of ``outcome`` into the namespace."""
        ...

    def close(self) -> None:
        """Leave the process as it was when the runner was made."""
        ...
