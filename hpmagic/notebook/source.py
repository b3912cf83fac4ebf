"""The cell's text as Python, line for line."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["as_python"]

_ESCAPED = re.compile(r"^\s*(?:[\w.,\s\[\]*]+=\s*)?[%!]")


def as_python(text: str, transform: Callable[[str], str]) -> str:
    """``text`` with IPython's own syntax made Python; every line keeps its number.

    Args:
        text: the cell without its header.
        transform: the shell's ``transform_cell``. It drops leading blank lines and joins the
            continued lines of a magic; both are made up for here.
    """
    lines = text.splitlines(keepends=True)
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
    blank = next((i for i, line in enumerate(joined) if line.strip()), len(joined))
    return "\n" * blank + transform("".join(joined[blank:]))
