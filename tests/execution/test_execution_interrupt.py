"""The stop button is heard, also by cells that do not want to."""

import signal
import threading

import pytest
from one_trial import run, runner_of

from hpmagic.execution.interrupt import InterruptGuard, exposed, held
from hpmagic.records import TrialState

DONE = "\ndone = 1.0  # tune: maximize\n"
PRESS = "import signal\nsignal.raise_signal(signal.SIGINT)\n"


def press():
    signal.raise_signal(signal.SIGINT)


def test_guard_raises_remembers_and_puts_the_handler_back():
    before = signal.getsignal(signal.SIGINT)
    with InterruptGuard() as guard:
        assert not guard.requested
        with pytest.raises(KeyboardInterrupt):
            press()
        assert guard.requested
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is before


def test_guard_puts_the_handler_back_when_its_body_raises():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), InterruptGuard():
        1 / 0
    assert signal.getsignal(signal.SIGINT) is before


def test_held_work_notes_the_first_interrupt_and_yields_to_the_second():
    with InterruptGuard() as guard, held():
        press()
        assert guard.requested
        with pytest.raises(KeyboardInterrupt):
            press()


def test_interrupt_noted_while_held_is_raised_when_the_cell_begins():
    with InterruptGuard(), held():
        press()
        with pytest.raises(KeyboardInterrupt), exposed():
            raise AssertionError("the cell must not begin")


def test_guard_does_nothing_off_the_main_thread():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with InterruptGuard() as guard, held(), exposed():
            seen.append((signal.getsignal(signal.SIGINT) is before, guard.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(True, False)]


def test_interrupted_trial_says_so_and_puts_back():
    namespace = {"x": 1}
    runner = runner_of("x = 2\n" + PRESS + "x = 3" + DONE, namespace)
    with InterruptGuard():
        outcome = run(runner)
    assert outcome.state is TrialState.INTERRUPTED
    assert outcome.bindings["x"] == 2
    assert namespace["x"] == 1


@pytest.mark.parametrize("rest", ["acc = 1.0", "pass"])
def test_interrupt_swallowed_by_the_cell_still_counts(rest):
    runner = runner_of(
        f"""
        import signal
        rounds = 0
        for epoch in range(9):
            try:
                rounds += 1
                if epoch == 1:
                    signal.raise_signal(signal.SIGINT)
            except:
                pass
            {rest}
        acc = rounds  # tune: maximize
        """
    )
    with InterruptGuard() as guard:
        outcome = run(runner)
        assert guard.requested
    assert outcome.state is TrialState.INTERRUPTED


def test_swallowed_interrupt_is_raised_again_at_the_next_report():
    runner = runner_of(
        """
        import signal
        for epoch in range(9):
            try:
                signal.raise_signal(signal.SIGINT)
            except:
                pass
            acc = epoch  # tune: maximize
        """
    )
    with InterruptGuard():
        outcome = run(runner)
    assert outcome.state is TrialState.INTERRUPTED
    assert outcome.bindings["epoch"] == 0


def test_interrupt_during_a_callback_lets_it_finish():
    runner = runner_of("for e in range(3):\n    acc = e  # tune: maximize\n")
    finished = []

    def report(_):
        press()
        finished.append(True)

    with InterruptGuard():
        outcome = run(runner, report=report)
    assert finished == [True]
    assert outcome.state is TrialState.INTERRUPTED
    assert outcome.bindings["e"] == 0


def test_interrupt_of_an_awaiting_cell_runs_its_finally():
    runner = runner_of(
        """
        import asyncio, signal
        ended = []
        try:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        """
    )
    with InterruptGuard():
        outcome = run(runner)
    assert outcome.state is TrialState.INTERRUPTED
    assert outcome.bindings["ended"] == [True]


def test_without_a_guard_an_interrupt_still_ends_the_trial():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        assert run(runner_of(PRESS + DONE)).state is TrialState.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
