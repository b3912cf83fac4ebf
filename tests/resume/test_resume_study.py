"""Studies that go on: what is kept, what runs again, and what MLflow holds afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest

import hpmagic
from hpmagic.errors import HpmagicWarning, OptionError, StoreError
from hpmagic.records import StudyStarted
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.ledger import Ledger
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.place import Place
from hpmagic.tracking.store import connect

CELL = """\
lr = 0.1  # tune: loguniform(1e-3, 1)
depth = 3  # tune: int(1, 8)
loss = (lr - 0.02) ** 2 * depth  # tune: minimize
"""
SMALL = "a = 1  # tune: int(1, 4)\nb = 2  # tune: int(1, 3)\nloss = a * b  # tune: minimize\n"


def tune(text: str = CELL, tuner: str = "random", **options: object) -> hpmagic.Study:
    given = {"trials": 4, "seed": 3, "study": "mine", "quiet": True, **options}
    return hpmagic.tune(text, tuner, **given)


def points(study: hpmagic.Study) -> list[tuple[int, dict[str, object], float | None]]:
    return [(t.number, dict(t.params), t.value) for t in study.record.trials]


def values(study: hpmagic.Study) -> list[tuple[object, ...]]:
    return [tuple(t.params.values()) for t in study.record.trials]


@pytest.mark.few(1)
@pytest.mark.parametrize("tuner", ["random", "qmc", "grid"])
@pytest.mark.parametrize("text", [CELL, SMALL], ids=["wide", "small"])
def test_a_resumed_study_is_the_uninterrupted_one_value_for_value(store, tuner, text):
    """Stopping twice on the way changes no value."""
    if tuner == "grid":
        text = text.replace("1e-3, 1)", "1e-3, 1), n=5")
    tune(text, tuner, trials=3)
    tune(text, tuner, trials=5, resume=True)
    whole = tune(text, tuner, trials=10, resume=True)
    straight = tune(text, tuner, trials=10, study="straight", fresh=True)
    assert points(whole) == points(straight)
    assert points(hpmagic.load("mine")) == points(straight)


@pytest.mark.few(1)
@pytest.mark.parametrize("tuner", ["random", "qmc", "bayes", "tpe", "cmaes", "nsga2", "auto"])
def test_a_fixed_seed_repeats_no_point(store, tuner):
    """Every tuner goes on from where it was, whether the seed is given again or not."""
    tune(tuner=tuner, trials=4)
    tune(tuner=tuner, trials=8, resume=True, seed=None)
    study = tune(tuner=tuner, trials=12, resume=True)
    assert len(set(values(study))) == 12
    assert study.record.info.seed == 3


def test_trials_count_the_total(store):
    """Nothing runs when there are as many already, and the best is at hand all the same."""
    tune()
    namespace: dict[str, object] = {}
    again = tune(resume=True, namespace=namespace)
    assert len(again) == 4
    assert namespace["loss"] == again.best.value


def test_the_numbers_and_the_best_go_on(store):
    """Earlier trials are in the study, its best and its table; their runs are those of before."""
    first = tune()
    second = tune(trials=7, resume=True)
    assert [t.number for t in second.record.trials] == list(range(7))
    assert [t.run_id for t in second.record.trials][:4] == [t.run_id for t in first.record.trials]
    assert second.record.run_id == first.record.run_id
    assert second.best.value == min(t.value for t in second.record.trials)
    assert "goes on after 4 trials" in second.record.info.remarks[0]


def test_mlflow_has_one_parent_whose_files_and_curve_cover_all(store):
    """Each trial is one point of the best so far, and one row of the table."""
    tune()
    study = tune(trials=7, resume=True)
    client = connect(store)
    run = client.get_run(study.record.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["hpmagic.trials"] == "7"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(range(7))
    table = Path(client.download_artifacts(run.info.run_id, "trials.csv")).read_text()
    assert len(table.splitlines()) == 8
    assert len(hpmagic.studies()) == 1


def test_a_name_is_not_needed(store):
    """The newest study of the very cell goes on."""
    tune(study="one")
    tune(study="two", fresh=True)
    assert tune(study=None, trials=5, resume=True).name == "two"


def test_nothing_to_resume_is_said_with_what_there_is(store):
    """A study of another cell is named; so is the nearest name."""
    with pytest.raises(OptionError, match="there are no studies yet"):
        tune(study=None, resume=True)
    tune()
    with pytest.raises(OptionError, match=r"no study of this cell to resume in .*; there are mine"):
        tune(SMALL, study=None, resume=True)
    with pytest.raises(OptionError, match=r"no study `mien` to resume.*did you mean `mine`"):
        tune(study="mien", resume=True)


@pytest.mark.slow
def test_changed_ranges_keep_what_fits(store):
    """Trials outside are left out, and so is their share of the count."""
    first = tune(trials=8)
    kept = [t for t in first.record.trials if t.number == 0 or t.params["depth"] <= 4]
    assert len(kept) < 8
    narrow = CELL.replace("int(1, 8)", "int(1, 4)")
    study = tune(narrow, trials=9, resume=True)
    assert [t.number for t in study.record.trials][: len(kept)] == [t.number for t in kept]
    assert len(study) == 9
    assert all(t.params["depth"] <= 4 for t in study.record.trials)
    assert study.record.trials[-1].number == 8 + 9 - len(kept) - 1


OBJECTS = """\
from decimal import Decimal
import numpy as np
n = 1  # tune: choice(*np.array([1, 2, 3]))
kind = Decimal  # tune: choice(Decimal, np.float32)
twice = kind(int(n)) + int(n)
loss = float(n)  # tune: minimize
"""


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_options_that_only_the_cell_knows_come_back_as_themselves(store, jobs):
    """MLflow has their labels; the best of the trials before is run again with the options."""
    first = tune(OBJECTS, trials=2, seed=1)
    assert first.best is not None
    namespace: dict[str, object] = {}
    study = tune(OBJECTS, trials=5, seed=1, resume=True, namespace=namespace, jobs=jobs)
    assert [t.state.value for t in study.record.trials] == ["complete"] * 5
    assert type(namespace["n"]).__name__ == "int64"
    assert namespace["twice"] == 2 * study.best.value
    assert isinstance(namespace["kind"], type)


def test_fewer_trials_than_have_run_are_told_so(store):
    """Nothing runs, and the reason does not say that all three have."""
    tune(trials=4)
    finished = tune(trials=3, resume=True).record.finished
    assert finished.reason == "4 trials have run, and --trials asks for 3"


def test_a_study_whose_trials_all_fail_is_a_failed_one_in_every_session(store):
    """The error is raised again; a script's exit status follows from it."""
    broken = CELL.replace("(lr - 0.02)", "(lr / 0)")
    for trials in (3, 8):
        with pytest.raises(ZeroDivisionError):
            tune(broken, trials=trials, resume=trials > 3)
    listed = hpmagic.studies().iloc[0]
    assert (listed["state"], listed["trials"]) == ("failed", 6)


def test_the_objective_is_remembered_and_another_tuner_is_named(store):
    """Words that were given once need not be given again; who goes on is said."""
    text = CELL.replace("  # tune: minimize", "")
    tune(text, "qmc", minimize="loss")
    study = tune(text, "random", trials=6, resume=True)
    assert study.best.value == min(t.value for t in study.record.trials)
    assert "random goes on where qmc began" in study.record.info.remarks


def test_changed_logic_is_refused_unless_anyway(store):
    """The message shows the lines; ``anyway`` goes on."""
    tune()
    other = CELL.replace("** 2", "** 4")
    with pytest.raises(OptionError, match=r"(?s)-loss = .*\*\* 2.*\+loss = .*\*\* 4"):
        tune(other, resume=True)
    assert len(tune(other, trials=6, resume="anyway")) == 6


def test_the_written_values_run_once(store):
    """Another default is no other default trial."""
    tune()
    study = tune(CELL.replace("0.1 ", "0.2 "), trials=6, resume=True)
    assert [t.origin.value for t in study.record.trials].count("default") == 1


@pytest.mark.slow
def test_an_identical_cell_is_told_of_the_earlier_study(store):
    """Once, with the choices; ``--fresh`` leaves it out, and so does the first run."""
    tune()
    with pytest.warns(HpmagicWarning, match="study mine of this cell.*--resume.*--fresh"):
        other = tune()
    assert other.name == "mine-2"
    tune(fresh=True)


@pytest.mark.slow
def test_it_is_told_before_the_second_trial(store, tmp_path):
    """Where MLflow is loaded, before the first: the person can stop and take the other one up."""
    tune()
    log = tmp_path / "log"  # a file: what a trial does to objects is undone

    def say(text="trial"):
        with log.open("a") as file:
            file.write(f"{text}\n")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: say(message)
        tune(f"{CELL}say()\n", study="other", namespace={"say": say}, fresh=True)
        assert log.read_text().split("\n") == ["trial"] * 4 + [""]
        tune(f"{CELL}say()\n", study="other", namespace={"say": say})
    told = log.read_text().split("\n")[4:]
    assert "study other of this cell is in MLflow already, with 4 trials" in told[0]
    assert told[1:] == ["trial"] * 4 + [""]


def test_where_warnings_are_errors_it_is_told_at_the_end(store):
    """The study is whole by then."""
    tune()
    with pytest.raises(HpmagicWarning, match="study mine of this cell"):
        tune()
    assert sorted(hpmagic.studies()["state"]) == ["complete", "complete"]


def test_a_plan_of_a_resumption_only_looks(store, monkeypatch):
    """What is on disk stays there, and what a dead kernel left open stays open."""
    study = tune(trials=3)
    client = connect(store)
    running = study.record.trials[-1].run_id
    client.update_run(running, "RUNNING")
    client.set_tag(running, "hpmagic.state", "running")
    study_id = client.get_run(study.record.run_id).data.tags["hpmagic.study"]
    spool = spool_directory() / f"{study_id}.spool"
    spool.write_bytes(b"nothing that could be read")
    plan = tune(trials=9, resume=True, plan=True)
    assert "goes on after 2 trials" in str(plan)
    assert "trials of it on this machine are not in MLflow yet" in str(plan)
    assert spool.read_bytes() == b"nothing that could be read"
    assert client.get_run(running).info.status == "RUNNING"


def test_a_study_does_not_go_on_without_what_is_still_on_disk(store):
    """Its trials would be run again, under numbers that are taken."""
    study = tune(trials=3)
    study_id = connect(store).get_run(study.record.run_id).data.tags["hpmagic.study"]
    path = spool_directory() / f"{study_id}.spool"
    elsewhere = Place("http://127.0.0.1:9", "e")
    ledger = Ledger(spool_directory(), elsewhere, exact=False, study_id=study_id)
    ledger(StudyStarted(study.record.info))
    assert ledger.spool is not None
    ledger.spool.close()
    with pytest.raises(StoreError, match=r"(?s)not in MLflow yet.*hpmagic deliver"):
        tune(resume=True)
    path.unlink()
    assert len(tune(trials=5, resume=True)) == 5


def test_resume_and_fresh_exclude_each_other(store):
    """One continues, the other does not."""
    with pytest.raises(OptionError, match="take one"):
        tune(resume=True, fresh=True)


@pytest.mark.slow
def test_an_interrupted_trial_runs_again_with_its_values(store):
    """It does not count, and the study ends with the right total and the very values."""
    stopping = CELL + "if stop(depth): raise KeyboardInterrupt\n"
    seen = Path("seen.txt")  # a file: what a trial does to variables is undone

    def stop(depth: int) -> bool:
        with seen.open("a") as file:
            file.write(f"{depth}\n")
        return len(seen.read_text().split()) == 3

    with pytest.raises(KeyboardInterrupt):
        tune(stopping, namespace={"stop": stop})
    assert [t.state.value for t in hpmagic.load("mine").record.trials][-1] == "interrupted"
    study = tune(stopping, trials=6, namespace={"stop": stop}, resume=True)
    ended = [t for t in study.record.trials if t.state.value == "complete"]
    straight = tune(stopping, trials=6, namespace={"stop": stop}, study="s", fresh=True)
    assert [t.params for t in ended] == [t.params for t in straight.record.trials]
    assert [t.number for t in ended] == [0, 1, 3, 4, 5, 6]
    assert len(tune(stopping, trials=7, namespace={"stop": stop}, resume=True)) == 8


@pytest.mark.slow
def test_a_study_that_runs_now_is_left_alone(store):
    """Its spool is held by whoever runs it."""
    text = CELL + "hold()\n"
    Path("cell.txt").write_text(text)
    script = textwrap.dedent(
        """
        import os, sys, hpmagic
        def hold():
            os.write(1, b"begun\\n")
            os.read(0, 1)
        hpmagic.tune(open("cell.txt").read(), "random", trials=3, study="mine",
                     namespace={"hold": hold}, quiet=True)
        """
    )
    command = [sys.executable, "-c", script]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    names = {"hold": lambda: None}
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        wait_for_parent("mine")
        with pytest.raises(OptionError, match="study mine is running now"):
            tune(text, namespace=names, resume=True)
    finally:
        child.kill()
        child.communicate()
    assert len(tune(text, trials=3, namespace=names, resume=True).best.params) == 2


def wait_for_parent(name: str) -> None:
    """Until the study's own run is in MLflow, which its thread makes as soon as it can."""
    event = threading.Event()
    for _ in range(600):
        if len(hpmagic.studies()) and name in set(hpmagic.studies()["name"]):
            return
        event.wait(0.05)
    raise AssertionError(f"{name} never came")


@pytest.mark.slow
@pytest.mark.parametrize("delivered", [True, False], ids=["delivered", "pending"])
def test_a_killed_study_goes_on_in_another_process(store, delivered):
    """What had ended counts; what ran is interrupted; each trial is in MLflow once."""
    script = textwrap.dedent(
        """
        import os, signal, sys, hpmagic
        count = 0
        def die(depth):
            global count
            count += 1
            if count == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        hpmagic.tune(open("cell.txt").read(), "random", trials=9, seed=3, study="mine",
                     namespace={"die": die}, quiet=True)
        """
    )
    text = CELL + "die(depth)\n"
    Path("cell.txt").write_text(text)
    died = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    if delivered:
        assert [each.problem for each in deliver_pending()] == [""]
    names = {"die": lambda _: None}
    study = tune(text, trials=9, namespace=names, resume=True)
    straight = tune(text, trials=9, namespace=names, study="straight", fresh=True)
    ended = [t for t in study.record.trials if t.state.value == "complete"]
    assert [t.params for t in ended] == [t.params for t in straight.record.trials]
    stored = hpmagic.load("mine").record.trials
    assert [t.number for t in stored] == sorted({t.number for t in stored})
    assert points(hpmagic.load("mine")) == points(study)
