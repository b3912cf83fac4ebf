"""What the ranges say, before any trial.

Who writes ``loguniform(1e-5, 1e-1)`` believes that the best value lies within, and more likely in
the middle than at an end. The middle of all ranges is therefore tried early, and the worth of a
point is multiplied by a normal density round the middle, to a power that fades as trials come in:
the first few proposals do not go to the corners, where a process that knows little sees most to
gain, and later ones go where trials say (Hvarfner et al., "piBO: Augmenting Acquisition Functions
with User Beliefs for Bayesian Optimization", ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hpmagic.tuners.bayes.encoding import UNKNOWN, Array, Column, Points

__all__ = ["MIDDLE", "drawn_in", "log_belief", "middle"]

MIDDLE = 0.5
_WIDTH = 0.3
"""The density's standard deviation, in parts of a range."""
_TRIALS = 5.0
"""With so many trials the density counts as it is; with more, less."""


def middle(
    units: Mapping[str, float], written: Mapping[str, float], columns: Mapping[str, Column]
) -> dict[str, float]:
    """Every ordered value in the middle; categories as ``written``, else as in ``units``."""
    found = {}
    for name, unit in units.items():
        column = columns.get(name)
        if column is not None and column.ordered:
            found[name] = float(column.snap(np.array([MIDDLE]))[0])
        else:
            option = written.get(name, UNKNOWN)
            found[name] = unit if option == UNKNOWN else option
    return found


def drawn_in(
    units: Mapping[str, float],
    columns: Mapping[str, Column],
    centre: Mapping[str, float],
    share: float,
) -> dict[str, float]:
    """Ordered values moved towards ``centre``, to ``share`` of the way that they lie from it."""
    return {
        name: centre[name] + share * (unit - centre[name])
        if name in centre and name in columns and columns[name].ordered
        else unit
        for name, unit in units.items()
    }


def log_belief(points: Points, columns: Sequence[Column], trials: int) -> Array:
    """The logarithm of the density at each point, up to a constant, faded after ``trials``."""
    ordered = points.active & np.array([column.ordered for column in columns], dtype=bool)
    away = np.where(ordered, (points.units - MIDDLE) / _WIDTH, 0.0)
    return np.asarray(-0.5 * _TRIALS / max(trials, 1) * np.square(away).sum(axis=1))
