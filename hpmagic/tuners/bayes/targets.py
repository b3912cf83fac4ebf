"""Objectives become costs that a Gaussian process can believe in.

Two things spoil a Gaussian process at a few dozen trials: a handful of disasters that are orders of
magnitude worse than everything else, and skew. Disasters are drawn in to a cap that depends on the
better half only; then a Yeo-Johnson power transform (Yeo and Johnson, "A new family of power
transformations to improve normality or symmetry", Biometrika 2000) makes the rest as normal as it
can. Both keep the order of the trials, apart from ties at the cap.
"""

from __future__ import annotations

import numpy as np

from hpmagic.tuners.bayes.encoding import Array

__all__ = ["standardised", "winsorised", "yeo_johnson"]

_CAP = 2.0


def standardised(costs: Array) -> Array:
    """Costs, smaller is better, with their tail drawn in, warped, mean 0 and variance 1.

    >>> standardised(np.array([1.0, 2.0, 3.0, 1e9])).round(1).max() < 2
    np.True_
    """
    capped = winsorised(costs)
    spread = capped.std()
    if not spread > 1e-12 * max(1.0, float(np.abs(capped).max())):
        return np.zeros_like(capped)
    warped = yeo_johnson((capped - np.median(capped)) / spread)
    return np.asarray((warped - warped.mean()) / max(float(warped.std()), 1e-12))


def winsorised(costs: Array) -> Array:
    """Costs cut at the median plus a multiple of the distance from the best to the median.

    >>> winsorised(np.array([0.0, 1.0, 2.0, 3.0, 1e6])).max()
    np.float64(6.0)
    """
    middle, best = float(np.median(costs)), float(costs.min())
    upper = float(np.quantile(costs, 0.75))
    cap = max(upper, middle + _CAP * (middle - best))
    return np.minimum(costs, cap)


def yeo_johnson(values: Array) -> Array:
    """``values`` under the power transform with the likeliest exponent between -2 and 4."""
    from scipy.optimize import minimize_scalar

    slope = np.sign(values) * np.log1p(np.abs(values))

    def unlikelihood(power: float) -> float:
        variance = float(_power_transform(values, power).var())
        if not variance > 1e-12:
            return 1e12
        return float(len(values) / 2 * np.log(variance) - (power - 1) * slope.sum())

    found = minimize_scalar(unlikelihood, bounds=(-2.0, 4.0), method="bounded")
    return _power_transform(values, float(found.x))


def _power_transform(values: Array, power: float) -> Array:
    up, down = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    above = np.log1p(up) if abs(power) < 1e-6 else np.expm1(power * np.log1p(up)) / power
    other = 2.0 - power
    below = np.log1p(down) if abs(other) < 1e-6 else np.expm1(other * np.log1p(down)) / other
    return np.where(values >= 0, above, -below)
