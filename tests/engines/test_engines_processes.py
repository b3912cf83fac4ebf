"""Worker processes: what they share, what their death costs, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from engine_study import PROCESSES, ended, study

from hpmagic.engines.child import environment
from hpmagic.errors import EngineError, HpmagicWarning
from hpmagic.execution.interrupt import InterruptGuard
from hpmagic.records import TrialFinished, TrialStarted, TrialState


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids, seconds=10.0) -> bool:
    """Whether all processes end within some seconds."""
    until = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL, perhaps for want of memory"),
        ("os._exit(3)", "ended by itself with exit status 3"),
    ],
)
def test_a_worker_that_dies_costs_its_trial_and_is_replaced(act, words):
    """The trial has failed, with what was drawn, what was heard and why; the study goes on."""
    text = f"""
    import os, signal
    x = 0  # tune: int(0, 9)
    for step in range(3):
        loss = x + step  # tune: minimize
    if x == 3:
        {act}
    """
    plan = [{"x": 3}, {"x": 4}, {"x": 5}, {"x": 6}]
    ran = study(PROCESSES, text, plan=plan, jobs=2)
    dead = ran.trials[0]
    assert dead.state is TrialState.FAILED
    assert words in dead.reason
    assert dead.params == {"x": 3}
    assert [step for step, _ in dead.curves["loss"]] == [0, 1, 2]
    assert [t.state for t in ran.trials[1:]] == [TrialState.COMPLETE] * 3


def test_a_segmentation_fault_leaves_its_last_words():
    """What Python's fault handler says of the stack is the trial's standard error."""
    text = """
    import ctypes
    x = 0  # tune: int(0, 9)
    loss = x  # tune: minimize
    ctypes.string_at(0)
    """
    ran = study(PROCESSES, text, plan=[{"x": 3}], jobs=1)
    assert "Segmentation fault" in ran.trial.output.stderr
    assert '"<cell>", line 4' in ran.trial.output.stderr


@pytest.mark.slow
def test_a_trial_deaf_to_its_limit_is_killed():
    """A worker that compiled code holds on to is killed a second after the limit."""
    text = """
    import signal, time
    x = 0  # tune: int(0, 1)
    if x:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(60)
    loss = x  # tune: minimize
    """
    ran = study(PROCESSES, text, plan=[{"x": 1}, {"x": 0}], jobs=2, seconds=0.2)
    deaf, quick = ran.trials
    assert deaf.reason == "the trial took longer than 0.2 s; its worker was killed"
    assert (deaf.state, quick.state) == (TrialState.FAILED, TrialState.COMPLETE)


@pytest.mark.slow
def test_a_trial_is_not_charged_for_the_variables_of_the_one_before():
    """A worker that pickles a best trial's variables for long has its whole limit afterwards."""
    text = """
    import threading, time
    class Slow:
        def __reduce__(self):
            threading.Event().wait(2.5)
            return float, (1.0,)
    x = 0.5  # tune: uniform(0, 1)
    slow = Slow()
    loss = x  # tune: minimize
    """
    ran = study(PROCESSES, text, plan=[{"x": 0.5}, {"x": 0.9}], jobs=1, seconds=1)
    assert [t.state for t in ran.trials] == [TrialState.COMPLETE] * 2


@pytest.mark.slow
def test_a_worker_that_dies_takes_what_its_trial_had_forked_with_it():
    """The study does not wait for a child that holds the worker's pipe."""
    text = """
    import os, signal
    x = 0  # tune: int(0, 9)
    child = os.fork()
    while not child:
        signal.pause()
    pid = child  # tune: metric
    os.kill(os.getpid(), signal.SIGKILL)
    loss = x  # tune: minimize
    """
    pids = []

    def hear(event, engine):
        report = getattr(event, "report", None)
        if report is not None:
            pids.append(int(report.value))

    ran = study(PROCESSES, text, plan=[{"x": 3}], jobs=1, listener=hear)
    assert "killed by SIGKILL" in ran.trial.reason
    assert gone(pids)


def test_a_free_worker_does_not_wait_for_the_others(tmp_path):
    """While one trial takes its time, the other worker runs all the rest."""
    text = f"""
    import pathlib, time
    x = 0  # tune: int(0, 9)
    flag = pathlib.Path({str(tmp_path / "flag")!r})
    while x == 0 and not flag.exists():
        time.sleep(0.005)
    if x == 5:
        flag.touch()
    loss = x  # tune: minimize
    """
    ran = study(PROCESSES, text, plan=[{"x": x} for x in range(6)], jobs=2)
    assert set(ended(ran.events)[:4]) == {1, 2, 3, 4}


def test_a_variable_that_cannot_be_sent_is_named_with_who_reads_it():
    """The error says which variable, through which helper, and what to do."""
    namespace = {"__name__": "__main__", "lock": threading.Lock()}
    exec("def inner(): return lock\ndef helper(): return inner()", namespace)
    text = "x = 0.5  # tune: uniform(0, 1)\nhelper()\nloss = x  # tune: minimize"
    with pytest.raises(EngineError, match=r"`lock`, which `inner` reads, cannot be sent") as caught:
        study(PROCESSES, text, namespace, trials=2)
    assert "make it inside the cell" in str(caught.value)


def test_only_what_the_cell_reads_is_sent():
    """Variables that no line and no helper reads may be what they like."""
    namespace = {"__name__": "__main__", "lock": threading.Lock(), "f": threading.Lock()}
    exec("offset = 1\ndef helper(): return offset", namespace)
    text = """
    x = 0.5  # tune: uniform(0, 1)
    f = helper()
    names = sorted({"lock", "offset"} & set(dir()))
    loss = x + f  # tune: minimize
    """
    ran = study(PROCESSES, text, namespace, plan=[{"x": 0.25}])
    assert ran.trial.value == 1.25
    assert namespace["names"] == ["offset"]


@pytest.mark.slow
def test_a_cell_that_reads_by_text_gets_what_can_be_sent():
    """`eval` and the like may read any variable, so all are sent but those that cannot be."""
    namespace = {"__name__": "__main__", "lock": threading.Lock(), "hidden": 4}
    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x + eval('hidden')  # tune: minimize"
    assert study(PROCESSES, text, namespace, plan=[{"x": 0.5}]).trial.value == 4.5


@pytest.mark.slow
def test_a_worker_that_cannot_read_the_variables_ends_the_study():
    """It says what went wrong there; no trial is blamed."""
    namespace = {"__name__": "__main__"}
    exec("class Odd:\n    def __reduce__(self): return int, ('x',)\nodd = Odd()", namespace)
    text = "x = 0.5  # tune: uniform(0, 1)\nodd\nloss = x  # tune: minimize"
    with pytest.raises(EngineError, match="a worker cannot begin: ValueError: invalid literal"):
        study(PROCESSES, text, namespace, trials=2)


@pytest.mark.slow
def test_large_arrays_and_frames_are_mapped_not_copied():
    """In the worker they lie in the one file that all workers map."""
    rng = np.random.default_rng(0)
    namespace = {
        "__name__": "__main__",
        "array": rng.random((1000, 50)),
        "frame": pd.DataFrame(rng.random((5000, 4)), columns=list("abcd")),
    }
    text = """
    x = 0.5  # tune: uniform(0, 1)
    lines = [l.split() for l in open("/proc/self/maps") if "memfd:hpmagic" in l]
    spans = [[int(end, 16) for end in line[0].split("-")] for line in lines]
    pointers = [array.ctypes.data, frame["b"].to_numpy().ctypes.data]
    mapped = [any(low <= p < high for low, high in spans) for p in pointers]
    loss = x + sum(mapped)  # tune: minimize
    """
    if not Path("/proc/self/maps").exists():
        pytest.skip("there is no /proc")
    expected = namespace["frame"].sum().sum()
    assert study(PROCESSES, text, namespace, plan=[{"x": 0.0}]).trial.value == 2.0
    assert namespace["frame"].sum().sum() == expected


@pytest.mark.slow
def test_what_of_the_best_trial_cannot_be_pickled_is_named():
    """The other variables come back, sharing what they shared."""
    text = """
    x = 0.5  # tune: uniform(0, 1)
    stream = (i for i in range(3))
    data = [x]
    again = data
    loss = x  # tune: minimize
    """
    namespace = {"__name__": "__main__"}
    with pytest.warns(HpmagicWarning, match="`stream` of trial 0 cannot be pickled"):
        study(PROCESSES, text, namespace, plan=[{"x": 0.25}])
    assert namespace["data"] == [0.25]
    assert namespace["again"] is namespace["data"]
    assert "stream" not in namespace


@pytest.mark.slow
def test_nothing_is_left_of_a_study():
    """No process, no thread and no open file, whether it went well or not."""
    pids = []

    def hear(event, engine):
        if isinstance(event, TrialStarted):
            pids.extend(engine.pids)

    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize"
    study(PROCESSES, text, trials=3, listener=hear)
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    study(PROCESSES, text, trials=3, listener=hear)
    assert gone(pids)
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert threading.active_count() == threads


@pytest.mark.slow
def test_the_stop_button_ends_workers_and_what_they_started():
    """After an interrupt no worker runs, and no program that a trial had started."""
    text = """
    import subprocess, time
    x = 0.5  # tune: uniform(0, 1)
    child = subprocess.Popen(["sleep", "60"]).pid
    for step in range(1000):
        pid = child  # tune: metric
        time.sleep(0.01)
    loss = x  # tune: minimize
    """
    pids, heard = [], set()

    def hear(event, engine):
        report = getattr(event, "report", None)
        if report is not None and event.number not in heard:
            heard.add(event.number)
            pids.extend([int(report.value), *engine.pids])
            if len(heard) == 2:
                signal.raise_signal(signal.SIGINT)

    with InterruptGuard() as guard:
        ran = study(PROCESSES, text, trials=9, listener=hear)
        assert guard.requested
    assert ran.result.record.finished.state == "interrupted"
    assert [t.state for t in ran.trials] == [TrialState.INTERRUPTED] * 2
    assert all(t.params for t in ran.trials)
    assert gone(pids)


@pytest.mark.slow
def test_workers_ignore_the_interrupt_that_reaches_them():
    """A notebook's stop button signals all its children; the study decides what becomes of them."""

    def hear(event, engine):
        if isinstance(event, TrialFinished):
            for pid in engine.pids:
                os.kill(pid, signal.SIGINT)

    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize"
    ran = study(PROCESSES, text, trials=6, listener=hear)
    assert [t.state for t in ran.trials] == [TrialState.COMPLETE] * 6


def test_workers_end_when_the_kernel_is_killed():
    """A kernel that is killed takes its workers, and what they run, with it."""
    code = """
    import sys
    sys.path.insert(0, {here!r})
    from engine_study import PROCESSES, study

    def hear(event, engine):
        if getattr(event, "report", None):
            print(*engine.pids, flush=True)

    text = '''
    import time
    x = 0.5  # tune: uniform(0, 1)
    for step in range(2):
        loss = x  # tune: minimize
        time.sleep(60 * step)
    '''
    study(PROCESSES, text, trials=2, jobs=1, listener=hear)
    """
    code = dedent(code).format(here=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as kernel:
        pids = list(map(int, kernel.stdout.readline().split()))
        assert all(map(alive, pids))
        kernel.kill()
    assert pids
    assert gone(pids)


def test_thread_pools_are_limited(monkeypatch):
    """Each worker's native pools get its share of the cores; a person's lower limit stays."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("MKL_NUM_THREADS", "16")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    env = environment(4)
    limits = [env[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")]
    assert limits == ["2", "4", "4"]


@pytest.mark.slow
def test_a_worker_has_a_shell_when_the_kernel_has():
    """`display` and IPython's own syntax work, and what is displayed is the trial's output."""
    from IPython.core.interactiveshell import InteractiveShell

    from hpmagic.engines.parcel import pack
    from hpmagic.engines.processes import ProcessEngine

    shell = InteractiveShell.instance()
    try:
        kind = type(PROCESSES)(
            "shell",
            lambda spec, namespace, space, jobs, seconds: ProcessEngine(
                pack(spec, namespace, shell), namespace, jobs, space=space
            ),
        )
        text = """
        x = 0.5  # tune: uniform(0, 1)
        get_ipython().run_line_magic("env", "HPMAGIC_TEST=1")
        display({"x": x})
        loss = x  # tune: minimize
        loss
        """
        ran = study(kind, text, plan=[{"x": 0.25}], jobs=1)
        assert ran.trial.state is TrialState.COMPLETE, ran.trial.output.traceback
        assert "{'x': 0.25}" in ran.trial.output.stdout
        assert ran.trial.output.stdout.endswith("0.25\n")
    finally:
        InteractiveShell.clear_instance()
