"""What a new point is worth.

Expected improvement: by how much a point is expected to be better than the best so far, where it is
better (Jones, Schonlau and Welch, 1998). Its logarithm is used, since the thing itself is zero to
machine precision over most of the space (Ament et al., "Unexpected Improvements to Expected
Improvement for Bayesian Optimization", NeurIPS 2023).

'The best so far' is the lowest posterior mean among the trials, not the lowest cost seen: where
trials are noisy the lowest cost is luck, and measuring against it would make every other point look
hopeless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Inputs
from hpmagic.tuners.bayes.process import GaussianProcess

__all__ = ["Improvement", "log_expected_improvement"]

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_HALF_LOG_HALF_PI = 0.5 * math.log(math.pi / 2.0)
_FAR = -1.0 / math.sqrt(float(np.finfo(float).eps))


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """The logarithm of E[max(best - cost, 0)] for costs with this mean and standard deviation.

    >>> log_expected_improvement(np.array([0.0]), np.array([1.0]), 0.0).round(4)
    array([-0.9189])
    """
    return _log_h((best - mean) / deviation) + np.log(deviation)


class Improvement:
    """Expected improvement as a committee of processes sees it, each against its own best."""

    def __init__(self, committee: Sequence[GaussianProcess], running: Inputs) -> None:
        """Take the trials at ``running`` for granted."""
        self._members = [
            (process.believing(running), float(process.predict(process.inputs)[0].min()))
            for process in committee
        ]

    def log(self, inputs: Inputs) -> Array:
        """The mean of the members' log expected improvements.

        The mean of the logarithms, not the logarithm of the mean: a member with short length scales
        expects much of every place where nothing was tried, and would drown out the others.
        """
        opinions = [
            log_expected_improvement(*process.predict(inputs), best)
            for process, best in self._members
        ]
        return np.asarray(np.mean(opinions, axis=0))


def _log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), accurate for any z (Ament et al. 2023, equation 9)."""
    from scipy.special import erfcx, ndtr

    result = np.empty_like(z)
    near = z > -1.0
    x = z[near]
    result[near] = np.log(np.exp(-0.5 * x * x - _HALF_LOG_2PI) + x * ndtr(x))
    far = z <= _FAR
    x = z[far]
    result[far] = -0.5 * x * x - _HALF_LOG_2PI - 2.0 * np.log(-x)
    between = ~near & ~far
    x = z[between]
    ratio = np.log(erfcx(-x / math.sqrt(2.0)) * -x) + _HALF_LOG_HALF_PI
    result[between] = -0.5 * x * x - _HALF_LOG_2PI + np.log(-np.expm1(np.minimum(ratio, -1e-300)))
    return result
