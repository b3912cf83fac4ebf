"""Studies that end although trials are left: further ones are not expected to help."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from programs import LOSS, PLANE, Program, space_of, study_of

import hpmagic
from hpmagic.distributions import Uniform
from hpmagic.errors import OptionError
from hpmagic.options import parse_line
from hpmagic.records import Direction, Objective, TrialState
from hpmagic.space import Parameter
from hpmagic.stopping import FEWEST, Patience, RegretBound, enough_rule, regret_bound

TUNERS = ("auto", "bayes", "random")
CELL = """\
x = 0.5  # tune: uniform(-1, 1)
y = 0.5  # tune: uniform(-1, 1)
loss = max(x**2 + y**2, 0.5)  # tune: minimize
"""


def trials_with(*values: float | None) -> list:
    """Trials of a plane with these losses; None failed."""
    made = study_of(PLANE, trials=len(values)).record.trials
    return [
        replace(t, values=None if v is None else (v,), state="failed" if v is None else t.state)
        for t, v in zip(made, values, strict=True)
    ]


def waited(values, patience, min_delta=0.0):
    """After how many trials patience ends, None if it does not."""
    rule, trials = Patience(LOSS, patience, min_delta), trials_with(*values)
    ends = [n for n in range(len(trials) + 1) if rule(trials[:n])]
    return ends[0] if ends else None


def test_patience_counts_the_trials_since_the_last_improvement():
    """An equal value is none, a failed trial counts."""
    assert waited([3.0, 2.0, 2.0, None], 2) == 4
    assert waited([3.0, 2.0, 2.0, 1.0, 5.0], 2) is None
    assert waited([None, None], 2) == 2


def test_small_gains_do_not_count_but_add_up():
    """An improvement is measured against the best that counted, not against the trial before."""
    assert waited([1.0, 0.9, 0.8, 0.7], 3, min_delta=0.25) is None
    assert waited([1.0, 0.95, 0.9, 0.85], 3, min_delta=0.25) == 4


def test_patience_follows_the_direction():
    """More is better when the objective is maximised."""
    rule = Patience((Objective("loss", Direction.MAXIMIZE),), 2)
    assert not rule(trials_with(1.0, 2.0, 3.0))
    assert rule(trials_with(1.0, 2.0, 3.0, 1.0, 1.0))


def waited_for_two(pairs, patience, min_delta=0.0):
    """As `waited`, for a loss to minimise and a score to maximise."""
    rule = Patience((*LOSS, Objective("score", Direction.MAXIMIZE)), patience, min_delta)
    made = study_of(PLANE, trials=len(pairs)).record.trials
    trials = [replace(trial, values=pair) for trial, pair in zip(made, pairs, strict=True)]
    ends = [n for n in range(len(trials) + 1) if rule(trials[:n])]
    return ends[0] if ends else None


def test_joining_the_front_is_an_improvement():
    """Several objectives: what no other trial beats counts, though it is not the best in one."""
    assert waited_for_two([(1.0, 5.0), (2.0, 6.0), (3.0, 5.5), (3.0, 4.0)], 2) == 4
    assert waited_for_two([(1.0, 5.0), (2.0, 6.0), (1.5, 5.5), (3.0, 7.0)], 2) is None


def test_what_equals_a_trial_of_the_front_improves_nothing():
    """It is on the front too, but a plateau ends the study."""
    assert waited_for_two([(1.0, 5.0)] * 6, 3) == 4
    assert waited_for_two([(1.0, 5.0), (2.0, 6.0), (1.0, 5.0), (2.0, 6.0)], 2) == 4


@pytest.mark.parametrize("step", [(-1e-6, 0.0), (0.0, 1e-6), (-1e-6, 1e-6), (-1e-6, -1e-6)])
def test_gains_within_the_margin_improve_no_front(step):
    """Neither does one that is paid for in the other objective."""
    line = [(1.0 + step[0] * i, 5.0 + step[1] * i) for i in range(8)]
    assert waited_for_two(line, 3, min_delta=0.5) == 4
    assert waited_for_two(line, 3) is None


@pytest.mark.parametrize("step", [(-0.25, 0.0), (0.0, 0.25)])
def test_small_gains_add_up_on_a_front_as_well(step):
    """The front compared with is that of the trials that improved, and does not creep along."""
    line = [(1.0 + step[0] * i, 5.0 + step[1] * i) for i in range(10)]
    assert waited_for_two(line, 3, min_delta=0.5) is None
    assert waited_for_two(line, 2, min_delta=0.5) == 3


def test_a_margin_leaves_room_for_a_trade():
    """More than the margin gained in one objective counts, whatever it costs in the other."""
    assert waited_for_two([(1.0, 5.0), (0.25, 1.0), (1.75, 6.0), (0.0, 0.5)], 2, 0.5) is None


def test_a_plateau_of_two_objectives_ends_a_study(store):
    """The cell's objectives are constant: only the first trial improved."""
    cell = "x = 0.5  # tune: uniform(0, 1)\na = 1.0  # tune: minimize\nb = 2.0  # tune: maximize\n"
    study = hpmagic.tune(cell, "random", trials=12, patience=3, quiet=True, namespace={})
    assert len(study) == 4
    assert study.record.finished.reason == "no improvement in 3 trials (--patience 3)"


def test_a_study_ends_by_patience_and_says_so():
    """The state is complete, the reason names the rule; the person's hunches all run before."""
    program = replace(PLANE, body=lambda cell: 1.0 + 0 * cell("x") * cell("y"))
    hunches = [{"x": 0.1 * i} for i in range(5)]
    result = study_of(program, "random", 40, tries=hunches, enough=Patience(LOSS, 3))
    finished = result.record.finished
    assert finished is not None
    assert len(result.record.trials) == 6
    assert finished.state == "complete"
    assert finished.reason == "no improvement in 5 trials (--patience 3)"


def test_a_resumed_study_counts_what_ran_before(store):
    """Interrupted or not, patience is the same; the reason is in MLflow and in the text."""
    options = {"study": "mine", "seed": 0, "quiet": True}
    whole = hpmagic.tune(CELL, "random", trials=40, patience=6, **options)
    first = hpmagic.tune(CELL, "random", trials=len(whole) - 2, **options | {"fresh": True})
    assert len(first) == len(whole) - 2
    second = hpmagic.tune(CELL, "random", trials=40, patience=6, resume=True, **options)
    assert len(second) == len(whole)
    loaded = hpmagic.load("mine")
    assert "no improvement in 6 trials (--patience 6)" in loaded.record.finished.reason
    assert "no improvement in 6 trials" in repr(loaded)
    further = hpmagic.tune(CELL, "random", trials=len(whole) + 2, resume=True, **options)
    assert len(further) == len(whole) + 2


@pytest.mark.slow
def test_the_regret_bound_holds_and_shrinks():
    """On a quadratic it is above the true regret at every stage, and small in the end."""
    trials = study_of(PLANE, "bayes", 32).record.trials
    bounds = [regret_bound(trials[:n], LOSS[0])[0] for n in (8, 20, 32)]
    regrets = [min(t.value for t in trials[:n]) for n in (8, 20, 32)]
    assert all(bound >= regret for bound, regret in zip(bounds, regrets, strict=True))
    assert bounds[2] < 0.02
    assert bounds[2] < bounds[0]


def test_a_study_ends_when_its_regret_is_bounded():
    """It runs at least the least number of trials, and the reason names bound and tolerance."""
    result = study_of(PLANE, "bayes", 60, enough=RegretBound(LOSS[0], 0.02))
    finished = result.record.finished
    assert finished is not None
    assert FEWEST <= len(result.record.trials) < 60
    assert "(--tolerance 0.02): at most" in finished.reason
    assert min(t.value for t in result.record.trials) < 0.02


def test_an_unexplored_corner_keeps_a_study_going():
    """Twenty-five trials in one half of the space bound nothing in the other half."""
    program = Program(
        space_of(Parameter("x", Uniform(0, 1)), Parameter("y", Uniform(0, 1))),
        lambda cell: math.sin(6 * cell("x")) + math.cos(5 * cell("y")),
    )
    whole = study_of(program, "random", 60, default=False).record.trials
    half = [t for t in whole if t.params["x"] < 0.5][:25]
    assert regret_bound(half, LOSS[0])[0] > 2 * regret_bound(whole, LOSS[0])[0]


@pytest.mark.slow
def test_noise_is_its_own_tolerance():
    """A noisy study ends when what may be gained is less than the noise; the noise is found."""
    rng = np.random.default_rng(0)
    noisy = Program(
        space_of(Parameter("x", Uniform(-1, 1), default=0.5)),
        lambda cell: 3 * cell("x") ** 2 + rng.normal(0, 0.3),
    )
    result = study_of(noisy, "bayes", 60, enough=RegretBound(LOSS[0], "noise"))
    assert FEWEST <= len(result.record.trials) < 60
    assert "than its noise, 0." in result.record.finished.reason
    assert 0.15 < regret_bound(result.record.trials, LOSS[0])[1] < 0.6


def test_trials_that_are_all_equal_bound_nothing():
    """They say nothing about what is elsewhere."""
    flat = replace(PLANE, body=lambda cell: 0.5 + 0 * (cell("x") + cell("y")))
    assert regret_bound(study_of(flat, "random", 20).record.trials, LOSS[0])[0] == math.inf


def test_a_plateau_with_worse_places_is_known_as_such():
    """Most trials equal the best; a bound of 0 would say that nothing else can be there."""
    steps = replace(PLANE, body=lambda cell: 0.5 + (cell("x") > 0.7) + 0 * cell("y"))
    trials = study_of(steps, "random", 25, default=False).record.trials
    assert sum(t.value == 0.5 for t in trials) > 19
    assert 0 < regret_bound(trials, LOSS[0])[0] < math.inf


def test_places_where_trials_fail_are_not_hoped_for():
    """Half of the space fails, and does not keep the bound open."""

    def body(cell):
        if cell("y") > 0:
            raise ValueError("no")
        return (cell("x") - 0.3) ** 2

    trials = study_of(replace(PLANE, body=body), "random", 50, default=False).record.trials
    assert sum(t.state is TrialState.FAILED for t in trials) > 20
    assert regret_bound(trials, LOSS[0])[0] < 0.05


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--min-delta 0.1", "--min-delta needs --patience"),
        ("--patience 0", "--patience must be at least 1, but got `0`"),
        ("--tolerance -1", "--tolerance must be above 0, or `noise`, but got `-1`"),
        ("--tolerance little", "--tolerance takes a number, or `noise`, but got `little`"),
    ],
)
def test_what_the_rules_do_not_take_is_refused(line, sentence):
    """The message names the option and what it takes."""
    with pytest.raises(OptionError) as caught:
        parse_line(line, TUNERS)
    assert sentence in str(caught.value)


def test_a_regret_bound_is_for_one_objective():
    """Several objectives have no single best."""
    config = parse_line("--tolerance 0.1", TUNERS)
    with pytest.raises(OptionError, match="one objective, but the cell has loss, size"):
        enough_rule(config, (*LOSS, Objective("size", Direction.MINIMIZE)))
