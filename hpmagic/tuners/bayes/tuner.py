"""Ask and tell: the Gaussian process as a tuner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpmagic.records import Origin, Trial, TrialState
from hpmagic.space import Parameter
from hpmagic.tuners.base import Proposal, TunerContext
from hpmagic.tuners.bayes.acquisition import Improvement
from hpmagic.tuners.bayes.activity import Activity
from hpmagic.tuners.bayes.encoding import UNKNOWN, Array, Column, Flags, Inputs, Points, features
from hpmagic.tuners.bayes.evidence import Evidence, Hyper
from hpmagic.tuners.bayes.feasibility import Feasibility
from hpmagic.tuners.bayes.process import GaussianProcess
from hpmagic.tuners.bayes.search import best_point
from hpmagic.tuners.bayes.targets import standardised

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["BayesTuner"]

_TAG = 0x6261796573
_FIRST = 4
"""Sobol points before the first model, besides what a person chose."""
_PER_BRANCH, _MOST_FIRST = 2, 10
"""With branches, so many for each value of the largest choice, but no more than this in all."""
_FEWEST = 3
"""Trials with a value before the first model."""
_ENOUGH = 250
"""Trials the model is fitted to at most."""
_SMALL = 100
"""Up to so many trials the likeliest hyperparameters are sought in full, and others beside them."""
_OTHERS = 6
_PARENTS = 5


@dataclass
class _Planned:
    """The values of one trial: planned ones from the search, others drawn as they are asked for."""

    tuner: BayesTuner
    units: Mapping[str, float]
    rng: np.random.Generator
    drawn: dict[str, Any] = field(default_factory=dict)

    def suggest(self, parameter: Parameter) -> Any:
        assert parameter.distribution is not None
        column = self.tuner.column(parameter.name, parameter.distribution)
        unit = self.units.get(parameter.name)
        value = column.value(float(self.rng.random()) if unit is None else unit)
        self.drawn[parameter.name] = value
        return value


@dataclass(frozen=True)
class _Told:
    """What is kept of a trial. ``cost`` is None when it failed."""

    units: Mapping[str, float]
    cost: float | None
    pruned: bool


class BayesTuner:
    """A Gaussian process that proposes where the expected improvement is largest.

    It starts with 5 to 10 scrambled Sobol points, trials that a person chose included. The first
    objective counts. A trial that failed tells where trials fail; one that was pruned counts as its
    last value, but as no better than the median of the complete ones: it was stopped because it was
    worse, and an early value must not look better than a final one. With more than 250 trials the
    model is fitted to the best of them, the newest and an even sample of the rest.

    The same seed and the same trials told give the same proposals.
    """

    def __init__(self, context: TunerContext) -> None:
        self._context = context
        self._sign = context.objectives[0].direction.sign
        self._columns: dict[str, Column] = {}
        self._trials: list[Trial] = []
        self._told: list[_Told] = []
        self._running: list[_Planned] = []
        self._lengths: dict[str, float] = {}
        self._scales: tuple[float, float] | None = None
        self._threads: ThreadpoolController | None = None
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
        own = len(self._running) + sum(t.origin is Origin.TUNER for t in self._trials)
        valued = sum(t.cost is not None for t in self._told)
        if own < self._first() or valued < _FEWEST or not self._columns:
            units = self._sobol(own)
        else:
            with self._one_thread():
                units = self._search(rng)
        planned = _Planned(self, units, rng)
        self._running.append(planned)
        return planned

    def tell(self, trial: Trial) -> None:
        for name, distribution in trial.distributions.items():
            self.column(name, distribution)
        self._trials.append(trial)
        self._told.append(self._digest(trial))
        if trial.origin is Origin.TUNER and self._running:
            self._running.remove(max(self._running, key=lambda p: _agreement(p, trial)))

    def _one_thread(self) -> AbstractContextManager[object]:
        """Linear algebra on one core: at this size more of them cost time."""
        from threadpoolctl import ThreadpoolController

        self._threads = self._threads or ThreadpoolController()
        limited: AbstractContextManager[object] = self._threads.limit(limits=1, user_api="blas")
        return limited

    def _digest(self, trial: Trial) -> _Told:
        units = {n: self._columns[n].unit(v) for n, v in trial.params.items() if n in self._columns}
        usable = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        cost = self._sign * trial.values[0] if usable and trial.values else None
        return _Told(units, cost, trial.state is TrialState.PRUNED)

    def _first(self) -> int:
        """How many Sobol points come first.

        Where there are branches each of them deserves more than one trial: a branch that was seen
        once, at bad values, looks hopeless to the process.
        """
        if not any(parameter.conditional for parameter in self._context.space.values()):
            return _FIRST
        choices = [c.levels for c in self._columns.values() if not c.ordered]
        widest = max((len(levels) for levels in choices if levels is not None), default=0)
        return min(max(_FIRST, _PER_BRANCH * widest), _MOST_FIRST)

    def _sobol(self, number: int) -> dict[str, float]:
        """The point with this number of a scrambled Sobol sequence (Owen 1998)."""
        from scipy.stats import qmc

        names = list(dict.fromkeys([*self._context.space, *self._columns]))
        if not names:
            return {}
        rng = np.random.default_rng([self._context.seed, _TAG])
        points = qmc.Sobol(len(names), scramble=True, rng=rng).random(_next_power(number + 1))
        return dict(zip(names, map(float, points[number]), strict=True))

    def _search(self, rng: np.random.Generator) -> dict[str, float]:
        columns = list(self._columns.values())
        told = Points.of([t.units for t in self._told], columns)
        activity = Activity.learn(told, columns)
        running = self._running_points(columns, activity)

        def inputs(points: Points) -> Inputs:
            return features(points, columns, activity.conditional)

        failed = np.array([t.cost is None for t in self._told])
        costs = self._costs(failed)
        kept = _most_telling(costs, _ENOUGH)
        modelled = told.take(np.flatnonzero(~failed)[kept])
        committee = self._committee(inputs(modelled), standardised(costs[kept]), rng)
        improvement = Improvement(committee, inputs(running))
        newest = slice(-_ENOUGH, None)
        safe = Feasibility(inputs(told.take(newest)), failed[newest]) if failed.any() else None

        def worth(points: Points) -> Array:
            seen = inputs(points)
            value = improvement.log(seen)
            return value if safe is None else value + safe.log_probability(seen)

        def complete(units: Array) -> Points:
            return Points(units, activity.predict(units))

        expected, _ = committee[0].predict(committee[0].inputs)
        parents = modelled.take(np.argsort(expected, kind="stable")[:_PARENTS])
        known = parents.active & (parents.units != UNKNOWN)
        found = best_point(
            worth,
            complete,
            columns,
            parents=np.where(known, parents.units, rng.random(known.shape)),
            seen={*told.keys(), *running.keys()},
            rng=rng,
        )
        return {column.name: float(unit) for column, unit in zip(columns, found, strict=True)}

    def _running_points(self, columns: Sequence[Column], activity: Activity) -> Points:
        """Trials asked for and not told yet, by what is drawn of them and what is planned."""
        rows = []
        for planned in self._running:
            drawn = {n: self._columns[n].unit(v) for n, v in planned.drawn.items()}
            rows.append({**planned.units, **drawn})
        units = Points.of(rows, columns).units
        return Points(units, activity.predict(units))

    def _costs(self, failed: Flags) -> Array:
        """The costs of the trials that did not fail, those of pruned ones made pessimistic."""
        costs = np.array([t.cost for t in self._told if t.cost is not None], dtype=float)
        pruned = np.array([t.pruned for t in self._told])[~failed]
        if pruned.any() and not pruned.all():
            costs = np.where(pruned, np.maximum(costs, np.median(costs[~pruned])), costs)
        return costs

    def _committee(
        self, inputs: Inputs, costs: Array, rng: np.random.Generator
    ) -> list[GaussianProcess]:
        """The likeliest process first, then some that are nearly as likely."""
        small = len(costs) <= _SMALL
        start = Hyper.prior_mode(inputs)
        starts = [start]
        if self._scales is not None:
            pairs = zip(self._columns, start.lengths, strict=True)
            lengths = np.array([self._lengths.get(name, usual) for name, usual in pairs])
            last = Hyper(lengths, *self._scales)
            starts = [last, start] if small else [last]
        evidence = Evidence(inputs, costs)
        mode = evidence.mode(starts, iterations=40 if small else 8)
        self._lengths = dict(zip(self._columns, map(float, mode.lengths), strict=True))
        self._scales = (mode.amplitude, mode.noise)
        others = evidence.around(mode, _OTHERS, rng) if small else []
        return [GaussianProcess.given(hyper, inputs, costs) for hyper in (mode, *others)]


def _agreement(planned: _Planned, trial: Trial) -> int:
    """How many values of a proposal a trial has."""
    return sum(
        trial.distributions[name].key(value) == trial.distributions[name].key(trial.params[name])
        for name, value in planned.drawn.items()
        if name in trial.params and name in trial.distributions
    )


def _most_telling(costs: Array, most: int) -> Any:
    """Indices of at most ``most`` trials: the best, the newest, and an even sample of the rest."""
    if len(costs) <= most:
        return np.arange(len(costs))
    chosen = set(np.argsort(costs, kind="stable")[: most // 2].tolist())
    chosen |= set(range(len(costs) - most // 5, len(costs)))
    rest = [i for i in range(len(costs)) if i not in chosen]
    spread = np.linspace(0, len(rest) - 1, most - len(chosen)).round().astype(int)
    return np.array(sorted(chosen | {rest[i] for i in spread}))


def _next_power(number: int) -> int:
    return 1 << max(number - 1, 0).bit_length()
