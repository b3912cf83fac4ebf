"""What a hyperparameter is drawn from.

Every distribution maps its values to the unit interval and back, so that a tuner can work on
numbers between 0 and 1 and never needs to know whether a range is logarithmic or integer.
Values are tidy: a float is drawn with about six significant digits of its range, short enough to
read, to log and to write back into the code.
"""

from __future__ import annotations

import ast
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import NormalDist
from typing import Any, ClassVar, Final

from hpmagic.errors import SpaceError

__all__ = [
    "MISSING",
    "Choice",
    "Distribution",
    "Int",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Ordinal",
    "Uniform",
    "distribution_from_json",
    "is_literal",
    "label_of",
    "literal_text",
    "native",
]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for 'no value' where None is a value."""

_DIGITS = 6
_MOST_STEPS = 2**53
_EDGE = 1e-9


def literal_text(value: object) -> str:
    """A Python literal as a person would type it.

    >>> print(literal_text("rbf"), literal_text(1000.0), literal_text((64, 32)))
    "rbf" 1000.0 (64, 32)
    """
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def is_literal(value: object) -> bool:
    """Whether ``value`` can be written down and read back: numbers, texts, None, and containers."""
    if isinstance(value, tuple | list | set | frozenset):
        return type(value) in (tuple, list) and all(map(is_literal, value))
    if isinstance(value, dict):
        return type(value) is dict and all(
            is_literal(k) and is_literal(v) for k, v in value.items()
        )
    if isinstance(value, float):
        return type(value) is float and math.isfinite(value)
    return value is None or type(value) in (bool, int, str, bytes)


def label_of(value: Any) -> str:
    """The short true text under which a value is shown and logged.

    >>> label_of("rbf"), label_of(0.1), label_of(dict)
    ('rbf', '0.1', 'dict')
    """
    if isinstance(value, str):
        return value
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and not is_literal(value):
        return name
    return repr(native(value))


def native(value: Any) -> Any:
    """A scalar of numpy as Python's own, such as 3 for ``numpy.int64(3)``; others as they are."""
    scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if scalar else value


_NOT_FINITE: Final = re.compile(
    r"""(-?)(?:(?:math\.|np\.|numpy\.)?(inf|nan)|float\((["'])([+-]?)(inf|nan)\3\))"""
)


def _not_finite(label: str) -> float | None:
    """The infinity or NaN that is written so, since no literal is; None for any other text."""
    found = _NOT_FINITE.fullmatch(label)
    if found is None:
        return None
    minus, name, _, sign, quoted = found.groups()
    value = float(f"{sign or ''}{name or quoted}")
    return -value if minus else value


def _number(value: float) -> str:
    text = repr(value)
    return text.removesuffix(".0")


def _tidy(value: float, quantum: float) -> float:
    """``value`` rounded to about six digits below ``quantum``, the scale that matters for it."""
    if not math.isfinite(quantum) or quantum <= 0:
        return value
    digits = _DIGITS - 1 - math.floor(math.log10(quantum))
    return round(value, digits) if digits < 300 else value


def _real(kind: str, **values: object) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpaceError(
                f"{kind}: {name} must be a number, but got {name}={literal_text(value)}", name
            )
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an integer beyond the floats
            finite = False
        if not finite:
            raise SpaceError(f"{kind}: {name} must be finite, but got {name}={value}", name)


def _ordered(kind: str, low: float, high: float) -> None:
    if low > high:
        raise SpaceError(
            f"{kind}: low <= high must hold, but got low={_number(low)}, high={_number(high)}",
            "low",
            "high",
        )


class Distribution(ABC):
    """What one hyperparameter is drawn from."""

    kind: ClassVar[str]
    """The canonical word in the annotation language."""
    ordered: ClassVar[bool] = True
    """Whether neighbouring values are alike."""

    @property
    def size(self) -> int | None:
        """How many values there are; None when they are a continuum."""
        return None

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether ``value`` could be drawn."""

    @abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at ``unit`` in [0, 1], where equal lengths are equally likely."""

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """The inverse of `from_unit`, for a value that the distribution contains."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """A plain form that `distribution_from_json` reads back."""

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        """The values a grid visits: all of them, or ``points`` evenly spread ones.

        Raises:
            SpaceError: a continuum without ``points``, or ``points`` below 1.
        """
        if points is not None and points < 1:
            raise SpaceError(f"n must be at least 1, but got n={points}")
        if points is None:
            if self.size is None:
                raise SpaceError(f"{self} is a continuum: a grid over it needs n=, such as `n=5`")
            points = self.size
        elif self.size is not None:
            points = min(points, self.size)
        units = [0.5] if points == 1 else [i / (points - 1) for i in range(points)]
        return tuple(dict.fromkeys(self.from_unit(unit) for unit in units))

    def key(self, value: object) -> Hashable:
        """A hashable identity of ``value``: equal keys mean the same setting."""
        try:
            hash(value)
        except TypeError:
            return ("other", label_of(value))
        return value

    def label(self, value: object) -> str:
        """The text under which ``value`` is shown and logged."""
        return label_of(value)

    def plain(self, value: Any) -> Any:
        """``value`` itself when it can be written down as a literal, else its label."""
        own = native(value)
        return own if is_literal(own) else self.label(value)

    def in_table(self, value: Any) -> Any:
        """``value`` as it is in tables: as `plain` has it, but infinity and NaN are floats."""
        own = native(self.used(value))
        return own if isinstance(own, float) else self.plain(value)

    def used(self, value: Any) -> Any:
        """``value``, or the float that was used, where MLflow has only a label for it."""
        return value

    def parse(self, label: str) -> Any:
        """The plain value that has this label; others are read as literals, else as text."""
        try:
            value = ast.literal_eval(label)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return label
        return value if is_literal(value) else label


@dataclass(frozen=True)
class Uniform(Distribution):
    """Floats from ``low`` to ``high``, both included; with ``step``, on a lattice from ``low``.

    A ``high`` that the lattice does not meet is lowered to its last point.

    >>> Uniform(0, 1, step=0.25).grid()
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """

    kind: ClassVar[str] = "uniform"
    low: float
    high: float
    step: float | None = None

    def __post_init__(self) -> None:
        _real(self.kind, low=self.low, high=self.high)
        _ordered(self.kind, self.low, self.high)
        object.__setattr__(self, "low", float(self.low) + 0.0)  # no negative zero
        object.__setattr__(self, "high", float(self.high) + 0.0)
        if not math.isfinite(self.high - self.low):
            raise SpaceError(
                f"uniform: high - low must be finite, but got low={_number(self.low)}, "
                f"high={_number(self.high)}",
                "low",
                "high",
            )
        if self.step is not None:
            _real(self.kind, step=self.step)
            if self.step <= 0:
                raise SpaceError(
                    f"uniform: step > 0 must hold, but got step={_number(self.step)}", "step"
                )
            object.__setattr__(self, "step", float(self.step))
            if (self.high - self.low) / self.step > _MOST_STEPS:
                raise SpaceError(
                    f"uniform: at most 2**53 steps can be told apart, but got "
                    f"step={_number(self.step)}",
                    "step",
                )
            object.__setattr__(self, "high", self._at(self._last()))

    def _last(self) -> int:
        assert self.step is not None
        span = Decimal(repr(self.high)) - Decimal(repr(self.low))
        return int(span / Decimal(repr(self.step)))

    def _at(self, index: int) -> float:
        assert self.step is not None
        return float(Decimal(repr(self.low)) + index * Decimal(repr(self.step)))

    @property
    def size(self) -> int | None:
        if self.low == self.high:
            return 1
        return None if self.step is None else self._last() + 1

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        return self.step is None or self._at(round((value - self.low) / self.step)) == value

    def from_unit(self, unit: float) -> float:
        if self.step is not None:
            return self._at(_bin(unit, self._last() + 1))
        if not 0 < unit < 1:
            return self.low if unit <= 0 else self.high
        value = _tidy(self.low + unit * (self.high - self.low), self.high - self.low)
        return min(max(value, self.low), self.high)

    def to_unit(self, value: float) -> float:
        if self.low == self.high:
            return 0.5
        if self.step is not None:
            return _centre(round((value - self.low) / self.step), self._last() + 1)
        return (value - self.low) / (self.high - self.low)

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        return _lattice_grid(self, points, self._at) if self.step else super().grid(points)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step={_number(self.step)}"
        return f"uniform({_number(self.low)}, {_number(self.high)}{step})"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "low": self.low, "high": self.high, "step": self.step}


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Floats from ``low`` to ``high``, both included, equally likely in each factor of ten.

    >>> LogUniform(1e-4, 1.0).from_unit(0.5)
    0.01
    """

    kind: ClassVar[str] = "loguniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        _real(self.kind, low=self.low, high=self.high)
        if self.low <= 0:
            hint = (
                f"; bounds are real values, not exponents: did you mean "
                f"`loguniform({_power(self.low)}, {_power(self.high)})`?"
                if self.low < 0 and abs(self.low) <= 30 and abs(self.high) <= 30
                else ""
            )
            raise SpaceError(
                f"loguniform: low > 0 must hold, but got low={_number(self.low)}{hint}", "low"
            )
        _ordered(self.kind, self.low, self.high)
        object.__setattr__(self, "low", float(self.low) + 0.0)  # no negative zero
        object.__setattr__(self, "high", float(self.high) + 0.0)

    @property
    def size(self) -> int | None:
        return 1 if self.low == self.high else None

    def contains(self, value: object) -> bool:
        return (
            not isinstance(value, bool)
            and isinstance(value, int | float)
            and self.low <= value <= self.high
        )

    def from_unit(self, unit: float) -> float:
        if not 0 < unit < 1:
            return self.low if unit <= 0 else self.high
        low, high = math.log(self.low), math.log(self.high)
        value = math.exp(low + unit * (high - low))
        value = _tidy(value, min(value, self.high - self.low))
        return min(max(value, self.low), self.high)

    def to_unit(self, value: float) -> float:
        low, high = math.log(self.low), math.log(self.high)
        return (math.log(value) - low) / (high - low) if low < high else 0.5

    def __str__(self) -> str:
        return f"loguniform({_number(self.low)}, {_number(self.high)})"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Int(Distribution):
    """Integers from ``low`` to ``high``, both included.

    >>> Int(16, 256, log=True).grid(3)
    (16, 64, 256)
    """

    kind: ClassVar[str] = "int"
    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        bounds: dict[str, Any] = {"low": self.low, "high": self.high, "step": self.step}
        for name, value in bounds.items():
            if isinstance(value, bool) or not isinstance(value, int):
                whole = isinstance(value, float) and value.is_integer()
                hint = f"; write {name}={int(value)}" if whole else ""
                raise SpaceError(
                    f"int: {name} must be an integer, but got {name}={literal_text(value)}{hint}",
                    name,
                )
            if abs(value) > _MOST_STEPS:
                raise SpaceError(
                    f"int: {name} must lie within -2**53 and 2**53, but got {name}={value}", name
                )
        if not isinstance(self.log, bool):
            raise SpaceError(f"int: log must be True or False, but got log={self.log!r}", "log")
        _ordered(self.kind, self.low, self.high)
        if self.step < 1:
            raise SpaceError(f"int: step >= 1 must hold, but got step={self.step}", "step")
        if self.log and self.low < 1:
            raise SpaceError(
                f"int: with log=True low >= 1 must hold, but got low={self.low}", "low"
            )
        if self.log and self.step != 1:
            raise SpaceError(
                "int: log=True and step cannot be combined, but got "
                f"step={self.step}; drop one of them",
                "step",
            )
        object.__setattr__(self, "high", self.low + (self.high - self.low) // self.step * self.step)

    @property
    def size(self) -> int:
        return (self.high - self.low) // self.step + 1

    def contains(self, value: object) -> bool:
        return (
            not isinstance(value, bool)
            and isinstance(value, int)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )

    def from_unit(self, unit: float) -> int:
        if self.log:
            if not 0 < unit < 1:
                return self.low if unit <= 0 else self.high
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            value = round(math.exp(low + unit * (high - low)))
            return min(max(value, self.low), self.high)
        return self.low + _bin(unit, self.size) * self.step

    def to_unit(self, value: int) -> float:
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return (math.log(value) - low) / (high - low)
        return _centre((value - self.low) // self.step, self.size)

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        if self.log and points is not None and points > 1:
            units = [i / (points - 1) for i in range(points - 1)]
            ratio = math.log(self.high / self.low)
            inner = (round(self.low * math.exp(u * ratio)) for u in units)
            return tuple(dict.fromkeys((*inner, self.high)))
        return _lattice_grid(self, points, lambda index: self.low + index * self.step)

    def __str__(self) -> str:
        step = "" if self.step == 1 else f", step={self.step}"
        log = ", log=True" if self.log else ""
        return f"int({self.low}, {self.high}{step}{log})"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
        }


@dataclass(frozen=True)
class Choice(Distribution):
    """One of several values, of any kind, in no order.

    ``labels`` are the texts under which the options are shown and logged; by default their own.
    ``objects`` are those of options that a store has only as labels, and that are texts here.

    >>> Choice(("linear", "rbf")).from_unit(0.9)
    'rbf'
    """

    kind: ClassVar[str] = "choice"
    ordered: ClassVar[bool] = False
    options: tuple[Any, ...]
    labels: tuple[str, ...] = field(default=())
    objects: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options:
            raise SpaceError(f"{self.kind}: at least one value is needed, but got none")
        labels = tuple(self.labels) or tuple(map(label_of, self.options))
        if len(set(labels)) < len(labels):
            labels = tuple(map(literal_text, self.options))
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            again = len(labels) - 1 - labels[::-1].index(twice)
            raise SpaceError(f"{self.kind}: the values must differ, but got {twice} twice", again)
        object.__setattr__(self, "labels", labels)

    @property
    def size(self) -> int:
        return len(self.options)

    def index(self, value: object) -> int | None:
        """The place of ``value`` among the options (1, 1.0 and True differ), or None."""
        for index, option in enumerate(self.options):
            if option is value:
                return index
        for index, option in enumerate(self.options):
            if type(option) is type(value) and _equal(option, value):
                return index
        return None

    def contains(self, value: object) -> bool:
        return self.index(value) is not None

    def from_unit(self, unit: float) -> Any:
        return self.options[_bin(unit, len(self.options))]

    def to_unit(self, value: Any) -> float:
        index = self.index(value)
        if index is None:
            raise SpaceError(f"{self} does not contain {label_of(value)}")
        return _centre(index, len(self.options))

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        if points is not None and points < len(self.options):
            raise SpaceError(f"{self.kind}: a grid takes every value, but got n={points}; drop n=")
        return self.options

    def key(self, value: object) -> Hashable:
        index = self.index(value)
        return ("other", label_of(value)) if index is None else index

    def label(self, value: object) -> str:
        index = self.index(value)
        return label_of(value) if index is None else self.labels[index]

    def parse(self, label: str) -> Any:
        if label in self.labels:
            return self.plain(self.options[self.labels.index(label)])
        return super().parse(label)

    def used(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.labels and not self.contains(value):
            option = self.options[self.labels.index(value)]
            return option if isinstance(option, float) else value
        return value

    def _own(self) -> tuple[Any, ...]:
        """The options with numpy's scalars as Python's own, unless that makes two the same."""
        own = tuple(map(native, self.options))
        if all(one is other for one, other in zip(own, self.options, strict=True)):
            return self.options
        return own if len(set(map(literal_text, own))) == len(own) else self.options

    def _texts(self) -> list[str]:
        pairs = zip(self._own(), self.labels, strict=True)
        return [literal_text(option) if is_literal(option) else label for option, label in pairs]

    def __str__(self) -> str:
        texts = self._texts()
        # A list that is the only option: `choice([8])` would be the choice of 8.
        if len(texts) == 1 and isinstance(self.options[0], list | tuple):
            texts = [f"[{texts[0]}]"]
        return f"{self.kind}({', '.join(texts)})"

    def as_json(self) -> dict[str, Any]:
        pairs = zip(self._own(), self.labels, strict=True)
        literal = [is_literal(own) and label not in self.objects for own, label in pairs]
        return {
            "kind": self.kind,
            "options": self._texts(),
            "labels": list(self.labels),
            "literal": literal,
        }


@dataclass(frozen=True)
class Ordinal(Choice):
    """One of several values whose order matters: neighbours are alike.

    >>> str(Ordinal(("small", "medium", "large")))
    'ordinal("small", "medium", "large")'
    """

    kind: ClassVar[str] = "ordinal"
    ordered: ClassVar[bool] = True

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        return _lattice_grid(self, points, lambda index: self.options[index])


@dataclass(frozen=True)
class Normal(Distribution):
    """Floats around ``mu`` with standard deviation ``sigma``, without bounds.

    >>> Normal(0, 1).from_unit(0.5)
    0.0
    """

    kind: ClassVar[str] = "normal"
    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _real(self.kind, mu=self.mu, sigma=self.sigma)
        if self.sigma <= 0:
            raise SpaceError(
                f"{self.kind}: sigma > 0 must hold, but got sigma={_number(self.sigma)}", "sigma"
            )
        object.__setattr__(self, "mu", float(self.mu) + 0.0)
        object.__setattr__(self, "sigma", float(self.sigma))

    def contains(self, value: object) -> bool:
        return (
            not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
        )

    def from_unit(self, unit: float) -> float:
        unit = min(max(unit, _EDGE), 1 - _EDGE)
        return _tidy(NormalDist(self.mu, self.sigma).inv_cdf(unit), self.sigma)

    def to_unit(self, value: float) -> float:
        return NormalDist(self.mu, self.sigma).cdf(value)

    def grid(self, points: int | None = None) -> tuple[Any, ...]:
        if points is None or points < 1:
            return super().grid(points)
        return tuple(self.from_unit((i + 0.5) / points) for i in range(points))

    def __str__(self) -> str:
        return f"{self.kind}({_number(self.mu)}, {_number(self.sigma)})"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "mu": self.mu, "sigma": self.sigma}


@dataclass(frozen=True)
class LogNormal(Normal):
    """Positive floats whose natural logarithm is ``normal(mu, sigma)``.

    >>> LogNormal(0, 1).from_unit(0.5)
    1.0
    """

    kind: ClassVar[str] = "lognormal"

    def contains(self, value: object) -> bool:
        return super().contains(value) and value > 0  # type: ignore[operator]

    def from_unit(self, unit: float) -> float:
        unit = min(max(unit, _EDGE), 1 - _EDGE)
        exponent = min(max(NormalDist(self.mu, self.sigma).inv_cdf(unit), -700.0), 700.0)
        value = math.exp(exponent)
        return _tidy(value, value * min(self.sigma, 1.0)) or value

    def to_unit(self, value: float) -> float:
        return NormalDist(self.mu, self.sigma).cdf(math.log(value))


def _equal(a: object, b: object) -> bool:
    try:
        return bool(a == b)
    except Exception:  # noqa: BLE001 - a stranger's __eq__ may raise anything
        return False


def _bin(unit: float, size: int) -> int:
    return min(max(int(unit * size), 0), size - 1)


def _centre(index: int, size: int) -> float:
    return (index + 0.5) / size


def _lattice_grid(
    distribution: Distribution, points: int | None, at: Callable[[int], Any]
) -> tuple[Any, ...]:
    size = distribution.size
    assert size is not None
    if points is not None and points < 1:
        raise SpaceError(f"n must be at least 1, but got n={points}")
    if points is None or points >= size:
        return tuple(at(index) for index in range(size))
    if points == 1:
        return (at((size - 1) // 2),)
    spread = (round(i * (size - 1) / (points - 1)) for i in range(points - 1))
    return tuple(at(index) for index in dict.fromkeys((*spread, size - 1)))


def _power(exponent: float) -> str:
    return f"1e{exponent:g}"


_KINDS: Final[dict[str, type[Distribution]]] = {
    cls.kind: cls for cls in (Uniform, LogUniform, Int, Normal, LogNormal)
}


def distribution_from_json(data: Mapping[str, Any]) -> Distribution:
    """Read back what `Distribution.as_json` wrote. Evaluates nothing but literals.

    Options that were objects come back as their labels, but for infinities and NaN.

    >>> str(distribution_from_json(Int(1, 9, step=2).as_json()))
    'int(1, 9, step=2)'
    """
    kind = data.get("kind")
    fields = {name: value for name, value in data.items() if name != "kind"}
    if kind in _KINDS:
        return _KINDS[kind](**fields)
    if kind in (Choice.kind, Ordinal.kind):
        options = tuple(
            ast.literal_eval(text) if literal else _unless_float(label)
            for text, label, literal in zip(
                fields["options"], fields["labels"], fields["literal"], strict=True
            )
        )
        cls = Ordinal if kind == Ordinal.kind else Choice
        known = zip(fields["labels"], options, fields["literal"], strict=True)
        objects = (label for label, option, literal in known if not literal and option == label)
        return cls(options, tuple(fields["labels"]), frozenset(objects))
    raise SpaceError(f"unknown distribution kind {kind!r}")


def _unless_float(label: str) -> str | float:
    number = _not_finite(label)
    return label if number is None else number
