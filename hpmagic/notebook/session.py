"""What the magics know of their kernel: the cell that runs now, and the studies that have run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from hpmagic.errors import OptionError
from hpmagic.notebook.header import CellText, handed, locate

if TYPE_CHECKING:
    from hpmagic.results import Study

__all__ = ["Ran", "Session"]


@dataclass(frozen=True)
class Ran:
    """A study that ran here: its cell, and what had been entered before and worked."""

    study: Study
    cell: CellText
    earlier: tuple[str, ...] = ()


class Session:
    """One shell's memory, for as long as the extension is loaded."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.ran: list[Ran] = []
        self._raw = ""
        self.start: Callable[[str, CellText, Sequence[str]], Any] = _cannot_start
        """Runs a cell as a study: its line, the cell, and words that win over the line's."""

    def note(self, info: Any) -> None:
        """IPython's ``pre_run_cell``: remember the cell as it was written."""
        self._raw = info.raw_cell or ""

    def cell(self, line: str, cell: str) -> CellText:
        """The cell that ``%%tune`` was handed, as it was written."""
        return locate(self._raw, line, cell) or handed(line, cell)

    def has_raw(self, cell: CellText) -> bool:
        """Whether ``cell`` is the very cell that the front end sent."""
        return cell.whole == self._raw

    def keep(self, study: Study, cell: CellText) -> None:
        """Remember that a study ran from this cell."""
        self.ran = [ran for ran in self.ran if ran.cell.whole != cell.whole]
        self.ran.append(Ran(study, cell, self._earlier()))

    def bind(self, study: Study, name: str | None = None) -> None:
        """Bind a study to ``name``; without one to ``study``, unless that is something else."""
        from hpmagic.results import Study

        namespace = self.shell.user_ns
        namespace["_study"] = study
        if name is not None:
            namespace[name] = study
        elif isinstance(namespace.get("study", study), Study):
            namespace["study"] = study
        else:
            print("`study` is a variable of yours, so the Study is in `_study` (-o names another)")  # noqa: T201

    @property
    def study(self) -> Study:
        """The study that ran or was loaded last.

        Raises:
            OptionError: there is none yet.
        """
        study: Study | None = self.shell.user_ns.get("_study")
        if study is None:
            raise OptionError("no study has run in this kernel yet; `%tune load NAME` brings one")
        return study

    def ran_as(self, study: Study) -> Ran:
        """How a study ran; for one that was loaded, as far as MLflow remembers it."""
        for ran in reversed(self.ran):
            if ran.study is study:
                return ran
        info = study.record.info
        command = info.command
        if not command.lstrip().startswith(("%", "#")):  # it ran from Python
            aims = [f"--{o.direction} {quote(o.name)}" for o in info.objectives]
            command = " ".join(("%%tune", info.tuner, *aims))
        head = info.head or f"{command}\n"
        whole, first = head + info.source, head.count("\n") + 1
        return Ran(study, CellText(whole, command, info.source, first))

    def _earlier(self) -> tuple[str, ...]:
        """What was entered before the cell that runs now."""
        history = self.shell.history_manager
        if history is None:
            return ()
        failed = getattr(history, "exceptions", {})
        entered = enumerate(history.input_hist_raw)
        before = [text for number, text in entered if number and number not in failed]
        if before and before[-1].strip() == self._raw.strip():
            before.pop()
        return tuple(before)


def _cannot_start(_: str, __: CellText, ___: Sequence[str]) -> Any:
    raise OptionError("there is no magic that could run a study")
