"""How likely the process's hyperparameters are, given the trials.

The marginal likelihood of the costs (Rasmussen and Williams 2006, section 5.4), times a prior that
is normal in the logarithms. The prior on length scales grows with the square root of the number of
dimensions (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian Optimization Performs Great in High
Dimensions", ICML 2024), without which thirty trials in ten dimensions would all look unrelated.
What counts is how many hyperparameters a trial reaches, not how many there are: with long length
scales, one bad trial in a branch would condemn the whole branch. For the same reason categories are
not taken to be alike before they are seen to be.

A dozen trials do not settle a dozen hyperparameters: a process that believes in the likeliest ones
alone is too sure of itself. The proposals are therefore judged by a committee, the likeliest and
some drawn from Laplace's approximation of the posterior, a normal distribution with the curvature
at the mode (MacKay, "Bayesian Interpolation", 1992; to average over hyperparameters is from Snoek,
Larochelle and Adams 2012, who sample by Markov chains).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Inputs
from hpmagic.tuners.bayes.kernel import JITTER, agreement, matern_and_slope

__all__ = ["Evidence", "Hyper"]

_LENGTH = 0.5
_CATEGORY = 1.0
_LENGTH_SPREAD = 1.0
_AMPLITUDE_SPREAD = 1.0
_NOISE = math.log(1e-3)
_NOISE_SPREAD = 2.0
_FLATTEST = 0.25
_STEP = 0.05


@dataclass(frozen=True)
class Hyper:
    """Natural logarithms of the d length scales, of the variance and of the noise's variance."""

    lengths: Array
    amplitude: float
    noise: float

    @classmethod
    def prior_mode(cls, inputs: Inputs) -> Hyper:
        """What is likeliest before any trial."""
        length = math.log(_LENGTH) + 0.5 * math.log(max(inputs.reached, 1.0))
        lengths = np.where(inputs.categories, min(length, math.log(_CATEGORY)), length)
        return cls(lengths, 0.0, _NOISE)

    def packed(self) -> Array:
        return np.concatenate([self.lengths, [self.amplitude, self.noise]])

    @classmethod
    def unpacked(cls, vector: Array) -> Hyper:
        return cls(vector[:-2].copy(), float(vector[-2]), float(vector[-1]))


class Evidence:
    """The posterior density of hyperparameters given costs at some inputs."""

    def __init__(self, inputs: Inputs, costs: Array) -> None:
        """Prepare for n trials with standardised ``costs``, shape (n,)."""
        dimensions = inputs.dimensions
        self._distances = _distances(inputs)
        self._agreement = agreement(inputs, inputs)
        self._costs = costs
        self._prior = Hyper.prior_mode(inputs).packed()
        spread = [_LENGTH_SPREAD] * dimensions + [_AMPLITUDE_SPREAD, _NOISE_SPREAD]
        self._precision = 1.0 / np.array(spread)
        self._low = np.array([-4.0] * dimensions + [-4.0, -14.0])
        self._high = np.array([5.0] * dimensions + [4.0, 1.0])

    def mode(self, starts: list[Hyper], iterations: int) -> Hyper:
        """The likeliest hyperparameters: the best end of ascents of so many steps."""
        from scipy.optimize import minimize

        best_value, best = np.inf, self._prior
        for start in starts:
            found = minimize(
                self.unlikelihood,
                np.clip(start.packed(), self._low, self._high),
                jac=True,
                method="L-BFGS-B",
                bounds=list(zip(self._low.tolist(), self._high.tolist(), strict=True)),
                options={"maxiter": iterations, "maxfun": 2 * iterations},
            )
            if found.fun < best_value:
                best_value, best = float(found.fun), found.x
        return Hyper.unpacked(best)

    def around(self, mode: Hyper, count: int, rng: np.random.Generator) -> list[Hyper]:
        """``count`` draws from Laplace's approximation, in pairs on either side of the mode."""
        centre = mode.packed()
        steps = _STEP * np.eye(len(centre))
        slopes = [
            self.unlikelihood(centre + step)[1] - self.unlikelihood(centre - step)[1]
            for step in steps
        ]
        curvature = np.array(slopes) / (2.0 * _STEP)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
        normal = rng.normal(size=((count + 1) // 2, len(centre)))
        offsets = (normal / np.sqrt(np.maximum(values, _FLATTEST))) @ vectors.T
        drawn = centre + np.concatenate([offsets, -offsets])[:count]
        return [Hyper.unpacked(vector) for vector in np.clip(drawn, self._low, self._high)]

    def unlikelihood(self, vector: Array) -> tuple[float, Array]:
        """Minus the log posterior density, up to a constant, and its gradient (R&W eq. 5.9)."""
        from scipy.linalg.lapack import dpotrf, dpotri

        size = len(self._costs)
        inverse_squares = np.exp(-2.0 * vector[:-2])
        amplitude, noise = math.exp(vector[-2]), math.exp(vector[-1])
        squared = (inverse_squares @ self._distances).reshape(size, size)
        correlation, slope = matern_and_slope(squared)
        covariance = amplitude * correlation + self._agreement
        diagonal = np.diag_indices(size)
        covariance[diagonal] += noise + JITTER
        factor, info = dpotrf(covariance, lower=1, overwrite_a=1)
        if info:
            return 1e10, np.zeros_like(vector)
        log_determinant = 2.0 * np.log(factor[diagonal]).sum()
        half, _ = dpotri(factor, lower=1, overwrite_c=1)
        inverse = half + half.T
        inverse[diagonal] = half[diagonal]
        weights = inverse @ self._costs
        residual = (vector - self._prior) * self._precision
        value = 0.5 * (self._costs @ weights + log_determinant + residual @ residual)
        sensitivity = 0.5 * (inverse - np.outer(weights, weights))
        gradient = residual * self._precision
        by_distance = self._distances @ (sensitivity * slope).ravel()
        gradient[:-2] -= 2.0 * amplitude * inverse_squares * by_distance
        gradient[-2] += amplitude * float(np.vdot(sensitivity, correlation))
        gradient[-1] += noise * float(np.trace(sensitivity))
        return float(value), gradient


def _distances(inputs: Inputs) -> Array:
    """Squared distances by hyperparameter, shape (d, n * n)."""
    size = len(inputs.features)
    distances = np.zeros((inputs.dimensions, size * size))
    for coordinate, index in zip(inputs.features.T, inputs.owner, strict=True):
        distances[index] += np.square(coordinate[:, None] - coordinate).ravel()
    return distances
