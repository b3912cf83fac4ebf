"""A distribution as written, and the distribution it makes once its values are known."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence, Set, ValuesView
from dataclasses import dataclass
from enum import EnumType
from typing import Any, Final

from hpmagic.distributions import (
    Choice,
    Distribution,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    label_of,
)
from hpmagic.errors import AnnotationError, Place, SpaceError

__all__ = ["Argument", "Recipe"]

_RANGES: Final[Mapping[str, Callable[..., Distribution]]] = {
    cls.kind: cls for cls in (Uniform, LogUniform, Int, Normal, LogNormal)
}
_MANY: Final = (Sequence, Set, ValuesView, Iterator, EnumType)
_CHOICES: Final[Mapping[str, type[Choice]]] = {cls.kind: cls for cls in (Choice, Ordinal)}


@dataclass(frozen=True)
class Argument:
    """One argument of a distribution: a literal value, or an expression for the kernel.

    ``keyword`` is the argument's canonical name, however it was written; None for the options of a
    choice. ``expression`` is None for a literal; else a node whose line and column numbers are
    those of the comment in the cell.
    """

    keyword: str | None
    value: object
    expression: ast.expr | None
    text: str
    place: Place


@dataclass(frozen=True)
class Recipe:
    """A distribution as written: a canonical kind and its arguments, some perhaps expressions.

    ``spread`` says that the only argument of a choice holds the options: ``choice(models)``.
    """

    kind: str
    arguments: tuple[Argument, ...]
    place: Place
    spread: bool = False

    @property
    def deferred(self) -> tuple[Argument, ...]:
        """The arguments that only the kernel can evaluate, in the order of writing."""
        return tuple(a for a in self.arguments if a.expression is not None)

    @property
    def text(self) -> str:
        """The canonical form, as far as it is known without evaluating anything."""
        if not self.deferred:
            return str(self.build())
        texts = [
            a.text if a.keyword in (None, "low", "high", "mu", "sigma") else f"{a.keyword}={a.text}"
            for a in self._in_order()
        ]
        if self.kind in _CHOICES and len(texts) == 1 and not self.spread:
            texts = [f"[{texts[0]}]"]
        return f"{self.kind}({', '.join(texts)})"

    def build(self, values: tuple[object, ...] = ()) -> Distribution:
        """The distribution, given the values of the `deferred` arguments in their order.

        Options of a choice that are not literals keep the text of their expression as label.

        Raises:
            AnnotationError: a value breaks the distribution's rule; the caret is under it.
        """
        given = iter(values)
        known = [a.value if a.expression is None else next(given) for a in self.arguments]
        try:
            if self.kind in _CHOICES:
                return self._choice(known)
            pairs = zip(self.arguments, known, strict=True)
            return _RANGES[self.kind](**{str(a.keyword): _plain(v) for a, v in pairs})
        except SpaceError as error:
            raise AnnotationError(str(error), self._blamed(error)) from None

    def same_as(self, other: Recipe) -> bool:
        """Whether the two are one space, however they are written."""
        if self.deferred or other.deferred:
            return self.kind == other.kind and self._shape() == other._shape()
        return self.build() == other.build()

    def _choice(self, known: Sequence[object]) -> Choice:
        cls = _CHOICES[self.kind]
        if self.spread:
            return cls(_options(known[0], self.arguments[0]))
        labels = tuple(
            label_of(value) if a.expression is None else a.text
            for a, value in zip(self.arguments, known, strict=True)
        )
        return cls(tuple(known), labels)

    def _blamed(self, error: SpaceError) -> Place:
        """From the first to the last of the arguments that the error is about."""
        places = [
            a.place
            for at, a in enumerate(self.arguments)
            if a.keyword in error.arguments or at in error.arguments
        ]
        if not places or self.spread:
            return self.arguments[0].place if self.spread else self.place
        first = min(places, key=lambda place: place.column)
        last = max(places, key=lambda place: place.end_column)
        return Place(first.filename, first.line, first.column, last.end_column, first.text)

    def _in_order(self) -> list[Argument]:
        order = ("low", "high", "mu", "sigma", "step", "log")
        if self.kind in _CHOICES:
            return list(self.arguments)
        return sorted(self.arguments, key=lambda a: order.index(str(a.keyword)))

    def _shape(self) -> list[object]:
        return [
            (a.keyword, repr(a.value) if a.expression is None else ast.dump(a.expression))
            for a in self._in_order()
        ]


def _plain(value: Any) -> Any:
    """A number of the kernel as Python's own: ``numpy.int64(3)`` is 3."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _options(value: Any, argument: Argument) -> tuple[Any, ...]:
    """The options that one expression gives: the items of a list or the like."""
    if isinstance(value, Mapping):
        raise AnnotationError(
            f"`{argument.text}` is a dict: write `[*{argument.text}]` for its keys or "
            f"`[*{argument.text}.values()]` for its values",
            argument.place,
        )
    if isinstance(value, _MANY) and not isinstance(value, str | bytes | bytearray):
        return tuple(value)
    if hasattr(value, "tolist") and getattr(value, "ndim", None) == 1:
        return tuple(value.tolist())
    return (value,)
