"""The Gaussian process.

Costs are taken to be a draw from a Gaussian process with mean zero, plus independent noise
(Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, chapter 2). Each
hyperparameter has a length scale of its own, so that those that do not matter fade out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Inputs
from hpmagic.tuners.bayes.evidence import Hyper
from hpmagic.tuners.bayes.kernel import JITTER, agreement, matern, squared_distances

__all__ = ["GaussianProcess"]


@dataclass(frozen=True)
class GaussianProcess:
    """A process that has seen n trials: a normal distribution for the cost at any point."""

    hyper: Hyper
    inputs: Inputs
    costs: Array
    factor: Array
    """The lower Cholesky factor of the trials' covariance."""
    weights: Array
    """The covariance's inverse times the costs."""

    @classmethod
    def given(cls, hyper: Hyper, inputs: Inputs, costs: Array) -> GaussianProcess:
        """Condition on ``costs`` at ``inputs``."""
        from scipy.linalg import cho_solve

        scaled = _scaled(inputs, hyper)
        covariance = math.exp(hyper.amplitude) * matern(squared_distances(scaled, scaled))
        covariance += agreement(inputs, inputs)
        covariance[np.diag_indices(len(scaled))] += math.exp(hyper.noise) + JITTER
        factor = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        weights = cho_solve((factor, True), costs, check_finite=False)
        return cls(hyper, inputs, costs, factor, weights)

    def predict(self, inputs: Inputs) -> tuple[Array, Array]:
        """Mean and standard deviation of the cost itself, without the noise of one more trial."""
        from scipy.linalg.lapack import dtrtrs

        amplitude = math.exp(self.hyper.amplitude)
        cross = self.covariance_with(inputs)
        root, _ = dtrtrs(self.factor, cross.T, lower=1)
        variance = amplitude - np.einsum("ij,ij->j", root, root)
        if inputs.beliefs is not None:
            variance += np.square(inputs.beliefs).sum(axis=1)
        return cross @ self.weights, np.sqrt(np.maximum(variance, 1e-12 * amplitude))

    def mean(self, inputs: Inputs) -> Array:
        """The mean alone, which is quicker."""
        return np.asarray(self.covariance_with(inputs) @ self.weights)

    def covariance_with(self, inputs: Inputs) -> Array:
        """The covariance of costs at m ``inputs`` with those of the n trials, shape (m, n)."""
        squared = squared_distances(self.scaled(inputs), self.scaled(self.inputs))
        covariance = math.exp(self.hyper.amplitude) * matern(squared)
        return np.asarray(covariance + agreement(inputs, self.inputs))

    def scaled(self, inputs: Inputs) -> Array:
        """Features in units of their length scales."""
        return _scaled(inputs, self.hyper)

    def without_each(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each trial's cost by the others (R&W, section 5.4.2)."""
        from scipy.linalg import cho_solve

        inverse = cho_solve((self.factor, True), np.eye(len(self.costs)), check_finite=False)
        precision = np.diag(inverse)
        return self.costs - self.weights / precision, np.sqrt(1.0 / precision)

    def believing(self, inputs: Inputs) -> GaussianProcess:
        """The process after trials at ``inputs`` that gave exactly what it expects of them.

        The kriging believer of Ginsbourger, Le Riche and Carraro (2010): trials that are still
        running leave the mean as it is and take the uncertainty away around them.
        """
        if not len(inputs.features):
            return self
        both = self.inputs.joined(inputs)
        costs = np.concatenate([self.costs, self.predict(inputs)[0]])
        return GaussianProcess.given(self.hyper, both, costs)


def _scaled(inputs: Inputs, hyper: Hyper) -> Array:
    return np.asarray(inputs.features / np.exp(hyper.lengths)[inputs.owner])
