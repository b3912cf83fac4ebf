"""Our distributions as Optuna's, and values there and back.

Ranges stay what they are. What has steps or an order becomes the number of its value, a choice the
number of its option, and a normal distribution its place in the unit interval: Optuna knows no
priors, and every kind is then one that each of its samplers can handle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from hpmagic.distributions import Choice, Distribution, Int, LogUniform, Uniform
from hpmagic.space import Parameter
from hpmagic.tuners.lattice import index_of, value_at

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

__all__ = ["Dimension", "Dimensions"]


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter as Optuna sees it: under ``name``, drawn from ``theirs``."""

    name: str
    ours: Distribution
    theirs: BaseDistribution

    def suggest(self, trial: Trial) -> Any:
        """Optuna's suggestion, as a value of ours."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        theirs = self.theirs
        if isinstance(theirs, CategoricalDistribution):
            return self.to_ours(trial.suggest_categorical(self.name, theirs.choices))
        if isinstance(theirs, IntDistribution):
            return self.to_ours(
                trial.suggest_int(self.name, theirs.low, theirs.high, log=theirs.log)
            )
        assert isinstance(theirs, FloatDistribution)
        return self.to_ours(trial.suggest_float(self.name, theirs.low, theirs.high, log=theirs.log))

    def to_ours(self, value: Any) -> Any:
        """A value of Optuna's as ours, tidy."""
        if isinstance(self.ours, Int) and self.ours.log:
            return value
        if self.ours.size is not None:
            return value_at(self.ours, value)
        if isinstance(self.ours, Uniform | LogUniform):
            return self.ours.from_unit(self.ours.to_unit(value))
        return self.ours.from_unit(value)

    def from_ours(self, value: object) -> Any:
        """A value of ours as Optuna's: the nearest one if it lies outside; None if there is none.

        >>> Dimensions().of(Parameter("lr", LogUniform(1e-4, 1.0))).from_ours(3.0)
        1.0
        """
        ours = self.ours
        if isinstance(ours, Choice):
            return ours.index(value)
        if not isinstance(value, Real) or not math.isfinite(value):
            return None
        number = float(value)
        if isinstance(ours, Int) and ours.log:
            return min(max(round(number), ours.low), ours.high)
        if ours.size is not None:
            index = index_of(ours, value)
            return _nearest(ours, number) if index is None else index
        if isinstance(ours, Uniform | LogUniform):
            return min(max(number, ours.low), ours.high)
        return ours.to_unit(number) if ours.contains(number) else 0.0


def _nearest(distribution: Distribution, number: float) -> int:
    """The number of the value of a lattice that is nearest to ``number``."""
    assert distribution.size is not None
    last = distribution.size - 1
    low, high = value_at(distribution, 0), value_at(distribution, last)
    if last == 0 or number <= low:
        return 0
    return last if number >= high else round((number - low) / (high - low) * last)


class Dimensions:
    """The dimensions of a study, by name and distribution.

    Optuna wants one distribution a name. A name that is drawn from another one in another branch
    becomes another dimension.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Dimension]] = {}

    def of(self, parameter: Parameter) -> Dimension:
        """The dimension of a hyperparameter whose distribution is known."""
        ours = parameter.distribution
        assert ours is not None
        variants = self._known.setdefault(parameter.name, {})
        known = variants.get(text := str(ours))
        if known is not None and known.ours is ours:
            return known
        name = known.name if known is not None else _variant(parameter.name, len(variants))
        variants[text] = Dimension(name, ours, _theirs(ours))
        return variants[text]


def _variant(name: str, number: int) -> str:
    return name if number == 0 else f"{name} ({number + 1})"


def _theirs(ours: Distribution) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(ours, Int) and ours.log:
        return IntDistribution(ours.low, ours.high, log=True)
    if isinstance(ours, Choice) and not ours.ordered:
        return CategoricalDistribution(range(ours.size))
    if ours.size is not None:
        return IntDistribution(0, ours.size - 1)
    if isinstance(ours, Uniform | LogUniform):
        return FloatDistribution(ours.low, ours.high, log=isinstance(ours, LogUniform))
    return FloatDistribution(0.0, 1.0)
