"""What a cell says, as facts: its tuned values, its objectives and its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.errors import Place
from hpmagic.language.recipe import Argument, Recipe
from hpmagic.records import Objective
from hpmagic.space import Parameter, SearchSpace

__all__ = ["Argument", "Draw", "Lint", "Mark", "Once", "Recipe", "TunableCell"]


@dataclass(frozen=True)
class Draw:
    """A hyperparameter bound to an expression of the tree: that expression's value is drawn.

    ``parameter.name`` may hold braces (``units_{i}``): then ``name`` is the f-string to evaluate
    where the expression stands, else None.
    """

    parameter: Parameter
    recipe: Recipe
    expression: ast.expr
    place: Place
    name: ast.JoinedStr | None = None


@dataclass(frozen=True)
class Mark:
    """A metric, or an objective when ``direction`` is given, bound to an assignment.

    ``target`` is the expression to read after ``statement`` ran (``accuracy``, ``self.loss``,
    ``scores["auc"]``). ``loop`` is the loop in the same function whose rounds are the steps: the
    innermost one, or the innermost that sets a name of ``step``; None outside loops. ``step`` is
    the expression that gives the step, None for the loop's own counter or the count of reports.
    ``patience`` and ``min_delta`` may be expressions, to be evaluated where the statement stands.
    ``best`` asks for the best report rather than the last.
    """

    name: str
    objective: Objective | None
    statement: ast.stmt
    target: ast.expr
    loop: ast.For | ast.AsyncFor | ast.While | None
    place: Place
    patience: int | ast.expr | None = None
    min_delta: float | ast.expr = 0.0
    best: bool = False
    step: ast.expr | None = None

    @property
    def curve(self) -> bool:
        """Whether the reports have steps."""
        return self.loop is not None or self.step is not None


@dataclass(frozen=True)
class Once:
    """A statement that its author vouches for: it may run once for all trials."""

    statement: ast.stmt
    place: Place


@dataclass(frozen=True)
class Lint:
    """A warning about something legal that is probably not meant. ``code`` is a short name."""

    code: str
    message: str
    place: Place

    def __str__(self) -> str:
        return f"{self.place.filename}:{self.place.line}: {self.message} [{self.code}]"

    @property
    def sentence(self) -> str:
        """What is said of the cell where it can be seen: kernels give cells names of their own."""
        return f"line {self.place.line}: {self.message}"


@dataclass(frozen=True)
class TunableCell:
    """A cell of Python that has been read: nothing of it has run.

    ``text`` is what the person wrote; ``python`` the same with IPython's own syntax (``%time``,
    ``!ls``) made Python, line for line. ``constants`` are the literal constants that are assigned
    at the cell's top level and not tuned. ``fingerprint`` identifies the logic: the hexadecimal
    digest of the tree with tuned values blanked, so that comments, spacing, ranges and written
    defaults do not count.
    """

    text: str
    python: str
    filename: str
    tree: ast.Module
    draws: tuple[Draw, ...]
    marks: tuple[Mark, ...]
    once: tuple[Once, ...]
    space: SearchSpace
    constants: Mapping[str, object]
    lints: tuple[Lint, ...]
    fingerprint: str

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The annotated objectives, in the order in which they are written, each once."""
        return tuple(dict.fromkeys(m.objective for m in self.marks if m.objective is not None))
