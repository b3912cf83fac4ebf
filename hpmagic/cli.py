"""The shell's side: ``hpmagic run``, ``space``, ``studies``, ``trials``, ``best``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpmagic.cells import FileCell, read_cells
from hpmagic.errors import AnnotationError, HpmagicError, OptionError
from hpmagic.options import HelpAsked, help_text

__all__ = ["main"]

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``hpmagic`` command.

    Returns:
        0 when all went well, 1 when a study or a cell failed, 2 when the words were wrong, 130 when
        interrupted.
    """
    parser = _parser()
    known, words = parser.parse_known_args(arguments)
    if words and known.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    try:
        return int(known.act(known, words))
    except AnnotationError as error:
        print(error.pointed(), file=sys.stderr)
    except HpmagicError as error:
        print(f"hpmagic: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return MISUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hpmagic", description="Tune the numbers in a cell.")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def verb(name: str, act: Any, meaning: str, *, own_help: bool = True) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=meaning, description=meaning, add_help=own_help)
        added.set_defaults(act=act)
        return added

    run = verb("run", _run, "run a notebook or script, its tune cells as studies", own_help=False)
    run.add_argument("file", nargs="?")
    space = verb("space", _space, "list what a file tunes; runs nothing")
    space.add_argument("file", type=Path)
    verb("studies", _studies, "list the studies in MLflow")
    for name, act, meaning in (
        ("trials", _trials, "a study's trials"),
        ("best", _best, "a study's best trial"),
    ):
        added = verb(name, act, meaning)
        added.add_argument("name")
        added.add_argument("--experiment")
        if name == "trials":
            form = added.add_mutually_exclusive_group()
            form.add_argument("--csv", action="store_const", dest="form", const="csv")
            form.add_argument("--json", action="store_const", dest="form", const="json")
            form.add_argument("--parquet", metavar="FILE", type=Path)
    return parser


def _run(known: argparse.Namespace, words: list[str]) -> int:
    from hpmagic.tuners.registry import known_tuners, summaries

    if known.file is None or "-h" in words or "--help" in words:
        print("hpmagic run FILE.py|FILE.ipynb [CELL] [TUNER] [options]\n")
        print(help_text(summaries()))
        return OK if known.file or "-h" in words or "--help" in words else MISUSED
    only, over = None, list(words)
    if over and over[0].isdigit():
        only = int(over.pop(0))
    # The words are checked before anything runs.
    from hpmagic.options import parse_line

    try:
        parse_line(over, known_tuners())
    except HelpAsked:
        return OK
    path = Path(known.file)
    cells = read_cells(path)
    tuned = [cell for cell in cells if cell.header is not None]
    if not tuned:
        raise OptionError(f"{path} has no tune cell: begin one with `# @tune` or `%%tune`")
    if only is not None and not 1 <= only <= len(tuned):
        raise OptionError(f"{path} has {len(tuned)} tune cells, but got cell {only}")
    if only is not None:
        chosen = tuned[only - 1]
        cells = [c for c in cells if c.number < chosen.number and c.header is None] + [chosen]
    return _run_cells(path, cells, over)


def _run_cells(path: Path, cells: list[FileCell], over: list[str]) -> int:
    """One shell runs the cells in order, as a notebook would; the first error ends it."""
    from IPython.core.interactiveshell import InteractiveShell

    from hpmagic.notebook.extension import load

    shell = InteractiveShell.instance(user_ns={"__file__": str(path)})
    load(shell).over = tuple(over)
    shell.user_ns["__name__"] = "__main__"
    sys.path.insert(0, str(path.resolve().parent))
    for cell in cells:
        result = shell.run_cell(cell.text, store_history=False)
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            return INTERRUPTED
        if not result.success:
            return FAILED
    return OK


def _space(known: argparse.Namespace, _: list[str]) -> int:
    from hpmagic.display.text import space_table
    from hpmagic.language import parse_cell

    for cell in read_cells(known.file):
        if "tune:" not in cell.text:
            continue
        tunable = parse_cell(cell.text, str(known.file), first_line=cell.line)
        if tunable.space or tunable.marks:
            print(f"cell {cell.number}, line {cell.line}")
            print(space_table(tunable.space))
            for lint in tunable.lints:
                print(lint, file=sys.stderr)
    return OK


def _studies(_: argparse.Namespace, __: list[str]) -> int:
    from hpmagic.results import studies

    table = studies()
    print(table.to_string(index=False) if len(table) else "no studies yet")
    return OK


def _trials(known: argparse.Namespace, _: list[str]) -> int:
    from hpmagic.results import load

    table = load(known.name, experiment=known.experiment).trials
    if known.parquet:
        table.to_parquet(known.parquet)
    elif known.form == "csv":
        print(table.to_csv(index=False), end="")
    elif known.form == "json":
        print(table.to_json(orient="records", date_format="iso"))
    else:
        print(table.to_string(index=False))
    return OK


def _best(known: argparse.Namespace, _: list[str]) -> int:
    from hpmagic.results import load

    best = load(known.name, experiment=known.experiment).best
    for name, value in best.params.items():
        print(f"{name} = {value!r}")
    print(f"# {best.objective.name} = {best.value:.6g}, trial {best.number}")
    return OK
