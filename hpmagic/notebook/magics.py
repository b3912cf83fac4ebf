"""``%%tune`` and ``%tune``: words into a configuration, handed over."""

from __future__ import annotations

import linecache
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from hpmagic.errors import HpmagicError, OptionError, nearest
from hpmagic.notebook.faults import from_cell, shown
from hpmagic.notebook.header import CellText, find_header
from hpmagic.notebook.session import Session
from hpmagic.notebook.source import as_python, compilable, lines_of
from hpmagic.notebook.where import source_name

if TYPE_CHECKING:
    from hpmagic.options import StudyConfig
    from hpmagic.results import Study

__all__ = ["TuneMagics", "page"]

HEAD = """\
Tune the numbers in this cell.

    %%tune [TUNER] [options]
    lr    = 1e-3   # tune: loguniform(1e-5, 1e-1)
    depth = 3      # tune: int(2, 8)
    ...
    accuracy = model.score(X_val, y_val)   # tune: maximize

The cell runs once per trial with values that the tuner picks; trial 0 has the values you wrote.
Each trial is an MLflow run. Afterwards the best trial's variables are yours, and `study` holds the
trials (`study.trials` is a DataFrame). Without its first line the cell is plain Python.
`# @tune ...` as the first line means the same and keeps editors happy.
"""


@magics_class
class TuneMagics(Magics):
    """The magics, bound to one shell."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.session = Session(shell)
        self.over: tuple[str, ...] = ()
        """Words from the shell that win over each header's own."""
        self._running = threading.Lock()
        self.session.start = self._start

    @no_var_expand
    @line_cell_magic
    def tune(self, line: str, cell: str | None = None) -> Any:
        """``%%tune`` above a cell makes it a study; ``%tune VERB`` works with the last one."""
        __tracebackhide__ = "__ipython_bottom__"
        try:
            return self._verb(line) if cell is None else self._study(line, cell)
        except HpmagicError as error:
            raise shown(error, self.shell) from None

    # Shown by `%%tune?`: the page knows the tuners that are installed.
    tune.getdoc = lambda: page()  # type: ignore[union-attr]  # noqa: PLW0108

    def _study(self, line: str, cell: str) -> Any:
        __tracebackhide__ = True
        return self._start(line, self.session.cell(line, cell))

    def _start(self, line: str, text: CellText, over: Sequence[str] = ()) -> Any:
        __tracebackhide__ = True
        from hpmagic.options import HelpAsked, parse_line
        from hpmagic.tuners.registry import known_tuners

        try:
            config = parse_line(line, known_tuners(), self._evaluate, [*self.over, *over])
        except HelpAsked:
            print(page())  # noqa: T201
            return None
        if not self._running.acquire(blocking=False):
            raise OptionError("a study is running in this kernel already; wait for it or stop it")
        try:
            return self._run(config, text)
        finally:
            self._running.release()

    def _run(self, config: StudyConfig, text: CellText) -> Any:
        __tracebackhide__ = True
        from hpmagic.language import parse_cell
        from hpmagic.launch import Setting, launch, plan_of

        filename = self._place(text)
        try:
            tunable = parse_cell(
                text.body, filename, python=self._python(text), first_line=text.first_line
            )
            tunable = compilable(tunable, text.first_line)
        except SyntaxError as error:
            raise shown(error, self.shell) from None
        namespace = self.shell.user_ns
        setting = Setting(
            namespace,
            self.shell,
            source_name(namespace),
            text.spelled,
            view=self._view,
            head=text.head,
        )
        if config.plan:
            print(plan_of(tunable, config, setting))  # noqa: T201
            return None
        launched = launch(tunable, config, setting)
        self.session.keep(launched.study, text)
        self.session.bind(launched.study, config.output)
        if launched.error is not None:
            raise from_cell(launched.error, self.shell, self._told(launched.study, filename))
        return launched.study if config.quiet else None

    def _python(self, text: CellText) -> str:
        first = text.body.split("\n", 1)[0]
        if first.startswith("%%"):
            magic = first.split()[0]
            raise OptionError(f"{magic} cannot stand inside a study; put it above the tune line")
        again = find_header(text.body)
        if again is not None:
            raise OptionError(f"the cell has two tune lines; `{again.spelled}` is the second")
        return as_python(text.body, self.shell.transform_cell)

    def _view(self, config: StudyConfig) -> Any:
        from hpmagic.display import live_view

        return live_view(shell=self.shell, quiet=config.quiet)

    def _evaluate(self, expression: str) -> object:
        try:
            return eval(expression, self.shell.user_global_ns, self.shell.user_ns)  # noqa: S307
        except Exception as error:  # noqa: BLE001 - the person's own expression
            raise OptionError(f"`{expression}`: {type(error).__name__}: {error}") from None

    def _place(self, text: CellText) -> str:
        """The code file name of the cell that runs, with the cell as written for its source."""
        compiler = self.shell.compile
        frame: FrameType | None = sys._getframe() if self.session.has_raw(text) else None
        while frame is not None:
            name = frame.f_code.co_filename
            if frame.f_globals is self.shell.user_global_ns and compiler.format_code_name(name):
                break
            frame = frame.f_back
        else:
            name = str(compiler.cache(text.whole, self.shell.execution_count))
        if not Path(name).is_file():  # a script has its lines itself
            source = lines_of(text.whole)
            linecache.cache[name] = (len(text.whole), None, source, name)
        return name

    def _told(self, study: Study, filename: str) -> str:
        """The first traceback of a study's trials as text, with the cell called as IPython does."""
        trials = study.record.trials
        text = next((t.output.traceback for t in trials if t.output.traceback), "")
        label = self.shell.compile.format_code_name(filename)
        if label is None:
            return text
        return text.replace(f'File "{filename}", line', f"{label[0]} {label[1]}, line")

    def _verb(self, line: str) -> Any:
        __tracebackhide__ = True
        from hpmagic.notebook.verbs import VERBS, verbs_page
        from hpmagic.words import words_of

        # No escapes: a backslash is a part of Windows' paths.
        word, *rest = words_of(line, escape="") or [""]
        if word in ("", "-h", "--help", "help"):
            print(verbs_page())  # noqa: T201
            return None
        if word not in VERBS:
            raise OptionError(f"unknown verb `{word}`{nearest(word, VERBS)}; %tune -h lists them")
        return VERBS[word].run(self.session, rest)


def page() -> str:
    """The page that ``%%tune?`` and ``%%tune -h`` show."""
    from hpmagic.notebook.verbs import verbs_page
    from hpmagic.options import help_text
    from hpmagic.tuners.registry import summaries

    parts = (HEAD, _language(), help_text(summaries()), f"Afterwards\n\n{verbs_page()}\n")
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _language() -> str:
    """What may stand behind ``# tune:``."""
    from hpmagic.language.vocabulary import DISTRIBUTIONS, OPTIONS, ROLES

    drawn = [(w.usage, w.meaning) for w in DISTRIBUTIONS.values() if w.name == w.kind]
    roles = [(role.usage, role.meaning) for role in ROLES.values()]
    behind = [(f", {o.name}=", f"{o.takes}: {o.meaning}") for o in OPTIONS.values()]
    blocks = (
        ("What a value may be drawn from", drawn),
        ("What a line may be besides", roles),
        ("What may follow, behind a comma", behind),
    )
    return "\n\n".join(f"{title}\n\n{_table(rows)}" for title, rows in blocks)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = 2 + max(len(usage) for usage, _ in rows) + 2
    return "\n".join(
        textwrap.fill(
            meaning,
            100,
            initial_indent=f"  {usage}".ljust(width),
            subsequent_indent=" " * width,
        )
        for usage, meaning in rows
    )
