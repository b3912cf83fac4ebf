"""Best values at the end of their range, and which range to try instead."""

from __future__ import annotations

import math

from hpmagic.distributions import Distribution, Int, LogUniform, Uniform

__all__ = ["edge_advice"]

_EDGE = 0.02


def edge_advice(distribution: Distribution, value: object) -> tuple[str, str] | None:
    """("top" or "bottom", the range to try instead) for a value at an end that can be moved.

    The new range is as wide as the old one with the best value near its middle. Natural ends stay:
    0 and 1 of a fraction, 0 or 1 of a count.

    >>> edge_advice(LogUniform(1e-5, 0.1), 0.1)
    ('top', 'loguniform(1e-3, 10)')
    >>> edge_advice(Uniform(0.0, 1.0), 0.99) is None
    True
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isinstance(distribution, LogUniform | Uniform | Int) or (distribution.size or 99) < 4:
        return None
    low, high = float(distribution.low), float(distribution.high)
    if not low <= value <= high:
        return None
    log = isinstance(distribution, LogUniform) or getattr(distribution, "log", False)
    share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
    if _EDGE < share < 1 - _EDGE:
        return None
    end = "bottom" if share <= _EDGE else "top"
    if end == "bottom" and _natural_bottom(distribution, low, log):
        return None
    if end == "top" and isinstance(distribution, Uniform) and low >= 0 and high == 1:
        return None
    middle = low if end == "bottom" else high
    if log:
        new_low, new_high = middle * math.sqrt(low / high), middle * math.sqrt(high / low)
    else:
        half = (high - low) / 2
        new_low, new_high = middle - half, middle + half
        if low >= 0 > new_low:
            new_low = 0.0
    return end, _spelled(distribution, new_low, new_high)


def _natural_bottom(distribution: Distribution, low: float, log: bool) -> bool:
    if isinstance(distribution, Int):
        return low in (0, 1)
    return not log and low == 0


def _spelled(distribution: Distribution, low: float, high: float) -> str:
    if isinstance(distribution, Int):
        bottom = max(round(low), 1 if distribution.log or distribution.low >= 1 else -(10**9))
        top = max(round(high), bottom + 1)
        if distribution.step > 1:
            step, first = distribution.step, distribution.low
            bottom = first + math.floor((bottom - first) / step + 0.5) * step
            bottom = first if bottom < 1 <= first else bottom
            top = bottom + max(1, math.floor((top - bottom) / step + 0.5)) * step
        tail = f", step={distribution.step}" if distribution.step > 1 else ""
        return f"int({bottom}, {top}{tail}{', log=True' if distribution.log else ''})"
    if isinstance(distribution, Uniform):
        lattice = f", step={_plain(distribution.step)}" if distribution.step is not None else ""
        return f"uniform({_plain(low)}, {_plain(high)}{lattice})"
    return f"loguniform({_power(low)}, {_power(high)})"


def _plain(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.3g}".replace("e+0", "e")


def _power(value: float) -> str:
    """One digit in the form that people type: 1e-3, 0.1, 10, 3e4."""
    exponent = math.floor(math.log10(value) + 1e-9)
    digit = round(value / 10.0**exponent)
    if digit == 10:
        digit, exponent = 1, exponent + 1
    if -2 <= exponent <= 2:
        return f"{digit * 10.0**exponent:g}"
    return f"{digit}e{exponent}"
