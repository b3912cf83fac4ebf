"""Quasi-random search: points that fill the space more evenly than chance does.

Owen-scrambled Sobol points (Owen, "Scrambling Sobol' and Niederreiter-Xing points", Journal of
Complexity 14, 1998), from scipy. Every hyperparameter whose name is known beforehand has a
dimension of its own, choices and conditional ones among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpmagic.records import Trial
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.turns import Turns

__all__ = ["SobolPoints", "SobolTuner"]

_BLOCK = 64


class SobolPoints:
    """A sequence of points in the unit cube of a search space.

    Names that are not in the space, such as those with braces filled in, are independent draws.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        from scipy.stats import qmc

        self._column = {name: column for column, name in enumerate(space)}
        self._seed = seed
        self._points = np.empty((0, len(self._column)))
        self._engine = (
            qmc.Sobol(len(self._column), scramble=True, seed=np.random.default_rng(seed))
            if self._column
            else None
        )

    def point(self, number: int) -> Callable[[str], float]:
        """The point with this number, from 0: a coordinate in [0, 1) for each name."""
        while self._engine is not None and len(self._points) <= number:
            self._points = np.concatenate([self._points, self._engine.random(_BLOCK)])
        rng = np.random.default_rng([self._seed, number])

        def coordinate(name: str) -> float:
            column = self._column.get(name)
            return float(rng.random() if column is None else self._points[number, column])

        return coordinate


class SobolTuner:
    """Takes the points of the sequence one after the other."""

    def __init__(self, context: TunerContext) -> None:
        self._points = SobolPoints(context.space, context.seed)
        self._turns = Turns()

    def ask(self) -> SobolProposal:
        """The next point."""
        return SobolProposal(self._points.point(self._turns.next()))

    def tell(self, trial: Trial) -> None:
        """Count the trial; there is nothing to learn."""
        self._turns.tell(trial)


class SobolProposal:
    """One point of the sequence."""

    def __init__(self, coordinate: Callable[[str], float]) -> None:
        self._coordinate = coordinate

    def suggest(self, parameter: Parameter) -> Any:
        """The value at this point's coordinate."""
        assert parameter.distribution is not None
        return parameter.distribution.from_unit(self._coordinate(parameter.name))
