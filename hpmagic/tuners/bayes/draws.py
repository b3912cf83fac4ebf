"""Functions drawn from what a surrogate believes: what the objective may look like.

A draw is a function of the whole space, cheap to evaluate anywhere: a draw from the prior in random
Fourier features (Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS
2007), corrected at the trials by Matheron's rule (Wilson et al., "Efficiently sampling functions
from Gaussian process posteriors", ICML 2020). Whatever is computed from draws comes with a spread.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Inputs, Points
from hpmagic.tuners.bayes.kernel import JITTER
from hpmagic.tuners.bayes.process import GaussianProcess
from hpmagic.tuners.bayes.surrogate import Surrogate

__all__ = ["functions"]

_FEATURES = 256
_FREEDOM = 5.0
"""Twice the smoothness of the Matern 5/2 kernel: its spectrum is a t distribution with these."""


def functions(
    surrogate: Surrogate, count: int, rng: np.random.Generator
) -> Callable[[Points], Array]:
    """``count`` functions, shared among the committee.

    Returns:
        From n points to standardised costs, shape (count, n).
    """
    members = surrogate.committee[:count]
    shares = [len(part) for part in np.array_split(np.arange(count), len(members))]
    drawn = [_of_one(m, share, rng) for m, share in zip(members, shares, strict=True)]

    def evaluate(points: Points) -> Array:
        inputs = surrogate.inputs(points)
        return np.concatenate([each(inputs) for each in drawn])

    return evaluate


def _of_one(
    process: GaussianProcess, count: int, rng: np.random.Generator
) -> Callable[[Inputs], Array]:
    from scipy.linalg import cho_solve

    width = process.inputs.features.shape[1]
    chi = np.sqrt(rng.chisquare(_FREEDOM, size=_FEATURES) / _FREEDOM)
    waves = rng.normal(size=(width, _FEATURES)) / chi
    phases = rng.uniform(0, 2 * math.pi, _FEATURES)
    heights = rng.normal(size=(_FEATURES, count))
    size = math.sqrt(2.0 * math.exp(process.hyper.amplitude) / _FEATURES)

    def prior(inputs: Inputs) -> Array:
        return np.asarray(size * np.cos(process.scaled(inputs) @ waves + phases) @ heights)

    noise = math.sqrt(math.exp(process.hyper.noise) + JITTER)
    at_trials = prior(process.inputs) + noise * rng.normal(size=(len(process.costs), count))
    misses = process.costs[:, None] - at_trials
    weights = cho_solve((process.factor, True), misses, check_finite=False)

    def evaluate(inputs: Inputs) -> Array:
        return np.asarray((prior(inputs) + process.covariance_with(inputs) @ weights).T)

    return evaluate
