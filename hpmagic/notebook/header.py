"""The line that makes a cell a study, in all its spellings.

``%%tune ARGS``, ``# @tune ARGS`` and ``#! %%tune ARGS`` mean the same. Comments and blank lines may
stand above. Plain text only: the shell and the kernel share it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Header", "find_header", "hoist"]

_HEADER = re.compile(r"^(?:%%tune|#\s*@tune|#!\s*%%tune|#\s+%%tune)(?:[ \t]+(?P<args>.*))?\s*$")
_ABOVE = re.compile(r"^\s*(#.*)?$")


@dataclass(frozen=True)
class Header:
    """Where the header stands: ``line`` counts from 1. ``args`` are the words after it."""

    line: int
    args: str
    spelled: str


def find_header(text: str) -> Header | None:
    """The header of a cell, if the cell has one.

    >>> find_header("# first look\\n# @tune bayes --trials 40\\nx = 1").args
    'bayes --trials 40'
    """
    for number, line in enumerate(text.splitlines(), start=1):
        match = _HEADER.match(line)
        if match:
            return Header(number, (match["args"] or "").strip(), line.strip())
        if not _ABOVE.match(line):
            return None
    return None


def hoist(lines: list[str]) -> list[str]:
    """An input transformer: the header becomes a ``%%tune`` on the first line.

    What stood above follows it, so that every line below the header keeps its number.
    """
    found = find_header("".join(lines))
    if found is None or (found.line == 1 and lines[0].startswith("%%tune")):
        return lines
    above, below = lines[: found.line - 1], lines[found.line :]
    return [f"%%tune {found.args}".rstrip() + "\n", *above, *below]
