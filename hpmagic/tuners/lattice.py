"""Finite distributions as numbered values, and which of the numbers are still free."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any

from hpmagic.distributions import Choice, Distribution, Int

__all__ = ["Free", "index_of", "value_at"]


def value_at(distribution: Distribution, index: int) -> Any:
    """The value with this number, from 0 to ``distribution.size - 1``, in the order of a grid.

    >>> value_at(Int(2, 10, step=4), 1)
    6
    """
    if isinstance(distribution, Choice):
        return distribution.options[index]
    if isinstance(distribution, Int):
        return distribution.low + index * distribution.step
    assert distribution.size is not None
    return distribution.from_unit((index + 0.5) / distribution.size)


def index_of(distribution: Distribution, value: object) -> int | None:
    """The number of ``value``; None when it is none of the values, or they are a continuum.

    Two values have one number exactly when `Distribution.key` makes them the same.

    >>> index_of(Int(2, 10, step=4), 6.0), index_of(Int(2, 10, step=4), 7)
    (1, None)
    """
    if isinstance(distribution, Choice):
        return distribution.index(value)
    size = distribution.size
    if size is None or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if isinstance(distribution, Int):
        return _int_index(distribution, value)
    if not distribution.contains(number):
        return None
    return math.floor(distribution.to_unit(number) * size)


def _int_index(distribution: Int, value: Any) -> int | None:
    """The number of an integer, however large; floats that are whole count too."""
    if not math.isfinite(value) or int(value) != value:
        return None
    index, rest = divmod(int(value) - distribution.low, distribution.step)
    return index if rest == 0 and 0 <= index < distribution.size else None


class Free:
    """Which numbers from 0 to ``size - 1`` are free; closing and searching take next to no time.

    Each closed number points past itself on either side, and the ways are shortened when walked
    (Tarjan, "Efficiency of a good but not linear set union algorithm", 1975).

    >>> free = Free(5)
    >>> free.close(2), free.close(3)
    (None, None)
    >>> free.right(2), free.left(2), list(free)
    (4, 1, [0, 1, 4])
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.closed = 0
        self._right: dict[int, int] = {}
        self._left: dict[int, int] = {}

    def close(self, index: int) -> None:
        """Take a free number."""
        assert index not in self._right
        self._right[index], self._left[index] = index + 1, index - 1
        self.closed += 1

    def right(self, index: int) -> int:
        """The first free number from ``index`` upwards; ``size`` when there is none."""
        return _end(self._right, index)

    def left(self, index: int) -> int:
        """The first free number from ``index`` downwards; -1 when there is none."""
        return _end(self._left, index)

    def __contains__(self, index: int) -> bool:
        return index not in self._right

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(self.size) if index in self)


def _end(ways: dict[int, int], index: int) -> int:
    end = index
    while end in ways:
        end = ways[end]
    while index in ways:
        ways[index], index = end, ways[index]
    return end
