"""Objectives become costs that a Gaussian process can believe in.

Two things spoil a Gaussian process at a few dozen trials: a handful of disasters that are orders of
magnitude worse than everything else, and skew. Disasters are drawn in to a cap that depends on the
better half only; then a Yeo-Johnson power transform (Yeo and Johnson, "A new family of power
transformations to improve normality or symmetry", Biometrika 2000) makes the rest as normal as it
can. Both keep the order of the trials, apart from ties at the cap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpmagic.tuners.bayes.encoding import Array

__all__ = ["Scale", "standardised", "winsorised", "yeo_johnson"]

_CAP = 2.0


@dataclass(frozen=True)
class Scale:
    """The way from costs to standardised ones and back.

    Costs above ``cap`` count as ``cap``; ``power`` is the transform's exponent. A ``spread`` of 0
    says that all costs were equal.
    """

    cap: float
    middle: float
    spread: float
    power: float = 1.0
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, costs: Array, *, whole: bool = False) -> Scale:
        """The scale on which ``costs`` have mean 0 and variance 1.

        ``whole`` says that bad regions matter as much as good ones: then only what is far beyond
        all others is cut.
        """
        cap = _far_beyond(costs) if whole else _cap(costs)
        capped = np.minimum(costs, cap)
        if capped.max() == capped.min():  # three in four are as good as the best
            cap = float(costs.max())
            capped = costs
        size = _power_of_two(float(np.abs(capped).max()))  # squares of costs are to have a place
        middle, spread = float(np.median(capped)), float((capped / size).std()) * size
        if not spread > 1e-12 * size:
            return cls(cap, middle, 0.0)
        centred = (capped - middle) / spread
        power = _likeliest_power(centred)
        warped = _power_transform(centred, power)
        return cls(
            cap, middle, spread, power, float(warped.mean()), max(float(warped.std()), 1e-12)
        )

    def forward(self, costs: Array) -> Array:
        """Standardised costs."""
        if not self.spread:
            return np.zeros_like(costs)
        centred = (np.minimum(costs, self.cap) - self.middle) / self.spread
        return np.asarray((_power_transform(centred, self.power) - self.mean) / self.deviation)

    def inverse(self, values: Array) -> Array:
        """Costs again; infinite where no cost would be transformed to the value.

        >>> scale = Scale.of(np.array([1.0, 2.0, 4.0, 9.0]))
        >>> scale.inverse(scale.forward(np.array([1.5, 3.0]))).round(6)
        array([1.5, 3. ])
        """
        warped = values * self.deviation + self.mean
        return np.asarray(self.middle + self.spread * _power_inverse(warped, self.power))


def standardised(costs: Array) -> Array:
    """Costs, smaller is better, with their tail drawn in, warped, mean 0 and variance 1.

    >>> standardised(np.array([1.0, 2.0, 3.0, 1e9])).round(1).max() < 2
    np.True_
    """
    return Scale.of(costs).forward(costs)


def winsorised(costs: Array) -> Array:
    """Costs cut at the median plus a multiple of the distance from the best to the median.

    >>> winsorised(np.array([0.0, 1.0, 2.0, 3.0, 1e6])).max()
    np.float64(6.0)
    """
    return np.minimum(costs, _cap(costs))


def yeo_johnson(values: Array) -> Array:
    """``values`` under the power transform with the likeliest exponent between -2 and 4."""
    return _power_transform(values, _likeliest_power(values))


def _power_of_two(size: float) -> float:
    """One that is about as large; to divide by it changes no digit."""
    return 2.0 ** (math.frexp(size)[1] - 1) if size else 1.0


def _cap(costs: Array) -> float:
    middle, best = float(np.median(costs)), float(costs.min())
    upper = float(np.quantile(costs, 0.75))
    return max(upper, middle + _CAP * (middle - best))


def _far_beyond(costs: Array) -> float:
    best, worse = float(costs.min()), float(np.quantile(costs, 0.9))
    return worse + _CAP * (worse - best)


def _likeliest_power(values: Array) -> float:
    from scipy.optimize import minimize_scalar

    slope = np.sign(values) * np.log1p(np.abs(values))

    def unlikelihood(power: float) -> float:
        variance = float(_power_transform(values, power).var())
        if not variance > 1e-12:
            return 1e12
        return float(len(values) / 2 * np.log(variance) - (power - 1) * slope.sum())

    return float(minimize_scalar(unlikelihood, bounds=(-2.0, 4.0), method="bounded").x)


def _power_transform(values: Array, power: float) -> Array:
    up, down = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    above = np.log1p(up) if abs(power) < 1e-6 else np.expm1(power * np.log1p(up)) / power
    other = 2.0 - power
    below = np.log1p(down) if abs(other) < 1e-6 else np.expm1(other * np.log1p(down)) / other
    return np.where(values >= 0, above, -below)


def _power_inverse(values: Array, power: float) -> Array:
    up, down = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    return np.where(values >= 0, _grown(up, power), -_grown(down, 2.0 - power))


def _grown(values: Array, power: float) -> Array:
    """What the transform with this exponent takes to ``values`` >= 0."""
    if abs(power) < 1e-6:
        return np.expm1(values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        grown = np.expm1(np.log1p(power * values) / power)
    return np.where(power * values > -1.0, grown, np.inf)
