"""The cell's text as Python, line for line."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpmagic.language import TunableCell

__all__ = ["as_python", "compilable", "lines_of", "plain_transform"]

_ESCAPED = re.compile(r"^\s*(?:[\w.,\s\[\]*]+=\s*)?[%!]")


def lines_of(text: str) -> list[str]:
    r"""The lines with their ends, as Python counts them: a form feed or the like ends none.

    >>> lines_of("a\r\n\fb\n")
    ['a\r\n', '\x0cb\n']
    """
    return StringIO(text, newline="").readlines()


def as_python(text: str, transform: Callable[[str], str]) -> str:
    """``text`` with IPython's own syntax made Python; every line keeps its number.

    Args:
        text: the cell without its header.
        transform: the shell's ``transform_cell``. It drops leading blank lines and joins the
            continued lines of a magic; both are made up for here.
    """
    lines = lines_of(text)
    blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    python = transform("".join(lines[blank:]))
    if len(lines_of(python)) != len(lines) - blank:
        python = transform("".join(_with_joined_magics(lines[blank:])))
    return "\n" * blank + python


def compilable(cell: TunableCell, first_line: int) -> TunableCell:
    """The cell itself, which is more than a tree: it has no ``return`` outside a function, say.

    Raises:
        SyntaxError: Python can read the cell, but not run it.
    """
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are given when the cell runs
            compile(cell.tree, cell.filename, "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        line = error.lineno or first_line
        text = lines_of(cell.text)[line - first_line]
        before = text.encode()[: (error.offset or 1) - 1].decode(errors="replace")
        raise SyntaxError(error.msg, (cell.filename, line, len(before) + 1, text)) from None
    return cell


def plain_transform(text: str) -> str:
    """``transform_cell`` of a shell without extensions, for reading files where no shell runs."""
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(text))  # type: ignore[no-untyped-call]


def _with_joined_magics(lines: list[str]) -> list[str]:
    """A magic that goes on over several lines on its first one, and blank lines after it."""
    joined: list[str] = []
    at = 0
    while at < len(lines):
        line, used = lines[at], 1
        if _ESCAPED.match(line):
            while line.rstrip("\r\n").endswith("\\") and at + used < len(lines):
                line = line.rstrip("\r\n")[:-1].rstrip() + " " + lines[at + used].lstrip()
                used += 1
        joined += [line, *["\n"] * (used - 1)]
        at += used
    return joined
