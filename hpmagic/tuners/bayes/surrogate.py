"""The surrogate: what trials so far say of the cost at any point of the space.

It is what the tuner searches, what a study's findings are read from, and what says that further
trials are not worth their time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hpmagic.records import Objective, Trial
from hpmagic.tuners.bayes.activity import Activity
from hpmagic.tuners.bayes.encoding import Array, Column, Flags, Inputs, Points, features
from hpmagic.tuners.bayes.evidence import Evidence, Hyper
from hpmagic.tuners.bayes.observations import (
    Observation,
    columns_of,
    costs_of,
    failed,
    in_order_of_drawing,
    most_telling,
)
from hpmagic.tuners.bayes.process import GaussianProcess
from hpmagic.tuners.bayes.targets import Scale

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["Belief", "Surrogate", "one_thread"]

_ENOUGH = 250
"""Trials the model is fitted to at most."""
_SMALL = 100
"""Up to so many trials the likeliest hyperparameters are sought in full, and others beside them."""


_HALF = math.log(0.5)


class Belief(Protocol):
    """What an earlier study expects of points: standardised costs, shape (n,)."""

    def __call__(self, points: Points, columns: Sequence[Column]) -> Array: ...


@dataclass(frozen=True)
class Surrogate:
    """A committee of Gaussian processes, the likeliest first, fitted to ``points``.

    ``costs`` are theirs, not standardised; ``scale`` leads from them to what the processes know.
    ``told`` are all trials, ``lost`` which of them failed.
    """

    columns: tuple[Column, ...]
    activity: Activity
    scale: Scale
    points: Points
    costs: Array
    committee: tuple[GaussianProcess, ...]
    told: Points
    lost: Flags
    beliefs: tuple[Belief, ...] = ()
    usual: Array | None = None
    """The beliefs' means over the trials, which say nothing."""

    @classmethod
    def fit(
        cls,
        observations: Sequence[Observation],
        columns: Sequence[Column],
        rng: np.random.Generator,
        *,
        last: Hyper | None = None,
        others: int = 0,
        thorough: bool = False,
        whole: bool = False,
        beliefs: Sequence[Belief] = (),
    ) -> Surrogate:
        """Fit to trials, at least one of which has a place and a cost.

        Args:
            observations: the trials; with more than 250 the best of them, the newest and an even
                sample of the rest are taken.
            columns: the hyperparameters.
            rng: where the members of the committee are drawn from.
            last: a good place to start, such as the last fit's.
            others: how many processes there are beside the likeliest, with up to 100 trials.
            thorough: also start where trials are mostly noise. It takes longer, and matters to
                whoever is to be told what the trials mean: noise that is taken for structure does
                the search little harm, but is a false statement.
            whole: model bad regions as well as good ones, see `Scale.of`.
            beliefs: what earlier studies expect.
        """
        observations = [o for o in observations if o.placed]
        told = Points.of([o.units for o in observations], columns)
        lost = failed(observations)
        costs = costs_of(observations)
        kept = most_telling(costs, _ENOUGH)
        bare = cls(
            tuple(columns),
            Activity.learn(told, columns, lost),
            Scale.of(costs[kept], whole=whole),
            told.take(np.flatnonzero(~lost)[kept]),
            costs[kept],
            (),
            told,
            lost,
            tuple(beliefs),
        )
        if beliefs:
            believed = bare.inputs(bare.points).beliefs
            assert believed is not None
            bare = replace(bare, usual=believed.mean(axis=0))
        inputs, targets = bare.inputs(bare.points), bare.scale.forward(bare.costs)
        small = len(kept) <= _SMALL
        start = Hyper.prior_mode(inputs)
        starts = [start] if last is None else [last, start] if small else [last]
        if thorough:
            starts.append(replace(start, amplitude=_HALF, noise=_HALF))
        steps = 40 if small else 8 if last is not None else 20
        mode = (evidence := Evidence(inputs, targets)).mode(starts, steps)
        hypers = [mode, *(evidence.around(mode, others, rng) if small and others else [])]
        committee = [GaussianProcess.given(hyper, inputs, targets) for hyper in hypers]
        return replace(bare, committee=tuple(committee))

    @classmethod
    def of_trials(
        cls,
        trials: Sequence[Trial],
        objective: Objective,
        *,
        index: int = 0,
        others: int = 0,
        whole: bool = False,
    ) -> Surrogate | None:
        """A surrogate of a study; None when fewer than two trials have a value."""
        columns = columns_of(trials)
        sign = objective.direction.sign
        observations = [Observation.of(trial, columns, sign, index) for trial in trials]
        if not columns or sum(o.cost is not None and o.placed for o in observations) < 2:
            return None
        ordered = in_order_of_drawing(list(columns.values()), observations)
        rng = np.random.default_rng(len(observations))
        with one_thread():
            return cls.fit(observations, ordered, rng, others=others, thorough=True, whole=whole)

    @property
    def likeliest(self) -> GaussianProcess:
        return self.committee[0]

    def inputs(self, points: Points) -> Inputs:
        """What the processes see of points."""
        seen = features(points, self.columns, self.activity.conditional)
        if not self.beliefs:
            return seen
        believed = np.stack([belief(points, self.columns) for belief in self.beliefs], axis=1)
        return replace(seen, beliefs=believed if self.usual is None else believed - self.usual)

    def complete(self, units: Array) -> Points:
        """Rows of units with which of them are reached."""
        return Points(units, self.activity.predict(units))

    def predict(self, points: Points) -> tuple[Array, Array]:
        """Mean and standard deviation of standardised costs, by the whole committee.

        The deviation holds what the members disagree about.
        """
        inputs = self.inputs(points)
        told = [process.predict(inputs) for process in self.committee]
        means = np.array([mean for mean, _ in told])
        variances = np.array([np.square(deviation) for _, deviation in told])
        variance = variances.mean(axis=0) + means.var(axis=0)
        return means.mean(axis=0), np.sqrt(variance)


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra on one core: at this size more of them cost time."""
    with _threads().limit(limits=1, user_api="blas"):
        yield


@cache
def _threads() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - what is loaded later would not be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
