"""`hpmagic.tune`: a study from Python, without a notebook."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from hpmagic.errors import OptionError
from hpmagic.options import StudyConfig, config_from, parse_line
from hpmagic.results import Study

__all__ = ["tune"]


def tune(
    source: str | Path,
    tuner: str | None = None,
    *,
    namespace: MutableMapping[str, Any] | None = None,
    **options: Any,
) -> Study:
    """Run an annotated piece of Python as a study.

    Args:
        source: the code, or the path of a ``.py`` file. A ``# @tune`` line at its head is honoured
            where ``tuner`` and ``options`` say nothing.
        tuner: one of the tuners that ``%%tune?`` lists; "auto" when nobody says otherwise.
        namespace: where the code runs, and where the best trial's variables end up; empty when None.
        **options: the options of ``%%tune`` with underscores: ``trials=40``, ``maximize="auc"``,
            ``tries=[{"lr": 0.1}]``, ``no_default=True``.

    Returns:
        The `Study`.

    Raises:
        HpmagicError: the code, the options or the store cannot be used.
        Exception: the error of the first trial when the first three all failed.

    Example::

        study = hpmagic.tune("train.py", "bayes", trials=40, seed=0)
    """
    from hpmagic.language import parse_cell
    from hpmagic.launch import Setting, launch
    from hpmagic.notebook.header import find_header
    from hpmagic.tuners.registry import known_tuners

    text, filename = _read(source)
    header = find_header(text)
    if header is not None and tuner is None and not options:
        config = parse_line(header.args, known_tuners())
    else:
        config = config_from(tuner or "auto", known_tuners(), options)
    if config.plan:
        raise OptionError("plan: use `hpmagic run FILE --plan`, or `hpmagic.api.plan`")
    cell = parse_cell(text, filename)
    space = {"__name__": "__main__"} if namespace is None else namespace
    setting = Setting(
        space,
        source_name=filename if filename.endswith(".py") else "",
        command=f"hpmagic.tune({config.tuner})",
        view=_view,
    )
    launched = launch(cell, config, setting)
    if launched.error is not None:
        raise launched.error
    return launched.study


def _view(config: StudyConfig) -> Any:
    from hpmagic.display import live_view

    return live_view(quiet=config.quiet)


def _read(source: str | Path) -> tuple[str, str]:
    if isinstance(source, Path) or ("\n" not in source and source.endswith(".py")):
        path = Path(source)
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except OSError as error:
            raise OptionError(f"cannot read {path}: {error.strerror}") from None
    return source, "<tune>"
