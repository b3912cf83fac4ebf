"""A metric's value as a float, whatever kind of number the cell computed."""

from __future__ import annotations

from numbers import Number
from typing import Any

__all__ = ["as_float"]


def as_float(value: Any) -> float | None:
    """``value`` as a float, or None when it is not one real number.

    Numbers of any kind, booleans, and arrays, series or tensors of one element are numbers; texts
    and complex numbers are not.

    >>> from decimal import Decimal
    >>> as_float(Decimal("0.5")), as_float(True), as_float("0.5"), as_float([0.5])
    (0.5, 1.0, None, None)
    """
    if type(value) is float:
        return value
    value = _element(value)
    if isinstance(value, str | bytes | bytearray | complex):
        return None
    if not isinstance(value, Number) and not hasattr(type(value), "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _element(value: Any) -> Any:
    """The one element of an array-like that has just one."""
    item = getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        return item()
    except Exception:  # noqa: BLE001 - each library refuses in its own way
        return value if getattr(value, "shape", None) == () else None
