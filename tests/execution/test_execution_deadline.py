"""A trial that takes too long has failed, whatever its cell makes of that."""

import sys
import types

from one_trial import run, runner_of

from hpmagic.execution.deadline import deadline
from hpmagic.execution.interrupt import InterruptGuard
from hpmagic.execution.outcome import TrialTimeout
from hpmagic.execution.reuse import stages
from hpmagic.records import TrialState

SWALLOWING = """
x = 1.0  # tune: uniform(0, 2)
try:
    while x > 1:
        pass
except BaseException:
    pass
loss = x  # tune: minimize
"""


def test_swallowed_timeout_fails_the_trial_and_only_that():
    """The cell's bare ``except:`` does not make a trial complete that was cut off."""
    runner = runner_of(SWALLOWING)
    with InterruptGuard():
        with deadline(0.05):
            slow = run(runner, {"x": 2.0})
        with deadline(10):
            quick = run(runner, {"x": 0.5})
    assert slow.state is TrialState.FAILED
    assert slow.reason.startswith("TrialTimeout: the trial took longer than 0.05 s")
    assert quick.state is TrialState.COMPLETE


def test_check_of_a_reuse_that_has_too_little_time_is_made_later(monkeypatch):
    """Nothing is said of it, and what was not checked is not reused."""
    clock = types.ModuleType("clock_of_test")
    clock.calls = 0

    def tick():
        clock.calls += 1
        if clock.calls == 2:  # the rest of the first trial, once more
            raise TrialTimeout("the trial took longer than 1 s")

    clock.tick = tick
    monkeypatch.setitem(sys.modules, clock.__name__, clock)
    monkeypatch.setattr(stages, "WORTH", 0.0)
    monkeypatch.setattr(stages, "COST", float("inf"))
    said = []
    runner = runner_of(
        """
        print("lead")
        lr = 0.5  # tune: uniform(0, 1)
        x = lr
        import clock_of_test
        clock_of_test.tick()
        score = lr  # tune: maximize
        """,
        say=said.append,
    )
    printed = [run(runner, {"lr": lr}).output.stdout for lr in (0.1, 0.2, 0.3)]
    assert said == []
    assert printed == ["lead\n", "lead\n", ""]
    assert clock.calls == 5
