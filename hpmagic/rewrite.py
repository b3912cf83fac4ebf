"""A cell's text with other values written in it: only the tuned literals change."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.distributions import Choice, is_literal, label_of, literal_text, native
from hpmagic.language import parse_cell
from hpmagic.language.cell import Draw
from hpmagic.records import Trial

__all__ = [
    "Label",
    "Rewritten",
    "difference",
    "has_code",
    "rewrite",
    "span_of",
    "spelled",
    "values_of",
]


@dataclass(frozen=True)
class Rewritten:
    """The new text, and the names whose values it has.

    ``left`` are those that could not be written (made in loops, say), ``nameless`` those of them
    whose value is an object that the annotation does not name.
    """

    text: str
    written: tuple[str, ...]
    left: tuple[str, ...]
    nameless: tuple[str, ...] = ()


class Label(str):
    """The text that stands for an object, and not a text that is the value itself."""

    __slots__ = ()


def values_of(trial: Trial) -> dict[str, object]:
    """A trial's values as `rewrite` takes them: a scalar of numpy as the number that it is."""
    return {name: _value_of(trial, name) for name in trial.params}


def _value_of(trial: Trial, name: str) -> object:
    distribution = trial.distributions[name]
    value = distribution.used(trial.params[name])
    if (
        isinstance(distribution, Choice)
        and isinstance(value, str)
        and value in distribution.objects
    ):
        return Label(value)
    if is_literal(value):
        return value
    own, label = native(value), distribution.label(value)
    if label != label_of(value):  # it is as the annotation has it
        return Label(label)
    if isinstance(own, str):  # an enumeration's, say
        return str.__str__(own)
    return own if is_literal(own) or type(own) is float else Label(label)


def rewrite(text: str, values: Mapping[str, object], *, python: str | None = None) -> Rewritten:
    r"""Write ``values`` as the defaults of an annotated cell.

    Comments, spacing and quotes stay byte for byte; a number keeps its notation. An option that is
    an object is written as in its annotation; it may be given as that text. One that is not written
    there (``choice(*models)``) is left.

    Args:
        text: the cell without its header.
        values: by hyperparameter; what the cell does not tune is left.
        python: the same with IPython's syntax replaced, line for line.

    >>> rewrite("lr = 1e-1  # tune: loguniform(1e-5, 1)\n", {"lr": 0.00025}).text
    'lr = 2.5e-4  # tune: loguniform(1e-5, 1)\n'
    """
    cell = parse_cell(text, python=python)
    written: set[str] = set()
    nameless: set[str] = set()
    changes = []
    for draw in cell.draws:
        name = draw.parameter.name
        if name not in values or draw.name is not None:
            continue
        if not has_code(values[name], draw):
            nameless.add(name)
            continue
        changes.append((span_of(draw.expression, text), draw, values[name]))
        written.add(name)
    result = text
    for (start, end), draw, value in sorted(changes, key=lambda change: -change[0][0]):
        if _same(draw, value):
            continue
        result = result[:start] + spelled(value, draw, text[start:end]) + result[end:]
    left = tuple(name for name in values if name not in written)
    return Rewritten(
        result,
        tuple(name for name in values if name in written),
        left,
        tuple(name for name in left if name in nameless),
    )


def difference(before: str, after: str) -> str:
    r"""The lines that differ, the old ones marked ``-`` and the new ones ``+``.

    >>> print(difference("a = 1\nb = 2\n", "a = 1\nb = 3\n"))
    - b = 2
    + b = 3
    """
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return "\n".join(line for line in lines if line[:2] in ("- ", "+ "))


def span_of(node: ast.expr | ast.stmt, text: str) -> tuple[int, int]:
    """Where a node stands in the text, in characters (the tree counts lines and UTF-8 bytes)."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = text.split("\n")
    return _offset(node.lineno, node.col_offset, lines), _offset(
        node.end_lineno, node.end_col_offset, lines
    )


def _offset(line: int, column: int, lines: list[str]) -> int:
    before = sum(len(text) + 1 for text in lines[: line - 1])
    return before + len(lines[line - 1].encode()[:column].decode())


def _same(draw: Draw, value: object) -> bool:
    default = draw.parameter.default
    if isinstance(value, str) and _is_expression(value, draw):
        return False
    # As texts: (1, 2) and (1.0, 2.0) are equal, and two options.
    return is_literal(default) and literal_text(default) == literal_text(value)


def has_code(value: object, draw: Draw) -> bool:
    """Whether the value can be written at all: an object only as the annotation has it."""
    return not isinstance(value, Label) or _is_expression(value, draw)


def spelled(value: object, draw: Draw, old: str) -> str:
    """The code of a value, in the notation of the code that it replaces."""
    if type(value) is float and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, Label) or not (isinstance(value, str) or is_literal(value)):
        return label_of(value)
    if isinstance(value, str):
        return value if _is_expression(value, draw) else _quoted(value, old)
    if isinstance(value, float):
        return _scientific(value) if re.fullmatch(r"-?[\d._]+e[+-]?\d+", old) else repr(value)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and re.fullmatch(r"-?\d+(_\d+)+", old)
    ):
        return f"{value:_}"
    return literal_text(value)


def _is_expression(text: str, draw: Draw) -> bool:
    """Whether the text is how the annotation writes an object, and not a text of its own."""
    arguments = draw.recipe.arguments
    if any(a.expression is None and a.value == text for a in arguments):
        return False
    if draw.recipe.spread:  # choice(models): the label is the object's own name
        return isinstance(text, Label) and text.isidentifier()
    return any(a.text == text for a in draw.recipe.deferred)


def _quoted(value: str, old: str) -> str:
    single = old[:1] == "'" and "'" not in value and "\\" not in repr(value)
    return f"'{value}'" if single else literal_text(value)


def _scientific(value: float) -> str:
    """Like ``1e-3``, where that is no longer than needed.

    >>> _scientific(0.00025), _scientific(1500.0), _scientific(0.5)
    ('2.5e-4', '1.5e3', '5e-1')
    """
    if value == 0:
        return "0.0"
    digits, exponent = next(
        (digits, exponent)
        for precision in range(17)
        for digits, _, exponent in [f"{value:.{precision}e}".partition("e")]
        if float(f"{digits}e{exponent}") == value or precision == 16
    )
    text = f"{digits}e{int(exponent)}"
    assert math.isclose(float(text), value)
    return text
