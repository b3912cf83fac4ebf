"""The person's own MLflow calls inside a cell land in the trial's run, and leave nothing behind."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["active_trial", "cell_uses_mlflow"]


def cell_uses_mlflow(code: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a cell may log to MLflow by itself: so it says, or something it may call does.

    That MLflow has been imported means nothing: hpmagic imports it.
    """
    if "mlflow" in code:
        return True
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return False
    if mlflow.active_run() is not None:
        return True
    return any(_knows(value, mlflow) for value in list(namespace.values()))


def _knows(value: Any, mlflow: ModuleType) -> bool:
    if isinstance(value, ModuleType):
        name = value.__name__
        own = name.partition(".")[0] in ("mlflow", "hpmagic", "optuna")
        return name.partition(".")[0] == "mlflow" or (not own and _holds(vars(value), mlflow))
    if isinstance(value, FunctionType):
        return _is_theirs(value.__module__) or _holds(value.__globals__, mlflow)
    return isinstance(value, type) and _is_theirs(value.__module__)


def _holds(names: Mapping[str, Any], mlflow: ModuleType) -> bool:
    return names.get("mlflow") is mlflow


def _is_theirs(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == "mlflow"


@contextmanager
def active_trial(run: Any) -> Iterator[None]:
    """Within, ``run`` is this thread's active run; afterwards what was active before is again.

    The run itself stays open: its trial's end closes it. ``mlflow.start_run()`` within joins it,
    since a cell that was written to run alone begins with that. Runs that the cell leaves open are
    closed.
    """
    import mlflow
    from mlflow.tracking import fluent

    stack = fluent._active_run_stack.get()  # type: ignore[no-untyped-call]
    before = list(stack)
    trial = mlflow.ActiveRun(run)  # type: ignore[no-untyped-call]
    original = mlflow.start_run
    stack[:] = [trial]
    mlflow.start_run = _joining(original, trial, stack)
    try:
        yield
    finally:
        mlflow.start_run = original
        _close_others(mlflow, stack, trial)
        stack[:] = before


def _joining(original: Any, trial: Any, stack: list[Any]) -> Any:
    """``mlflow.start_run`` that, asked for a new run of its own, gives the trial's."""
    import mlflow

    class Joined(mlflow.ActiveRun):
        """The trial's run in a ``with``, at whose end it stays open."""

        def __exit__(self, kind: Any, *_: Any) -> bool:
            return kind is None

    @functools.wraps(original)
    def start_run(run_id: Any = None, *args: Any, nested: bool = False, **options: Any) -> Any:
        alone = not stack or stack == [trial]
        if nested and stack and run_id is None and not args:
            # Below the trial, and so in its experiment, whichever MLflow's own default is.
            options.setdefault("experiment_id", trial.info.experiment_id)
        if run_id is not None or nested or args or not alone:
            return original(run_id, *args, nested=nested, **options)
        stack[:] = [trial]
        if tags := options.get("tags"):
            mlflow.set_tags(tags)
        return Joined(trial)  # type: ignore[no-untyped-call]

    return start_run


def _close_others(mlflow: Any, stack: list[Any], trial: Any) -> None:
    while stack:
        if stack[-1] is trial:
            stack.pop()
            continue
        count = len(stack)
        with contextlib.suppress(Exception):
            mlflow.end_run("KILLED")
        del stack[count - 1 :]
