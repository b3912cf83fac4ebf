"""The loop with several trials under way: what it asks for, and that nothing runs twice."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaved import InterleavedEngine

from hpmagic.distributions import Choice, Int, Uniform
from hpmagic.ranking import best_trial
from hpmagic.records import Direction, Objective, Origin, StudyInfo
from hpmagic.space import Parameter, SearchSpace
from hpmagic.study import Limits, Planned, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree

LOSS = (Objective("loss", Direction.MINIMIZE),)
A = Parameter("a", Choice((0, 1, 2)), default=0)
B = Parameter("b", Int(1, 4), default=1, conditional=True)
C = Parameter("c", Choice(("p", "q")), default="p", conditional=True)
D = Parameter("d", Int(0, 3), default=0)
X = Parameter("x", Uniform(0, 1), default=0.5)


def branching():
    """1 + 4 x 2 + 2 = 11 combinations."""
    a = yield A
    loss = a
    if a == 1:
        loss += yield B
    if a:
        loss += (yield C) == "p"
    return loss


def square():
    """3 x 4 = 12 combinations."""
    return (yield A) + (yield D)


def run(
    cell,
    parameters,
    workers,
    seed,
    tuner="random",
    *,
    trials=None,
    plan=(),
    engine=None,
    earlier=(),
):
    space = SearchSpace(tuple(parameters))
    tree = ExecutionTree()
    info = StudyInfo("s", "", tuner, {}, trials, seed, LOSS, space, {}, "", "", 0.0)
    asked = get_tuner(tuner).make(TunerContext(space, LOSS, trials, seed, tree))
    engine = engine or InterleavedEngine(cell, workers, seed)
    limits, number = Limits(trials), len(earlier)
    result = run_study(
        info, engine, asked, tree, plan=plan, limits=limits, earlier=earlier, next_number=number
    )
    return result, engine


def repeats(result):
    counts = Counter(tuple(trial.params.items()) for trial in result.record.trials)
    return len(counts), sum(counts.values()) - len(counts)


@settings(max_examples=60, deadline=None)
@given(workers=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_a_finite_space_runs_through_without_a_repeat(workers, seed):
    """Whatever the order in which workers go on, each combination runs, and runs once."""
    result, _ = run(square, [A, D], workers, seed)
    assert repeats(result) == (12, 0)
    assert result.record.finished.reason == "every combination has run"


@settings(max_examples=60, deadline=None)
@given(workers=st.integers(1, 14), seed=st.integers(0, 10_000))
def test_branches_run_through_without_a_repeat(workers, seed):
    """Each combination of a branching space runs, and runs once, also those of the very first
    moment, when nothing is known of the branches and of what the plan's trials draw."""
    plan = [Planned(Origin.DEFAULT), *(Planned(Origin.TRY, {"a": a}) for a in (2, 1))]
    result, _ = run(branching, [A, B, C], workers, seed, plan=plan)
    assert repeats(result) == (11, 0)


places = st.recursive(
    st.none(), lambda below: st.lists(below, min_size=1, max_size=4), max_leaves=12
)
"""What a cell draws: nothing more, or a value by whose number it goes on."""


def number_of_ends(place):
    return 1 if place is None else sum(map(number_of_ends, place))


def parameters_of(place, name="p"):
    """By the place's name; all but the first are drawn only on their branch."""
    if place is None:
        return {}
    own = Parameter(name, Choice(tuple(range(len(place)))), default=0, conditional=name != "p")
    below = [parameters_of(next, f"{name}{at}") for at, next in enumerate(place)]
    return {name: own} | {n: p for found in below for n, p in found.items()}


@settings(max_examples=100, deadline=None)
@given(
    place=places,
    workers=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    tuner=st.sampled_from(["random", "grid", "qmc"]),
    hunches=st.lists(st.integers(0, 2), max_size=4),
)
def test_any_branches_run_through_without_a_repeat(place, workers, seed, tuner, hunches):
    """However a cell branches, whoever chooses, whatever the person wants to see first."""
    parameters = parameters_of(place)

    def cell():
        at, name = place, "p"
        while at is not None:
            value = yield parameters[name]
            at, name = at[value], f"{name}{value}"
        return 0.0

    def hunch(value):
        return {n: min(value, p.distribution.size - 1) for n, p in parameters.items()}

    tries = [Planned(Origin.TRY, hunch(value)) for value in hunches]
    plan = [Planned(Origin.DEFAULT), *tries]
    result, _ = run(cell, parameters.values(), workers, seed, tuner, plan=plan)
    assert repeats(result) == (number_of_ends(place), 0)


@settings(max_examples=30, deadline=None)
@given(workers=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_grid_gives_each_combination_to_one_worker(workers, seed):
    """The grid does not end before its last combinations have, and hands out none twice."""
    result, _ = run(square, [A, D], workers, seed, "grid")
    assert repeats(result) == (12, 0)


@pytest.mark.parametrize("tuner", ["random", "bayes", "tpe", "cmaes", "qmc", "nsga2"])
def test_every_tuner_can_be_asked_while_trials_run(tuner):
    """All workers are busy from the start, no two trials are equal, and the total is right."""

    def cell():
        x, a = (yield X), (yield A)
        return x + a

    result, engine = run(cell, [X, A], 4, 1, tuner, trials=24)
    assert engine.most == 4
    assert [t.number for t in result.record.trials] == list(range(24))
    assert repeats(result) == (24, 0)


def test_one_worker_is_repeatable():
    """With one trial at a time the same seed gives the same study."""

    def values():
        return [t.params for t in run(square, [A, D], 1, 5, "bayes", trials=9)[0].record.trials]

    assert values() == values()


def test_the_best_is_kept_as_it_is_found():
    """The engine is told of each new best trial; the last one told is the study's best."""
    result, engine = run(square, [A, D], 3, 2)
    best = best_trial(result.record.trials, LOSS)
    assert engine.kept[-1] == best.number == result.record.finished.best


def test_a_hunch_equal_to_what_runs_is_not_run_again():
    """Two plans that come to the same values are one trial, also while the first still runs."""
    plan = [Planned(Origin.DEFAULT), Planned(Origin.TRY, {"a": 0}), Planned(Origin.TRY, {"a": 1})]
    result, _ = run(square, [A, D], 3, 0, trials=6, plan=plan)
    assert repeats(result)[1] == 0
    assert [t.origin for t in result.record.trials][:3] == ["default", "try", "tuner"]


def test_a_hunch_that_may_be_what_runs_waits_for_it():
    """Whether two plans differ may depend on a branch: the second waits, and is not left out for
    want of trials."""
    plan = [Planned(Origin.DEFAULT), Planned(Origin.TRY, {"b": 2}), Planned(Origin.TRY, {"a": 2})]
    result, _ = run(branching, [A, B, C], 2, 0, trials=3, plan=plan)
    assert repeats(result)[1] == 0
    assert [t.origin for t in result.record.trials].count(Origin.TRY) == 1
    assert len(result.record.trials) == 3


@pytest.mark.parametrize("tuner", ["random", "qmc"])
@pytest.mark.parametrize("seed", range(5))
def test_workers_that_resume_a_study_give_it_the_values_it_would_have_had(tuner, seed):
    """Trials that were cut short run again side by side, and none of the tuner's points is missed
    or had twice."""

    def cell():
        return (yield X)

    whole = run(cell, [X], 1, 1, tuner, trials=8)[0].record.trials
    again = [Planned(Origin.TUNER, trial.params) for trial in whole[3:5]]
    engine = InterleavedEngine(cell, 2, seed)
    resumed, _ = run(cell, [X], 2, 1, tuner, trials=8, plan=again, engine=engine, earlier=whole[:3])
    assert sorted(t.params["x"] for t in resumed.record.trials) == sorted(
        t.params["x"] for t in whole
    )
