"""The covariance: how alike the costs of two trials are, by their distance.

Matern 5/2 (Rasmussen and Williams 2006, section 4.2.1): smooth, but not so smooth that one surprise
changes everything far away (Snoek, Larochelle and Adams 2012).

What earlier studies expect of a point is a term of its own: the cost is taken to be a Gaussian
process plus each earlier study's expectation times an unknown weight, normal with mean 0 and
variance 1 (Kennedy and O'Hagan, "Predicting the output from a complex computer code when fast
approximations are available", Biometrika 2000). The weights are integrated out, so a few trials
settle how much an earlier study is to be believed; one that contradicts them gets a weight near 0
or below it.
"""

from __future__ import annotations

import math

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Inputs

__all__ = ["JITTER", "agreement", "matern", "matern_and_slope", "squared_distances"]

JITTER = 1e-8
"""Added to a covariance's diagonal so that it can be factored."""

_ROOT5 = math.sqrt(5.0)


def matern(squared: Array) -> Array:
    """The correlation at squared scaled distances."""
    root = np.sqrt(squared)
    root *= _ROOT5
    return _polynomial(root) * np.exp(-root)


def matern_and_slope(squared: Array) -> tuple[Array, Array]:
    """The correlation at squared scaled distances, and its derivative by them."""
    root = np.sqrt(squared)
    root *= _ROOT5
    decay = np.exp(-root)
    return _polynomial(root) * decay, (-5.0 / 6.0) * (1.0 + root) * decay


def _polynomial(root: Array) -> Array:
    squares = root * root
    squares /= 3.0
    squares += 1.0 + root
    return squares


def squared_distances(a: Array, b: Array) -> Array:
    """Between the rows of ``a`` and those of ``b``, shape (len(a), len(b))."""
    squares: Array = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
    squares -= 2.0 * (a @ b.T)
    return np.maximum(squares, 0.0, out=squares)


def agreement(a: Inputs, b: Inputs) -> Array | float:
    """The covariance that comes from what earlier studies expect, shape (len(a), len(b))."""
    if a.beliefs is None or b.beliefs is None:
        return 0.0
    return np.asarray(a.beliefs @ b.beliefs.T)
