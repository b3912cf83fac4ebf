"""Against a real ``mlflow server`` over HTTP, alone and behind a network that spoils requests."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal
from remembered import artifacts, children, client, remember
from server import FaultyProxy, mlflow_server
from studies import events, events_of, info, trial

from hpmagic.distributions import Choice
from hpmagic.errors import HpmagicWarning
from hpmagic.records import TrialState
from hpmagic.results import Study
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.reader import list_studies, read_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for all tests of this file."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture
def server(served: str, home: Path) -> str:
    """The server as MLflow's store of the test."""
    import mlflow

    mlflow.set_tracking_uri(served)
    return served


def test_a_study_lands_and_comes_back_over_http(
    server: str, pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs, curves, artifacts; an equal table; and nothing is printed meanwhile."""
    writer, live = remember(events(6, "http"), experiment="http")
    loaded = read_study("http", experiment="http")
    assert_frame_equal(Study(loaded).trials, Study(live).trials)
    assert_frame_equal(Study(loaded).history(), Study(live).history())
    assert loaded.info.source == live.info.source
    assert {"cell.py", "trials.csv", "plots/history.png"} <= artifacts(writer.run_id)
    assert artifacts(writer.run_ids[1]) == {"output/stdout.txt"}
    assert "http" in [study.name for study in list_studies(experiment="http")]
    assert capsys.readouterr() == ("", "")


def test_awkward_values_pass_over_http(server: str) -> None:
    """Empty and odd texts, infinities, NaN, refused names."""
    cases: list[Any] = ["", "ü\n", "b\0c", None, True, (1, "a")]
    choice = Choice(tuple(cases))
    trials = [
        trial(
            n,
            params={"x[0]": value},
            distributions={"x[0]": choice},
            metrics={"a": float("inf"), "b": float("nan"), "accuracy": 1.0},
            curves={},
            values=(1.0,),
            state=TrialState.COMPLETE,
        )
        for n, value in enumerate(cases)
    ]
    _, live = remember(events_of(info("awkward"), trials), experiment="http")
    assert_frame_equal(Study(read_study("awkward")).trials, Study(live).trials)


def test_the_cells_own_calls_land_over_http(server: str) -> None:
    """`mlflow.log_metric` in a cell, with the server as the store."""
    import mlflow

    from hpmagic.records import TrialStarted
    from hpmagic.tracking.writer import MlflowWriter

    writer = MlflowWriter(experiment="http", fallback_experiment="", uses_mlflow=True)
    for event in events(2, "calls"):
        writer(event)
        if isinstance(event, TrialStarted):
            with writer.trial_run(event.number):
                mlflow.log_metric("mine", event.number)
    writer.drain()
    assert mlflow.active_run() is None
    assert [run.data.metrics["mine"] for run in children(writer)] == [0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_a_spoiled_network_loses_and_doubles_nothing(seed: int, served: str, home: Path) -> None:
    """Dropped, cut, withheld and refused requests: in the end each trial is there once, whole."""
    import mlflow

    rng = random.Random(seed)
    count, name = rng.randint(5, 15), f"spoiled-{seed}"
    proxy = FaultyProxy(served, share=rng.uniform(0.1, 0.35), seed=seed)
    mlflow.set_tracking_uri(proxy.uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HpmagicWarning)  # it may or may not give up
        _, live = remember(events(count, name), experiment="spoiled")
    proxy.share = 0
    deliver_pending()
    assert list(spool_directory().iterdir()) == []
    loaded = read_study(name, experiment="spoiled")
    live_table = Study(live).trials.assign(run_id=None)
    assert_frame_equal(Study(loaded).trials.assign(run_id=None), live_table)
    runs = client().search_runs(
        [loaded.experiment_id], f"tags.`mlflow.parentRunId` = '{loaded.run_id}'"
    )
    assert len(runs) == count
    assert all(run.info.status != "RUNNING" for run in runs)
    assert sum(proxy.spoiled.values()) > 0
    print(f"seed {seed}: {count} trials once each, spoiled {proxy.spoiled}")
    proxy.close()


def test_a_server_that_is_away_costs_seconds(home: Path) -> None:
    """Nobody listens: the study ends within seconds, and its spool waits for better times."""
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.warns(HpmagicWarning, match="could not take everything"):
        remember(events(3, "away"))
    assert time.monotonic() - begun < 60
    assert len(list(spool_directory().iterdir())) == 1
