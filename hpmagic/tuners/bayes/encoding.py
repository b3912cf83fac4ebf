"""Values become points.

A trial is a row of numbers between 0 and 1, one a hyperparameter, and a row of flags that say which
of them were reached. The Gaussian process sees neither: it sees *features*, coordinates in which
plain Euclidean distance says how alike two trials are.

- An ordered value is its own coordinate.
- A category is a corner of a simplex: any two are at distance 1.
- A value that need not be reached lies on an arc, and 'not reached' is the arc's centre, equally
  far from every value (Swersky et al., "Raiders of the Lost Architecture: Kernels for Bayesian
  Optimization in Conditional Parameter Spaces", 2014). Two trials that both did not reach it agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpmagic.distributions import Choice, Distribution

__all__ = ["Array", "Column", "Flags", "Inputs", "Points", "features"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNKNOWN = -1.0
"""The unit of a value that has no place: a category that is not listed, no number on a range."""

_ANGLE = math.pi / 2
_MOST_LEVELS = 1024


@dataclass(frozen=True, eq=False)
class Column:
    """One hyperparameter as the model sees it.

    ``levels`` are the units of a finite set of values in ascending order, None for a continuum;
    ``options`` the values of a choice in that order. ``ordered`` says whether distance means
    anything: it does for a choice among numbers, which is put in order first.
    """

    name: str
    distribution: Distribution
    ordered: bool
    levels: Array | None = None
    options: tuple[Any, ...] | None = None

    @classmethod
    def of(cls, name: str, distribution: Distribution) -> Column:
        """The column of a hyperparameter.

        >>> from hpmagic.distributions import Choice
        >>> column = Column.of("batch", Choice((128, 32, 64)))
        >>> column.ordered, column.unit(32) < column.unit(64) < column.unit(128)
        (True, True)
        """
        if isinstance(distribution, Choice):
            options = distribution.options
            ordered = distribution.ordered
            if not ordered and len(options) > 2 and all(map(_is_number, options)):
                options, ordered = tuple(sorted(options)), True
            levels = (np.arange(len(options)) + 0.5) / len(options)
            return cls(name, distribution, ordered, levels, options)
        size = distribution.size
        if size is None or size > _MOST_LEVELS:
            return cls(name, distribution, True)
        levels = np.array([distribution.to_unit(value) for value in distribution.grid()])
        return cls(name, distribution, True, levels)

    def unit(self, value: Any) -> float:
        """Where ``value`` lies in [0, 1]; at the nearer end when it lies outside the range.

        A category that is not listed gives `UNKNOWN`, and so does on a range what is no number.

        >>> from hpmagic.distributions import Int
        >>> depth = Column.of("depth", Int(1, 32))
        >>> depth.unit(None), depth.unit(float("inf"))
        (-1.0, 1.0)
        """
        if isinstance(self.distribution, Choice):
            return self._unit_of_option(value)
        try:
            if math.isnan(value):
                return UNKNOWN
            unit = float(self.distribution.to_unit(value))
        except TypeError:
            return UNKNOWN
        except OverflowError:  # too large, either way
            return 1.0 if value > 0 else 0.0
        except (ValueError, ArithmeticError):  # the logarithm of what is not positive
            return 0.0
        return min(max(unit, 0.0), 1.0) if math.isfinite(unit) else float(value > 0)

    def value(self, unit: float) -> Any:
        """The value at ``unit``."""
        if self.options is None:
            return self.distribution.from_unit(unit)
        return self.options[min(max(int(unit * len(self.options)), 0), len(self.options) - 1)]

    def snap(self, units: Array) -> Array:
        """The units of the values that ``units`` stand for."""
        if self.levels is None:
            return np.clip(units, 0.0, 1.0)
        middles = (self.levels[1:] + self.levels[:-1]) / 2
        return self.levels[np.searchsorted(middles, units)]

    def _unit_of_option(self, value: Any) -> float:
        assert isinstance(self.distribution, Choice)
        assert self.options is not None
        assert self.levels is not None
        index = self.distribution.index(value)
        if index is not None:
            listed = self.distribution.options[index]
            return float(self.levels[next(i for i, o in enumerate(self.options) if o is listed)])
        if not self.ordered:
            return UNKNOWN
        if _is_number(value) and all(map(_is_number, self.options)):
            known = np.array(self.options, dtype=float)
            order = np.argsort(known, kind="stable")
            return float(np.interp(value, known[order], self.levels[order]))
        return 0.5


@dataclass(frozen=True)
class Points:
    """Some trials: ``units`` and ``active`` have one row a trial and one column a hyperparameter.

    The unit of a hyperparameter that is not active means nothing.
    """

    units: Array
    active: Flags

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]], columns: Sequence[Column]) -> Points:
        """Points from the units of those hyperparameters that were reached."""
        units = np.array([[row.get(c.name, np.nan) for c in columns] for row in rows])
        units = units.reshape(len(rows), len(columns))
        return cls(np.nan_to_num(units, nan=0.5), ~np.isnan(units))

    def __len__(self) -> int:
        return len(self.units)

    def take(self, index: Any) -> Points:
        return Points(self.units[index], self.active[index])

    def joined(self, other: Points) -> Points:
        return Points(
            np.concatenate([self.units, other.units]), np.concatenate([self.active, other.active])
        )

    def keys(self) -> list[bytes]:
        """Equal for points that stand for the same values."""
        rounded = np.round(np.where(self.active, self.units, -2.0), 7) + 0.0
        return [row.tobytes() for row in rounded]


@dataclass(frozen=True)
class Inputs:
    """What the Gaussian process sees of n trials.

    ``features`` has shape (n, c); ``owner``, shape (c,), says to which of the d hyperparameters
    each coordinate belongs; ``categories``, shape (d,), which of them have no order; ``reached``
    how many of them a trial reaches on average. ``beliefs``, shape (n, k), are the costs that k
    earlier studies expect there; None without any.
    """

    features: Array
    owner: NDArray[np.intp]
    categories: Flags
    reached: float
    beliefs: Array | None = None

    @property
    def dimensions(self) -> int:
        return len(self.categories)

    def joined(self, other: Inputs) -> Inputs:
        """These trials and then the other ones."""
        beliefs = self.beliefs
        if beliefs is not None and other.beliefs is not None:
            beliefs = np.concatenate([beliefs, other.beliefs])
        both = np.concatenate([self.features, other.features])
        return replace(self, features=both, beliefs=beliefs)


def features(points: Points, columns: Sequence[Column], conditional: Flags) -> Inputs:
    """Coordinates for the Gaussian process.

    Args:
        points: n trials.
        columns: d hyperparameters.
        conditional: shape (d,), whether a hyperparameter is known to be unreached at times.
    """
    parts: list[Array] = []
    owner: list[int] = []
    for index, column in enumerate(columns):
        units, active = points.units[:, index], points.active[:, index]
        if not column.ordered:
            assert column.levels is not None
            same = np.abs(units[:, None] - column.levels) < 1e-9
            part = np.where(same, math.sqrt(0.5), 0.0)
        elif conditional[index]:
            angle = _ANGLE * units[:, None]
            part = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) / _ANGLE
        else:
            part = units[:, None]
        if conditional[index]:
            part = part * active[:, None]
        parts.append(part)
        owner.extend([index] * part.shape[1])
    owners = np.array(owner, dtype=np.intp)
    categories = np.array([not column.ordered for column in columns])
    reached = float(points.active.sum(axis=1).mean()) if len(points) else 0.0
    return Inputs(np.concatenate(parts, axis=1), owners, categories, reached)


def _is_number(value: object) -> bool:
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # an integer that no float can hold
        return False
