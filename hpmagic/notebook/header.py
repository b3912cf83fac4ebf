"""The line that makes a cell a study, in all its spellings.

``%%tune ARGS``, ``# @tune ARGS`` and ``#! %%tune ARGS`` mean the same; so does ``# %%tune ARGS``,
which is how jupytext writes the first. Comments and blank lines may stand above. Plain text only:
the shell and the kernel share it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpmagic.notebook.source import lines_of

__all__ = ["CellText", "Header", "find_header", "hoist", "locate", "without_header"]

_HEADER = re.compile(r"^(?:%%tune|#\s*@tune|#!?\s*%%tune)(?:[ \t]+(?P<args>.*))?\s*$")
_ABOVE = re.compile(r"^\s*(#.*)?$")


@dataclass(frozen=True)
class Header:
    """Where the header stands: ``line`` counts from 1. ``args`` are the words after it."""

    line: int
    args: str
    spelled: str


@dataclass(frozen=True)
class CellText:
    """A cell in its parts.

    ``whole`` is what the person sees, header and all; ``body`` what runs, and ``first_line`` the
    number that the body's first line has in ``whole``.
    """

    whole: str
    spelled: str
    body: str
    first_line: int

    @property
    def head(self) -> str:
        """What stands above the body: comments, the header, blank lines."""
        return "".join(lines_of(self.whole)[: self.first_line - 1])


def find_header(text: str) -> Header | None:
    r"""The header of a cell, if the cell has one.

    >>> find_header("# first look\n# @tune bayes --trials 40\nx = 1").args
    'bayes --trials 40'
    """
    for number, line in enumerate(lines_of(text), start=1):
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
    text = "".join(lines)
    found = find_header(text)
    if found is None or (found.line == 1 and lines[0].startswith("%%tune")):
        return lines
    lines = lines_of(text)  # IPython's end at form feeds, too
    above, below = lines[: found.line - 1], lines[found.line :]
    return [f"%%tune {found.args}".rstrip() + "\n", *above, *below]


def without_header(text: str) -> str:
    r"""The cell as plain Python, line for line: a blank line stands where the header stood.

    >>> without_header("%%tune grid\nx = 1\n")
    '\nx = 1\n'
    """
    found = find_header(text)
    if found is None:
        return text
    lines = lines_of(text)
    lines[found.line - 1] = "\n"
    return "".join(lines)


def locate(raw: str, line: str, cell: str) -> CellText | None:
    """What the magic was handed, found again in the cell as it was written.

    Args:
        raw: the whole cell as the front end sent it.
        line: what ``%%tune`` was given as its line.
        cell: what it was given as its cell.

    Returns:
        The parts, or None when ``raw`` does not hold them line for line (the magic was called by
        name, or the cell was pasted with prompts).
    """
    lines = lines_of(raw)
    header = find_header(raw)
    if header is not None:
        body = "".join(lines[header.line :])
        if _same("".join(hoist(lines)), f"%%tune {line}".rstrip() + f"\n{cell}"):
            return _parts(raw, header.spelled, body, header.line + 1)
    if cell.strip() and raw.rstrip("\n").endswith("\n" + cell.rstrip("\n")):
        above = raw.rstrip("\n").removesuffix(cell.rstrip("\n"))
        return _parts(raw, f"%%tune {line}".rstrip(), cell, above.count("\n") + 1)
    return None


def handed(line: str, cell: str) -> CellText:
    """The parts of a cell of which nothing is known but what the magic was handed."""
    spelled = f"%%tune {line}".rstrip()
    return _parts(f"{spelled}\n{cell}", spelled, cell, 2)


def _same(a: str, b: str) -> bool:
    return a.rstrip("\n") == b.rstrip("\n")


def _parts(whole: str, spelled: str, body: str, first_line: int) -> CellText:
    """Blank lines at the head of the body are counted, not kept."""
    lines = lines_of(body)
    blank = next((i for i, line in enumerate(lines) if line.strip()), 0)
    return CellText(whole, spelled, "".join(lines[blank:]), first_line + blank)
