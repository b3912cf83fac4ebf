"""Telling a pruner of trials, without a study around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpmagic.execution.outcome import Pruned
from hpmagic.pruning import OptunaPruner
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    Report,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
)

LOSS = Objective("loss", Direction.MINIMIZE)


def started(number: int, origin: Origin = Origin.TUNER) -> TrialStarted:
    return TrialStarted(number, origin, 0.0)


def finished(number: int, curve: Sequence[float], state: TrialState) -> TrialFinished:
    """The end of a trial whose loss was ``curve``; a failed one has no value."""
    usable = state in (TrialState.COMPLETE, TrialState.PRUNED) and math.isfinite(curve[-1])
    return TrialFinished(
        Trial(
            number=number,
            state=state,
            params={},
            distributions={},
            values=(curve[-1],) if usable else None,
            metrics={},
            curves={"loss": tuple(enumerate(curve))},
            origin=Origin.TUNER,
            start=0.0,
            duration=1.0,
        )
    )


def run_curves(
    pruner: OptunaPruner, curves: Sequence[Sequence[float]], first: int = 0
) -> list[int | None]:
    """The step at which each trial is pruned, None where it runs to its end."""
    stops: list[int | None] = []
    for number, curve in enumerate(curves, start=first):
        pruner(started(number))
        stop = None
        for step, value in enumerate(curve):
            try:
                pruner.judge(number, Report("loss", value, step, 0.0))
            except Pruned:
                stop = step
                break
        seen = curve if stop is None else curve[: stop + 1]
        state = TrialState.COMPLETE if stop is None else TrialState.PRUNED
        if state is TrialState.COMPLETE and not math.isfinite(seen[-1]):
            state = TrialState.FAILED
        pruner(finished(number, seen, state))
        stops.append(stop)
    return stops
