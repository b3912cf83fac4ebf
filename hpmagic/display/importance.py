"""How much of the objective's variation each hyperparameter explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpmagic.distributions import Choice, Distribution
from hpmagic.records import Direction, Objective, Trial, TrialState

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FEWEST", "Importance", "importances"]

FEWEST = 10
"""Below so many complete trials nothing is said."""

_MOST_TRIALS = 600
_SAMPLES = 512
_TREES = 80
_UNUSED = -0.5


@dataclass(frozen=True, slots=True)
class Importance:
    """``shares`` by name, largest first, with sum 1; ``fit`` is the forest's R squared on trials
    that it did not see, and ``trials`` how many it was fitted to.

    A share is proportional to the total effect (Homma and Saltelli 1996): the part of the variance,
    over the whole space, that comes from that hyperparameter alone or together with others.
    """

    shares: Mapping[str, float]
    fit: float
    trials: int

    @property
    def clear(self) -> bool:
        """Whether the forest predicts unseen trials well enough for the shares to mean much."""
        return self.fit >= 0.2


def importances(trials: Sequence[Trial], objective: Objective, index: int = 0) -> Importance | None:
    """Shares from a random forest fitted to the complete trials.

    Categories are told apart, not ordered; 'not reached' is a value of its own; a long tail of bad
    values is cut, so that one disaster does not explain everything.

    Args:
        trials: the study's.
        objective: what is explained.
        index: its place among the study's objectives.

    Returns:
        None with fewer than `FEWEST` complete trials, or when nothing varies.
    """
    import warnings

    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    complete = [t for t in trials if t.state is TrialState.COMPLETE and t.values]
    if len(complete) > _MOST_TRIALS:
        stride = len(complete) / _MOST_TRIALS
        complete = [complete[int(i * stride)] for i in range(_MOST_TRIALS)]
    if len(complete) < FEWEST:
        return None
    target = _tamed(np.array([(t.values or ())[index] for t in complete]), objective.direction)
    features = [
        _Feature.of(name, complete) for name in dict.fromkeys(n for t in complete for n in t.params)
    ]
    varying = [feature for feature in features if feature.varies]
    if not varying or np.ptp(target) <= 1e-9 * max(1e-300, float(np.abs(target).max())):
        return None
    units = np.array([[feature.unit(trial) for feature in varying] for trial in complete])
    forest = RandomForestRegressor(
        _TREES, min_samples_leaf=2, max_features=0.7, bootstrap=True, oob_score=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with few trees some rows have no out-of-bag estimate
        forest.fit(_encoded(units, varying), target)
    shares = _total_effects(forest, units, varying)
    ranked = dict(sorted(shares.items(), key=lambda pair: -pair[1]))
    return Importance(ranked, float(forest.oob_score_), len(complete))


@dataclass(frozen=True, slots=True)
class _Feature:
    """One hyperparameter as a coordinate in [0, 1], with 'not used' beside it."""

    name: str
    distribution: Distribution
    categories: int
    varies: bool

    @classmethod
    def of(cls, name: str, trials: Sequence[Trial]) -> _Feature:
        distribution = next(t.distributions[name] for t in trials if name in t.params)
        keys = {distribution.key(t.params[name]) if name in t.params else None for t in trials}
        ordered = distribution.ordered or not isinstance(distribution, Choice)
        size = 0 if ordered else len(distribution.options)  # type: ignore[attr-defined]
        return cls(name, distribution, size if 2 < size <= 12 else 0, len(keys) > 1)

    def unit(self, trial: Trial) -> float:
        if self.name not in trial.params:
            return _UNUSED
        try:
            unit = self.distribution.to_unit(trial.params[self.name])
        except Exception:  # noqa: BLE001 - a person's own default may lie outside in any way
            return 0.5
        return min(max(unit, -0.1), 1.1) if math.isfinite(unit) else 0.5


def _tamed(target: np.ndarray[Any, Any], direction: Direction) -> np.ndarray[Any, Any]:
    import numpy as np

    costs = direction.sign * target
    q1, q2, q3 = np.quantile(costs, [0.25, 0.5, 0.75])
    ceiling = q3 + 3 * max(q3 - q1, 1e-9 * abs(q2))
    tamed: np.ndarray[Any, Any] = np.minimum(costs, ceiling)
    return tamed


def _encoded(units: np.ndarray[Any, Any], features: Sequence[_Feature]) -> np.ndarray[Any, Any]:
    import numpy as np

    columns = []
    for index, feature in enumerate(features):
        unit = units[:, index]
        if feature.categories:
            place = np.where(unit < 0, -1, np.floor(unit * feature.categories))
            columns += [(place == i).astype(float) for i in range(feature.categories)]
        else:
            columns.append(unit)
    return np.column_stack(columns)


def _total_effects(
    forest: Any, observed: np.ndarray[Any, Any], features: Sequence[_Feature]
) -> dict[str, float]:
    """Jansen's estimator over points drawn evenly from the space, used as the trials used it."""
    import numpy as np

    rng = np.random.default_rng(0)
    pattern = observed[rng.integers(len(observed), size=_SAMPLES)]

    def fresh(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        drawn: np.ndarray[Any, Any] = np.where(column < 0, column, rng.random(len(column)))
        return drawn

    # What is used depends on the categories, so these stay as observed in the starting points.
    base = pattern.copy()
    for index, feature in enumerate(features):
        if feature.distribution.ordered:
            base[:, index] = fresh(base[:, index])
    predicted = forest.predict(_encoded(base, features))
    variance = float(np.var(predicted))
    shares = {}
    for index, feature in enumerate(features):
        moved = base.copy()
        values = observed[:, index]
        if (values < 0).any() or not feature.distribution.ordered:
            moved[:, index] = values[rng.integers(len(values), size=_SAMPLES)]
        else:
            moved[:, index] = fresh(base[:, index])
        change = predicted - forest.predict(_encoded(moved, features))
        share = float(np.mean(change**2)) / (2 * variance) if variance > 0 else 0.0
        shares[feature.name] = share
    total = sum(shares.values())
    return {name: share / total if total else 0.0 for name, share in shares.items()}
