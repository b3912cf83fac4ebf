"""``hpmagic run``: check a file, run its cells, and write back what was best."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmagic.cells import FileCell, read_cells
from hpmagic.errors import OptionError
from hpmagic.notebook.source import lines_of
from hpmagic.options import parse_line

if TYPE_CHECKING:
    from hpmagic.notebook.session import Ran
    from hpmagic.rewrite import Rewritten

__all__ = ["run_file", "tune_cell"]


def run_file(
    path: Path,
    over: Sequence[str],
    tuners: Iterable[str],
    *,
    only: int | None = None,
    write: bool = False,
) -> int:
    """Run a file's cells; what the process should exit with.

    A tune cell that only says what it would do runs once as plain Python, for the tune cells below
    it; the last of them ends the run.

    Args:
        path: a script or a notebook.
        over: words that win over each header's own.
        tuners: the known tuners.
        only: which of the tune cells is a study; all of them when None.
        write: write the best values into the file.

    Raises:
        OptionError: the words or the file are wrong; nothing has run.
        SyntaxError: so is a tune cell.
        HelpAsked: ``-h`` is among the words.
    """
    from hpmagic.fileshell import file_shell

    cells = read_cells(path)
    last = tune_cell(path, cells, only) if only is not None else None
    studies = [cell for cell in cells if cell.header is not None] if last is None else [last]
    if not studies:
        raise OptionError(f"{path} has no tune cell: begin one with `# @tune` or `%%tune`")
    for cell in studies:
        _check(path, cell, over, list(tuners))
    best: list[tuple[FileCell, str, Rewritten]] = []
    code = 0
    if path.suffix == ".ipynb":
        # A notebook shows its figures in the page: windows that wait for a click are not meant.
        os.environ.setdefault("MPLBACKEND", "agg")
    with file_shell(path, over) as shell:
        for cell in cells:
            is_study, is_last = cell in studies, cell is studies[-1]
            before = _newest(shell.magics)
            result = shell.run(cell, as_study=is_study)
            ran = _newest(shell.magics)
            began = ran is not before
            planned = is_study and result.success and not began
            if planned and not is_last:
                result = shell.run(cell, as_study=False)
            sys.stdout.flush()
            if not result.success:
                # A study fails, whatever its trials would have exited with.
                code = _code(result) or int(is_study)
                break
            if write and is_study and began and ran is not None and _has_ended(ran):
                best.append(_with_best(path, cell, ran, shell.magics))
            if is_last and (planned or last is not None):
                break
    _write(path, cells, best)
    return code


def tune_cell(path: Path, cells: Sequence[FileCell], place: int | None) -> FileCell:
    """The tune cell of that place, counted from 1; the only one when None.

    Raises:
        OptionError: there is none, or several and no place was given.
    """
    tuned = [cell for cell in cells if cell.header is not None]
    if not tuned:
        raise OptionError(f"{path} has no tune cell: begin one with `# @tune` or `%%tune`")
    if place is None and len(tuned) > 1:
        lines = "; ".join(f"{n}: {c.header.spelled}" for n, c in enumerate(tuned, 1) if c.header)
        raise OptionError(f"{path} has {len(tuned)} tune cells, so say which ({lines})")
    if place is not None and not 1 <= place <= len(tuned):
        count = "one tune cell" if len(tuned) == 1 else f"{len(tuned)} tune cells"
        raise OptionError(f"{path} has {count}, but got cell {place}")
    return tuned[(place or 1) - 1]


def _check(path: Path, cell: FileCell, over: Sequence[str], tuners: Sequence[str]) -> None:
    """Read words and annotations, so that mistakes in them are found before anything runs."""
    header = cell.header
    assert header is not None
    known_later = "$" in header.args or "{" in header.args
    parse_line("" if known_later else header.args, tuners, over=over)
    cell.read(path)


def _code(result: Any) -> int:
    """What to exit with after a cell that did not end well."""
    error = result.error_before_exec or result.error_in_exec
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    return 1


def _newest(magics: Any) -> Ran | None:
    """The study that ran last, if one has run."""
    ran: list[Ran] = magics.session.ran
    return ran[-1] if ran else None


def _has_ended(ran: Ran) -> bool:
    """Whether a trial has ended with values."""
    return any(trial.values for trial in ran.study.record.trials)


def _with_best(
    path: Path, cell: FileCell, ran: Ran, magics: Any
) -> tuple[FileCell, str, Rewritten]:
    """The cell with the best values of its study."""
    from hpmagic.notebook.writeback import rewritten

    new, result = rewritten(magics.session, ran.study, ran.cell)
    # The shell saw a script's cell below as many blank lines as the file has lines above it.
    above = cell.line - 1 if path.suffix == ".py" else 0
    return cell, new[above:], result


def _write(
    path: Path, cells: Sequence[FileCell], best: Sequence[tuple[FileCell, str, Rewritten]]
) -> None:
    """Replace cells of the file, the last one first: line numbers above it stay true."""
    from hpmagic.notebook.writeback import what_changed

    changed = [(cell, text) for cell, text, _ in best if text != cell.text]
    if changed:
        if read_cells(path) != list(cells):
            raise OptionError(f"{path} has changed while it ran, so nothing was written into it")
        whole = path.read_bytes().decode("utf-8")
        for cell, text in reversed(changed):
            whole = _replaced(path, whole, cell, text)
        path.write_bytes(whole.encode("utf-8"))
    for cell, text, result in best:
        print(what_changed(cell.text, text, result))  # noqa: T201


def _replaced(path: Path, text: str, cell: FileCell, new: str) -> str:
    """The file's text with a cell replaced, its line ends and byte order mark as they were."""
    lines = lines_of(text)
    if path.suffix == ".py":
        begin, end = cell.line - 1, cell.line - 1 + len(lines_of(cell.text))
        mark = "\ufeff" if begin == 0 and text.startswith("\ufeff") else ""
        new = mark + new.replace("\n", _line_end(lines[begin]))
        return "".join([*lines[:begin], new, *lines[end:]])
    body = text.removeprefix("\ufeff")
    notebook = json.loads(body)
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    source = code[cell.number - 1]
    as_lines = isinstance(source["source"], list)
    source["source"] = new.splitlines(keepends=True) if as_lines else new
    indented = re.search(r"\n([ \t]+)\S", body)
    written = json.dumps(
        notebook, indent=indented[1] if indented else None, ensure_ascii=body.isascii()
    )
    head, foot = text[: len(text) - len(body)], body[len(body.rstrip()) :]
    return head + written.replace("\n", _line_end(lines[0])) + foot


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :] or "\n"
