"""What the surrogate says of each hyperparameter: how much it matters, with whom, and where to.

Everything is computed from functions drawn from the surrogate (see `tuners.bayes.draws`), so that
each figure comes with its spread: few trials leave room for many functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

from hpmagic.records import Objective, Trial, TrialState

if TYPE_CHECKING:
    import numpy as np

    from hpmagic.tuners.bayes.encoding import Array, Points
    from hpmagic.tuners.bayes.surrogate import Surrogate

__all__ = ["FEWEST", "Effect", "Importance", "importances"]

FEWEST = 10
"""Below so many complete trials nothing is said."""

_MOST_TRIALS = 150
_DRAWS = 28
_MEMBERS = 6
_SAMPLES = 128
_PAIRED = 5
_STOPS = 33
_CLEAR = 0.4
_TAIL = 0.1


@dataclass(frozen=True, slots=True)
class Effect:
    """A part of the variance, over the space: its mean, and where 80% of what may be lies."""

    share: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Importance:
    """What `importances` found.

    ``shares`` by name, largest first, with sum 1, and ``effects`` the same with their spread. A
    share is proportional to the total effect (Homma and Saltelli 1996): the part of the variance,
    over the whole space, that comes from that hyperparameter alone or together with others.
    ``together`` is, for pairs among the most important, the part that comes from both at once
    (Liu and Owen, "Estimating mean dimension of functional anova decompositions", 2006). ``ends``
    are the chances that along the line through the best trial the optimum lies at the bottom and
    at the top of the range. ``fit`` is the surrogate's R squared on trials left out one by one, and
    ``trials`` how many it was fitted to.
    """

    shares: Mapping[str, float]
    fit: float
    trials: int
    effects: Mapping[str, Effect] = field(default_factory=dict)
    together: Mapping[tuple[str, str], Effect] = field(default_factory=dict)
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def clear(self) -> bool:
        """Whether the surrogate predicts unseen trials well enough for the shares to mean much."""
        return self.fit >= _CLEAR


def importances(trials: Sequence[Trial], objective: Objective, index: int = 0) -> Importance | None:
    """Effects by a Gaussian process fitted to the complete trials.

    Args:
        trials: the study's.
        objective: what is explained.
        index: its place among the study's objectives.

    Returns:
        None with fewer than `FEWEST` complete trials, or when nothing varies.
    """
    import numpy as np

    from hpmagic.tuners.bayes.surrogate import Surrogate, one_thread

    complete = [
        t for t in trials if t.state is TrialState.COMPLETE and t.values and len(t.values) > index
    ]
    if len(complete) > _MOST_TRIALS:
        costs = [objective.direction.sign * t.values[index] for t in complete if t.values]
        complete = [complete[i] for i in _spread(costs, _MOST_TRIALS)]
    if len(complete) < FEWEST:
        return None
    varying = _varying(complete)
    surrogate = Surrogate.of_trials(
        [_only(t, varying) for t in complete], objective, index=index, others=_MEMBERS, whole=True
    )
    if surrogate is None or not surrogate.scale.spread:
        return None
    with one_thread():
        return _effects(surrogate, np.random.default_rng(0))


def _spread(costs: Sequence[float], most: int) -> list[int]:
    """Indices of an even sample, with the best in the place of the one before it."""
    stride = len(costs) / most
    chosen = [int(i * stride) for i in range(most)]
    best = min(range(len(costs)), key=costs.__getitem__)
    if best not in chosen:
        chosen[int(best / stride)] = best
    return chosen


def _effects(surrogate: Surrogate, rng: np.random.Generator) -> Importance:
    """Jansen's estimator of total effects and Liu and Owen's of pairs, on scrambled Sobol points.

    Points without and with some values exchanged are evaluated by every drawn function at once.
    """
    import numpy as np
    from scipy.stats import qmc

    from hpmagic.tuners.bayes.draws import functions

    columns, names = surrogate.columns, [column.name for column in surrogate.columns]
    dimensions = len(columns)
    standardised = functions(surrogate, _DRAWS, rng)
    lowest = float(surrogate.costs.min())
    highest = min(surrogate.scale.cap, float(np.finfo(float).max))
    half = highest / 2 - lowest / 2

    def drawn(points: Points) -> Array:
        """Costs, among which what adds up adds up; disasters are cut off.

        The best of the trials is at 0 and the cut at 2: floors of variances need no unit.
        """
        with np.errstate(over="ignore"):
            costs = surrogate.scale.inverse(standardised(points))
            return np.clip(costs / half - lowest / half, -2.0, 2.0)

    halves = qmc.Sobol(2 * dimensions, rng=rng).random(_SAMPLES)
    halves = np.stack([columns[i % dimensions].snap(u) for i, u in enumerate(halves.T)], axis=1)
    base, other = halves[:, :dimensions], halves[:, dimensions:]

    def exchanged(*indices: int) -> Array:
        moved = base.copy()
        moved[:, indices] = other[:, indices]
        return drawn(surrogate.complete(moved))

    plain = drawn(surrogate.complete(base))
    variance = np.maximum(plain.var(axis=1), 1e-12)
    moved = [exchanged(index) for index in range(dimensions)]
    totals = np.array([((plain - m) ** 2).mean(axis=1) / 2 for m in moved])
    shares = totals / np.maximum(totals.sum(axis=0), 1e-12)
    order = np.argsort(-shares.mean(axis=1), kind="stable")
    effects = {names[i]: _effect(shares[i]) for i in order}
    together = {}
    for i, j in combinations(order[:_PAIRED], 2):
        mixed = plain - moved[i] - moved[j] + exchanged(i, j)
        together[names[i], names[j]] = _effect((mixed**2).mean(axis=1) / 4 / variance)
    process = surrogate.likeliest
    left_out = process.without_each()[0]
    count = len(process.costs)
    # The mean of the others, which is what one would guess, is a little farther than the mean.
    guess = process.costs.var() * (count / (count - 1)) ** 2
    fit = 1.0 - float(np.mean((process.costs - left_out) ** 2) / max(float(guess), 1e-12))
    return Importance(
        {name: effect.share for name, effect in effects.items()},
        fit,
        count,
        effects,
        dict(sorted(together.items(), key=lambda pair: -pair[1].share)),
        _ends(surrogate, drawn),
    )


def _ends(surrogate: Surrogate, drawn: Callable[[Points], Array]) -> dict[str, tuple[float, float]]:
    """How often a drawn function is lowest at an end of the line through the best trial."""
    import numpy as np

    best = int(np.argmin(surrogate.costs))
    lines: dict[str, tuple[float, float]] = {}
    for index, column in enumerate(surrogate.columns):
        if not column.ordered or not surrogate.points.active[best, index]:
            continue
        stops = column.snap(np.linspace(0.0, 1.0, _STOPS))
        line = np.tile(surrogate.points.units[best], (_STOPS, 1))
        line[:, index] = stops
        lowest = stops[np.argmin(drawn(surrogate.complete(line)), axis=1)]
        bottom, top = stops.min(), stops.max()
        reach = 1.5 / (_STOPS - 1)
        lines[column.name] = (
            float((lowest <= bottom + reach).mean()),
            float((lowest >= top - reach).mean()),
        )
    return lines


def _effect(shares: Array) -> Effect:
    import numpy as np

    low, high = np.quantile(shares, [_TAIL, 1.0 - _TAIL])
    mean = float(shares.mean())
    return Effect(mean if math.isfinite(mean) else 0.0, float(low), float(high))


def _varying(trials: Sequence[Trial]) -> set[str]:
    """The hyperparameters that were not the same in all trials."""
    names = dict.fromkeys(n for t in trials for n in t.params)
    keys: dict[str, set[object]] = {name: set() for name in names}
    for trial in trials:
        for name, known in keys.items():
            reached = name in trial.params and name in trial.distributions
            known.add(trial.distributions[name].key(trial.params[name]) if reached else None)
    return {name for name, known in keys.items() if len(known) > 1}


def _only(trial: Trial, names: set[str]) -> Trial:
    return replace(trial, params={n: v for n, v in trial.params.items() if n in names})
