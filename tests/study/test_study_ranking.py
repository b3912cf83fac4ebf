"""Which trials are best."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hpmagic.ranking import best_so_far, best_trial, default_trial, gain, pareto_front
from hpmagic.records import Direction, Objective, Origin, Trial, TrialState

LOSS = (Objective("loss", Direction.MINIMIZE),)
SCORE = (Objective("score", Direction.MAXIMIZE),)
BOTH = (*LOSS, *SCORE)


def trial(
    number: int,
    *values: float,
    state: TrialState = TrialState.COMPLETE,
    origin: Origin = Origin.TUNER,
) -> Trial:
    return Trial(number, state, {}, {}, values or None, {}, {}, origin, 0.0, 0.0)


def test_the_best_trial_is_complete_and_has_a_finite_value() -> None:
    """Not a pruned one, not one without value, and nothing that is no number."""
    trials = [
        trial(0, math.nan),
        trial(1, -math.inf),
        trial(2, 0.1, state=TrialState.PRUNED),
        trial(3, state=TrialState.FAILED),
        trial(4),
        trial(5, 3.0),
        trial(6, 2.0),
        trial(7, 2.0),
    ]
    assert best_trial(trials, LOSS) is trials[6]
    assert best_trial(trials, SCORE) is trials[5]
    assert best_trial(trials[:5], LOSS) is None


def test_the_gain_is_measured_against_the_default_in_the_objectives_unit() -> None:
    """Positive in either direction; zero when nothing was better; None without a default."""
    default = trial(0, 0.5, origin=Origin.DEFAULT)
    assert gain([default, trial(1, 0.2)], LOSS) == 0.3
    assert gain([default, trial(1, 0.75)], SCORE) == 0.25
    assert gain([default, trial(1, 0.9)], LOSS) == 0.0
    assert gain([trial(1, 0.9)], LOSS) is None
    failed = trial(0, state=TrialState.FAILED, origin=Origin.DEFAULT)
    assert gain([failed, trial(1, 0.9)], LOSS) is None
    assert default_trial([failed, default]) is default


def test_the_best_so_far_never_gets_worse() -> None:
    """Trials without a value have no point on the line."""
    trials = [trial(0, 3.0), trial(1, state=TrialState.FAILED), trial(2, 5.0), trial(3, 1.0)]
    assert best_so_far(trials, LOSS[0]) == [(0, 3.0), (2, 3.0), (3, 1.0)]
    assert best_so_far(trials, SCORE[0]) == [(0, 3.0), (2, 5.0), (3, 5.0)]


def test_the_front_is_what_no_other_beats() -> None:
    """Low loss and high score; equals are both on it."""
    trials = [trial(0, 1.0, 1.0), trial(1, 2.0, 2.0), trial(2, 2.0, 1.5), trial(3, 1.0, 1.0)]
    assert [t.number for t in pareto_front(trials, BOTH)] == [0, 1, 3]


values = st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float))


@given(st.lists(values, min_size=1))
def test_every_trial_is_on_the_front_or_beaten_by_one_that_is(
    rows: list[tuple[float, ...]],
) -> None:
    """And no trial of the front beats another of it."""
    trials = [trial(number, *row) for number, row in enumerate(rows)]
    front = pareto_front(trials, BOTH)

    def beats(a: Trial, b: Trial) -> bool:
        assert a.values
        assert b.values
        (loss, score), (other_loss, other_score) = a.values, b.values
        return loss <= other_loss and score >= other_score and a.values != b.values

    for candidate in trials:
        assert (candidate in front) != any(beats(member, candidate) for member in front)
    assert best_trial(trials, BOTH) is not None
    assert min(t.values[0] for t in front if t.values) == min(row[0] for row in rows)
