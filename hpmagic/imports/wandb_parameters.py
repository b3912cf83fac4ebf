"""The parameters of a W&B sweep as distributions.

The words and their meanings are those of W&B's page on sweep configuration keys. Its logarithms are
natural, and without ``_values`` its log bounds are exponents.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hpmagic.distributions import (
    MISSING,
    Choice,
    Distribution,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Uniform,
    is_literal,
)
from hpmagic.errors import ConversionError, SpaceError, nearest
from hpmagic.imports.yamltree import Item

__all__ = ["Setting", "read_setting"]

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "q_uniform": ("min", "max"),
    "log_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
    "q_log_uniform": ("min", "max"),
    "q_log_uniform_values": ("min", "max"),
    "inv_log_uniform": ("min", "max"),
    "inv_log_uniform_values": ("min", "max"),
    "normal": (),
    "q_normal": (),
    "log_normal": (),
    "q_log_normal": (),
}
"""What each distribution cannot do without."""

_KEYS: Final = (
    "distribution",
    "value",
    "values",
    "probabilities",
    "min",
    "max",
    "q",
    "mu",
    "sigma",
    "parameters",
)


@dataclass(frozen=True)
class Setting:
    """A parameter of a sweep.

    ``distribution`` is None for a constant; ``value`` is written into the code: the constant, the
    first of several values, or the middle of a range. ``note`` says what is lost.
    """

    distribution: Distribution | None
    value: Any
    note: str = ""


def read_setting(name: str, item: Item) -> Setting:
    """What a parameter's keys say.

    Raises:
        ConversionError: an unknown key or distribution, a missing one, or values that break a rule.
    """
    given: dict[str, Item] = item.value
    for key, inner in given.items():
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f"; there are {', '.join(_KEYS)}"
            raise ConversionError(f"{name}: unknown key `{key}`{hint}", inner.key or inner.place)
    kind = _kind(name, item)
    for needed in _NEEDS[kind]:
        if needed not in given:
            raise ConversionError(f"{name}: {kind} needs `{needed}`", item.key or item.place)
    if kind == "constant":
        return Setting(None, _literal(given["value"]))
    if kind.startswith("categorical"):
        return _categorical(name, kind, given)
    try:
        return _ranged(name, kind, given)
    except SpaceError as error:
        blamed = "max" if "high" in error.arguments and "low" not in error.arguments else "min"
        blamed = next((key for key in ("sigma", "q") if key in error.arguments), blamed)
        blamed = "q" if "step" in error.arguments else blamed
        place = given[blamed].place if blamed in given else item.place
        raise ConversionError(f"{name}: {error}", place) from None


def _kind(name: str, item: Item) -> str:
    """The distribution, as written or as the other keys tell."""
    given = item.value
    if "distribution" in given:
        written = given["distribution"]
        if not isinstance(written.value, str) or written.value not in _NEEDS:
            hint = nearest(str(written.value), _NEEDS) or f"; there are {', '.join(_NEEDS)}"
            raise ConversionError(
                f"{name}: unknown distribution `{written.plain}`{hint}", written.place
            )
        return written.value
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    if "min" in given and "max" in given:
        whole = all(type(given[key].value) is int for key in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    if "mu" in given or "sigma" in given:
        return "normal"
    raise ConversionError(
        f"{name}: nothing says what it could be: give `values`, or `min` and `max`",
        item.key or item.place,
    )


def _literal(item: Item) -> Any:
    value = item.plain
    if not is_literal(value):
        raise ConversionError(f"{value} cannot be written into code", item.place)
    return value


def _categorical(name: str, kind: str, given: dict[str, Item]) -> Setting:
    values = given["values"]
    if not isinstance(values.value, list):
        raise ConversionError(f"{name}: values must be a list", values.place)
    options = [_literal(item) for item in values.value]
    try:
        distribution = Choice(tuple(options))
    except SpaceError as error:
        raise ConversionError(f"{name}: {error}", values.place) from None
    note = f"{name}: its probabilities are left out" if kind != "categorical" else ""
    return Setting(distribution, options[0], note)


def _ranged(name: str, kind: str, given: dict[str, Item]) -> Setting:
    number = _Numbers(name, given)
    plain = kind.removeprefix("q_")
    q = number("q", 1) if plain != kind else None
    if q is not None and q <= 0:
        raise ConversionError(f"{name}: q > 0 must hold, but got q={q}", given["q"].place)
    if plain in ("normal", "log_normal"):
        cls: Callable[[float, float], Distribution] = Normal if plain == "normal" else LogNormal
        distribution = cls(number("mu", 0), number("sigma", 1))
        value, note = distribution.from_unit(0.5), ""
        if q is not None:
            note = _rounding(name, q)
        return Setting(distribution, value, note)
    low, high = _bounds(plain, number)
    note = ""
    if plain == "int_uniform":
        distribution = Int(number.whole("min"), number.whole("max"))
    elif plain == "uniform":
        distribution = Uniform(low, high) if q is None else _lattice(low, high, q)
    elif q == 1 and round(low) >= 1:
        distribution = Int(round(low), round(high), log=True)
    else:
        distribution = LogUniform(low, high)
        if q is not None:
            note = _rounding(name, q)
    return Setting(distribution, distribution.from_unit(0.5), note)


def _rounding(name: str, q: float) -> str:
    how = "round(x)" if q == 1 else f"round(x / {q}) * {q}"
    return f"{name}: W&B rounds it: do so in the code, as in {how}"


def _bounds(kind: str, number: _Numbers) -> tuple[float, float]:
    """The real bounds; of exponents, to six digits."""
    low, high = number("min"), number("max")
    if kind == "log_uniform":
        return number.power("min", 1), number.power("max", 1)
    if kind == "inv_log_uniform":
        return number.power("max", -1), number.power("min", -1)
    return low, high


def _lattice(low: float, high: float, q: float) -> Distribution:
    """The multiples of ``q`` that rounding gives."""
    first, last = round(low / q), round(high / q)
    if isinstance(q, int) or float(q).is_integer():
        return Int(first * int(q), last * int(q), step=int(q))
    return Uniform(float(f"{first * q:.12g}"), float(f"{last * q:.12g}"), step=q)


class _Numbers:
    """The numbers among a parameter's keys."""

    def __init__(self, name: str, given: dict[str, Item]) -> None:
        self._name = name
        self._given = given

    def __call__(self, key: str, default: object = MISSING) -> Any:
        if key not in self._given and default is not MISSING:
            return default
        item = self._given[key]
        number = isinstance(item.value, int | float) and not isinstance(item.value, bool)
        if not number or not math.isfinite(item.value):
            raise ConversionError(
                f"{self._name}: {key} must be a number, but got {item.plain!r}", item.place
            )
        return item.value

    def whole(self, key: str) -> int:
        """An integer, perhaps written as a float."""
        value = self(key)
        if value != int(value):
            raise ConversionError(
                f"{self._name}: {key} must be an integer, but got {value}", self._given[key].place
            )
        return int(value)

    def power(self, key: str, sign: int) -> float:
        """The power of e whose exponent is given, to six digits."""
        try:
            value = float(f"{math.exp(sign * self(key)):.6g}")
        except OverflowError:
            value = math.inf
        if not 0 < value < math.inf:
            raise ConversionError(
                f"{self._name}: {key} is an exponent of e here, and e**{sign * self(key)} is "
                "beyond the floats; for real bounds there are log_uniform_values and "
                "inv_log_uniform_values",
                self._given[key].place,
            )
        return value
