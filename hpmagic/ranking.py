"""Which trials are best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hpmagic.records import Objective, Origin, Trial, TrialState

__all__ = [
    "advantage",
    "beats",
    "best_so_far",
    "best_trial",
    "default_trial",
    "front_with",
    "gain",
    "pareto_front",
]


def best_trial(trials: Iterable[Trial], objectives: Sequence[Objective]) -> Trial | None:
    """The complete trial with the best first objective; the earliest among equals."""
    best: Trial | None = None
    for trial in trials:
        if beats(trial, best, objectives[0]):
            best = trial
    return best


def beats(trial: Trial, best: Trial | None, objective: Objective) -> bool:
    """Whether a trial takes the place of the best one so far; among equals the earlier stays."""
    if not _counts(trial):
        return False
    if best is None:
        return True
    if _first(trial) == _first(best):
        return trial.number < best.number
    return objective.direction.better(_first(trial), _first(best))


def _dominates(a: Trial, b: Trial, objectives: Sequence[Objective]) -> bool:
    """Whether ``a`` beats ``b`` in one objective without losing in another."""
    signs = [objective.direction.sign for objective in objectives]
    costs = [
        (sign * x, sign * y)
        for sign, x, y in zip(signs, a.values or (), b.values or (), strict=True)
    ]
    return all(x <= y for x, y in costs) and any(x < y for x, y in costs)


def pareto_front(trials: Iterable[Trial], objectives: Sequence[Objective]) -> tuple[Trial, ...]:
    """The complete trials that no other beats in one objective without losing in another."""
    front: list[Trial] = []
    for trial in _complete(trials):
        front = front_with(front, trial, objectives)
    return tuple(front)


def front_with(front: list[Trial], trial: Trial, objectives: Sequence[Objective]) -> list[Trial]:
    """A front after one more complete trial: without those it beats, or as it was."""
    if any(_dominates(other, trial, objectives) for other in front):
        return front
    return [*(t for t in front if not _dominates(trial, t, objectives)), trial]


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
    return advantage(best, default, objectives[0])


def advantage(best: Trial, default: Trial, objective: Objective) -> float:
    """How much better one trial is than another, in the objective's unit."""
    # Zero has no sign here.
    return objective.direction.sign * (_first(default) - _first(best)) + 0.0


def _complete(trials: Iterable[Trial]) -> Iterable[Trial]:
    return (trial for trial in trials if _counts(trial))


def _counts(trial: Trial) -> bool:
    values = trial.values
    return (
        trial.state is TrialState.COMPLETE
        and bool(values)
        and all(map(math.isfinite, values or ()))
    )


def _first(trial: Trial) -> float:
    assert trial.values
    return trial.values[0]
