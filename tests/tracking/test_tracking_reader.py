"""A study comes back from MLflow alone as it was, from another process too."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_store import FakeClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from remembered import client, remember
from studies import BEGIN, PLACE, SPACE, events, events_of, info, records, trial

from hpmagic.distributions import Choice, Int, LogUniform, Uniform
from hpmagic.errors import StoreError, StudyNotFound
from hpmagic.records import Direction, Objective, Origin, StudyRecord, TrialState
from hpmagic.results import Study
from hpmagic.tracking import reading
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.place import place_of
from hpmagic.tracking.reader import list_studies, read_study
from hpmagic.tracking.resumption import find_resumable
from hpmagic.tracking.schema import Tag
from hpmagic.tracking.store import open_store


def assert_same(loaded: StudyRecord, live: StudyRecord) -> None:
    """Both give equal tables, curves and facts."""
    assert_frame_equal(Study(loaded).trials, Study(live).trials)
    assert_frame_equal(Study(loaded).history(), Study(live).history())
    assert replace(loaded.info, experiment="") == replace(live.info, experiment="")
    assert loaded.finished is not None
    assert live.finished is not None
    assert loaded.finished.state == live.finished.state
    assert loaded.finished.best == live.finished.best
    for one, other in zip(loaded.trials, live.trials, strict=True):
        assert one.values == other.values
        assert list(one.params.items()) == list(other.params.items())
        assert one.distributions == other.distributions
        assert one.notes == other.notes


def test_a_loaded_study_equals_the_live_one(store: str) -> None:
    """States, typed values, metrics, curves, origins, times, durations, reasons, run ids."""
    _, live = remember(events(6))
    loaded = read_study("svm")
    assert_same(loaded, live)
    assert loaded.info.experiment == "notebook"
    assert list(Study(loaded).trials["number"]) == list(range(6))


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_table(store: str, home: Path) -> None:
    """Nothing but the store is needed: another process prints the same frame."""
    _, live = remember(events(6))
    code = (
        "import hpmagic, sys\n"
        "study = hpmagic.load('svm')\n"
        "study.trials.to_pickle(sys.argv[1]); study.history().to_pickle(sys.argv[2])\n"
    )
    paths = [str(home / name) for name in ("trials", "history")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], cwd=home, check=True, capture_output=True, text=True
    )
    assert done.stdout == done.stderr == ""
    assert_frame_equal(pd.read_pickle(paths[0]), Study(live).trials)
    assert_frame_equal(pd.read_pickle(paths[1]), Study(live).history())


def test_awkward_values_keep_their_types(store: str) -> None:
    """Options that look like other types, None, nested tuples, objects, long and odd texts."""
    long = "x" * 9000
    cases: list[tuple[Any, Any]] = [
        (Choice(("1", 1, 1.0, True, None)), value) for value in ("1", 1, 1.0, True, None)
    ]
    cases += [(Choice(((64, 32), (8,), [1, 2])), (64, 32)), (Choice((dict, list)), list)]
    cases += [(Choice((long, "b\0c", "two\nlines", "", "é\u202e")), v) for v in (long, "b\0c", "")]
    cases += [(Choice(("two\nlines", " spaced ")), " spaced "), (Int(1, 2**53), 2**52)]
    cases += [(Uniform(0, 1), 7), (Choice(("a", "b")), "1"), (LogUniform(1e-300, 1), 1e-300)]
    trials = [
        trial(n, params={"x": value}, distributions={"x": distribution}, state=TrialState.COMPLETE)
        for n, (distribution, value) in enumerate(cases)
    ]
    _, live = remember(events_of(info(), trials))
    loaded = read_study("svm")
    assert_frame_equal(Study(loaded).trials, Study(live).trials)
    plain = [d.plain(v) for d, v in cases]
    assert [t.params["x"] for t in loaded.trials] == plain
    assert [type(t.params["x"]) for t in loaded.trials] == [type(v) for v in plain]


def test_names_that_mlflow_refuses_come_back(store: str) -> None:
    """Brackets, quotes, very long names: in params, metrics, curves and notes."""
    names = ["units[0]", 'scores["auc"]', "a,b=c", "n" * 300, "größe", "C"]
    one = trial(
        0,
        params=dict.fromkeys(names, 3),
        distributions=dict.fromkeys(names, SPACE["degree"][0]),
        metrics={name: float(n) for n, name in enumerate(names)},
        curves={"units[0]": ((0, 0.5), (1, 0.0))},
        values=(0.0,),
        notes={"what (exactly)": "this"},
    )
    told = info(objectives=(Objective("units[0]", Direction.MINIMIZE),))
    _, live = remember(events_of(told, [one]))
    assert_same(read_study("svm"), live)


def test_metrics_that_mlflow_shows_otherwise_come_back(store: str) -> None:
    """Restarted steps, infinities, NaN: the last report counts, as in the live study."""
    points = ((0, 3.0), (9, 2.0), (0, 1.0))
    metrics = {"loss": 1.0, "inf": float("inf"), "nan": float("nan"), "max": 1.7976931348623157e308}
    one = trial(0, metrics=metrics, curves={"loss": points}, values=(1.0,))
    _, live = remember(events_of(info(), [one]))
    loaded = read_study("svm")
    assert_frame_equal(Study(loaded).trials, Study(live).trials)
    assert_frame_equal(Study(loaded).history(), Study(live).history())


def test_several_objectives_come_back(store: str) -> None:
    """Names, directions and values in their order; an objective may be the best report."""
    told = info(
        objectives=(
            Objective("accuracy", Direction.MAXIMIZE),
            Objective("latency", Direction.MINIMIZE),
        )
    )
    one = trial(0, metrics={"accuracy": 0.502, "latency": 3.0}, values=(0.9, 3.0))
    _, live = remember(events_of(told, [one]))
    assert_same(read_study("svm"), live)


def test_a_study_without_its_artifacts_is_still_there(store: str, home: Path) -> None:
    """Tags, params and metric histories are enough; only the source is gone with the files."""
    import shutil

    _, live = remember(events(6))
    shutil.rmtree(home / "mlruns")
    loaded = read_study("svm")
    live = replace(live, info=replace(live.info, source=""))
    assert_same(loaded, live)


def test_a_study_that_still_runs_is_read_as_far_as_it_is(store: str) -> None:
    """Trials that have ended are there; nothing claims that the study has."""
    place = place_of(None, "notebook")
    told = records(events(3), Path("home"), place=place)
    delivery = Delivery(Header.of(told[0]), open_store(client(), place), fresh=True)
    for record in told[:-1]:
        delivery.accept(record)
    delivery.begin(3, Origin.TUNER, BEGIN)
    loaded = read_study("svm")
    assert loaded.finished is None
    assert [t.number for t in loaded.trials] == [0, 1, 2]
    assert [len(t.curves["accuracy"]) for t in loaded.trials] == [3, 3, 3]


def test_what_a_person_does_in_mlflow_shows(store: str) -> None:
    """A renamed study goes by its new name; a deleted trial is gone; added metrics stay out."""
    writer, live = remember(events(4))
    mlflow = client()
    mlflow.update_run(writer.run_id, name="renamed")
    mlflow.delete_run(writer.run_ids[1])
    mlflow.log_param(writer.run_ids[0], "comment", "mine")
    mlflow.log_metric(writer.run_ids[0], "added", 1.0)
    loaded = read_study("renamed")
    kept = Study(live).trials.drop(index=1).reset_index(drop=True)
    assert_frame_equal(Study(loaded).trials, kept)


@pytest.mark.slow
def test_tags_that_somebody_spoiled_stop_nothing(store: str, home: Path) -> None:
    """Whatever a tag holds, the study is read as well as it can be."""
    import shutil

    writer, _ = remember(events(2))
    shutil.rmtree(home / "mlruns")
    runs = [client().get_run(run_id) for run_id in (writer.run_id, *writer.run_ids.values())]
    for tag in (Tag.INFO, Tag.SPACE, Tag.COLUMNS, Tag.RECORD, Tag.ORIGIN):
        for text in ("", "null", "[]", "{", '{"x": 1}', "__import__('os')"):
            for run in runs:
                client().set_tag(run.info.run_id, tag, text)
            loaded = read_study("svm")
            assert [t.number for t in loaded.trials] == [0, 1]
            assert Study(loaded).trials["metrics.accuracy"].tolist() == [0.502, 0.512]
            assert loaded.info.objectives == (Objective("accuracy", Direction.MAXIMIZE),)
        for run in runs:
            client().set_tag(run.info.run_id, tag, run.data.tags.get(tag, ""))


def test_a_study_is_found_by_its_runs_id_too(store: str) -> None:
    """The id of the parent run is as good as the name."""
    writer, _ = remember(events(1))
    assert writer.run_id is not None
    assert read_study(writer.run_id).info.name == "svm"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_as_it_was(store: str, collects: bool) -> None:
    """Reading does without; afterwards it is as the person has it, also after an error."""
    remember(events(2, "one"))
    try:
        gc.enable() if collects else gc.disable()
        read_study("one")
        assert gc.isenabled() is collects
    finally:
        gc.enable()


def test_an_unknown_name_suggests_the_nearest(store: str) -> None:
    """A misspelled study or experiment is answered with what there is."""
    remember(events(1))
    with pytest.raises(StudyNotFound, match="did you mean `svm`"):
        read_study("svmm")
    with pytest.raises(StudyNotFound, match="did you mean `notebook`"):
        read_study("svm", experiment="notebok")


@pytest.mark.parametrize(
    "ask",
    [
        list_studies,
        lambda: read_study("svm"),
        lambda: find_resumable(place_of(None, ""), "svm", ""),
    ],
    ids=["list", "read", "resume"],
)
def test_a_server_that_is_away_is_said_after_one_retry(
    home: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]
) -> None:
    """A study is asked for and the server does not answer: MLflow's own patience is minutes."""
    asked: list[dict[str, str]] = []

    class Away(FakeClient):
        def search_experiments(self, **_: object) -> Any:
            asked.append({n: v for n, v in os.environ.items() if n.startswith("MLFLOW_HTTP")})
            raise ConnectionError("connection refused")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr("hpmagic.tracking.place.current_uri", lambda: "http://127.0.0.1:9")
    monkeypatch.setattr("hpmagic.tracking.reader.current_uri", lambda: "http://127.0.0.1:9")
    monkeypatch.setattr("hpmagic.tracking.reader.connect", lambda _: Away())
    with pytest.raises(StoreError, match="does not answer: connection refused"):
        ask()
    assert asked == [{"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}]
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_long_name_finds_its_study(store: str) -> None:
    """MLflow has the name's beginning only; the name that was given is understood all the same."""
    name = "long " * 50
    writer, _ = remember(events(2, name))
    assert len(writer.study_name or "") < len(name)
    assert read_study(name).run_id == writer.run_id
    assert find_resumable(place_of(None, ""), name, "").record.run_id == writer.run_id


def test_reading_makes_no_store(home: Path) -> None:
    """Asking for studies where there are none creates nothing."""
    assert list_studies() == []
    with pytest.raises(StudyNotFound, match="nothing has been stored"):
        read_study("svm")
    assert list(home.iterdir()) == []


def test_a_store_that_is_none_is_said(home: Path) -> None:
    """A file that is no database is an error of the store, in a sentence."""
    (home / "mlflow.db").write_text("this is not a database, " * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        list_studies()


def test_studies_are_listed_newest_first(store: str) -> None:
    """Name, experiment, state, number of trials, tuner, objective, best value and start."""
    remember(events(2, "old"))
    later = replace(info("new", 3), start=BEGIN + 100)
    writer, _ = remember(events_of(later, [trial(n) for n in range(3)]), experiment="other")
    newest, oldest = list_studies()
    assert (newest.name, newest.experiment, newest.state) == ("new", "other", "complete")
    assert (newest.trials, newest.tuner, newest.objective) == (3, "random", "accuracy")
    assert newest.best == pytest.approx(0.512)
    assert newest.run_id == writer.run_id
    assert oldest.name == "old"
    assert [s.name for s in list_studies(experiment="notebook")] == ["old"]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=30),
    st.tuples(st.integers(), st.text(max_size=3)),
)


@given(st.lists(values, min_size=1, max_size=8), st.booleans())
@settings(max_examples=30)
def test_any_values_come_back(drawn: list[Any], exact: bool) -> None:
    """Whatever the options of a choice are, a trial's values are read as they were."""
    unique = list({repr(v): v for v in drawn}.values())
    distribution = Choice(tuple(unique))
    told = [
        trial(n, params={"x": v}, distributions={"x": distribution}) for n, v in enumerate(unique)
    ]
    fake = FakeClient()
    with tempfile.TemporaryDirectory() as folder:
        spool = records(events_of(info(), told), Path(folder), exact=exact)
    delivery = Delivery(Header.of(spool[0]), open_store(fake, PLACE), fresh=True)
    for record in spool:
        delivery.accept(record)
    for run, one in zip(fake.children(), told, strict=True):
        long = json.loads(run.files.get("long_values.json", "{}"))
        record = reading.record_of(run, long)
        read = reading.trial_of(run, record, known={}, columns={}, long=long, curves={})
        assert read is not None
        assert repr(read.params["x"]) == repr(distribution.in_table(one.params["x"]))
        assert read.metrics == one.metrics


@pytest.mark.parametrize("uses_mlflow", [False, True])
def test_numbers_that_are_no_literals_come_back_as_numbers(store: str, uses_mlflow: bool) -> None:
    """Scalars of numpy and infinities: the loaded table is the live one, types and all."""
    scalars = (np.float64(0.001), np.float64(1.0), np.float32(0.1))
    counts = Choice((np.int64(1), np.int64(2)))
    switches = Choice((np.bool_(True), np.bool_(False)))
    limits = Choice((1.0, float("inf"), 2.0), ("1.0", 'float("inf")', "2.0"))
    trials = [
        trial(
            n,
            params={
                "x": scalars[n],
                "n": counts.options[n % 2],
                "on": v,
                "limit": limits.options[n],
            },
            distributions={"x": Choice(scalars), "n": counts, "on": switches, "limit": limits},
            state=TrialState.COMPLETE,
        )
        for n, v in enumerate((*switches.options, switches.options[0]))
    ]
    _, live = remember(events_of(info(), trials), uses_mlflow=uses_mlflow)
    loaded = read_study("svm")
    table = Study(loaded).trials
    assert_frame_equal(table, Study(live).trials)
    kinds = {"params.x": "float64", "params.n": "int64", "params.on": "bool"}
    assert {name: str(table[name].dtype) for name in kinds} == kinds
    assert table["params.limit"].tolist() == [1.0, float("inf"), 2.0]
    assert [t.params["limit"] for t in loaded.trials] == [1.0, float("inf"), 2.0]
    assert [t.params["x"] for t in loaded.trials] == [0.001, 1.0, float(np.float32(0.1))]
    assert [type(t.params["x"]) for t in loaded.trials] == [float] * 3


def test_the_best_that_is_listed_is_the_tags(store: str) -> None:
    """What else the cell logs to the parent run does not count; a run without the tag has that."""
    writer, _ = remember(events(2))
    client().log_metric(writer.run_id, "accuracy", 0.1, step=99)
    assert list_studies()[0].best == pytest.approx(0.512)
    client().delete_tag(writer.run_id, Tag.BEST_VALUE)
    assert list_studies()[0].best == pytest.approx(0.1)
