"""What a cell may do to itself and to its process: the study survives, and says what happened."""

from __future__ import annotations

import builtins
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import hpmagic
from hpmagic.records import TrialState

HEAD = "a = 1  # tune: int(1, 6)\nloss = float(a)  # tune: minimize\n"


def tune(fault: str, trials: int = 6, **names: object) -> hpmagic.Study:
    """A study whose trials with an even ``a`` meet the fault."""
    body = "".join(f"    {line}\n" for line in fault.splitlines())
    text = f"{HEAD}if a % 2 == 0:\n{body}"
    return hpmagic.tune(text, "grid", trials=trials, quiet=True, namespace=dict(names))


def states(study: hpmagic.Study) -> dict[int, TrialState]:
    return {int(t.params["a"]): t.state for t in study.record.trials}


FAILING = {
    "exception": ("raise ValueError('no')", "ValueError: no"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "memory": ("bytearray(1 << 62)", "MemoryError"),
    "warning": (
        "import warnings\nwith warnings.catch_warnings():\n"
        "    warnings.simplefilter('error')\n    warnings.warn('careful')",
        "UserWarning: careful",
    ),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", FAILING)
def test_a_fault_fails_its_trial_only(store, name):
    """The trial says why, and the others run; MLflow has them all."""
    fault, reason = FAILING[name]
    study = tune(fault)
    assert {a for a, s in states(study).items() if s is TrialState.FAILED} == {2, 4, 6}
    assert {a for a, s in states(study).items() if s is TrialState.COMPLETE} == {1, 3, 5}
    failed = next(t for t in study.record.trials if t.state is TrialState.FAILED)
    assert reason in failed.reason
    assert len(hpmagic.load(study.name)) == 6


def test_a_keyboard_interrupt_of_the_cell_ends_the_study_like_the_persons(store):
    """Nobody can tell the two apart from within; the study is closed and can go on."""
    with pytest.raises(KeyboardInterrupt):
        tune("raise KeyboardInterrupt")
    (row,) = hpmagic.studies().to_dict("records")
    assert row["state"] == "interrupted"


@pytest.mark.slow
def test_a_flood_of_output_is_cut(store):
    """A hundred megabytes are neither shown nor kept whole."""
    study = tune("line = 'x' * 999_999\nfor _ in range(100): print(line)", trials=2)
    assert set(states(study).values()) == {TrialState.COMPLETE}
    assert max(len(t.output.stdout) for t in study.record.trials) < 5_000_000


@pytest.mark.slow
def test_many_figures_are_closed(store):
    """What a trial draws does not stay open for the next."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    fault = "import matplotlib.pyplot as plt\nfor _ in range(1000): plt.figure()"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = tune(fault, trials=2)
    assert set(states(study).values()) == {TrialState.COMPLETE}
    assert plt.get_fignums() == before


def test_a_thread_left_running_does_no_harm(store):
    """It may print when its trial is long over."""
    done = threading.Event()
    fault = "import threading\nthreading.Thread(target=lambda: (done.wait(9), print('x'))).start()"
    study = tune(fault, done=done)
    done.set()
    assert set(states(study).values()) == {TrialState.COMPLETE}


def test_another_directory_holds_for_its_trial_only(store, tmp_path):
    """The next trial and the study's records are where they were."""
    study = tune("import os; os.makedirs('sub', exist_ok=True); os.chdir('sub')")
    assert set(states(study).values()) == {TrialState.COMPLETE}
    assert len(hpmagic.load(study.name)) == 6


def test_a_closed_stdout_is_the_trials_own(store):
    """The person's stream is open afterwards."""
    stream = sys.stdout
    study = tune("import sys; sys.stdout.close()")
    assert len(study) == 6
    assert sys.stdout is stream
    assert not stream.closed
    assert len(hpmagic.load(study.name)) == 6


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["len", "isinstance", "print", "open", "sorted"])
def test_a_builtin_that_is_replaced_in_the_cell_is_the_cells_own(store, name):
    """A global of that name shadows it for the cell, not for the study."""
    study = tune(f"{name} = None")
    assert len(hpmagic.load(study.name)) == 6
    assert getattr(builtins, name) is not None


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["len", "isinstance", "print", "open", "getattr", "__import__"])
def test_a_builtin_that_is_replaced_for_everybody_is_back_after_the_trial(store, name):
    """The study, its records and the next trial have Python's own."""
    own = getattr(builtins, name)
    fault = f"import builtins\nbuiltins.{name} = None\nbuiltins.made_up = 1"
    study = tune(fault)
    assert set(states(study).values()) == {TrialState.COMPLETE}
    assert getattr(builtins, name) is own
    assert not hasattr(builtins, "made_up")
    assert len(hpmagic.load(study.name)) == 6


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["len", "isinstance", "max", "getattr", "tuple"])
def test_drawing_and_reporting_without_a_builtin_fails_the_trial_at_most(store, name):
    """What the study does within such a trial is the trial's own risk."""
    text = (
        "a = 1  # tune: int(1, 4)\nimport builtins\nif a % 2 == 0:\n"
        f"    builtins.{name} = None\nb = 1  # tune: uniform(0, 2)\n"
        "for _ in (1, 2):\n    loss = a * b  # tune: minimize\n"
    )
    study = hpmagic.tune(text, "random", trials=6, seed=1, quiet=True)
    found = {(int(t.params["a"]) % 2, t.state) for t in study.record.trials}
    assert (1, TrialState.COMPLETE) in found
    assert (1, TrialState.FAILED) not in found
    assert getattr(builtins, name) is not None
    assert len(hpmagic.load(study.name)) == 6


SLOW = {
    "sleep": "import time; time.sleep(60)",
    "loop": "while True: pass",
    "except Exception": "while True:\n    try:\n        wait(60)\n    except Exception: pass",
    "bare except": "try:\n    wait(60)\nexcept:\n    wait(60)",
    "finally": "try:\n    wait(60)\nfinally:\n    print('cleaned', a)",
}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SLOW)
def test_a_trial_that_takes_too_long_fails(store, name):
    """By a signal on the main thread; the others run, and nothing of the alarm is left."""
    before = signal.getsignal(signal.SIGALRM)
    body = "".join(f"    {line}\n" for line in SLOW[name].splitlines())
    text = f"{HEAD}if a == 2:\n{body}".replace("int(1, 6)", "int(1, 3)")
    names = {"wait": time.sleep}
    study = hpmagic.tune(text, "grid", trials=3, quiet=True, namespace=names, trial_timeout="0.3s")
    found = {int(t.params["a"]): t for t in study.record.trials}
    assert [found[a].state.value for a in (1, 2, 3)] == ["complete", "failed", "complete"]
    assert "longer than 0.3 s" in found[2].reason
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert ("cleaned 2" in found[2].output.stdout) is (name == "finally")


def test_off_the_main_thread_trials_take_the_time_they_need(store):
    """There is no signal there, and no trial is harmed."""
    found = []
    options = {"trials": 2, "quiet": True, "trial_timeout": "60s"}
    thread = threading.Thread(target=lambda: found.append(hpmagic.tune(HEAD, "grid", **options)))
    thread.start()
    thread.join()
    assert set(states(found[0]).values()) == {TrialState.COMPLETE}


def test_the_environment_is_not_recorded(store, monkeypatch):
    """No tag, parameter or artifact holds a secret of the environment."""
    monkeypatch.setenv("MY_SECRET", "s3cr3t-value")
    study = tune("pass")
    for path in Path().rglob("*"):
        assert path.is_dir() or b"s3cr3t-value" not in path.read_bytes(), path
    assert len(study) == 6
