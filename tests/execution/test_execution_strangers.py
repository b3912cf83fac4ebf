"""Threads and processes that are no part of the trial that runs."""

import sys
import threading
import types

import pytest
from one_trial import as_written, run, runner_of

from hpmagic.execution.hooks import TrialHooks
from hpmagic.language import parse_cell
from hpmagic.records import TrialState

FORKED = """
import multiprocessing
fork = multiprocessing.get_context("fork")
here, there = fork.Pipe()
x = 1.0  # tune: uniform(0, 4)
def work():
    try:
        got = {work}
    except RuntimeError as error:
        got = str(error)
    there.send(got)
child = fork.Process(target=work)
child.start()
seen = here.recv()
child.join()
loss = x  # tune: minimize
"""

LEFT_RUNNING = """
from signals_of_test import Event, Thread, resume, heard
x = 0  # tune: int(0, 9)
begun, done = Event(), Event()
def train(begun=begun, done=done, resume=resume, heard=heard):
    begun.set()
    resume.wait(10)
    try:
        loss = 100.0  # tune: minimize
        a = 2.0  # tune: uniform(0, 4)
    except RuntimeError as error:
        heard.append(str(error))
    finally:
        done.set()
if x == 0:
    Thread(target=train).start()
    begun.wait(10)
    heard.append(done)
else:
    resume.set()
    heard[0].wait(10)
loss = x  # tune: minimize
"""


def test_forked_process_draws_what_is_known_and_nothing_else():
    """As in a process that was not forked, the error says what to do; nobody is asked there."""
    drawing = "high = 4.0\ndef f():\n    y = 1.0  # tune: uniform(0, high)\n    return y\nf()\n"
    known = run(runner_of(drawing + FORKED.format(work="x + f()")), {"x": 3.0, "y": 2.0})
    assert known.bindings["seen"] == 5.0
    text = FORKED.replace("got = {work}", "got = 2.0  # tune: uniform(0, 4)")
    unknown = run(runner_of(text))
    assert unknown.bindings["seen"].startswith("the hyperparameter `got` is first drawn in another")
    assert list(unknown.params) == ["x"]


def test_report_of_a_forked_process_goes_nowhere(capfd):
    text = FORKED.replace("got = {work}", "got = 2.0  # tune: metric")
    outcome = run(runner_of(text), report=lambda r: sys.__stderr__.write(f"{r.name}\n"))
    assert outcome.bindings["seen"] == 2.0
    assert outcome.values == {"loss": 1.0}
    assert capfd.readouterr().err == "loss\n"


def test_thread_of_an_earlier_trial_is_no_part_of_the_next(monkeypatch):
    """What it reports does not count there, and it draws nothing."""
    signals = types.ModuleType("signals_of_test")
    signals.Event, signals.Thread = threading.Event, threading.Thread
    signals.resume, signals.heard = threading.Event(), []
    monkeypatch.setitem(sys.modules, signals.__name__, signals)
    runner = runner_of(LEFT_RUNNING)
    assert run(runner, {"x": 0}).state is TrialState.COMPLETE
    second = run(runner, {"x": 7})
    assert [report.value for report in second.reports] == [7.0]
    assert list(second.params) == ["x"]
    assert "is drawn by a thread that another trial has left" in signals.heard[1]


def test_trial_that_is_over_hears_nothing_more():
    """A thread that is in the midst of a report when its trial ends is too late."""
    heard = []
    cell = parse_cell("x = 1  # tune: int(0, 9)\nloss = x  # tune: minimize\n")
    hooks = TrialHooks(cell, as_written, heard.append)
    hooks.close()
    hooks.record("loss", 1.0, None)
    with pytest.raises(RuntimeError, match="by a thread that another trial has left running"):
        hooks.draw(0)
    assert (heard, hooks.reports) == ([], [])
