"""The shell's side: the ``hpmagic`` command and its verbs."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpmagic import __version__
from hpmagic.cells import read_cells
from hpmagic.errors import AnnotationError, HpmagicError, OptionError, nearest
from hpmagic.options import HelpAsked, help_text

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "OK", "main"]

VERBS = ("run", "space", "studies", "trials", "best", "ui", "deliver")
OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = """\
Exit codes
  0    all went well
  1    a cell or a study failed, or there is no such study
  2    the words, the file or an annotation in it are wrong; nothing has run
  130  stopped by hand
"""

RUN = """\
hpmagic run FILE.py|FILE.ipynb [CELL] [TUNER] [options]

Runs the cells of a notebook, or of a script with `# %%` lines, in order and once; each cell that
begins with `# @tune` or `%%tune` is a study. With CELL only that one of the tune cells is (1 is the
first; `hpmagic space FILE` lists them): the cells above it run once, earlier tune cells with the
values written in them, and nothing runs after it. The words of the shell win over a cell's own.

With --plan no study runs: each tune cell says what it would do, and those above the last one then
run once like other cells, with the values written in them.

  --write  write the best values into the file, in place of those of the tune cells
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``hpmagic`` command.

    Args:
        arguments: its words; those of the process when None.

    Returns:
        0 when all went well, 1 when a cell or a study failed or a study was not found, 2 when the
        words, the file or its annotations were wrong, 130 when it was stopped by hand.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["run"]:
            return _run(words[1:])
        parser = _parser()
        if not words:
            parser.print_help()
            return MISUSED
        if words[0] not in VERBS and not words[0].startswith("-"):
            hint = nearest(words[0], VERBS) or f"; there are {', '.join(VERBS)}"
            raise OptionError(f"unknown command `{words[0]}`{hint}")
        known = parser.parse_args(words)
        return int(known.act(known))
    except SyntaxError as error:
        print(_pointed(error), file=sys.stderr)
        return MISUSED
    except HpmagicError as error:
        print(f"hpmagic: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, OptionError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `hpmagic trials NAME | head`
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hpmagic",
        description="Tune the numbers in a cell of a notebook or script; MLflow remembers.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hpmagic {__version__}")
    verbs = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def verb(name: str, act: Any, meaning: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name, help=meaning, description=f"{meaning[:1].upper()}{meaning[1:]}."
        )
        added.set_defaults(act=act)
        return added

    verb("run", None, "run a notebook or script, its tune cells as studies")
    space = verb("space", _space, "list what a file tunes; evaluates nothing")
    space.add_argument("file", type=Path, metavar="FILE")
    space.add_argument(
        "--from",
        dest="source",
        choices=("colab", "wandb"),
        help="print the forms of a Colab notebook, or a W&B sweep's YAML, as annotated lines",
    )
    studies = verb("studies", _studies, "list the studies in MLflow, the newest first")
    studies.add_argument("--json", action="store_true", help="as JSON")
    trials = verb("trials", _trials, "a study's trials as a table")
    form = trials.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as CSV")
    form.add_argument("--json", action="store_true", help="as JSON, one object a trial")
    form.add_argument("--parquet", metavar="FILE", type=Path, help="into a Parquet file")
    best = verb("best", _best, "a study's best trial, as Python")
    best.add_argument("--json", action="store_true", help="as JSON")
    ui = verb("ui", _ui, "MLflow's pages on this machine, until Ctrl-C")
    verb("deliver", _deliver, "bring to MLflow what earlier studies could not deliver")
    for added, needed in ((trials, None), (best, None), (ui, "?")):
        added.add_argument("name", metavar="NAME", nargs=needed, help="the study's name or run id")
    for added in (studies, trials, best, ui):
        added.add_argument("--experiment", metavar="NAME", help="the MLflow experiment to look in")
    return parser


def _run(words: list[str]) -> int:
    from hpmagic.running import run_file
    from hpmagic.tuners.registry import known_tuners

    if not words or {"-h", "--help"} & set(words):
        print(_run_page(), end="")
        return OK if words else MISUSED
    file = next((word for word in words if word.endswith((".py", ".ipynb"))), words[0])
    at = words.index(file)
    rest = words[:at] + words[at + 1 :]
    only = int(rest.pop(at)) if rest[at : at + 1] and rest[at].isdigit() else None
    write = "--write" in rest
    over = [word for word in rest if word != "--write"]
    try:
        return run_file(Path(file), over, known_tuners(), only=only, write=write)
    except HelpAsked:
        print(_run_page(), end="")
        return OK


def _run_page() -> str:
    from hpmagic.tuners.registry import summaries

    return f"{RUN}\n{help_text(summaries())}\n\n{EXIT_CODES}"


def _space(known: argparse.Namespace) -> int:
    from hpmagic.display.text import space_table

    if known.source is not None:
        return _converted(known.source, known.file)
    place = 0
    for cell in read_cells(known.file):
        place += cell.header is not None
        if cell.header is None and "tune:" not in cell.text:
            continue
        tunable = cell.read(known.file)
        if cell.header is None and not (tunable.space or tunable.marks):
            continue
        where = f"line {cell.line}" if known.file.suffix == ".py" else f"cell {cell.number}"
        title = f"{place}: {cell.header.spelled}" if cell.header else "no tune line, so no study"
        print(f"{title} ({where})")
        print(_indented(space_table(tunable.space)))
        aims = ", ".join(f"{o.direction} {o.name}" for o in tunable.objectives)
        print(f"  {aims or 'no objective is annotated'}\n")
        for lint in tunable.lints:
            print(f"{known.file}: warning: {lint}", file=sys.stderr)
    return OK


def _converted(source: str, file: Path) -> int:
    """Print another tool's space as annotated lines; what there is to say goes beside them."""
    from hpmagic.imports import convert_file

    converted = convert_file(source, file)
    print(converted.text, end="")
    for note in converted.notes:
        print(f"note: {note}", file=sys.stderr)
    return OK


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _studies(known: argparse.Namespace) -> int:
    from hpmagic.frames import rows_as_json
    from hpmagic.results import studies

    table = studies(experiment=known.experiment)
    if known.json:
        print(rows_as_json(table))
    else:
        print(_readable(table) if len(table) else "no studies yet")
    return OK


def _trials(known: argparse.Namespace) -> int:
    from hpmagic.frames import rows_as_json, uniform
    from hpmagic.results import load

    table = load(known.name, experiment=known.experiment).trials
    if known.parquet:
        try:
            uniform(table).to_parquet(known.parquet)
        except ImportError as error:
            raise OptionError(f"--parquet needs pyarrow: {error}") from None
        except OSError as error:
            reason = error.strerror or error
            raise OptionError(f"cannot write {known.parquet}: {reason}") from None
    elif known.csv:
        print(table.to_csv(index=False), end="")
    elif known.json:
        print(rows_as_json(table))
    else:
        print(_readable(table))
    return OK


def _readable(table: Any) -> str:
    """A frame for people: whole seconds, no ids, no empty columns."""
    shown = table.drop(columns=["run_id"], errors="ignore")
    if "start" in shown:
        shown["start"] = shown["start"].dt.tz_convert(None).dt.strftime("%Y-%m-%d %H:%M:%S")
    empty = [name for name in shown if shown[name].isna().all() or (shown[name] == "").all()]
    return str(shown.drop(columns=empty).to_string(index=False, na_rep="-"))


def _best(known: argparse.Namespace) -> int:
    from hpmagic.distributions import literal_text
    from hpmagic.frames import in_json
    from hpmagic.results import load

    study = load(known.name, experiment=known.experiment)
    best, space = study.best, study.record.info.space
    if known.json:
        facts = {
            "number": best.number,
            "objective": best.objective.name,
            "value": best.value,
            "params": {name: in_json(value) for name, value in best.params.items()},
            "default": best.default,
            "gain": best.gain,
            "run_id": best.run_id,
        }
        print(json.dumps(facts))
        return OK
    for name, value in best.params.items():
        parameter = space.find(name)
        print(f"{name} = {parameter.spelled(value) if parameter else literal_text(value)}")
    print(f"# {best.objective.name} = {best.value:.6g}, trial {best.number}")
    return OK


def _ui(known: argparse.Namespace) -> int:
    from hpmagic.results import load
    from hpmagic.ui import links_to, serve_until_interrupted

    if known.name is None:
        return serve_until_interrupted()
    links = links_to(load(known.name, experiment=known.experiment).record)
    print(links.text(), flush=True)
    return serve_until_interrupted(announce=False)


def _deliver(_: argparse.Namespace) -> int:
    from hpmagic.tracking.pending import deliver_pending

    delivered = deliver_pending()
    for each in delivered:
        print(each, file=sys.stderr if each.problem else sys.stdout)
    if not delivered:
        print("nothing is waiting to be delivered")
    return FAILED if any(each.problem for each in delivered) else OK


def _pointed(error: SyntaxError) -> str:
    if isinstance(error, AnnotationError):
        notes = getattr(error, "__notes__", [])
        return "\n".join([error.pointed(), *notes])
    return "".join(traceback.format_exception_only(error)).rstrip()
