"""What every engine owes the study, whatever it runs on."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
from engine_study import LOCAL, PROCESSES, ended, study

from hpmagic.execution.outcome import Pruned
from hpmagic.records import Origin, TrialFinished, TrialStarted, TrialState


@pytest.fixture(
    params=[
        "local",
        pytest.param("processes", marks=pytest.mark.slow),
        pytest.param("ray", marks=pytest.mark.slow),
        pytest.param("dask", marks=pytest.mark.slow),
    ]
)
def kind(request):
    if request.param == "local":
        return LOCAL
    if request.param == "processes":
        return PROCESSES
    return request.getfixturevalue(f"{request.param}_cluster")


def script(text: str) -> dict:
    """The namespace that an earlier cell leaves."""
    namespace = {"__name__": "__main__"}
    exec(compile(text, "<earlier cell>", "exec"), namespace)
    return namespace


CONDITIONAL = """
import random
import numpy as np
kernel = "rbf"  # tune: choice("linear", "rbf", "poly")
if kernel == "poly":
    degree = 3  # tune: int(2, 5)
else:
    degree = 3
print("kernel", kernel)
noise = random.random() + np.random.rand()
loss = len(kernel) * degree + noise  # tune: minimize
"""


def test_a_trial_is_what_the_kernel_would_give(kind):
    """Values, random numbers and output are those of the cell run in the kernel; what a branch does
    not draw is not recorded."""
    plan = [{"kernel": "poly", "degree": 5}, {"kernel": "linear"}]
    random.seed(7)
    np.random.seed(7)
    ran = study(kind, CONDITIONAL, plan=plan)
    random.seed(7)
    np.random.seed(7)
    noise = random.random() + np.random.rand()
    poly, linear = ran.trials
    assert poly.params == {"kernel": "poly", "degree": 5}
    assert linear.params == {"kernel": "linear"}
    assert (poly.value, linear.value) == (20 + noise, 18 + noise)
    assert linear.output.stdout == "kernel linear\n"
    assert poly.origin is Origin.TRY


def test_earlier_cells_helpers_and_options_are_the_persons_own(kind):
    """A helper that reads a global sees the trial's value; options that are objects are recorded as
    the very objects of the notebook; the best trial's variables come back, functions alive."""
    namespace = script(
        "scale = 2.0\n"
        "class Model:\n"
        "    def __init__(self, x): self.x = x\n"
        "def square(x): return scale * x * x\n"
        "def line(x): return scale * abs(x)\n"
        "def helper(): return rate + scale\n"
        "untouched = [1, 2, 3]\n"
    )
    text = """
    rate = 0.1  # tune: uniform(0, 1)
    f = square  # tune: choice(square, line)
    model = Model(rate)
    def later():
        return rate, scale, model.x, len(untouched)
    loss = f(3) + helper()  # tune: minimize
    """
    before = dict(namespace)
    plan = [{"rate": 0.25, "f": namespace["line"]}, {"rate": 0.5, "f": namespace["square"]}]
    ran = study(kind, text, namespace, plan=plan)
    assert [t.value for t in ran.trials] == [8.25, 20.5]
    assert ran.trials[0].params["f"] is namespace["line"]
    assert namespace["loss"] == 8.25
    assert namespace["f"] is before["line"]
    assert type(namespace["model"]) is before["Model"]
    assert namespace["later"]() == (0.25, 2.0, 0.25, 3)
    assert namespace["untouched"] is before["untouched"]
    namespace["scale"] = 5.0
    assert namespace["later"]()[1] == 5.0


def test_reports_arrive_in_order_and_a_judge_ends_a_trial(kind):
    """Each report is heard with its step; a pruned trial ends at the report that was judged, even
    inside the cell's own try."""

    def judge(number, report):
        if number == 0 and report.step == 2:
            raise Pruned("too slow")

    text = """
    x = 0.5  # tune: uniform(0, 1)
    for step in range(5):
        try:
            loss = x + step  # tune: minimize
        except Exception:
            pass
    """
    ran = study(kind, text, plan=[{"x": 0.25}, {"x": 0.75}], judge=judge)
    pruned, complete = ran.trials
    assert (pruned.state, complete.state) == (TrialState.PRUNED, TrialState.COMPLETE)
    assert ran.steps(0) == [0, 1, 2]
    assert ran.steps(1) == [0, 1, 2, 3, 4]
    assert "too slow" in pruned.reason
    assert pruned.values == (2.25,)


def test_a_trial_that_raises_is_a_failed_one_and_others_go_on(kind):
    """The failure names its line, has its traceback and output, and the study continues."""
    text = """
    x = 1  # tune: int(0, 9)
    print("before")
    loss = 1 / (x - 3)  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": 3}, {"x": 4}])
    failed, good = ran.trials
    assert (failed.state, good.state) == (TrialState.FAILED, TrialState.COMPLETE)
    assert failed.reason == "ZeroDivisionError: division by zero (line 3)"
    assert failed.output.stdout == "before\n"
    assert "loss = 1 / (x - 3)" in failed.output.traceback
    assert failed.params == {"x": 3}


def test_the_first_failures_end_the_study_with_their_error(kind):
    """When nothing works the person sees the one error, with where it arose."""
    text = """
    x = 1  # tune: int(0, 9)
    loss = undefined_name + x  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": 1}], trials=9)
    assert isinstance(ran.result.error, NameError)
    assert ran.result.record.finished.state == "failed"
    assert sum(t.state is TrialState.FAILED for t in ran.trials) == 3


def test_a_trial_may_not_take_longer_than_its_limit(kind):
    """A trial beyond its time fails, though the cell swallows what it can; the next one runs."""
    text = """
    import time
    x = 1  # tune: int(0, 1)
    until = time.monotonic() + 30 * x
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except Exception:
            pass
    loss = x  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": 1}, {"x": 0}], seconds=0.2)
    slow, quick = ran.trials
    assert slow.state is TrialState.FAILED
    assert "took longer than 0.2 s" in slow.reason
    assert quick.state is TrialState.COMPLETE


def test_nothing_runs_twice_and_everything_once(kind):
    """Of a finite space every combination runs, and none of them again, however many workers."""
    text = """
    a = 1  # tune: choice(1, 2, 3)
    b = 1
    if a > 1:
        b = 2  # tune: int(1, 2)
    loss = a * b  # tune: minimize
    """
    ran = study(kind, text, trials=50, jobs=2)
    combinations = [tuple(t.params.items()) for t in ran.trials]
    assert len(combinations) == len(set(combinations)) == 5
    assert ran.result.record.finished.reason == "every combination has run"


def test_no_more_run_at_once_than_there_is_room_for(kind):
    """Trials begin when a worker is free, and each has its own number."""
    running, most = set(), 0

    def hear(event, engine):
        nonlocal most
        if isinstance(event, TrialStarted):
            running.add(event.number)
            most = max(most, len(running))
            assert len(running) <= engine.capacity
        if isinstance(event, TrialFinished):
            running.remove(event.trial.number)

    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize"
    ran = study(kind, text, trials=6, listener=hear)
    assert sorted(ended(ran.events)) == list(range(6))
    assert most == (2 if kind.workers else 1)


class _Broken:
    """A tuner that fails when it is asked for a value."""

    def ask(self):
        return self

    def suggest(self, parameter):
        raise ArithmeticError("no value")

    def tell(self, trial):
        pass


def test_an_error_of_the_tuner_ends_the_study(kind):
    """It is not taken for a failure of the cell, and nothing is left."""
    text = """
    try:
        x = 0.5  # tune: uniform(0, 1)
    except Exception:
        x = 1
    loss = x  # tune: minimize
    """
    threads = threading.active_count()
    with pytest.raises(ArithmeticError, match="no value"):
        study(kind, text, trials=2, tuner=_Broken())
    assert threading.active_count() <= threads or kind.name in ("ray", "dask")


def test_what_a_trial_does_to_earlier_data_stays_out_of_the_notebook(kind):
    """Large arrays are shared between workers, but what one writes is its own."""
    if not kind.workers:
        pytest.skip("in the kernel the best trial's changes to objects are published with it")
    namespace = {"__name__": "__main__", "data": np.zeros(100_000), "frozen": np.ones(10_000)}
    namespace["frozen"].flags.writeable = False
    text = """
    x = 1.0  # tune: uniform(1, 9)
    data[:] += x
    loss = float(data.min()) + frozen.flags.writeable  # tune: minimize
    """
    ran = study(kind, text, namespace, plan=[{"x": 2.0}, {"x": 3.0}])
    assert [t.value for t in ran.trials] == [2.0, 3.0]
    assert not namespace["data"].any()


def test_an_interrupt_ends_what_runs(kind):
    """Trials under way are recorded as interrupted, those that ended stay, and nothing is left."""

    def hear(event, engine):
        if isinstance(event, TrialFinished) and event.trial.number == 0:
            raise KeyboardInterrupt

    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize"
    ran = study(kind, text, trials=20, listener=hear)
    assert ran.result.record.finished.state == "interrupted"
    states = [t.state for t in ran.trials]
    assert states.count(TrialState.INTERRUPTED) <= (1 if kind.workers else 0) + 1
    assert TrialState.COMPLETE in states


def test_vouched_for_lines_run_once_a_worker(kind, tmp_path):
    """`once` is once in each process, however many trials that has."""
    text = f"""
    import os, pathlib
    (pathlib.Path({str(tmp_path)!r}) / f"{{os.getpid()}}").open("x").close()  # tune: once
    x = 0  # tune: int(0, 9)
    loss = x  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": x} for x in range(6)])
    assert [t.value for t in ran.trials] == list(range(6))
    assert 1 <= len(list(tmp_path.iterdir())) <= (2 if kind.workers else 1)


def test_a_configuration_runs_with_several_seeds(kind):
    """Each repeat has its seed, the mean counts, and there is one trial of it."""
    text = """
    import hpmagic
    x = 0.5  # tune: uniform(0, 1)
    loss = x + hpmagic.seed  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": 0.25}, {"x": 0.5}], repeats=3)
    first, second = ran.trials
    assert [first.value, second.value] == [0.25 + 1, 0.5 + 1]
    assert len(first.repeats) == 3


def test_a_loop_that_no_longer_improves_ends(kind):
    """Patience within a trial: it is complete, at its best."""
    text = """
    x = 0.5  # tune: uniform(0, 1)
    for step in range(50):
        loss = x + max(3 - step, 0)  # tune: minimize(patience=4)
    """
    ran = study(kind, text, plan=[{"x": 0.25}])
    assert ran.trial.state is TrialState.COMPLETE
    assert ran.trial.value == 0.25
    assert len(ran.steps(0)) < 10


def test_what_a_trial_prints_warns_and_draws_is_its_own(kind):
    """Standard output, standard error and figures belong to the trial that made them."""
    text = """
    import sys
    import matplotlib.pyplot as plt
    x = 0  # tune: int(0, 9)
    print("out", x)
    print("err", x, file=sys.stderr)
    plt.plot([0, x])
    loss = x  # tune: minimize
    """
    ran = study(kind, text, plan=[{"x": 1}, {"x": 2}])
    for trial, x in zip(ran.trials, (1, 2)):
        assert trial.output.stdout == f"out {x}\n"
        assert f"err {x}\n" in trial.output.stderr
        assert len(trial.output.figures) == 1


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_a_worker_that_dies_costs_its_trial_only(kind, name):
    """The trial has failed with the signal's name and what was heard; the others are complete."""
    if not kind.workers:
        pytest.skip("in the kernel that would be the end of the kernel")
    text = f"""
    import os, signal
    x = 0  # tune: int(0, 9)
    loss = x  # tune: minimize
    if x == 1:
        os.kill(os.getpid(), signal.{name})
    """
    ran = study(kind, text, plan=[{"x": x} for x in range(4)])
    dead = ran.trials[1]
    assert dead.state is TrialState.FAILED
    assert f"killed by {name}" in dead.reason
    assert dead.params == {"x": 1}
    assert [t.state for t in ran.trials].count(TrialState.COMPLETE) == 3
