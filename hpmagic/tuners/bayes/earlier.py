"""What earlier studies know of this one's space.

An earlier study's trials are fitted by a surrogate of their own, over the hyperparameters that both
studies have; what it expects at a point of this study is a `Belief`. How much that is worth is left
to the trials of now (see `kernel`). Its best trials are tried first: they are cheap to check, and
tell at once whether the earlier study is to be believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpmagic.distributions import Choice
from hpmagic.records import Trial, TrialState
from hpmagic.tuners.base import EarlierStudy
from hpmagic.tuners.bayes.encoding import UNKNOWN, Array, Column, Points
from hpmagic.tuners.bayes.observations import columns_of
from hpmagic.tuners.bayes.surrogate import Surrogate

__all__ = ["Expectation", "first_points"]

_STOPS = 65


@dataclass(frozen=True, eq=False)
class Expectation:
    """What an earlier study's surrogate expects, in this study's coordinates."""

    surrogate: Surrogate

    @classmethod
    def of(cls, study: EarlierStudy, columns: Sequence[Column]) -> Expectation | None:
        """None when the studies share no hyperparameter, or the earlier one too few trials."""
        before = columns_of(study.trials)
        shared = {
            column.name
            for column in columns
            if column.name in before and _alike(column, before[column.name])
        }
        trials = [
            replace(t, params={n: v for n, v in t.params.items() if n in shared})
            for t in study.trials
        ]
        surrogate = Surrogate.of_trials(trials, study.objective) if shared else None
        return None if surrogate is None or not surrogate.scale.spread else cls(surrogate)

    def __call__(self, points: Points, columns: Sequence[Column]) -> Array:
        place = {column.name: index for index, column in enumerate(columns)}
        units, active = [], []
        for before in self.surrogate.columns:
            index = place.get(before.name)
            # Its distribution is known only while the cell runs, and may turn into another kind.
            if index is None or not _alike(columns[index], before):
                units.append(np.full(len(points), 0.5))
                active.append(np.zeros(len(points), dtype=bool))
                continue
            units.append(_translated(points.units[:, index], columns[index], before))
            active.append(points.active[:, index])
        seen = Points(np.stack(units, axis=1), np.stack(active, axis=1))
        return self.surrogate.likeliest.mean(self.surrogate.inputs(seen))


def first_points(
    studies: Sequence[EarlierStudy],
    columns: Sequence[Column],
    defaults: Mapping[str, float],
    count: int,
) -> list[dict[str, float]]:
    """The units of the best trials of earlier studies, at most ``count``, no point twice.

    The studies take turns. What a trial did not have is as in ``defaults``, else in the middle.
    """
    ranked = [_ranked(study) for study in studies]
    turns = [t for place in range(count) for trials in ranked for t in trials[place : place + 1]]
    found: list[dict[str, float]] = []
    for trial in turns:
        point = {c.name: _unit(trial, c, defaults.get(c.name, 0.5)) for c in columns}
        if point not in found:
            found.append(point)
    return found[:count]


def _alike(column: Column, other: Column) -> bool:
    """Whether two columns of one name are the same hyperparameter: a category is not a number."""
    return column.ordered is other.ordered


def _ranked(study: EarlierStudy) -> list[Trial]:
    """Complete trials, the best first."""
    complete = [t for t in study.trials if t.state is TrialState.COMPLETE and t.values]
    sign = study.objective.direction.sign
    return sorted(complete, key=lambda t: sign * (t.values or (0.0,))[0])


def _unit(trial: Trial, column: Column, otherwise: float) -> float:
    if column.name not in trial.params or column.name not in trial.distributions:
        return otherwise
    before = Column.of(column.name, trial.distributions[column.name])
    unit = before.unit(trial.params[column.name])
    if unit == UNKNOWN:
        return otherwise
    found = float(_translated(np.array([unit]), before, column)[0])
    return otherwise if found == UNKNOWN else found


def _translated(units: Array, column: Column, other: Column) -> Array:
    """Units of a column as units of the other, for the same values; `UNKNOWN` where it has none."""
    if column.distribution == other.distribution:
        return units
    if column.ordered and other.ordered:
        stops = np.linspace(0.0, 1.0, _STOPS) if column.levels is None else column.levels
        theirs = [other.unit(column.value(float(stop))) for stop in stops]
        return np.asarray(np.interp(units, stops, theirs))
    if column.levels is None:  # of a continuum only values that the other lists have a place there
        return np.array([other.unit(column.value(float(unit))) for unit in units])
    theirs = [_same_option(column, float(level), other) for level in column.levels]
    nearest = np.abs(units[:, None] - column.levels).argmin(axis=1)
    known = units != UNKNOWN
    return np.where(known, np.array(theirs)[nearest], UNKNOWN)


def _same_option(column: Column, level: float, other: Column) -> float:
    """The other column's unit of an option, by value or else by label: objects come back as one."""
    value = column.value(level)
    unit = other.unit(value)
    mine, theirs = column.distribution, other.distribution
    if unit != UNKNOWN or not (isinstance(mine, Choice) and isinstance(theirs, Choice)):
        return unit
    label = mine.label(value)
    return (
        other.unit(theirs.options[theirs.labels.index(label)]) if label in theirs.labels else unit
    )
