"""What repeats reused is in the trial that sums them up."""

from __future__ import annotations

from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import Direction, Objective, TrialState
from hpmagic.repeats import joined


def outcome(duration: float, **notes: str) -> TrialOutcome:
    return TrialOutcome(
        state=TrialState.COMPLETE,
        params={},
        distributions={},
        reports=(),
        start=0.0,
        duration=duration,
        values={"loss": 1.0},
        bindings={},
        deleted=frozenset(),
        error=None,
        notes=notes,
    )


def test_times_from_scratch_of_repeats_are_added():
    """A repeat that reused nothing counts with what it took."""
    aims = (Objective("loss", Direction.MINIMIZE),)
    runs = [outcome(2.0), outcome(0.5, reused="line 1 ran once (2 s)", from_scratch="2.500 s")]
    assert joined(runs, aims).notes == {
        "reused": "line 1 ran once (2 s)",
        "from_scratch": "4.500 s",
    }
    assert joined(runs[:1], aims).notes == {}
