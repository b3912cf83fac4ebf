"""How likely a point is to fail.

A failed trial has no value, and none is made up for it. Instead a second Gaussian process is fitted
to 'failed' (+1) and 'did not fail' (-1) by least squares, and squashed to a probability (Rasmussen
and Williams 2006, section 6.5). What a point is worth is multiplied by its probability of giving a
value at all (Gelbart, Snoek and Adams, "Bayesian Optimization with Unknown Constraints", UAI 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpmagic.tuners.bayes.encoding import Array, Flags
from hpmagic.tuners.bayes.process import GaussianProcess, Hyper, fit

__all__ = ["Feasibility"]


class Feasibility:
    """The probability that a trial gives a value."""

    def __init__(self, features: Array, owner: NDArray[np.intp], failed: Flags, dimensions: int):
        """Fit to n trials: ``features`` of shape (n, c) and whether each ``failed``."""
        labels = np.where(failed, 1.0, -1.0)
        self._centre = float(labels.mean())
        self._process: GaussianProcess = fit(
            features, owner, labels - self._centre, [Hyper.prior_mode(dimensions)], iterations=20
        )

    def log_probability(self, features: Array) -> Array:
        """The natural logarithm of the probability, at least log(0.001): no model is that sure."""
        from scipy.special import log_ndtr

        mean, deviation = self._process.predict(features)
        noise = np.exp(self._process.hyper.noise)
        score = -(mean + self._centre) / np.sqrt(deviation**2 + noise + 0.1)
        return np.asarray(np.maximum(log_ndtr(score), np.log(1e-3)))
