"""Best values at the end of their range, and which range to try instead."""

from __future__ import annotations

import math
from fractions import Fraction

from hpmagic.distributions import Distribution, Int, LogUniform, Uniform
from hpmagic.errors import SpaceError

__all__ = ["edge_advice"]

_EDGE = 0.02
_ROUNDING = 0.05
"""By how much of the range's width a bound may be rounded, to be short."""


def edge_advice(distribution: Distribution, value: object) -> tuple[str, str] | None:
    """("top" or "bottom", the range to try instead) for a value at an end that can be moved.

    The new range is as wide as the old one with the best value near its middle. Natural ends stay:
    0 and 1 of a fraction, 0 or 1 of a count. So do ends with no numbers beyond them.

    >>> edge_advice(LogUniform(1e-5, 0.1), 0.1)
    ('top', 'loguniform(1e-3, 10)')
    >>> edge_advice(Uniform(0.0, 1.0), 0.99) is None
    True
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isinstance(distribution, LogUniform | Uniform | Int) or (distribution.size or 99) < 4:
        return None
    if not distribution.low <= value <= distribution.high:
        return None
    measure = math.log if _logarithmic(distribution) else float
    low, high = measure(distribution.low), measure(distribution.high)
    if not low < high:
        return None
    share = (measure(value) - low) / (high - low)
    if _EDGE < share < 1 - _EDGE:
        return None
    bottom = share <= _EDGE
    if _natural_bottom(distribution) if bottom else _natural_top(distribution):
        return None
    try:
        moved = _moved(distribution, bottom)
    except (SpaceError, OverflowError):
        return None
    beyond = moved.low < distribution.low if bottom else moved.high > distribution.high
    if not (beyond and moved.contains(value) and moved.low < value < moved.high):
        return None
    return "bottom" if bottom else "top", _spelled(moved)


def _logarithmic(distribution: Distribution) -> bool:
    return isinstance(distribution, LogUniform) or getattr(distribution, "log", False)


def _natural_bottom(distribution: Uniform | LogUniform | Int) -> bool:
    return distribution.low == 0 or (isinstance(distribution, Int) and distribution.low == 1)


def _natural_top(distribution: Uniform | LogUniform | Int) -> bool:
    return isinstance(distribution, Uniform) and distribution.low >= 0 and distribution.high == 1


def _moved(distribution: Uniform | LogUniform | Int, bottom: bool) -> Uniform | LogUniform | Int:
    """As wide as ``distribution`` with its bottom or its top in the middle.

    Raises:
        SpaceError, OverflowError: it would not be legal.
    """
    if isinstance(distribution, Uniform):
        if distribution.step is not None:
            return _moved_lattice(distribution, distribution.step, bottom)
        half = (distribution.high - distribution.low) / 2
        middle = distribution.low if bottom else distribution.high
        low = max(middle - half, 0.0) if distribution.low >= 0 else middle - half
        tolerance = 2 * half * _ROUNDING
        return Uniform(_short(low, tolerance), _short(middle + half, tolerance))
    if isinstance(distribution, Int) and not distribution.log:
        first, last = _steps(distribution.size, bottom)
        low, step = distribution.low, distribution.step
        if low >= 1:
            first = max(first, -((low - 1) // step))
        return Int(low + first * step, low + last * step, step)
    half = (math.log(distribution.high) - math.log(distribution.low)) / 2
    middle = math.log(distribution.low if bottom else distribution.high)
    low, high = math.exp(middle - half), math.exp(middle + half)
    if isinstance(distribution, Int):
        return Int(max(round(low), 1), round(high), log=True)
    # One digit is never farther off than half of the number.
    share = min(2 * half * _ROUNDING, 0.5)
    return LogUniform(_short(low, low * share), _short(high, high * share))


def _moved_lattice(distribution: Uniform, step: float, bottom: bool) -> Uniform:
    assert distribution.size is not None
    first, last = _steps(distribution.size, bottom)
    low, apart = Fraction(repr(distribution.low)), Fraction(repr(step))
    if low >= 0:
        first = max(first, -(low // apart))
    return Uniform(float(low + first * apart), float(low + last * apart), step)


def _steps(size: int, bottom: bool) -> tuple[int, int]:
    """The ends of a lattice of ``size`` points around an end of the old one, in its steps."""
    middle = 0 if bottom else size - 1
    first = middle - (size - 1) // 2
    return first, first + size - 1


def _short(meant: float, tolerance: float) -> float:
    """The number with the fewest digits that is near enough."""
    rounded = (0.0, *(float(f"{meant:.{digits}e}") for digits in range(17)))
    return next((value for value in rounded if abs(value - meant) <= tolerance), meant)


def _spelled(distribution: Uniform | LogUniform | Int) -> str:
    low, high = _typed(distribution.low), _typed(distribution.high)
    step = None if isinstance(distribution, LogUniform) else distribution.step
    if step is None or (isinstance(distribution, Int) and step == 1):
        more = ", log=True" if isinstance(distribution, Int) and distribution.log else ""
    else:
        more = f", step={_typed(step)}"
    return f"{distribution.kind}({low}, {high}{more})"


def _typed(value: float) -> str:
    """A number in the form that people type: 1e-3, 0.1, 10, 3e4."""
    if isinstance(value, int):
        return str(value)
    digits = next(n for n in range(17) if float(f"{value:.{n}e}") == value)
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return min(repr(value).removesuffix(".0"), f"{mantissa}e{int(exponent)}", key=len)
