"""Ask and tell: the Gaussian process as a tuner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpmagic.records import Origin, Trial
from hpmagic.space import Parameter
from hpmagic.tuners.base import Proposal, TunerContext
from hpmagic.tuners.bayes.acquisition import Improvement
from hpmagic.tuners.bayes.earlier import Expectation, first_points
from hpmagic.tuners.bayes.encoding import UNKNOWN, Array, Column, Points
from hpmagic.tuners.bayes.evidence import Hyper
from hpmagic.tuners.bayes.feasibility import Feasibility
from hpmagic.tuners.bayes.middle import MIDDLE, drawn_in, log_belief, middle
from hpmagic.tuners.bayes.observations import Observation, in_order_of_drawing
from hpmagic.tuners.bayes.search import best_point
from hpmagic.tuners.bayes.surrogate import Belief, Surrogate, one_thread
from hpmagic.tuners.turns import settle

__all__ = ["BayesTuner"]

_TAG = 0x6261796573
_FIRST = 3
"""Points before the first model, besides what a person chose."""
_PER_BRANCH, _LEAST_FIRST, _MOST_FIRST = 2, 4, 10
"""With branches, so many for each value of the largest choice, but within these bounds in all."""
_NEAR = 0.3
"""With branches, how far the first points go from the written values, in parts of the whole way."""
_INNER = 0.7
"""Without, how far from the middle, so that none is at the very end of its range."""
_STARTS = 2
"""The best points of earlier studies that are tried first."""
_DOUBT, _FADED = 3, 25
"""Earlier studies have no say in every third proposal, and none from so many trials on."""
_FEWEST = 3
"""Trials with a value before the first model."""
_OTHERS = 6
"""Members of the committee beside the likeliest process."""
_PARENTS = 5
_REMEMBERED = 100
"""Up to so many trials of earlier sessions the fits of then are made once more."""


@dataclass
class _Planned:
    """The values of one trial: planned ones from the search, others drawn as they are asked for."""

    tuner: BayesTuner
    units: Mapping[str, float]
    rng: np.random.Generator
    values: dict[str, Any] = field(default_factory=dict)

    def suggest(self, parameter: Parameter) -> Any:
        assert parameter.distribution is not None
        column = self.tuner.column(parameter.name, parameter.distribution)
        unit = self.units.get(parameter.name)
        value = column.value(float(self.rng.random()) if unit is None else unit)
        self.values[parameter.name] = value
        return value


class BayesTuner:
    """A Gaussian process that proposes where the expected improvement is largest.

    Beside what a person chose it starts with the middle of the ranges and two scrambled Sobol
    points; where there are branches, with 4 to 10 of the latter. The first objective counts. A
    trial that failed tells where trials fail. Where there are earlier studies their best points
    come first, and what they expect is part of the model.

    The same seed and the same trials told one after another give the same proposals, be it in one
    session or, up to a hundred trials, in several.
    """

    def __init__(self, context: TunerContext) -> None:
        self._context = context
        self._sign = context.objectives[0].direction.sign
        self._branches = any(parameter.conditional for parameter in context.space.values())
        self._columns: dict[str, Column] = {}
        self._trials: list[Trial] = []
        self._told: list[Observation] = []
        self._running: list[_Planned] = []
        self._lengths: dict[str, float] = {}
        self._scales: tuple[float, float] | None = None
        self._cached_starts: list[dict[str, float]] | None = None
        self._cached_beliefs: list[Belief] | None = None
        for parameter in context.space.values():
            if parameter.distribution is not None:
                self.column(parameter.name, parameter.distribution)

    def column(self, name: str, distribution: Any) -> Column:
        """The column of a hyperparameter; made anew when its distribution is new or has changed."""
        known = self._columns.get(name)
        if known is not None and known.distribution == distribution:
            return known
        column = self._columns[name] = Column.of(name, distribution)
        if known is not None:
            self._told = [self._digest(trial) for trial in self._trials]
        return column

    def ask(self) -> Proposal:
        number = len(self._trials) + len(self._running)
        rng = np.random.default_rng([self._context.seed, _TAG, number])
        own = self._own(len(self._trials)) + len(self._running)
        starts = self._starts()
        if own < len(starts) and not self._known(starts[own]):
            units = starts[own]
        elif not self._can_search(own, len(self._told)):
            units = self._initial(own)
        else:
            with one_thread():
                units = self._search(rng)
        planned = _Planned(self, units, rng)
        self._running.append(planned)
        return planned

    def tell(self, trial: Trial) -> None:
        for name, distribution in trial.distributions.items():
            self.column(name, distribution)
        self._trials.append(trial)
        self._told.append(self._digest(trial))
        settle(self._running, trial)

    def _own(self, count: int) -> int:
        """How many of the first ``count`` trials were proposed here."""
        return sum(trial.origin is Origin.TUNER for trial in self._trials[:count])

    def _can_search(self, own: int, count: int) -> bool:
        """Whether the first points are over, and ``count`` trials are enough for a model."""
        valued = sum(t.cost is not None and t.placed for t in self._told[:count])
        return own >= self._first() and valued >= _FEWEST and bool(self._columns)

    def _digest(self, trial: Trial) -> Observation:
        return Observation.of(trial, self._columns, self._sign)

    def _first(self) -> int:
        """How many points come before the first model.

        Where there are branches each of them deserves more than one trial: a branch that was seen
        once, at bad values, looks hopeless to the process.
        """
        if self._starts():
            return len(self._starts()) + _FIRST
        if not self._branches:
            return _FIRST
        choices = [c.levels for c in self._columns.values() if not c.ordered]
        widest = max((len(levels) for levels in choices if levels is not None), default=0)
        return min(max(_LEAST_FIRST, _PER_BRANCH * widest), _MOST_FIRST)

    def _starts(self) -> list[dict[str, float]]:
        """Points that earlier studies found good, in this study's units."""
        if not self._context.earlier:
            return []
        if self._cached_starts is None:
            columns = [self._columns[name] for name in self._context.space if name in self._columns]
            written = self._context.space.defaults
            defaults = {c.name: c.unit(written[c.name]) for c in columns if c.name in written}
            known = {name: unit for name, unit in defaults.items() if unit != UNKNOWN}
            self._cached_starts = first_points(self._context.earlier, columns, known, _STARTS)
        return self._cached_starts

    def _known(self, start: Mapping[str, float]) -> bool:
        """Whether a trial has had these values already, such as the written default."""
        return any(
            all(abs(unit - start.get(name, unit)) < 1e-7 for name, unit in told.units.items())
            for told in self._told
            if told.units
        )

    def _beliefs(self, own: int) -> list[Belief]:
        """What earlier studies expect; nothing for every third proposal, nor in the long run.

        An earlier study may have been caught in a local optimum, which its expectation passes on
        and no trial near it contradicts.
        """
        if own % _DOUBT == 0 or own >= _FADED or not self._context.earlier:
            return []
        if self._cached_beliefs is None:
            columns = list(self._columns.values())
            found = [Expectation.of(study, columns) for study in self._context.earlier]
            self._cached_beliefs = [belief for belief in found if belief is not None]
        return self._cached_beliefs

    def _initial(self, number: int) -> dict[str, float]:
        """The point with this number before the first model."""
        units = self._sobol(number)
        if self._branches:
            # They are to tell branches apart, and a branch is to be judged by sensible values.
            return drawn_in(units, self._columns, self._written(), _NEAR)
        if number == 0:
            centre = middle(units, self._written(), self._columns)
            if not self._known(centre):
                return centre
        return drawn_in(units, self._columns, dict.fromkeys(units, MIDDLE), _INNER)

    def _sobol(self, number: int) -> dict[str, float]:
        """The point with this number of a scrambled Sobol sequence (Owen 1998)."""
        from scipy.stats import qmc

        names = list(dict.fromkeys([*self._context.space, *self._columns]))
        if not names:
            return {}
        rng = np.random.default_rng([self._context.seed, _TAG])
        points = qmc.Sobol(len(names), scramble=True, rng=rng).random(_next_power(number + 1))
        return dict(zip(names, map(float, points[number]), strict=True))

    def _written(self) -> Mapping[str, float]:
        """The units of the written values; nothing when they were not tried."""
        default = next((t for t in self._trials if t.origin is Origin.DEFAULT), None)
        if default is None:
            return {}
        units = self._digest(default).units
        return {n: u for n, u in units.items() if u != UNKNOWN or not self._columns[n].ordered}

    def _search(self, rng: np.random.Generator) -> dict[str, float]:
        if self._scales is None and len(self._told) <= _REMEMBERED:
            self._remember()
        surrogate = self._fit(len(self._told), len(self._running), rng, others=_OTHERS)
        columns = surrogate.columns
        running = self._running_points(surrogate)
        improvement = Improvement(surrogate.committee, surrogate.inputs(running))
        safe = Feasibility.of(surrogate)

        def worth(points: Points) -> Array:
            seen = surrogate.inputs(points)
            value = improvement.log(seen)
            if not self._branches:
                value += log_belief(points, columns, len(self._trials) + len(running))
            return value if safe is None else value + safe.log_probability(seen)

        expected, _ = surrogate.likeliest.predict(surrogate.likeliest.inputs)
        parents = surrogate.points.take(np.argsort(expected, kind="stable")[:_PARENTS])
        known = parents.active & (parents.units != UNKNOWN)
        found = best_point(
            worth,
            surrogate.complete,
            columns,
            parents=np.where(known, parents.units, rng.random(known.shape)),
            seen={*surrogate.told.keys(), *running.keys()},
            rng=rng,
        )
        return {column.name: float(unit) for column, unit in zip(columns, found, strict=True)}

    def _fit(
        self, count: int, running: int, rng: np.random.Generator, *, others: int = 0
    ) -> Surrogate:
        """A surrogate of the first ``count`` trials. Its fit starts from that of the last one."""
        told = self._told[:count]
        columns = in_order_of_drawing(list(self._columns.values()), told)
        beliefs = self._beliefs(count + running)
        surrogate = Surrogate.fit(
            told, columns, rng, last=self._last(columns), others=others, beliefs=beliefs
        )
        hyper = surrogate.likeliest.hyper
        names = [column.name for column in columns]
        self._lengths = dict(zip(names, map(float, hyper.lengths), strict=True))
        self._scales = (hyper.amplitude, hyper.noise)
        return surrogate

    def _remember(self) -> None:
        """Fit as the session did whose trials were told: each fit starts from the one before."""
        rng = np.random.default_rng(0)  # for the others of the committee, of which there are none
        for count, trial in enumerate(self._trials):
            if trial.origin is Origin.TUNER and self._can_search(self._own(count), count):
                self._fit(count, 0, rng)

    def _last(self, columns: Sequence[Column]) -> Hyper | None:
        """The hyperparameters of the last fit; a dimension that is new gets the length scale 1."""
        if self._scales is None:
            return None
        lengths = [self._lengths.get(column.name, 0.0) for column in columns]
        return Hyper(np.array(lengths), *self._scales)

    def _running_points(self, surrogate: Surrogate) -> Points:
        """Trials asked for and not told yet, by what is drawn of them and what is planned."""
        rows = []
        for planned in self._running:
            to_come = {
                name: float(self._columns[name].snap(np.array([unit]))[0])
                for name, unit in planned.units.items()
                if name in self._columns
            }
            drawn = {n: self._columns[n].unit(v) for n, v in planned.values.items()}
            rows.append({**to_come, **drawn})
        return surrogate.complete(Points.of(rows, surrogate.columns).units)


def _next_power(number: int) -> int:
    return 1 << max(number - 1, 0).bit_length()
