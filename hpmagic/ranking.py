"""Which trials are best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hpmagic.records import Objective, Origin, Trial, TrialState

__all__ = ["best_so_far", "best_trial", "default_trial", "gain", "pareto_front"]


def best_trial(trials: Iterable[Trial], objectives: Sequence[Objective]) -> Trial | None:
    """The complete trial with the best first objective; the earliest among equals."""
    best: Trial | None = None
    for trial in _complete(trials):
        if best is None or objectives[0].direction.better(_first(trial), _first(best)):
            best = trial
    return best


def pareto_front(trials: Iterable[Trial], objectives: Sequence[Objective]) -> tuple[Trial, ...]:
    """The complete trials that no other beats in one objective without losing in another."""
    complete = list(_complete(trials))
    signs = [objective.direction.sign for objective in objectives]
    costs = [[s * v for s, v in zip(signs, t.values or (), strict=True)] for t in complete]

    def beaten(mine: list[float]) -> bool:
        return any(
            other != mine and all(o <= m for o, m in zip(other, mine, strict=True))
            for other in costs
        )

    return tuple(t for t, mine in zip(complete, costs, strict=True) if not beaten(mine))


def best_so_far(trials: Iterable[Trial], objective: Objective) -> list[tuple[int, float]]:
    """(trial number, best first objective up to it) for each complete trial."""
    line: list[tuple[int, float]] = []
    for trial in _complete(trials):
        value = _first(trial)
        if line and not objective.direction.better(value, line[-1][1]):
            value = line[-1][1]
        line.append((trial.number, value))
    return line


def default_trial(trials: Iterable[Trial]) -> Trial | None:
    """The trial with the values written in the code, if it ran to its end."""
    return next((t for t in _complete(trials) if t.origin is Origin.DEFAULT), None)


def gain(trials: Sequence[Trial], objectives: Sequence[Objective]) -> float | None:
    """How much better the best is than the person's own default, in the objective's unit, >= 0."""
    best, default = best_trial(trials, objectives), default_trial(trials)
    if best is None or default is None:
        return None
    return objectives[0].direction.sign * (_first(default) - _first(best))


def _complete(trials: Iterable[Trial]) -> Iterable[Trial]:
    return (
        t
        for t in trials
        if t.state is TrialState.COMPLETE and t.values and all(map(math.isfinite, t.values))
    )


def _first(trial: Trial) -> float:
    assert trial.values
    return trial.values[0]
