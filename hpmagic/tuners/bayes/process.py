"""The Gaussian process.

Costs are taken to be a draw from a Gaussian process with mean zero and a Matern 5/2 covariance,
plus independent noise (Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006,
chapters 2, 4 and 5). Each hyperparameter has a length scale of its own, so that those that do not
matter fade out. Length scales, amplitude and noise are those with the highest posterior density,
found with analytic gradients from the last fit and from the prior's mode. The prior on length
scales grows with the square root of the number of dimensions (Hvarfner, Hellsten and Nardi,
"Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024), without which thirty
trials in ten dimensions would all look unrelated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpmagic.tuners.bayes.encoding import Array

__all__ = ["GaussianProcess", "Hyper", "fit"]

_LENGTH = 0.5
_LENGTH_SPREAD = 1.0
_AMPLITUDE_SPREAD = 1.0
_NOISE = math.log(1e-3)
_NOISE_SPREAD = 2.0
_JITTER = 1e-8
_ROOT5 = math.sqrt(5.0)


@dataclass(frozen=True)
class Hyper:
    """Natural logarithms of the d length scales, of the variance and of the noise's variance."""

    lengths: Array
    amplitude: float = 0.0
    noise: float = _NOISE

    @classmethod
    def prior_mode(cls, dimensions: int) -> Hyper:
        return cls(np.full(dimensions, _prior_length(dimensions)))

    def packed(self) -> Array:
        return np.concatenate([self.lengths, [self.amplitude, self.noise]])

    @classmethod
    def unpacked(cls, vector: Array) -> Hyper:
        return cls(vector[:-2].copy(), float(vector[-2]), float(vector[-1]))


def _prior_length(dimensions: int) -> float:
    return math.log(_LENGTH) + 0.5 * math.log(max(dimensions, 1))


def matern(squared: Array) -> tuple[Array, Array]:
    """The Matern 5/2 correlation at squared scaled distances, and its derivative by them."""
    root = _ROOT5 * np.sqrt(squared)
    decay = np.exp(-root)
    return (1.0 + root + root * root / 3.0) * decay, (-5.0 / 6.0) * (1.0 + root) * decay


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process: a normal distribution for the cost at any point."""

    hyper: Hyper
    owner: NDArray[np.intp]
    inputs: Array
    """Features of the n trials, divided by their length scales."""
    factor: Array
    """The lower Cholesky factor of the trials' covariance."""
    weights: Array
    """The covariance's inverse times the costs."""

    @classmethod
    def given(
        cls, hyper: Hyper, features: Array, owner: NDArray[np.intp], costs: Array
    ) -> GaussianProcess:
        """Condition on ``costs`` at ``features`` under known hyperparameters."""
        from scipy.linalg import cho_solve

        inputs = features / np.exp(hyper.lengths)[owner]
        covariance = math.exp(hyper.amplitude) * matern(_squared(inputs, inputs))[0]
        covariance[np.diag_indices(len(inputs))] += math.exp(hyper.noise) + _JITTER
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        weights = cho_solve((factor, True), costs, check_finite=False)
        return cls(hyper, owner, inputs, factor, weights)

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the cost itself, without the noise of one more trial."""
        from scipy.linalg import solve_triangular

        points = features / np.exp(self.hyper.lengths)[self.owner]
        amplitude = math.exp(self.hyper.amplitude)
        cross = amplitude * matern(_squared(points, self.inputs))[0]
        mean = cross @ self.weights
        root = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        variance = amplitude - np.einsum("ij,ij->j", root, root)
        return mean, np.sqrt(np.maximum(variance, 1e-12 * amplitude))

    def believing(self, features: Array) -> GaussianProcess:
        """The process after trials at ``features`` that gave exactly what it expects of them.

        The kriging believer of Ginsbourger, Le Riche and Carraro (2010): trials that are still
        running leave the mean as it is and take the uncertainty away around them.
        """
        if not len(features):
            return self
        mean, _ = self.predict(features)
        scale = np.exp(self.hyper.lengths)[self.owner]
        costs = self.factor @ (self.factor.T @ self.weights)
        return GaussianProcess.given(
            self.hyper,
            np.concatenate([self.inputs * scale, features]),
            self.owner,
            np.concatenate([costs, mean]),
        )


def fit(
    features: Array,
    owner: NDArray[np.intp],
    costs: Array,
    starts: list[Hyper],
    iterations: int = 40,
) -> GaussianProcess:
    """The process whose hyperparameters have the highest posterior density.

    Args:
        features: shape (n, c), from `encoding.features`.
        owner: shape (c,), the hyperparameter each coordinate belongs to.
        costs: shape (n,), standardised.
        starts: where the ascent begins; the best end is taken.
        iterations: the most steps of each ascent.
    """
    from scipy.optimize import minimize

    dimensions = len(starts[0].lengths)
    distances = _distances(features, owner, dimensions)
    prior = Hyper.prior_mode(dimensions).packed()
    precision = 1.0 / np.concatenate(
        [np.full(dimensions, _LENGTH_SPREAD), [_AMPLITUDE_SPREAD, _NOISE_SPREAD]]
    )
    bounds = [(-4.0, 5.0)] * dimensions + [(-4.0, 4.0), (-14.0, 1.0)]
    best_value, best = np.inf, prior
    for start in starts:
        found = minimize(
            _unlikelihood,
            np.clip(start.packed(), [b[0] for b in bounds], [b[1] for b in bounds]),
            args=(distances, costs, prior, precision),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "maxfun": 2 * iterations},
        )
        if found.fun < best_value:
            best_value, best = float(found.fun), found.x
    return GaussianProcess.given(Hyper.unpacked(best), features, owner, costs)


def _unlikelihood(
    vector: Array, distances: Array, costs: Array, prior: Array, precision: Array
) -> tuple[float, Array]:
    """Minus the log posterior density, up to a constant, and its gradient (R&W eq. 5.9)."""
    from scipy.linalg.lapack import dpotrf, dpotri

    size = len(costs)
    inverse_squares = np.exp(-2.0 * vector[:-2])
    amplitude, noise = math.exp(vector[-2]), math.exp(vector[-1])
    correlation, slope = matern((inverse_squares @ distances).reshape(size, size))
    covariance = amplitude * correlation
    diagonal = np.diag_indices(size)
    covariance[diagonal] += noise + _JITTER
    factor, info = dpotrf(covariance, lower=1, clean=0, overwrite_a=1)
    if info:
        return 1e10, np.zeros_like(vector)
    log_determinant = 2.0 * np.log(factor[diagonal]).sum()
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse @ costs
    residual = (vector - prior) * precision
    value = 0.5 * (costs @ weights + log_determinant + residual @ residual)
    sensitivity = 0.5 * (inverse - np.outer(weights, weights))
    gradient = residual * precision
    by_distance = distances @ (sensitivity * slope).ravel()
    gradient[:-2] -= 2.0 * amplitude * inverse_squares * by_distance
    gradient[-2] += amplitude * float(np.vdot(sensitivity, correlation))
    gradient[-1] += noise * float(np.trace(sensitivity))
    return float(value), gradient


def _squared(a: Array, b: Array) -> Array:
    squares: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
    return np.maximum(squares, 0.0)


def _distances(features: Array, owner: NDArray[np.intp], dimensions: int) -> Array:
    """Squared distances by hyperparameter, shape (d, n * n)."""
    size = len(features)
    distances = np.zeros((dimensions, size * size))
    for coordinate, index in zip(features.T, owner, strict=True):
        distances[index] += np.square(coordinate[:, None] - coordinate).ravel()
    return distances
