"""The person's own MLflow calls inside a cell land in the trial's run, and none stays active."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from remembered import artifacts, children, client
from studies import events_of, info, trial

from hpmagic.errors import HpmagicWarning
from hpmagic.records import TrialFinished, TrialStarted, TrialState
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


def test_a_function_of_mlflow_imported_by_name_is_the_same_one(store: str) -> None:
    """`from mlflow import start_run` in an earlier cell, or in a module, joins the trial's run."""
    from mlflow import log_metric, set_experiment, start_run

    looks = [(f.__code__, f.__defaults__, f.__kwdefaults__) for f in (start_run, set_experiment)]

    def body(number: int) -> None:
        with start_run(tags={"colour": "blue"}):
            log_metric("mine", number)
        log_metric("after", number)

    writer = run_study(body)
    assert [run.data.metrics["mine"] for run in children(writer)] == [0, 1]
    assert [run.data.metrics["after"] for run in children(writer)] == [0, 1]
    assert [run.data.tags["colour"] for run in children(writer)] == ["blue", "blue"]
    assert len(client().search_runs([writer.experiment_id])) == 3
    after = [(f.__code__, f.__defaults__, f.__kwdefaults__) for f in (start_run, set_experiment)]
    assert after == looks


def test_threads_of_the_cell_log_to_the_trials_run(store: str) -> None:
    """A thread has a stack of active runs of its own; nothing stays on it."""
    import mlflow

    def body(number: int) -> None:
        def work() -> Any:
            mlflow.log_metric("mine", number)
            with mlflow.start_run():
                mlflow.log_metric("more", number)
            return mlflow.active_run()

        assert pool.submit(work).result() is None

    with ThreadPoolExecutor(1) as pool:
        writer = run_study(body)
    assert [run.data.metrics["mine"] for run in children(writer)] == [0, 1]
    assert [run.data.metrics["more"] for run in children(writer)] == [0, 1]
    assert len(client().search_runs([writer.experiment_id])) == 3


def test_a_cell_that_chooses_the_store_or_experiment_is_told_that_it_is_too_late(
    store: str,
) -> None:
    """Its trials stay where the study began, and it is said once; the choice itself is not made."""
    import mlflow

    def body(number: int) -> None:
        mlflow.set_tracking_uri(mlflow.get_tracking_uri())
        mlflow.set_tracking_uri("http://me:secret@server:5000")
        mlflow.set_experiment("notebook")
        assert mlflow.set_experiment("elsewhere").name == "notebook"
        mlflow.log_metric("mine", number)

    before = mlflow.get_tracking_uri()
    with pytest.warns(HpmagicWarning) as said:
        writer = run_study(body)
    assert [run.data.metrics["mine"] for run in children(writer)] == [0, 1]
    assert mlflow.get_tracking_uri() == before
    assert client().get_experiment_by_name("elsewhere") is None
    uri, experiment = map(str, (warning.message for warning in said))
    assert "`mlflow.set_tracking_uri` to http://server:5000 came too late" in uri
    assert "`mlflow.set_experiment` to elsewhere came too late: its trials are in notebook" in (
        experiment
    )


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
