"""`hpmagic.tune`: a study from Python, without a notebook."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Literal, overload

from hpmagic.cells import FileCell, importable_beside, read_cells
from hpmagic.notebook.header import without_header
from hpmagic.notebook.source import as_python, plain_transform
from hpmagic.options import StudyConfig, config_from
from hpmagic.plan import Plan
from hpmagic.results import Study

__all__ = ["tune"]


@overload
def tune(
    source: str | Path,
    tuner: str | None = None,
    *,
    namespace: MutableMapping[str, Any] | None = None,
    cell: int | None = None,
    plan: Literal[False] = False,
    **options: Any,
) -> Study: ...


@overload
def tune(
    source: str | Path,
    tuner: str | None = None,
    *,
    namespace: MutableMapping[str, Any] | None = None,
    cell: int | None = None,
    plan: Literal[True],
    **options: Any,
) -> Plan: ...


def tune(
    source: str | Path,
    tuner: str | None = None,
    *,
    namespace: MutableMapping[str, Any] | None = None,
    cell: int | None = None,
    plan: bool = False,
    **options: Any,
) -> Study | Plan:
    """Run an annotated piece of Python as a study.

    Args:
        source: the code, or the path of a ``.py`` or ``.ipynb`` file. Its tune line (``# @tune``,
            ``%%tune``) is honoured where ``tuner`` and ``options`` say nothing. In a file the cells
            above the tune cell run first, once, earlier tune cells with the values written in them;
            meanwhile ``__file__`` is its path, and its folder is importable.
        tuner: one of the tuners that ``%%tune?`` lists; "auto" when nobody says otherwise.
        namespace: where the code runs and the best trial's variables end up; empty when None.
        cell: which of a file's tune cells, from 1; needed when there are several.
        plan: give the `Plan`, what would run, instead of running it. The cells above run.
        **options: the options of ``%%tune`` with underscores: ``trials=40``, ``maximize="auc"``,
            ``tries=[{"lr": 0.1}]``, ``no_default=True``.

    Returns:
        The `Study`, or the `Plan`.

    Raises:
        HpmagicError: the code, the options or the store cannot be used.
        SyntaxError: the code is not Python.
        Exception: what an earlier cell raised, or the first trial when the first three all failed.

    Example::

        study = hpmagic.tune("train.py", "bayes", trials=40, seed=0)
    """
    from hpmagic.launch import Setting, launch, plan_of
    from hpmagic.tuners.registry import known_tuners

    code = _read(source, cell)
    header = code.cell.header
    config = config_from(tuner, known_tuners(), options, header.args if header else "")
    tunable = code.cell.read(code.path)
    space = {"__name__": "__main__"} if namespace is None else namespace
    is_file = code.path.is_file()
    with _as_script(code.path, space) if is_file else nullcontext(), _shell(code, space) as shell:
        for earlier in code.compiled():
            exec(earlier, space)  # type: ignore[arg-type]  # noqa: S102 - the person's own cells
        setting = Setting(
            space,
            shell,
            source_name=str(code.path) if is_file else "",
            command=header.spelled if header else "hpmagic.tune()",
            view=_view(shell),
        )
        if plan or config.plan:
            return plan_of(tunable, config, setting)
        launched = launch(tunable, config, setting)
    if launched.error is not None:
        raise launched.error
    return launched.study


@dataclass(frozen=True)
class _Code:
    """What there is to run: the cells above, as Python, and the tune cell."""

    path: Path
    cell: FileCell
    earlier: tuple[tuple[FileCell, str], ...] = ()

    @property
    def needs_shell(self) -> bool:
        """Whether some lines are IPython's."""
        pairs = [(self.cell.body, self.cell.python)]
        pairs += [(without_header(cell.text), python) for cell, python in self.earlier]
        return any(text.rstrip() != python.rstrip() for text, python in pairs)

    def compiled(self) -> list[CodeType]:
        """The cells above, ready to run; their lines are those of the file."""
        return [
            compile(
                "\n" * (cell.line - 1) + python, cell.named(self.path), "exec", dont_inherit=True
            )
            for cell, python in self.earlier
        ]


def _read(source: str | Path, place: int | None) -> _Code:
    from hpmagic.running import tune_cell

    is_file = isinstance(source, Path) or (
        "\n" not in source and source.endswith((".py", ".ipynb"))
    )
    if not is_file:
        return _Code(Path("<tune>"), FileCell(1, str(source), 1))
    path = Path(source)
    cells = read_cells(path)
    alone = place is None and len(cells) == 1
    chosen = cells[0] if alone else tune_cell(path, cells, place)
    earlier = [
        (each, as_python(without_header(each.text), plain_transform))
        for each in cells
        if each.number < chosen.number
    ]
    return _Code(path, chosen, tuple(earlier))


@contextmanager
def _as_script(path: Path, namespace: MutableMapping[str, Any]) -> Iterator[None]:
    """Within, the namespace has the file's ``__file__``, and modules beside it are importable."""
    missing = object()
    before = namespace.get("__file__", missing)
    namespace["__file__"] = str(path)
    try:
        with importable_beside(path):
            yield
    finally:
        if before is missing:
            namespace.pop("__file__", None)
        else:
            namespace["__file__"] = before


@contextmanager
def _shell(code: _Code, namespace: MutableMapping[str, Any]) -> Iterator[Any]:
    """The shell that runs, or a new one where the code has lines of IPython's, or None."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None or not code.needs_shell:
        yield shell
        return
    from hpmagic.fileshell import file_shell

    with file_shell(code.path, namespace=namespace) as ours, ours.shell.builtin_trap:
        yield ours.shell


def _view(shell: Any) -> Any:
    def view(config: StudyConfig) -> Any:
        from hpmagic.display import live_view

        return live_view(shell=shell, quiet=config.quiet)

    return view
