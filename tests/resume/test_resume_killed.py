"""A study whose kernel died in the midst of a trial: that trial runs again with its values."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import hpmagic
from hpmagic.tracking.store import connect

CELL = """\
lr = 0.1  # tune: loguniform(1e-3, 1)
model = dict  # tune: choice(dict, list)
if model is list:
    width = 3  # tune: int(1, 8), name="width_{len([])}"
hold()
loss = lr * len(str(model))  # tune: minimize
"""
VICTIM = """\
import os
import hpmagic
from hpmagic.tracking import courier, delivery
pace = courier.Pace
courier.Pace = lambda _: pace(1.0)  # what is drawn is shown at once
delivery.LONG = 0.0
delivery.OFTEN = 0.0
count = 0
def hold():
    global count
    count += 1
    if count == 4:
        os.write(1, b"holds\\n")
        os.read(0, 1)
hpmagic.tune(open("cell.txt").read(), "random", trials=9, seed=3, study="mine", quiet=True,
             fresh_trials=True,  # else a trial may run twice, to see whether it can be reused
             namespace={"hold": hold})
"""


@contextmanager
def held_study() -> Iterator[subprocess.Popen[bytes]]:
    """A study of another process, whose fourth trial has drawn its values and does not end."""
    Path("cell.txt").write_text(CELL)
    command = [sys.executable, "-c", textwrap.dedent(VICTIM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"holds\n"
            yield child
        finally:
            child.kill()


def wait_for(found: Callable[[], Any]) -> Any:
    """What it finds, as soon as it finds something."""
    event = threading.Event()
    for _ in range(1200):
        if result := found():
            return result
        event.wait(0.05)
    raise AssertionError("it never came")


def running(store: str) -> Any:
    """The run of the trial that runs, once MLflow shows what it has drawn."""
    client = connect(store)
    names = [e.experiment_id for e in client.search_experiments()]
    found = client.search_runs(names, "tags.`hpmagic.trial` = '3'")
    return found and "lr" in found[0].data.params and found[0]


def resumed() -> hpmagic.Study:
    """It goes on with another seed: what the tuner chooses now is not what it chose then."""
    options: dict[str, Any] = {"trials": 6, "seed": 99, "study": "mine", "quiet": True}
    return hpmagic.tune(CELL, "random", resume=True, namespace={"hold": int}, **options)


def uninterrupted(seed: int, trials: int) -> list[dict[str, object]]:
    options: dict[str, Any] = {"trials": trials, "seed": seed, "study": "whole", "quiet": True}
    whole = hpmagic.tune(CELL, "random", fresh=True, namespace={"hold": int}, **options)
    return [dict(trial.params) for trial in whole.record.trials]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_the_trial_that_ran_runs_again_with_its_values(
    place: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same machine from what is on its disk, on another from MLflow alone."""
    with held_study() as victim:
        shown = wait_for(lambda: running(store))
        victim.kill()
    if place == "elsewhere":
        monkeypatch.setenv("HPMAGIC_HOME", str(tmp_path / "another-machine"))
    study = resumed()
    assert shown.info.status == "RUNNING"
    states = {t.number: t.state.value for t in study.record.trials}
    assert [n for n, state in states.items() if state == "interrupted"] == [3]
    before = uninterrupted(seed=3, trials=4)
    ended = {t.number: dict(t.params) for t in study.record.trials if t.number != 3}
    assert len(ended) == 6
    assert [ended[0], ended[1], ended[2], ended[4]] == before
    assert connect(store).get_run(shown.info.run_id).info.status == "KILLED"
