"""What pruning saved is estimated from the trials that ran to their end."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from told import finished

from hpmagic.records import TrialState
from hpmagic.savings import Savings, savings

COMPLETE, PRUNED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED


def trial(number, steps, state=COMPLETE, seconds=1.0):
    return replace(finished(number, [0.5] * max(steps, 1), state).trial, duration=seconds)


def test_pruned_trials_are_held_against_the_mean_complete_one():
    trials = [
        trial(0, 20, seconds=2.0),
        trial(1, 10, seconds=1.0),
        trial(2, 3, PRUNED, seconds=0.5),
        trial(3, 5, PRUNED, seconds=0.7),
        trial(4, 2, FAILED),
    ]
    saved = savings(trials, "loss")
    assert saved == Savings(trials=2, steps=22, of_steps=62, seconds=saved.seconds)
    assert round(saved.seconds, 6) == 1.8


def test_nothing_pruned_saved_nothing():
    assert savings([trial(0, 5), trial(1, 5, FAILED)], "loss") is None


def test_without_a_complete_curve_there_is_nothing_to_hold_against():
    assert savings([trial(0, 5, PRUNED)], "loss") is None
    assert savings([trial(0, 5), trial(1, 5, PRUNED)], "another") is None


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from(list(TrialState)), st.floats(0, 99))))
def test_savings_are_never_negative_nor_more_than_the_whole(rows):
    saved = savings([trial(n, *row) for n, row in enumerate(rows)], "loss")
    if saved is not None:
        assert 0 <= saved.steps <= saved.of_steps
        assert saved.seconds >= 0
