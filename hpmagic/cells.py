"""The cells of a file: a notebook's, or those of a ``# %%`` script."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpmagic.errors import OptionError
from hpmagic.language import TunableCell, parse_cell
from hpmagic.notebook.header import Header, find_header
from hpmagic.notebook.source import as_python, compilable, lines_of, plain_transform

__all__ = ["FileCell", "importable_beside", "read_cells"]

_MARKER = re.compile(r"^#\s*%%(?!tune\b)(.*)$")


@dataclass(frozen=True)
class FileCell:
    """One code cell: its text, and the file's line on which it begins (1 in a notebook)."""

    number: int
    text: str
    line: int

    @property
    def header(self) -> Header | None:
        """The line that makes it a study, if there is one."""
        return find_header(self.text)

    @property
    def body(self) -> str:
        """What stands below the header; the whole text without one."""
        return "".join(lines_of(self.text)[self._above :])

    @property
    def body_line(self) -> int:
        """The number of the body's first line."""
        return self.line + self._above

    @property
    def python(self) -> str:
        """The body as Python, line for line."""
        return as_python(self.body, plain_transform)

    def named(self, path: Path) -> str:
        """The file name under which the cell's code is known in messages."""
        return f"{path}, cell {self.number}" if path.suffix == ".ipynb" else str(path)

    def read(self, path: Path) -> TunableCell:
        """The cell, read; lines are counted as in the script, or in the notebook's cell.

        Raises:
            SyntaxError: the cell is not Python, or an annotation cannot be understood.
        """
        cell = parse_cell(
            self.body, self.named(path), python=self.python, first_line=self.body_line
        )
        return compilable(cell, self.body_line)

    @property
    def _above(self) -> int:
        return self.header.line if self.header else 0


def read_cells(path: Path) -> list[FileCell]:
    """The code cells of a file, in order, numbered from 1. Runs nothing.

    A ``.py`` file is cut at its ``# %%`` lines; cells marked ``[markdown]`` are left out. Without
    such lines the file is one cell. ``# %%tune`` (how jupytext writes a ``%%tune`` cell) begins a
    cell and is its header; ``# %% tune`` is a marker with a title.

    Raises:
        OptionError: the file cannot be read, or is neither a notebook nor Python.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"cannot read {path}: {why}") from None
    if path.suffix == ".ipynb":
        return _notebook_cells(path, text)
    if path.suffix == ".py":
        return _script_cells(text)
    raise OptionError(f"{path} is neither a notebook (.ipynb) nor a script (.py)")


@contextmanager
def importable_beside(path: Path) -> Iterator[None]:
    """Within, modules beside the file can be imported."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _notebook_cells(path: Path, text: str) -> list[FileCell]:
    try:
        cells = json.loads(text)["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise OptionError(f"{path} is not a notebook: it has no readable cells") from None
    return [FileCell(number, source, 1) for number, source in enumerate(code, start=1)]


def _script_cells(text: str) -> list[FileCell]:
    cells: list[FileCell] = []
    lines, begin, markdown = lines_of(text), 0, False

    def close(end: int) -> None:
        body = "".join(lines[begin:end])
        if body.strip() and not markdown:
            cells.append(FileCell(len(cells) + 1, body, begin + 1))

    for at, line in enumerate(lines):
        marker = _MARKER.match(line)
        if marker:
            close(at)
            begin, markdown = at + 1, "[markdown]" in marker[1] or "[raw]" in marker[1]
        elif re.match(r"^#\s*%%tune\b", line):
            close(at)
            begin, markdown = at, False
    close(len(lines))
    return cells
