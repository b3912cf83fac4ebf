"""Loops end early, and hopeless trials end, as a hand-written version would."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_trial import run, runner_of, steps, trial

from hpmagic.execution.outcome import Pruned
from hpmagic.execution.patience import Patience
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import Direction, TrialState


def by_hand(losses, patience, min_delta):
    """Keras' rule, written out."""
    best, wait = float("inf"), 0
    for step, loss in enumerate(losses):
        if loss + min_delta < best:
            best, wait = loss, 0
        else:
            wait += 1
            if wait >= patience:
                return step
    return None


LOSSES = st.lists(st.floats(-100, 100) | st.just(float("nan")), max_size=20)


@given(LOSSES, st.integers(1, 5), st.floats(0, 10))
def test_patience_stops_where_a_hand_written_loop_does(losses, patience, min_delta):
    watch = Patience(Direction.MINIMIZE, patience, min_delta)
    stops = [n for n, loss in enumerate(losses) if watch.exhausted(loss)]
    assert (stops[0] if stops else None) == by_hand(losses, patience, min_delta)


@given(LOSSES, st.integers(1, 5), st.floats(0, 10))
def test_patience_is_symmetric_in_direction(values, patience, min_delta):
    low = Patience(Direction.MINIMIZE, patience, min_delta)
    high = Patience(Direction.MAXIMIZE, patience, min_delta)
    assert [low.exhausted(v) for v in values] == [high.exhausted(-v) for v in values]


def test_loop_is_left_as_if_by_break():
    outcome = trial("""
        said = []
        for epoch in range(10):
            try:
                loss = max(0.5, 1 - epoch / 4)  # tune: minimize(patience=2)
                said.append("after")
            finally:
                said.append("finally")
        else:
            said.append("else")
        """)
    assert steps(outcome, "loss") == [0, 1, 2, 3, 4]
    assert outcome.bindings["said"] == ["after", "finally"] * 4 + ["finally"]
    assert outcome.notes == {"stopped_early": "loss at step 4"}
    assert outcome.state is TrialState.COMPLETE


def test_while_loop_inside_a_function_stops():
    outcome = trial("""
        def fit():
            n = 0
            while True:
                n += 1
                if n:
                    loss = 1.0  # tune: minimize(patience=3)
            return n
        n = fit()
        """)
    assert outcome.bindings["n"] == 4


def test_patience_begins_anew_with_each_run_of_the_loop():
    outcome = trial("""
        def fit():
            for epoch in range(9):
                loss = 1.0  # tune: minimize(patience=2)
            return epoch
        ends = [fit(), fit()]
        """)
    assert outcome.bindings["ends"] == [2, 2]


def test_outer_loop_named_by_the_mark_is_left_through_the_inner_one():
    cell = parse_cell(
        "seen = []\n"
        "for epoch in range(5):\n"
        "    for batch in range(3):\n"
        "        loss = 1.0  # tune: minimize(patience=4)\n"
        "    seen.append(epoch)\n"
    )
    mark = replace(cell.marks[0], loop=cell.tree.body[1])
    outcome = run(KernelRunner(replace(cell, marks=(mark,)), {}))
    assert outcome.bindings["seen"] == [0]
    assert steps(outcome, "loss") == [0, 0, 0, 1, 1]


def test_no_note_when_the_loop_ran_to_its_end():
    outcome = trial("for i in range(3):\n    a = i  # tune: maximize(patience=1)\n")
    assert outcome.notes == {}


def prune_at(step):
    def report(report):
        if report.step == step:
            raise Pruned

    return report


def test_pruned_trial_runs_finally_and_context_managers():
    outcome = trial(
        """
        with Manager():
            try:
                for epoch in range(9):
                    try:
                        acc = epoch  # tune: maximize
                    except Exception:
                        print("swallowed")
            finally:
                print("finally")
        """,
        {"Manager": Manager},
        report=prune_at(2),
    )
    assert outcome.state is TrialState.PRUNED
    assert outcome.output.stdout == "finally\nexit\n"
    assert steps(outcome, "acc") == [0, 1, 2]
    assert outcome.values == {"acc": 2.0}
    assert outcome.error is None
    assert outcome.reason == "pruned at step 2 of acc"


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        print("exit")


@pytest.mark.parametrize("handler", ["except:", "except BaseException:"])
def test_swallowed_pruning_is_raised_again_at_the_next_report(handler):
    outcome = trial(
        f"""
        rounds = 0
        for epoch in range(9):
            try:
                acc = epoch  # tune: maximize
            {handler}
                if rounds:
                    break
            rounds += 1
        """,
        report=prune_at(0),
    )
    assert outcome.state is TrialState.PRUNED
    assert outcome.bindings["rounds"] == 1
    assert outcome.bindings["epoch"] == 1


def test_pruned_trial_that_swallows_everything_ends_as_its_cell_does():
    outcome = trial(
        """
        rounds = 0
        while True:
            rounds += 1
            try:
                acc = rounds  # tune: maximize
                if rounds > 30:
                    break
            except:
                pass
        """,
        report=prune_at(3),
    )
    assert outcome.state is TrialState.PRUNED
    assert outcome.bindings["rounds"] == 31
    assert steps(outcome, "acc") == [0, 1, 2, 3]
    assert outcome.reason == "pruned at step 3 of acc"


def test_pruning_in_an_async_cell():
    outcome = trial(
        """
        import asyncio
        for epoch in range(9):
            await asyncio.sleep(0)
            acc = epoch  # tune: maximize
        """,
        report=prune_at(3),
    )
    assert outcome.state is TrialState.PRUNED
    assert outcome.bindings["epoch"] == 3


def test_next_trial_after_a_pruned_one_is_untouched():
    runner = runner_of("for epoch in range(3):\n    acc = epoch  # tune: maximize\n")
    assert run(runner, report=prune_at(0)).state is TrialState.PRUNED
    assert run(runner).state is TrialState.COMPLETE
