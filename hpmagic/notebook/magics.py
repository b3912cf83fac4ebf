"""``%%tune`` and ``%tune``: words into a configuration, handed over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from hpmagic.errors import AnnotationError, HpmagicError, nearest
from hpmagic.notebook.source import as_python
from hpmagic.notebook.where import source_name
from hpmagic.options import HelpAsked, StudyConfig, help_text, parse_line

__all__ = ["TuneMagics"]

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

What a value may be drawn from

    uniform(low, high[, step=])    loguniform(low, high)    int(low, high[, step=, log=])
    choice(a, b, ...) or [a, b]    ordinal(a, b, ...)       normal(mu, sigma), lognormal(mu, sigma)

What a line may be besides: minimize, maximize (the objective), metric (logged), once (set-up)
"""

TAIL = """
Afterwards: %tune best, %tune trials, %tune plot, %tune space, %tune apply; %tune -h lists them all.
"""


@magics_class
class TuneMagics(Magics):  # type: ignore[misc]
    """The magics, bound to one shell."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.running = False
        self.over: tuple[str, ...] = ()
        """Words from the shell that win over each header's own."""

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def tune(self, line: str, cell: str | None = None) -> Any:
        if cell is None:
            return self._guarded(lambda: self._verb(line))
        __tracebackhide__ = "__ipython_bottom__"
        return self._guarded(lambda: self._study(line, cell))

    def _guarded(self, action: Callable[[], Any]) -> Any:
        """Run; a mistake in the words is shown as one sentence, without a traceback."""
        __tracebackhide__ = True
        try:
            return action()
        except AnnotationError:
            raise
        except HpmagicError as error:
            raise UsageError(str(error)) from None

    def _study(self, line: str, cell: str) -> Any:
        from hpmagic.language import parse_cell
        from hpmagic.launch import Setting, launch, plan_of
        from hpmagic.tuners.registry import known_tuners

        try:
            config = parse_line(line, known_tuners(), self._evaluate, self.over)
        except HelpAsked:
            print(page())  # noqa: T201
            return None
        if self.running:
            raise UsageError("a study is running in this kernel already; wait for it or stop it")
        namespace = self.shell.user_ns
        filename = self._place(line, cell)
        tunable = parse_cell(
            cell, filename, python=as_python(cell, self.shell.transform_cell), first_line=2
        )
        setting = Setting(
            namespace,
            self.shell,
            source_name(namespace),
            f"%%tune {line}".strip(),
            view=self._view,
        )
        if config.plan:
            print(plan_of(tunable, config, setting))  # noqa: T201
            return None
        self.running = True
        try:
            launched = launch(tunable, config, setting)
        finally:
            self.running = False
        self._keep(launched.study, config)
        if launched.error is not None:
            raise launched.error
        return None

    def _view(self, config: StudyConfig) -> Any:
        from hpmagic.display import live_view

        return live_view(shell=self.shell, quiet=config.quiet)

    def _keep(self, study: Any, config: StudyConfig) -> None:
        """Bind the study, but never over a variable of the person's that is something else."""
        from hpmagic.results import Study

        namespace = self.shell.user_ns
        namespace["_study"] = study
        if config.output is not None:
            namespace[config.output] = study
        elif isinstance(namespace.get("study", study), Study):
            namespace["study"] = study
        else:
            print("`study` is a variable of yours, so the Study is in `_study` (-o names another)")  # noqa: T201

    def _evaluate(self, expression: str) -> object:
        try:
            return eval(expression, self.shell.user_global_ns, self.shell.user_ns)  # noqa: S307
        except Exception as error:
            raise UsageError(f"`{expression}`: {type(error).__name__}: {error}") from None

    def _place(self, line: str, cell: str) -> str:
        """The outer cell's own code file name, with the cell as its source."""
        import linecache

        frame: FrameType | None = sys._getframe()
        while frame is not None:
            code = frame.f_code
            if code.co_name == "<module>" and frame.f_globals is self.shell.user_global_ns:
                break
            frame = frame.f_back
        text = f"%%tune {line}\n{cell}"
        if frame is None:
            name = str(self.shell.compile.cache(text, self.shell.execution_count))
        else:
            name = frame.f_code.co_filename
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        return name

    def _verb(self, line: str) -> Any:
        from hpmagic.notebook.verbs import VERBS, verbs_page

        word, _, rest = line.strip().partition(" ")
        if word in ("", "-h", "--help", "help"):
            print(verbs_page())  # noqa: T201
            return None
        if word not in VERBS:
            raise UsageError(f"unknown verb `{word}`{nearest(word, VERBS)}; %tune -h lists them")
        return VERBS[word].act(self.shell, rest.strip())


def page() -> str:
    """The help page of ``%%tune``."""
    from hpmagic.tuners.registry import summaries

    return HEAD + "\n" + help_text(summaries()) + "\n" + TAIL
