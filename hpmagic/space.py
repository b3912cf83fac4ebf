"""The search space: every hyperparameter of a cell and what it is drawn from."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hpmagic.distributions import (
    MISSING,
    Distribution,
    distribution_from_json,
    is_literal,
    label_of,
    literal_text,
)
from hpmagic.errors import SpaceError
from hpmagic.kinds import kind_of

__all__ = ["Parameter", "SearchSpace"]


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter of a search space.

    ``distribution`` is None while its arguments are expressions that only the kernel can evaluate;
    ``text`` shows it either way. ``default`` is the value written in the code, MISSING when that is
    not a literal. ``grid_points`` is how many values a grid takes from a range. ``conditional``
    says that the line stands in a branch, a loop or a function, and so may not be reached.
    ``kind`` is "model", "training" or None, as written; `of` says it by the name too.
    """

    name: str
    distribution: Distribution | None
    text: str = ""
    default: object = MISSING
    grid_points: int | None = None
    conditional: bool = False
    kind: str | None = None
    line: int = 0

    def __post_init__(self) -> None:
        if not self.text and self.distribution is not None:
            object.__setattr__(self, "text", str(self.distribution))

    @property
    def of(self) -> str | None:
        """What it shapes: "model" or "training", as written or by its name; None if unknown."""
        return self.kind or kind_of(self.name)

    def grid(self) -> tuple[Any, ...]:
        """The values a grid visits; raises `SpaceError`, naming the parameter, on a continuum."""
        if self.distribution is None:
            raise SpaceError(f"{self.name}: {self.text} is not known before the cell runs")
        try:
            return self.distribution.grid(self.grid_points)
        except SpaceError as error:
            raise SpaceError(f"{self.name}: {error}") from None

    def spelled(self, value: object) -> str:
        """A value as code. An option that is an object is as the annotation has it.

        A study from MLflow has the labels of such options in their place.

        >>> Parameter("scaler", None, "choice(StandardScaler, None)").spelled("StandardScaler")
        'StandardScaler'
        """
        label = value if isinstance(value, str) else label_of(value)
        if (isinstance(value, str) or not is_literal(value)) and label in self._objects():
            return label
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        return literal_text(value) if is_literal(value) else label

    def _objects(self) -> set[str]:
        """The options that are not literals, as they are written."""
        try:
            item = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return set()
        options = item.args if isinstance(item, ast.Call) else []
        return {
            ast.unparse(o) for o in options if isinstance(o, ast.Name | ast.Attribute | ast.Call)
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "distribution": None if self.distribution is None else self.distribution.as_json(),
            "text": self.text,
            "default": literal_text(self.default) if is_literal(self.default) else None,
            "grid_points": self.grid_points,
            "conditional": self.conditional,
            "kind": self.kind,
            "line": self.line,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Parameter:
        """Read back what `as_json` wrote."""
        distribution, default = data["distribution"], data["default"]
        return cls(
            name=data["name"],
            distribution=None if distribution is None else distribution_from_json(distribution),
            text=data["text"],
            default=MISSING if default is None else ast.literal_eval(default),
            grid_points=data["grid_points"],
            conditional=data["conditional"],
            kind=data["kind"],
            line=data["line"],
        )


@dataclass(frozen=True)
class SearchSpace(Mapping[str, Parameter]):
    """All hyperparameters of a cell, by name, in the order in which they are written."""

    parameters: tuple[Parameter, ...] = ()

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (parameter.name for parameter in self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def always(self) -> frozenset[str]:
        """The names that every execution of the cell draws.

        >>> SearchSpace((Parameter("lr", None), Parameter("p", None, conditional=True))).always
        frozenset({'lr'})
        """
        return frozenset(p.name for p in self.parameters if not p.conditional and "{" not in p.name)

    def find(self, name: str) -> Parameter | None:
        """The hyperparameter of that name, or the one whose name it is with its braces filled in.

        >>> SearchSpace((Parameter("units_{i}", None),)).find("units_2").name
        'units_{i}'
        """
        if name in self:
            return self[name]
        return next((p for p in self.parameters if _fills(p.name, name)), None)

    @property
    def defaults(self) -> dict[str, object]:
        """The written values that are literals, by name."""
        return {p.name: p.default for p in self.parameters if p.default is not MISSING}

    def grid_sizes(self) -> dict[str, int]:
        """How many values a grid visits for each hyperparameter.

        Raises:
            SpaceError: a continuum without ``n=``; the message names the parameter.
        """
        return {p.name: len(p.grid()) for p in self.parameters}

    def as_json(self) -> list[dict[str, Any]]:
        """A plain form that `from_json` reads back."""
        return [parameter.as_json() for parameter in self.parameters]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> SearchSpace:
        """Read back what `as_json` wrote."""
        return cls(tuple(Parameter.from_json(item) for item in data))


def _fills(template: str, name: str) -> bool:
    pieces = re.split(r"\{[^{}]*\}", template)
    return len(pieces) > 1 and re.fullmatch(".+".join(map(re.escape, pieces)), name) is not None
