"""Real Ray and Dask clusters of several processes, and what happens when one is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from engine_study import study

from hpmagic.records import MetricReported, TrialState

pytestmark = pytest.mark.slow


@pytest.fixture(params=["ray", "dask"])
def kind(request):
    return request.getfixturevalue(f"{request.param}_cluster")


def gone(pid: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_a_study_goes_on_when_a_worker_of_the_cluster_is_killed(kind):
    """The trial lost with it runs again, with its values; the total is right, all are complete, and
    nothing is reported twice."""
    killed = []

    def hear(event, engine):
        report = isinstance(event, MetricReported) and event.report
        if report and report.name == "host" and event.number == 3 and not killed:
            killed.append(int(report.value))
            os.kill(killed[0], signal.SIGKILL)

    text = """
    import os, time
    x = 0.5  # tune: uniform(0, 1)
    host = os.getppid()  # tune: metric
    time.sleep(0.05)
    for step in range(3):
        loss = x + step  # tune: minimize
    """
    ran = study(kind, text, trials=8, listener=hear)
    assert killed
    assert [t.number for t in ran.trials] == list(range(8))
    assert [t.state for t in ran.trials] == [TrialState.COMPLETE] * 8
    assert [s for s in ran.steps(3) if s is not None] == [0, 1, 2]
    assert gone(killed[0])


def four_trials(kind, fatal):
    """Trials 0 to 3, of which number 1 runs ``fatal``."""
    text = f"""
    import os, signal
    x = 0  # tune: int(0, 3)
    if x == 1:
        {fatal}
    loss = x  # tune: minimize
    """
    return study(kind, text, plan=[{"x": x} for x in range(4)])


def test_a_worker_that_dies_by_itself_costs_its_trial(kind):
    """A segmentation fault is the trial's own doing: it is not run again."""
    ran = four_trials(kind, fatal="os.kill(os.getpid(), signal.SIGSEGV)")
    states = [t.state for t in ran.trials]
    assert states.count(TrialState.FAILED) == 1
    assert "killed by SIGSEGV" in ran.trials[1].reason


def test_nothing_of_a_trial_is_left_on_the_cluster(kind):
    """When the study is over, its worker processes are gone, though the cluster goes on."""
    text = """
    import os
    x = 0.5  # tune: uniform(0, 1)
    pid = os.getpid()  # tune: metric
    loss = x + data[0]  # tune: minimize
    """
    namespace = {"__name__": "__main__", "data": np.zeros(100_000)}
    ran = study(kind, text, namespace, trials=4)
    pids = {int(t.metrics["pid"]) for t in ran.trials}
    assert pids
    assert all(map(gone, pids))


@pytest.mark.filterwarnings("ignore:the variables of trial . were lost with its worker")
def test_a_trial_is_not_run_again_for_ever(kind):
    """A trial whose nodes all are lost has failed after a bounded number of attempts."""
    ran = four_trials(kind, fatal="os.kill(os.getppid(), signal.SIGKILL)")
    states = [t.state for t in ran.trials]
    assert states == [TrialState.COMPLETE, TrialState.FAILED, *[TrialState.COMPLETE] * 2]
    assert "lost" in ran.trials[1].reason
