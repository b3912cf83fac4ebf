"""The cell's text as Python, line for line."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["as_python", "plain_transform"]

_ESCAPED = re.compile(r"^\s*(?:[\w.,\s\[\]*]+=\s*)?[%!]")


def as_python(text: str, transform: Callable[[str], str]) -> str:
    """``text`` with IPython's own syntax made Python; every line keeps its number.

    Args:
        text: the cell without its header.
        transform: the shell's ``transform_cell``. It drops leading blank lines and joins the
            continued lines of a magic; both are made up for here.
    """
    lines = text.splitlines(keepends=True)
    blank = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    python = transform("".join(lines[blank:]))
    if len(python.splitlines()) != len(lines) - blank:
        python = transform("".join(_with_joined_magics(lines[blank:])))
    return "\n" * blank + python


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
