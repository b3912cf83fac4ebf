"""How likely a point is to fail.

A failed trial has no value, and none is made up for it. Instead a second Gaussian process is fitted
to 'failed' (+1) and 'did not fail' (-1) by least squares, and squashed to a probability (Rasmussen
and Williams 2006, section 6.5). What a point is worth is multiplied by its probability of giving a
value at all (Gelbart, Snoek and Adams, "Bayesian Optimization with Unknown Constraints", UAI 2014).

A trial may fail before it has drawn everything. What it did not draw is no reason for its failure,
and must not look like one: it is given the values that other trials had there.
"""

from __future__ import annotations

import numpy as np

from hpmagic.tuners.bayes.encoding import Array, Flags, Inputs, Points
from hpmagic.tuners.bayes.evidence import Evidence, Hyper
from hpmagic.tuners.bayes.process import GaussianProcess
from hpmagic.tuners.bayes.surrogate import Surrogate

__all__ = ["Feasibility"]


_NEWEST = 250
"""Trials from which it is learned where trials fail."""


class Feasibility:
    """The probability that a trial gives a value."""

    def __init__(self, inputs: Inputs, failed: Flags) -> None:
        """Fit to n trials and whether each ``failed``, shape (n,)."""
        labels = np.where(failed, 1.0, -1.0)
        self._centre = float(labels.mean())
        costs = labels - self._centre
        start = Hyper.prior_mode(inputs)
        hyper = Evidence(inputs, costs).mode([start], iterations=20)
        self._process = GaussianProcess.given(hyper, inputs, costs)

    @classmethod
    def of(cls, surrogate: Surrogate) -> Feasibility | None:
        """Learned from the newest trials that a surrogate was told; None when none failed."""
        if not surrogate.lost.any():
            return None
        newest = slice(-_NEWEST, None)
        told, failed = surrogate.told.take(newest), surrogate.lost[newest]
        gone_on = _gone_on(told, failed, surrogate.activity.predict(told.units))
        return cls(surrogate.inputs(gone_on), failed)

    def log_probability(self, inputs: Inputs) -> Array:
        """The natural logarithm of the probability, at least log(0.001): no model is that sure."""
        from scipy.special import log_ndtr

        mean, deviation = self._process.predict(inputs)
        noise = np.exp(self._process.hyper.noise)
        score = -(mean + self._centre) / np.sqrt(deviation**2 + noise + 0.1)
        return np.asarray(np.maximum(log_ndtr(score), np.log(1e-3)))


def _gone_on(told: Points, failed: Flags, reached: Flags) -> Points:
    """Failed trials as if they had drawn all that would have been ``reached``."""
    units, active = told.units.copy(), told.active.copy()
    missing = failed[:, None] & ~active & reached
    for index in np.flatnonzero(missing.any(axis=0)):
        others = told.units[~failed & told.active[:, index], index]
        if len(others):
            units[missing[:, index], index] = np.resize(others, int(missing[:, index].sum()))
            active[missing[:, index], index] = True
    return Points(units, active)
