"""The tune cell again: with the best values written in it, or as a program of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmagic.errors import OptionError
from hpmagic.notebook.header import CellText, without_header
from hpmagic.notebook.session import Session
from hpmagic.notebook.source import as_python
from hpmagic.ranking import best_trial
from hpmagic.results import Study
from hpmagic.rewrite import Rewritten, difference, rewrite, values_of

if TYPE_CHECKING:
    from hpmagic.export.search import Search

__all__ = ["best_texts", "exported", "rewritten", "what_changed", "write_back"]


def write_back(session: Session) -> str:
    """Offer the front end the new version of the cell; says what changed.

    Raises:
        HpmagicError: no study has run, or none of its trials to the end.
    """
    study = session.study
    cell = session.ran_as(study).cell
    new, result = rewritten(session, study, cell)
    if new != cell.whole:
        session.shell.set_next_input(new, replace=True)
    return what_changed(cell.whole, new, result)


def what_changed(old: str, new: str, result: Rewritten) -> str:
    """The lines of a cell that differ, and what could not be written."""
    if new != old:
        said = difference(old, new)
    elif not result.left:
        said = "the cell has the best values already"
    elif result.written:
        said = "the cell has the other best values already"
    else:
        said = "nothing could be written"
    many = [name for name in result.left if name not in result.nameless]
    for names, why in (
        (many, "one line makes several values"),
        (result.nameless, "the value is an object without a name"),
    ):
        if names:
            said += f"\n# not written, because {why}: {', '.join(names)}"
    return said


def rewritten(session: Session, study: Study, cell: CellText) -> tuple[str, Rewritten]:
    """The whole cell with the study's best values."""
    python = as_python(cell.body, session.shell.transform_cell)
    result = rewrite(cell.body, best_texts(study), python=python)
    new = cell.head + result.text
    return new if cell.whole.endswith("\n") else new.rstrip("\n"), result


def best_texts(study: Study) -> dict[str, object]:
    """The best values as `rewrite` takes them."""
    trial = best_trial(study.record.trials, study.objectives)
    if trial is None:
        raise OptionError(f"no trial of {study.name} ran to its end, so there is no best one")
    return values_of(trial)


def exported(session: Session) -> Search:
    """The last study, with what was entered before it, as something to export."""
    from hpmagic.export.search import EarlierCell, Search

    study = session.study
    ran = session.ran_as(study)
    transform = session.shell.transform_cell
    earlier = []
    for text in ran.earlier:
        plain = _plainly(session, text)
        try:
            earlier.append(EarlierCell(plain, as_python(plain, transform)))
        except SyntaxError:  # not Python even to IPython: it cannot have run
            continue
    return Search(study.record, ran.cell.body, as_python(ran.cell.body, transform), tuple(earlier))


def _plainly(session: Session, text: str) -> str:
    """An earlier cell without its header; an earlier study's cell has its best values in it."""
    for ran in session.ran:
        # IPython's history has no newline at the end, whether or not the cell has.
        same = ran.cell.whole.rstrip("\n") == text.rstrip("\n")
        if same and best_trial(ran.study.record.trials, ran.study.objectives):
            text = rewritten(session, ran.study, ran.cell)[0]
    return without_header(text)
