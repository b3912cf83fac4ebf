"""Random search: independent draws between the bounds.

Bergstra and Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpmagic.records import Trial
from hpmagic.space import Parameter
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.turns import Turns

__all__ = ["RandomTuner"]


class RandomTuner:
    """Draws each hyperparameter from its distribution, whatever happened before."""

    def __init__(self, context: TunerContext) -> None:
        self._seed = context.seed
        self._turns = Turns()

    def ask(self) -> RandomProposal:
        """The next trial's values."""
        return RandomProposal(np.random.default_rng([self._seed, self._turns.next()]))

    def tell(self, trial: Trial) -> None:
        """Count the trial; there is nothing to learn."""
        self._turns.tell(trial)


class RandomProposal:
    """The draws of one trial."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def suggest(self, parameter: Parameter) -> Any:
        """A random value."""
        assert parameter.distribution is not None
        return parameter.distribution.from_unit(float(self._rng.random()))
