"""What lands in MLflow, how soon, and that the loop does not wait for it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from remembered import artifacts, children, client, remember
from studies import BEGIN, events, events_of, info, trial

from hpmagic.errors import HpmagicWarning, StoreError
from hpmagic.records import Direction, Event, Objective, Output, TrialStarted, TrialState
from hpmagic.tracking import courier as courier_module
from hpmagic.tracking import delivery as delivery_module
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.place import Place, place_of
from hpmagic.tracking.runs import best_points
from hpmagic.tracking.store import connect, open_store
from hpmagic.tracking.writer import MlflowWriter


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails is given up at once."""
    monkeypatch.setattr(courier_module, "GIVE_UP", 0.2)


def test_a_study_lands_as_a_careful_user_would_have_logged_it(store: str, pictures: None) -> None:
    """Parent and children with their params, metrics, tags, states, times and artifacts."""
    writer, _ = remember(events(5))
    parent = client().get_run(writer.run_id)
    assert parent.info.run_name == "svm"
    assert parent.info.status == "FINISHED"
    assert parent.info.start_time == round(BEGIN * 1000)
    assert parent.data.params["tuner"] == "random"
    assert parent.data.metrics["accuracy"] == 0.542
    assert parent.data.tags["mlflow.source.name"] == "things.ipynb"
    assert parent.data.tags["mlflow.source.type"] == "NOTEBOOK"
    assert "| C | model | 0.5 | 0.1 |" in parent.data.tags["mlflow.note.content"]
    assert artifacts(writer.run_id) == {
        "cell.py",
        "curves.json",
        "plots/history.png",
        "plots/parallel.png",
        "space.json",
        "study.json",
        "trials.csv",
    }
    runs = children(writer)
    assert [run.info.status for run in runs] == [
        "FINISHED",
        "FINISHED",
        "FAILED",
        "KILLED",
        "FINISHED",
    ]
    assert runs[2].data.params == {
        "C": "0.3",
        "kernel": "poly",
        "degree": "4",
        "shrinking": "True",
    }
    assert runs[2].data.tags["hpmagic.reason"] == "it was failed"
    assert runs[1].data.tags["hpmagic.note.stopped_early"] == "at step 2"
    history = client().get_metric_history(runs[0].info.run_id, "accuracy")
    assert [(m.step, m.value) for m in history] == [(0, 0.5), (1, 0.501), (2, 0.502)]
    assert writer.experiment_id == client().get_experiment_by_name("notebook").experiment_id
    assert list(spool_directory().iterdir()) == []


def test_what_a_trial_printed_and_drew_is_kept_with_it(store: str) -> None:
    """Only what there is becomes an artifact, byte for byte."""
    png = b"\x89PNG\r\n\x1a\n"
    output = Output("out ü\n", "", (png, png), "Traceback ...")
    writer, _ = remember(events_of(info(), [trial(0, output=output)]))
    run_id = writer.run_ids[0]
    assert artifacts(run_id) == {
        "output/stdout.txt",
        "output/traceback.txt",
        "output/figure_1.png",
        "output/figure_2.png",
    }
    path = client().download_artifacts(run_id, "output/stdout.txt")
    assert Path(path).read_text(encoding="utf-8") == "out ü\n"


@pytest.mark.slow
def test_a_store_made_here_is_in_wal_mode(home: Path) -> None:
    """A new sqlite file waits less for the disk; that setting is the file's."""
    connect(f"sqlite:///{home}/new/mlflow.db")
    database = sqlite3.connect(home / "new" / "mlflow.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_store_of_others_keeps_its_mode(store: str, home: Path) -> None:
    """What somebody else has made is left as it is."""
    database = sqlite3.connect(home / "mlflow.db")
    database.execute("PRAGMA journal_mode=DELETE")
    connect(store)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    database.close()


def test_two_studies_of_one_name_are_told_apart(store: str) -> None:
    """The second is ``svm-2``, and the writer says so."""
    assert remember(events(1))[0].study_name == "svm"
    assert remember(events(1))[0].study_name == "svm-2"


def test_the_experiment_named_by_the_person_is_used(store: str) -> None:
    """An option wins; what `mlflow.set_experiment` chose comes next."""
    import mlflow

    mlflow.set_experiment("chosen")
    by_setting, _ = remember(events(1))
    by_option, _ = remember(events(1), experiment="named")
    names = [client().get_experiment(w.experiment_id).name for w in (by_setting, by_option)]
    assert names == ["chosen", "named"]


def test_a_trial_that_changes_directory_changes_nothing(store: str, home: Path) -> None:
    """The store is where it was when the study began."""
    (home / "elsewhere").mkdir()
    writer = MlflowWriter(experiment=None, fallback_experiment="notebook", uses_mlflow=False)
    stream = events(2)
    writer(stream[0])
    os.chdir(home / "elsewhere")
    for event in stream[1:]:
        writer(event)
    writer.drain()
    os.chdir(home)
    assert len(children(writer)) == 2
    assert not (home / "elsewhere" / "mlflow.db").exists()


@pytest.mark.slow
def test_the_loop_does_not_wait_for_the_store(store: str) -> None:
    """All events are taken down while the store has not even been opened."""
    opened = threading.Event()

    def slowly(uri: str) -> Any:
        opened.wait()
        return connect(uri)

    writer = MlflowWriter(
        experiment=None, fallback_experiment="", uses_mlflow=False, make_client=slowly
    )
    for event in events(20):
        writer(event)
    assert writer.run_ids == {}
    opened.set()
    writer.drain()
    assert len(children(writer)) == 20


def test_a_trial_is_on_disk_when_its_end_has_been_told(store: str) -> None:
    """Before the next trial begins, the last one is in the spool."""

    def never(_: str) -> Any:
        raise ConnectionError("no")

    writer = MlflowWriter(
        experiment=None, fallback_experiment="", uses_mlflow=False, make_client=never
    )
    stream = events(2)
    for event in stream[:-1]:
        writer(event)
        (spool,) = spool_directory().iterdir()
        size = spool.stat().st_size
        assert size > 0
    assert spool.read_bytes().count(b'"trial",{') == 2
    writer._courier.stop()


def test_a_store_that_is_away_costs_a_moment_and_loses_nothing(store: str, impatient: None) -> None:
    """The end of the study gives up soon, says one sentence, and the next study brings the rest."""

    def away(_: str) -> Any:
        raise ConnectionError("server away")

    begun = time.monotonic()
    with pytest.warns(HpmagicWarning, match="server away.*safe in.*hpmagic deliver") as said:
        writer, _ = remember(events(3), make_client=away)
    assert len(said) == 1
    assert time.monotonic() - begun < 30
    assert writer.run_id is None
    assert len(list(spool_directory().iterdir())) == 1

    with pytest.warns(HpmagicWarning, match="3 trials of study svm"):
        remember(events(1, "other"))
    assert list(spool_directory().iterdir()) == []
    names = [
        run.info.run_name for run in client().search_runs(["1"], "tags.`hpmagic.kind`='study'")
    ]
    assert sorted(names) == ["other", "svm"]


def test_a_store_that_says_nothing_is_given_up_with_the_reason(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that hangs raises nothing: how long it was waited for is said instead."""
    monkeypatch.setattr(courier_module, "SILENCE", 0.05)
    release = threading.Event()

    def hanging(_: str) -> Any:
        release.wait(60)
        raise ConnectionError("at last")

    with pytest.warns(HpmagicWarning, match=r"everything \(it said nothing for 0\.05 s\)"):
        remember(events(1), make_client=hanging)
    release.set()


def test_mlflows_own_retries_wait_until_the_store_has_answered(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that uses MLflow has them in its trials, and a server that is away shows at once."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    monkeypatch.delenv(name, raising=False)
    remote = Place("http://127.0.0.1:9", "notebook")
    monkeypatch.setattr("hpmagic.tracking.writer.place_of", lambda *_: remote)
    seen: list[str | None] = []

    def connected(_: str) -> Any:
        seen.append(os.environ.get(name))
        return connect(store)

    writer = MlflowWriter(
        experiment=None, fallback_experiment="", uses_mlflow=True, make_client=connected
    )
    for event in events_of(info(), [trial(0)]):
        writer(event)
        if isinstance(event, TrialStarted):
            with writer.trial_run(event.number):
                seen.append(os.environ.get(name))
    writer.drain()
    assert seen == ["0", None]
    assert name not in os.environ


@pytest.mark.slow
def test_a_store_that_comes_back_gets_everything(store: str) -> None:
    """Failures in the middle of a study are not even mentioned when they pass."""
    failures = iter([True, True, True])

    class Flaky:
        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            if name == "log_batch" and next(failures, False):
                raise ConnectionError("for a moment")
            return getattr(self.real, name)

    with warnings.catch_warnings():
        warnings.simplefilter("error", HpmagicWarning)
        writer, _ = remember(events(4), make_client=lambda uri: Flaky(connect(uri)))
    assert len(children(writer)) == 4


def test_a_database_locked_by_another_process_is_waited_for(store: str, home: Path) -> None:
    """A lock that is held for a moment delays delivery and loses nothing."""
    other = sqlite3.connect(home / "mlflow.db", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.5, other.rollback)
    release.start()
    writer, _ = remember(events(2))
    release.join()
    other.close()
    assert len(children(writer)) == 2


def test_a_deleted_experiment_is_said_with_the_way_out(store: str, impatient: None) -> None:
    """Nothing is forced: the person is told how to restore it."""
    made = open_store(client(), place_of("gone", ""))
    client().delete_experiment(made.experiment_id)
    with pytest.warns(HpmagicWarning, match="experiments restore"):
        remember(events(1), experiment="gone")


def test_an_interrupt_while_draining_stops_the_waiting(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at the end keeps the results; what is missing stays on disk."""

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    writer = MlflowWriter(experiment=None, fallback_experiment="", uses_mlflow=False)
    for event in events(2):
        writer(event)
    real = writer._courier.finish
    monkeypatch.setattr(courier_module.Courier, "finish", interrupted)
    with pytest.warns(HpmagicWarning, match="safe in"):
        writer.drain()
    real()


def test_infinities_and_nan_are_metrics_too(store: str) -> None:
    """A store without infinity gets its greatest number, and NaN is kept."""
    values = {"a": float("inf"), "b": float("-inf"), "c": float("nan")}
    one = trial(0, metrics=values, curves={}, values=(1.0,))
    writer, _ = remember(events_of(info(), [one]))
    metrics = client().get_run(writer.run_ids[0]).data.metrics
    assert metrics["a"] > 1e308
    assert metrics["b"] < -1e308
    assert metrics["c"] != metrics["c"]


def test_without_a_place_on_disk_nothing_begins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study whose trials could not be kept is refused before trial 0."""

    def nowhere() -> Path:
        raise OSError("read-only file system")

    monkeypatch.setattr("hpmagic.tracking.ledger.spool_directory", nowhere)
    with pytest.raises(StoreError, match="HPMAGIC_HOME"):
        MlflowWriter(experiment=None, fallback_experiment="", uses_mlflow=False)


def test_a_writer_without_a_study_ends_quietly(store: str) -> None:
    """Opened, never used, drained: no run, no file, no thread."""
    writer = MlflowWriter(experiment=None, fallback_experiment="", uses_mlflow=False)
    assert writer.open()
    writer.drain()
    writer._courier._thread.join(10)
    assert not writer._courier._thread.is_alive()
    assert writer.run_id is None


def test_the_commit_is_told(store: str, home: Path) -> None:
    """The parent knows which commit was checked out where the notebook is."""
    import subprocess

    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *words], cwd=home, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=home, check=True, capture_output=True, text=True
    ).stdout.strip()
    told = replace(info(), source_name=str(home / "things.ipynb"))
    writer, _ = remember(events_of(told, [trial(0)]))
    assert client().get_run(writer.run_id).data.tags["mlflow.source.git.commit"] == head


def told_out_of_order() -> list[Event]:
    """A study to minimise whose trials 0, 2 and 1 end in that order, the last two at once."""
    values = {0: 5.0, 2: 4.0, 1: 1.0}
    trials = [
        trial(
            number,
            values=(value,),
            metrics={"loss": value},
            curves={},
            state=TrialState.COMPLETE,
            start=BEGIN,
            duration=1.0 if number else 0.5,
        )
        for number, value in values.items()
    ]
    told = info(trials=3, objectives=(Objective("loss", Direction.MINIMIZE),))
    return events_of(told, trials)


@pytest.mark.parametrize("patient", [False, True])
def test_the_best_so_far_is_the_best_however_trials_end(
    store: str, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    """MLflow shows the value at the highest step, then the latest: the curve never goes back."""
    monkeypatch.setattr(delivery_module, "OFTEN", 3600.0 if patient else 0.0)
    writer, _ = remember(told_out_of_order())
    assert client().get_run(writer.run_id).data.metrics["loss"] == 1.0
    history = client().get_metric_history(writer.run_id, "loss")
    points = sorted((m.step, m.timestamp, m.value) for m in history)
    assert [(step, value) for step, _, value in points] == [(0, 5.0), (2, 4.0), (2, 1.0)]


def test_the_best_so_far_goes_on_where_a_resumed_study_was() -> None:
    """Trials of before set the step; one of a lower number comes after them all the same."""
    objectives = (Objective("loss", Direction.MINIMIZE),)
    best: Mapping[str, float] = {}
    steps = []
    for number, value, end in ((7, 3.0, 50.0), (4, 9.0, 20.0), (5, 2.0, 10.0), (9, 8.0, 60.0)):
        one = trial(number, values=(value,), state=TrialState.COMPLETE, start=end, duration=0.0)
        points, best = best_points(one, best, objectives)
        steps += [(p.step, p.time, p.value) for p in points]
    assert steps == sorted(steps)
    assert [(step, value) for step, _, value in steps] == [(7, 3.0), (7, 3.0), (7, 2.0), (9, 2.0)]
    assert best_points(trial(10, state=TrialState.FAILED), best, objectives)[1] == best
