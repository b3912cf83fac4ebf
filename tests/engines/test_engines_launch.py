"""Whole studies with workers, from the options to MLflow."""

from __future__ import annotations

import signal
import threading

import mlflow
import pytest

import hpmagic
from hpmagic.errors import EngineError, OptionError
from hpmagic.language import parse_cell
from hpmagic.launch import Setting, launch
from hpmagic.options import parse_line
from hpmagic.records import MetricReported

CELL = """
import mlflow
x = 0.5  # tune: uniform(0, 1)
for step in range(3):
    loss = (x - offset) ** 2 + step  # tune: minimize
mlflow.log_metric("mine", x)
"""


def runs():
    return mlflow.search_runs(search_all_experiments=True, output_format="list")


WORKERS = pytest.mark.parametrize(
    "options",
    [
        pytest.param({"jobs": 2}, marks=pytest.mark.slow),
        pytest.param({"engine": "ray", "jobs": 2}, marks=pytest.mark.slow),
        pytest.param({"engine": "dask", "jobs": 2}, marks=pytest.mark.slow),
    ],
    ids=["jobs", "ray", "dask"],
)


def have_cluster(options, request):
    """The test's cluster, where there is one to be had."""
    if options.get("engine") == "ray":
        request.getfixturevalue("ray_cluster")
    if options.get("engine") == "dask":
        pytest.importorskip("distributed", reason="Dask is not installed")


@WORKERS
def test_a_study_with_workers_is_in_mlflow_like_any_other(store, options, request):
    """Every trial has its run, with its curve and what the cell itself logged there; none is left
    running; the best trial's variables are the notebook's."""
    have_cluster(options, request)
    namespace = {"__name__": "__main__", "offset": 0.25}
    run = {"pruner": "none", **options}
    study = hpmagic.tune(CELL, "random", namespace=namespace, trials=6, seed=3, **run)
    children = [run for run in runs() if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == len(study.trials) == 6
    assert {run.info.status for run in runs()} == {"FINISHED"}
    assert all(float(r.data.params["x"]) == r.data.metrics["mine"] for r in children)
    assert study.trials["metrics.loss"].notna().all()
    assert namespace["x"] == study.best.params["x"]


@WORKERS
def test_a_study_with_workers_is_resumed_like_any_other(store, options, request):
    """The trials of both sessions are one study's, each once, and no values are tried twice."""
    have_cluster(options, request)
    text = "x = 3  # tune: int(1, 20)\nloss = x**2 % 7  # tune: minimize"
    hpmagic.tune(text, "random", trials=4, seed=3, study="twice", **options)
    study = hpmagic.tune(text, "random", trials=9, seed=3, study="twice", resume=True, **options)
    children = [run for run in runs() if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == len(study.trials) == 9
    assert {run.info.status for run in runs()} == {"FINISHED"}
    assert len({run.data.params["x"] for run in children}) == 9


@pytest.mark.slow
def test_after_the_stop_button_no_run_is_running(store):
    """The trials that ran are interrupted ones, and the study's results are usable."""
    text = """
import time
x = 0.5  # tune: uniform(0, 1)
for step in range(2000):
    loss = x  # tune: minimize
    time.sleep(0.005)
"""
    heard, stopped = [], []

    def view(_):
        def listen(event):
            if isinstance(event, MetricReported):
                heard.append(event.number)
                if len(set(heard)) == 2 and not stopped:
                    stopped.append(True)
                    signal.raise_signal(signal.SIGINT)

        return listen

    config = parse_line("random --trials 9 --jobs 2", ["random"])
    launched = launch(parse_cell(text), config, Setting({"__name__": "__main__"}, view=view))
    assert isinstance(launched.error, KeyboardInterrupt)
    assert {run.info.status for run in runs()} == {"KILLED"}
    assert list(launched.study.trials["state"]) == ["interrupted"] * 2


def test_a_variable_that_cannot_be_sent_ends_the_study_before_it_begins(store):
    """Nothing is written to MLflow, and nothing runs."""
    namespace = {"__name__": "__main__", "offset": threading.Lock()}
    with pytest.raises(EngineError, match="`offset` cannot be sent to workers"):
        hpmagic.tune(CELL, "random", namespace=namespace, trials=6, jobs=2)
    assert runs() == []


@pytest.mark.parametrize("option", ["address", "cpus_per_trial", "gpus_per_trial"])
def test_a_clusters_options_want_a_cluster(store, option):
    """They are not silently without effect."""
    with pytest.raises(OptionError, match=f"--{option.replace('_', '-')} is for a cluster"):
        hpmagic.tune(CELL, "random", namespace={"offset": 0}, **{option: "1"})
