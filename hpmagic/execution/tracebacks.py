"""Errors as the person should see them: their own frames, with their source."""

from __future__ import annotations

import ast
import linecache
import traceback
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final

from hpmagic.errors import HpmagicError
from hpmagic.language.cell import TunableCell

__all__ = ["line_in", "plain_text", "provide_source", "reason_of", "strip_frames"]

_HOME: Final = str(Path(__file__).resolve().parents[1])
_LONGEST_REASON = 300
_LONGEST_TEXT = 40_000


def strip_frames(error: BaseException, filename: str) -> BaseException:
    """Make the error's traceback begin in ``filename`` and leave out frames of hpmagic."""
    frames = list(_frames(error.__traceback__))
    first = next((n for n, tb in enumerate(frames) if _file(tb) == filename), 0)
    theirs = [tb for tb in frames[first:] if not _file(tb).startswith(_HOME)]
    for before, after in pairwise([*theirs, None]):
        assert before is not None
        before.tb_next = after
    return error.with_traceback(theirs[0] if theirs else None)


def line_in(error: BaseException, filename: str) -> int | None:
    """The line of ``filename`` in which the error arose, or which led there."""
    lines = [tb.tb_lineno for tb in _frames(error.__traceback__) if _file(tb) == filename]
    return lines[-1] if lines else None


def reason_of(error: BaseException, filename: str) -> str:
    """The error in one line, with the cell's own line number."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001 - a stranger's __str__ may raise anything
        message = "(its message cannot be shown)"
    message = next((line for line in message.splitlines() if line.strip()), "").strip()
    if len(message) > _LONGEST_REASON:
        message = message[: _LONGEST_REASON - 1] + "…"
    if not isinstance(error, HpmagicError):
        message = f"{type(error).__name__}: {message}".removesuffix(": ")
    line = line_in(error, filename)
    return message if line is None or "at line" in message else f"{message} (line {line})"


def plain_text(error: BaseException) -> str:
    """The traceback as plain text; the middle of a very long one is left out."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - a stranger's class may lack what Python expects
        frames = traceback.format_tb(error.__traceback__)
        text = "".join(["Traceback (most recent call last):\n", *frames, type(error).__qualname__])
    if len(text) <= _LONGEST_TEXT:
        return text
    half = _LONGEST_TEXT // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half:,} characters left out] ...\n{text[-half:]}"


def provide_source(cell: TunableCell) -> None:
    """Make the cell's text known to `linecache`, unless its file or the shell has done so."""
    padding = _first_line(cell) - 1
    lines = cell.text.splitlines(keepends=True)
    known = linecache.getlines(cell.filename)
    if known[padding : padding + len(lines)] == lines or Path(cell.filename).is_file():
        return
    text = "\n" * padding + cell.text
    entry = (len(text), None, text.splitlines(keepends=True), cell.filename)
    linecache.cache[cell.filename] = entry


def _first_line(cell: TunableCell) -> int:
    """The number of the text's first line in the tree's own count."""
    if not cell.tree.body:
        return 1
    return cell.tree.body[0].lineno - ast.parse(cell.python).body[0].lineno + 1


def _frames(tb: TracebackType | None) -> list[TracebackType]:
    frames = []
    while tb is not None:
        frames.append(tb)
        tb = tb.tb_next
    return frames


def _file(tb: TracebackType) -> str:
    return tb.tb_frame.f_code.co_filename
