"""The person's own MLflow calls inside a cell land in the trial's run, and leave nothing behind."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from hpmagic.tracking.place import current_uri, redacted

__all__ = ["active_trial"]


def _ignored(_: str) -> None:
    """Nobody is to hear of it."""


@contextmanager
def active_trial(run: Any, remark: Callable[[str], object] = _ignored) -> Iterator[None]:
    """Within, ``run`` is this thread's active run; afterwards what was active before is again.

    The run itself stays open: its trial's end closes it. ``mlflow.start_run()`` within joins it,
    since a cell that was written to run alone begins with that. Runs that the cell leaves open are
    closed. Another store or experiment is too late for the trial: ``remark`` hears of it.
    """
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._tracking_service import utils

    stack = fluent._active_run_stack.get()  # type: ignore[no-untyped-call]
    before = list(stack)
    trial = mlflow.ActiveRun(run)  # type: ignore[no-untyped-call]
    stack[:] = [trial]
    try:
        with (
            _replaced(fluent.start_run, lambda original: _joining(original, trial, stack)),
            _replaced(utils.set_tracking_uri, lambda _: _staying(remark)),
            _replaced(fluent.set_experiment, lambda _: _staying_in(trial, remark)),
        ):
            yield
    finally:
        _close_others(mlflow, stack, trial)
        stack[:] = before


def _stand_in(*args: Any, _instead: Any, **options: Any) -> Any:
    return _instead(*args, **options)


@contextmanager
def _replaced(function: Any, instead: Callable[[Any], Any]) -> Iterator[None]:
    """Within, the function does what ``instead``, which is given the original, returns.

    The function itself changes: an earlier cell, or a module, may have imported it by name.
    """
    if not isinstance(function, FunctionType) or function.__closure__:
        with _renamed(function, instead(function)):  # a wrapper has no code to be exchanged
            yield
        return
    code, defaults, named = function.__code__, function.__defaults__, function.__kwdefaults__
    original = FunctionType(code, function.__globals__, function.__name__, defaults)
    original.__kwdefaults__ = named
    function.__defaults__, function.__kwdefaults__ = None, {"_instead": instead(original)}
    function.__code__ = _stand_in.__code__
    try:
        yield
    finally:
        function.__code__ = code
        function.__defaults__, function.__kwdefaults__ = defaults, named


@contextmanager
def _renamed(function: Any, other: Any) -> Iterator[None]:
    """Within, MLflow's own modules have ``other`` under the function's name."""
    name = function.__name__
    loaded = (sys.modules.get(m) for m in ("mlflow", "mlflow.tracking", function.__module__))
    modules = [module for module in loaded if getattr(module, name, None) is function]
    for module in modules:
        setattr(module, name, other)
    try:
        yield
    finally:
        for module in modules:
            setattr(module, name, function)


def _joining(original: Any, trial: Any, stack: list[Any]) -> Any:
    """``mlflow.start_run`` that, asked for a new run of its own, gives the trial's."""
    import mlflow
    from mlflow.tracking import fluent

    class Joined(mlflow.ActiveRun):
        """The trial's run in a ``with``, at whose end it stays open."""

        def __exit__(self, kind: Any, *_: Any) -> bool:
            return kind is None

    def start_run(run_id: Any = None, *args: Any, nested: bool = False, **options: Any) -> Any:
        here = fluent._active_run_stack.get()  # type: ignore[no-untyped-call]
        alone = not here or here == [trial]
        if nested and here and run_id is None and not args:
            # Below the trial, and so in its experiment, whichever MLflow's own default is.
            options.setdefault("experiment_id", trial.info.experiment_id)
        if run_id is not None or nested or args or not alone:
            return original(run_id, *args, nested=nested, **options)
        if here is stack:  # a thread of the cell's own may outlive the trial
            stack[:] = [trial]
        if tags := options.get("tags"):
            mlflow.set_tags(tags)
        return Joined(trial)  # type: ignore[no-untyped-call]

    return start_run


def _staying(remark: Callable[[str], object]) -> Any:
    """``mlflow.set_tracking_uri`` that leaves the store as it is."""

    def set_tracking_uri(uri: Any) -> None:
        if str(uri) != current_uri():
            remark(
                f"the cell's `mlflow.set_tracking_uri` to {redacted(str(uri))} came too late: its "
                f"trials are in {redacted(current_uri())}; call it in an earlier cell"
            )

    return set_tracking_uri


def _staying_in(trial: Any, remark: Callable[[str], object]) -> Any:
    """``mlflow.set_experiment`` that leaves the experiment as it is."""
    import mlflow

    def set_experiment(
        experiment_name: Any = None, experiment_id: Any = None, *_: Any, **__: Any
    ) -> Any:
        own = mlflow.get_experiment(trial.info.experiment_id)
        if experiment_name not in (None, own.name) or experiment_id not in (
            None,
            own.experiment_id,
        ):
            remark(
                f"the cell's `mlflow.set_experiment` to {experiment_name or experiment_id} came "
                f"too late: its trials are in {own.name}; call it in an earlier cell, or say "
                "--experiment"
            )
        return own

    return set_experiment


def _close_others(mlflow: Any, stack: list[Any], trial: Any) -> None:
    while stack:
        if stack[-1] is trial:
            stack.pop()
            continue
        count = len(stack)
        with contextlib.suppress(Exception):
            mlflow.end_run("KILLED")
        del stack[count - 1 :]
