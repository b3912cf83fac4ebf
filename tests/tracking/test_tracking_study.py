"""Whole studies, from the cell to MLflow and back."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pandas.testing import assert_frame_equal
from remembered import client

import hpmagic
from hpmagic.errors import StoreError


def tune(cell: str, tuner: str = "random", **options: Any) -> hpmagic.Study:
    """A study of an indented cell, shown to nobody."""
    return hpmagic.tune(dedent(cell), tuner, seed=1, quiet=True, **options)


CELL = """
    lr = 0.1  # tune: loguniform(1e-3, 1)
    kind = "a"  # tune: choice("a", "b", None)
    if kind == "b":
        depth = 3  # tune: int(2, 5)
    print("lr is", lr)
    loss = 0.0
    for epoch in range(4):
        loss = lr / (epoch + 1)  # tune: minimize
"""


def test_a_study_and_its_loaded_twin_give_equal_frames(store: str) -> None:
    """`hpmagic.tune` and `hpmagic.load`: the same trials, curves and best."""
    study = tune(CELL, trials=8, study="twin")
    loaded = hpmagic.load("twin")
    assert_frame_equal(loaded.trials, study.trials)
    assert_frame_equal(loaded.history(), study.history())
    assert repr(loaded.best) == repr(study.best)
    assert hpmagic.studies()["name"].tolist() == ["twin"]


def test_a_cell_that_logs_by_itself_adds_to_its_trials(store: str) -> None:
    """The cell's own `mlflow.log_metric` is in the trial's run, beside what is tuned."""
    import mlflow

    study = tune(
        """
        import mlflow
        x = 0.5  # tune: uniform(0, 1)
        mlflow.log_metric("twice", 2 * x)
        loss = x  # tune: minimize
        """,
        trials=3,
        study="own",
    )
    assert mlflow.active_run() is None
    for _, row in study.trials.iterrows():
        metrics = client().get_run(row["run_id"]).data.metrics
        assert metrics["twice"] == pytest.approx(2 * row["params.x"])
    assert_frame_equal(hpmagic.load("own").trials, study.trials)


def test_an_interrupted_study_is_closed_in_mlflow(store: str) -> None:
    """Ctrl-C in the third trial: it is there as interrupted, and nothing is left RUNNING."""
    namespace = {
        "__name__": "__main__",
        "count": Path("count.txt"),
        "stop": lambda: os.kill(os.getpid(), signal.SIGINT),
    }
    with pytest.raises(KeyboardInterrupt):
        tune(
            """
            x = 0.5  # tune: uniform(0, 1)
            with count.open("a") as file:
                file.write(".")
            if count.stat().st_size == 3:
                stop()
            loss = x  # tune: minimize
            """,
            namespace=namespace,
            trials=9,
            study="stopped",
        )
    loaded = hpmagic.load("stopped")
    assert loaded.trials["state"].tolist() == ["complete", "complete", "interrupted"]
    assert loaded.record.finished is not None
    assert loaded.record.finished.state == "interrupted"
    statuses = {run.info.status for run in client().search_runs([loaded.record.experiment_id])}
    assert "RUNNING" not in statuses


def test_failures_keep_their_tracebacks(store: str) -> None:
    """A trial that raised is FAILED, with its reason as a tag and its traceback beside."""
    study = tune(
        """
        x = 2  # tune: int(0, 3)
        loss = 1 / x  # tune: minimize
        """,
        "grid",
        study="failing",
    )
    table = study.trials
    failed = table[table["state"] == "failed"].iloc[0]
    run = client().get_run(failed["run_id"])
    assert run.info.status == "FAILED"
    assert "ZeroDivisionError" in run.data.tags["hpmagic.reason"]
    path = client().download_artifacts(failed["run_id"], "output/traceback.txt")
    assert "loss = 1 / x" in Path(path).read_text(encoding="utf-8")


def test_a_store_that_cannot_be_used_stops_before_trial_0(home: Path) -> None:
    """An old file store is refused with the ways out, and the cell has not run."""
    (home / "mlruns" / "0").mkdir(parents=True)
    (home / "mlruns" / "0" / "meta.yaml").write_text("")
    namespace: dict[str, Any] = {"ran": []}
    with pytest.raises(StoreError, match="migrate-filestore"):
        tune("ran.append(1)\nloss = 1  # tune: minimize", namespace=namespace)
    assert namespace["ran"] == []
