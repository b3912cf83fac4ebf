"""Trials as the model hears of them: where they were, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hpmagic.records import Trial, TrialState
from hpmagic.tuners.bayes.encoding import UNKNOWN, Array, Column, Flags

__all__ = [
    "Observation",
    "columns_of",
    "costs_of",
    "failed",
    "in_order_of_drawing",
    "most_telling",
]


@dataclass(frozen=True)
class Observation:
    """What is kept of a trial. ``cost`` is None when it failed."""

    units: Mapping[str, float]
    cost: float | None
    pruned: bool = False
    placed: bool = True
    """Whether it has a place at all: it has not where a range was given what is no number."""

    @classmethod
    def of(
        cls, trial: Trial, columns: Mapping[str, Column], sign: float, index: int = 0
    ) -> Observation:
        """A trial's observation; ``sign`` turns the objective at ``index`` into a cost."""
        units = {n: columns[n].unit(v) for n, v in trial.params.items() if n in columns}
        usable = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        known = usable and trial.values and len(trial.values) > index
        cost = sign * trial.values[index] if known and trial.values else None
        placed = all(unit != UNKNOWN for name, unit in units.items() if columns[name].ordered)
        return cls(units, cost, trial.state is TrialState.PRUNED, placed)


def columns_of(trials: Sequence[Trial]) -> dict[str, Column]:
    """The columns of all hyperparameters that trials drew, in the order of their first drawing."""
    distributions = {n: d for trial in trials for n, d in trial.distributions.items()}
    names = dict.fromkeys(n for trial in trials for n in trial.params if n in trial.distributions)
    return {name: Column.of(name, distributions[name]) for name in names}


def in_order_of_drawing(
    columns: Sequence[Column], observations: Sequence[Observation]
) -> list[Column]:
    """The columns so that each comes behind those that trials drew before it.

    They stay as they are where trials agree with it, or disagree with each other. A function may
    stand above the choice that decides whether it is called: its lines are written first and drawn
    last.
    """
    place = {column.name: index for index, column in enumerate(columns)}
    before: dict[int, set[int]] = {index: set() for index in place.values()}
    for order in {tuple(o.units) for o in observations}:
        for one, other in pairwise(place[name] for name in order if name in place):
            before[other].add(one)
    if all(max(earlier, default=-1) < index for index, earlier in before.items()):
        return list(columns)
    found: list[Column] = []
    while before:
        ready = [index for index, earlier in before.items() if not earlier & before.keys()]
        if not ready:
            return list(columns)
        index = min(ready)
        del before[index]
        found.append(columns[index])
    return found


def failed(observations: Sequence[Observation]) -> Flags:
    """Which have no cost."""
    return np.array([o.cost is None for o in observations], dtype=bool)


def costs_of(observations: Sequence[Observation]) -> Array:
    """The costs of those that did not fail, those of pruned ones made pessimistic.

    A pruned trial was stopped because it was worse, and an early value must not look better than a
    final one: it counts as its last value, but as no better than the median of the complete ones.
    """
    costs = np.array([o.cost for o in observations if o.cost is not None], dtype=float)
    pruned = np.array([o.pruned for o in observations if o.cost is not None], dtype=bool)
    if pruned.any() and not pruned.all():
        costs = np.where(pruned, np.maximum(costs, np.median(costs[~pruned])), costs)
    return costs


def most_telling(costs: Array, most: int) -> Any:
    """Indices of at most ``most`` trials: the best, the newest, and an even sample of the rest."""
    if len(costs) <= most:
        return np.arange(len(costs))
    chosen = set(np.argsort(costs, kind="stable")[: most // 2].tolist())
    chosen |= set(range(len(costs) - most // 5, len(costs)))
    rest = [i for i in range(len(costs)) if i not in chosen]
    spread = np.linspace(0, len(rest) - 1, most - len(chosen)).round().astype(int)
    return np.array(sorted(chosen | {rest[i] for i in spread}))
