"""The point that is worth most.

Values are mixed and only some are reached, so the worth is climbed without gradients: many random
points, mutants of the best trials, then mutants of the best of all these in steps that shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Column, Points

__all__ = ["best_point", "mutants"]

_RANDOM = 1000
_PER_PARENT = 100
_KEPT = 5
_STEPS = (0.1, 0.05, 0.02, 0.01, 0.005)
_OFFSPRING = 40


def best_point(
    worth: Callable[[Points], Array],
    complete: Callable[[Array], Points],
    columns: Sequence[Column],
    *,
    parents: Array,
    seen: Container[bytes],
    rng: np.random.Generator,
) -> Array:
    """The units of the most worthy point found that is not in ``seen``.

    Args:
        worth: larger is better, for each of some points.
        complete: adds to rows of units which of them are reached.
        columns: the d hyperparameters.
        parents: shape (k, d), good points to start from.
        seen: keys of points not to be tried again.
        rng: where randomness comes from.
    """

    def fittest(units: Array) -> Array:
        """The best few that differ, best first."""
        units = np.stack([c.snap(units[:, i]) for i, c in enumerate(columns)], axis=1)
        points = complete(units)
        keys = points.keys()
        known = np.array([key in seen for key in keys])
        scores = np.where(known, -np.inf, worth(points))
        distinct: dict[bytes, int] = {}
        for index in np.argsort(-scores, kind="stable"):
            distinct.setdefault(keys[index], int(index))
            if len(distinct) == _KEPT:
                break
        return np.asarray(units[list(distinct.values())])

    pool = [rng.random((_RANDOM, len(columns)))]
    pool += [
        mutants(parents, columns, step, _PER_PARENT // 4, rng) for step in (0.3, 0.1, 0.03, 0.01)
    ]
    best = fittest(np.concatenate(pool))
    for step in _STEPS:
        best = fittest(np.concatenate([best, mutants(best, columns, step, _OFFSPRING, rng)]))
    return np.asarray(best[0])


def mutants(
    parents: Array, columns: Sequence[Column], step: float, count: int, rng: np.random.Generator
) -> Array:
    """``count`` variations of each parent: some values moved by about ``step``, categories redrawn.

    Each value is changed with a probability that makes two changes a mutant likely.
    """
    dimensions = len(columns)
    rows = np.repeat(parents, count, axis=0)
    shape = rows.shape
    change = rng.random(shape) < max(2.0 / dimensions, 0.2)
    change[np.arange(len(rows)), rng.integers(dimensions, size=len(rows))] = True
    width = np.array([_width(column, step) for column in columns])
    moved = np.clip(rows + rng.normal(size=shape) * width, 0.0, 1.0)
    redrawn = rng.random(shape)
    ordered = np.array([column.ordered for column in columns])
    return np.where(change, np.where(ordered, moved, redrawn), rows)


def _width(column: Column, step: float) -> float:
    """A step that is wide enough to reach a neighbour."""
    return step if column.levels is None else max(step, 1.0 / len(column.levels))
