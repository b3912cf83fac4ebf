"""A cell's text with other values written in it: only the tuned literals change."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.distributions import is_literal, literal_text
from hpmagic.language import parse_cell
from hpmagic.language.cell import Draw

__all__ = ["Rewritten", "rewrite"]


@dataclass(frozen=True)
class Rewritten:
    """The new text, and the names whose values could not be written (made in loops, say)."""

    text: str
    left: tuple[str, ...]


def rewrite(text: str, values: Mapping[str, object], *, python: str | None = None) -> Rewritten:
    """Write ``values`` as the defaults of an annotated cell.

    Comments, spacing and quotes stay byte for byte. An object is written by its label.

    >>> rewrite("lr = 0.1  # tune: uniform(0, 1)\\n", {"lr": 0.25}).text
    'lr = 0.25  # tune: uniform(0, 1)\\n'
    """
    cell = parse_cell(text, python=python)
    lines = text.splitlines(keepends=True)
    written: set[str] = set()
    changes = []
    for draw in cell.draws:
        name = draw.parameter.name
        if name in values and draw.name is None:
            changes.append((_span(draw.expression, lines), draw, values[name]))
            written.add(name)
    result = text
    for (start, end), draw, value in sorted(changes, key=lambda change: -change[0][0]):
        if _same(draw, value):
            continue
        result = result[:start] + _spelled(value, draw, text[start:end]) + result[end:]
    return Rewritten(result, tuple(name for name in values if name not in written))


def _span(node: ast.expr, lines: list[str]) -> tuple[int, int]:
    """Where the expression stands in the text, in characters (the tree counts UTF-8 bytes)."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return _offset(node.lineno, node.col_offset, lines), _offset(
        node.end_lineno, node.end_col_offset, lines
    )


def _offset(line: int, column: int, lines: list[str]) -> int:
    before = sum(map(len, lines[: line - 1]))
    return before + len(lines[line - 1].encode()[:column].decode())


def _same(draw: Draw, value: object) -> bool:
    default = draw.parameter.default
    return type(default) is type(value) and default == value


def _spelled(value: object, draw: Draw, old: str) -> str:
    if not is_literal(value):
        distribution = draw.parameter.distribution
        return distribution.label(value) if distribution is not None else repr(value)
    if isinstance(value, str) and old[:1] == "'" and "'" not in value and "\\" not in repr(value):
        return f"'{value}'"
    return literal_text(value)
