"""What a cell says, as facts: its tuned values, its objectives and its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.distributions import Distribution
from hpmagic.errors import Place
from hpmagic.records import Objective
from hpmagic.space import Parameter, SearchSpace


@dataclass(frozen=True)
class Argument:
    """One argument of a distribution: a literal value, or an expression for the kernel.

    ``keyword`` is None for a positional one. ``expression`` is None for a literal; else a
    node whose line and column numbers are those of the comment in the cell.
    """

    keyword: str | None
    value: object
    expression: ast.expr | None
    text: str
    place: Place


@dataclass(frozen=True)
class Recipe:
    """A distribution as written: a canonical kind and its arguments, some perhaps expressions."""

    kind: str
    arguments: tuple[Argument, ...]
    place: Place

    @property
    def deferred(self) -> tuple[Argument, ...]:
        """The arguments that only the kernel can evaluate, in the order of writing."""
        return tuple(a for a in self.arguments if a.expression is not None)

    def build(self, values: tuple[object, ...] = ()) -> Distribution:
        """The distribution, given the values of the `deferred` arguments in their order.

        Options of a choice that are not literals keep the text of their expression as label.

        Raises:
            AnnotationError: a value breaks the distribution's rule; the caret is under it.
        """
        raise NotImplementedError


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
    ``scores["auc"]``); ``loop`` the innermost loop that holds the statement in the same function,
    None outside loops. ``best`` asks for the best report rather than the last.
    """

    name: str
    objective: Objective | None
    statement: ast.stmt
    target: ast.expr
    loop: ast.For | ast.AsyncFor | ast.While | None
    place: Place
    patience: int | None = None
    min_delta: float = 0.0
    best: bool = False


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


@dataclass(frozen=True)
class TunableCell:
    """A cell of Python that has been read: nothing of it has run.

    ``text`` is what the person wrote; ``python`` the same with IPython's own syntax (``%time``,
    ``!ls``) made Python, line for line. ``constants`` are the literal constants that are assigned
    at the cell's top level and not tuned. ``fingerprint`` identifies the logic: the hexadecimal
    digest of the tree with tuned literals blanked, so that comments, spacing, ranges and written
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


def parse_cell(
    text: str, filename: str = "<cell>", *, python: str | None = None, first_line: int = 1
) -> TunableCell:
    """Read a cell.

    Args:
        text: the cell as written, without its ``%%tune`` line.
        filename: for messages.
        python: the same cell, line for line, with IPython's syntax replaced; ``text`` when None.
        first_line: the number, in the file or cell, of the text's first line.

    Raises:
        SyntaxError: the cell is not Python.
        AnnotationError: an annotation cannot be understood; nothing has run.
    """
    raise NotImplementedError
