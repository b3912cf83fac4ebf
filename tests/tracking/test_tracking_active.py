"""The person's own MLflow calls inside a cell land in the trial's run, and none stays active."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any

import pytest
from remembered import artifacts, children, client
from studies import events_of, info, trial

from hpmagic.records import TrialFinished, TrialStarted, TrialState
from hpmagic.tracking.active import cell_uses_mlflow
from hpmagic.tracking.writer import MlflowWriter


def run_study(body: Callable[[int], None], count: int = 2) -> MlflowWriter:
    """A study whose cell does ``body``; what it raises ends its trial, as in the loop."""
    writer = MlflowWriter(experiment=None, fallback_experiment="notebook", uses_mlflow=True)
    for event in events_of(info(), [trial(n, state=TrialState.COMPLETE) for n in range(count)]):
        writer(event)
        if isinstance(event, TrialStarted):
            with writer.trial_run(event.number), contextlib.suppress(RuntimeError):
                body(event.number)
    writer.drain()
    return writer


def test_metrics_params_and_artifacts_land_in_the_trials_run(store: str) -> None:
    """`mlflow.log_*` needs no run of its own, and each trial has its own."""
    import mlflow

    def body(number: int) -> None:
        mlflow.log_metric("mine", number + 0.5)
        mlflow.log_param("extra", f"p{number}")
        mlflow.set_tag("colour", "blue")
        mlflow.log_text("text", "mine.txt")

    writer = run_study(body)
    assert mlflow.active_run() is None
    runs = children(writer)
    assert [run.data.metrics["mine"] for run in runs] == [0.5, 1.5]
    assert [run.data.params["extra"] for run in runs] == ["p0", "p1"]
    assert [run.data.params["kernel"] for run in runs] == ["rbf", "linear"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert [run.info.run_name for run in runs] == ["trial 0 (default)", "trial 1: 0.2 linear"]
    assert "mine.txt" in artifacts(runs[0].info.run_id)
    assert len(client().search_runs([writer.experiment_id])) == 3


def test_a_cell_that_starts_a_run_joins_the_trials(store: str) -> None:
    """``with mlflow.start_run():``, with which such cells begin, is the trial's run, twice too."""
    import mlflow

    def body(number: int) -> None:
        with mlflow.start_run(run_name="mine", tags={"colour": "blue"}) as run:
            assert mlflow.active_run().info.run_id == run.info.run_id
            mlflow.log_metric("first", 1)
        mlflow.start_run()
        mlflow.log_metric("second", 2)
        mlflow.end_run()
        with mlflow.start_run():
            mlflow.log_metric("third", 3)

    before = mlflow.start_run
    writer = run_study(body)
    assert mlflow.start_run is before
    for run in children(writer):
        assert {"first", "second", "third"} <= set(run.data.metrics)
        assert run.data.tags["colour"] == "blue"
        assert run.info.status == "FINISHED"
    assert len(client().search_runs([writer.experiment_id])) == 3


def test_runs_nested_by_the_cell_hang_below_the_trial(store: str) -> None:
    """A nested run stays what it is; left open, it is closed."""
    import mlflow

    def body(number: int) -> None:
        mlflow.start_run(nested=True, run_name=f"fold {number}")
        mlflow.log_metric("fold", number)

    writer = run_study(body)
    assert mlflow.active_run() is None
    found = client().search_runs([writer.experiment_id])
    folds = {r.info.run_name: r for r in found if r.info.run_name.startswith("fold")}
    assert len(folds) == 2
    for number, run in enumerate(children(writer)):
        fold = folds[f"fold {number}"]
        assert fold.data.tags["mlflow.parentRunId"] == run.info.run_id
        assert fold.info.status == "KILLED"
        assert "fold" not in run.data.metrics


def test_a_cell_that_fails_leaves_no_active_run(store: str) -> None:
    """Whatever ends the trial, the stack of active runs is as before."""
    import mlflow

    def body(number: int) -> None:
        with mlflow.start_run():
            mlflow.log_metric("mine", 1)
            raise RuntimeError("the cell failed")

    writer = run_study(body)
    assert mlflow.active_run() is None
    assert [run.data.metrics["mine"] for run in children(writer)] == [1, 1]


def test_an_interrupt_leaves_no_active_run(store: str) -> None:
    """The trial that was stopped is closed, and nothing stays active."""
    import mlflow

    writer = MlflowWriter(experiment=None, fallback_experiment="notebook", uses_mlflow=True)
    stream = [e for e in events_of(info(), [trial(0)]) if not isinstance(e, TrialFinished)]
    writer(stream[0])
    writer(stream[1])

    def stopped() -> None:
        with writer.trial_run(0):
            mlflow.log_metric("mine", 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert mlflow.active_run() is None
    writer(stream[-1])
    writer.drain()
    (run,) = children(writer)
    assert run.info.status == "KILLED"
    assert run.data.tags["hpmagic.state"] == "interrupted"


def test_the_persons_own_run_is_put_back(store: str) -> None:
    """A run that was active before the study is active after it, and got nothing of the trials."""
    import mlflow

    mlflow.set_experiment("notebook")
    with mlflow.start_run() as mine:
        run_study(lambda number: mlflow.log_metric("inner", number))
        assert mlflow.active_run().info.run_id == mine.info.run_id
        mlflow.log_metric("outer", 1)
    assert set(client().get_run(mine.info.run_id).data.metrics) == {"outer"}


@pytest.mark.slow
def test_autologging_lands_in_the_trials_run(store: str) -> None:
    """What scikit-learn's fit logs by itself goes to the trial, under the trial's own values."""
    import mlflow
    from sklearn.linear_model import LogisticRegression

    def body(number: int) -> None:
        model = LogisticRegression(C=0.1 * (number + 1), max_iter=20)
        model.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])

    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        writer = run_study(body)
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    runs = children(writer)
    assert [run.data.params["max_iter"] for run in runs] == ["20", "20"]
    assert all("training_accuracy_score" in run.data.metrics for run in runs)
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert len(client().search_runs([writer.experiment_id])) == 3


def test_a_trial_whose_run_cannot_be_made_runs_all_the_same(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow being away is no reason not to try the values."""
    monkeypatch.setattr("hpmagic.tracking.writer.PATIENCE", 0.05)
    monkeypatch.setattr("hpmagic.tracking.courier.GIVE_UP", 0.05)

    def away(_: str) -> Any:
        raise ConnectionError("away")

    writer = MlflowWriter(
        experiment=None, fallback_experiment="", uses_mlflow=True, make_client=away
    )
    ran: list[int] = []
    for event in events_of(info(), [trial(0)]):
        writer(event)
        if isinstance(event, TrialStarted):
            with writer.trial_run(event.number):
                ran.append(event.number)
    with pytest.warns(UserWarning, match="away"):
        writer.drain()
    assert ran == [0]


def helper_module() -> types.ModuleType:
    module = types.ModuleType("helper")
    exec("import mlflow\ndef log(value):\n    mlflow.log_metric('x', value)\n", module.__dict__)
    return module


@pytest.mark.parametrize(
    ("code", "names", "uses"),
    [
        ("import mlflow", (), True),
        ("model.fit(X, y)", (), False),
        ("log_metric('a', 1)", ("log_metric",), True),
        ("m.log_metric('a', 1)", ("mlflow",), True),
        ("helper.log(1)", ("helper",), True),
        ("log(1)", ("log",), True),
        ("fit()", ("optuna", "hpmagic", "number"), False),
    ],
)
def test_a_cell_that_may_use_mlflow_is_told_from_one_that_does_not(
    code: str, names: tuple[str, ...], uses: bool, home: object
) -> None:
    """By its text, or by what the notebook has; that hpmagic has imported MLflow does not count."""
    import mlflow
    import optuna

    import hpmagic.results

    helper = helper_module()
    everything = {
        "mlflow": mlflow,
        "log_metric": mlflow.log_metric,
        "helper": helper,
        "log": helper.log,
        "optuna": optuna,
        "hpmagic": hpmagic.results,
        "number": 3,
    }
    assert cell_uses_mlflow(code, {name: everything[name] for name in names}) is uses
