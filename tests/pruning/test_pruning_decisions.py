"""A pruner decides as a hand-written Optuna objective would."""

import math
import warnings

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told import LOSS, finished, run_curves, started

from hpmagic.execution.outcome import Pruned
from hpmagic.pruning import OptunaPruner
from hpmagic.records import Direction, Objective, Origin, Report, TrialState

PRUNERS = ["median", "asha", "hyperband"]
VALUES = st.floats(-100, 100) | st.just(float("nan"))
CURVES = st.lists(st.lists(VALUES, min_size=1, max_size=12), min_size=1, max_size=24)


def by_hand(name, curves, direction, seed, min_steps):
    """The steps at which an Optuna study stops each curve, written out."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    pruner = {
        "median": lambda n: optuna.pruners.MedianPruner(n_warmup_steps=n or 0),
        "asha": lambda n: optuna.pruners.SuccessiveHalvingPruner(min_resource=n or "auto"),
        "hyperband": lambda n: optuna.pruners.HyperbandPruner(min_resource=n or 1),
    }[name](min_steps)
    study = optuna.create_study(direction=direction, pruner=pruner, study_name=str(seed))
    stops = []

    def objective(trial):
        for step, value in enumerate(curves[trial.number]):
            trial.report(value, step)
            if trial.should_prune():
                stops.append(step)
                raise optuna.TrialPruned
        stops.append(None)
        return value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        study.optimize(objective, n_trials=len(curves))
    return stops


@pytest.mark.parametrize("name", PRUNERS)
@given(curves=CURVES, seed=st.integers(0, 9), direction=st.sampled_from(Direction))
@settings(max_examples=25, deadline=None)
def test_same_values_and_seed_give_the_same_decisions_as_optuna(name, curves, seed, direction):
    min_steps = None if seed % 2 else 2
    pruner = OptunaPruner(name, Objective("loss", direction), seed=seed, min_steps=min_steps)
    assert run_curves(pruner, curves) == by_hand(name, curves, direction.value, seed, min_steps)


def test_median_needs_five_complete_trials_unless_told_otherwise():
    good, bad = [0.0] * 3, [9.0] * 3
    assert run_curves(OptunaPruner("median", LOSS), [good] * 4 + [bad, bad])[4:] == [None, 0]
    early = OptunaPruner("median", LOSS, warmup=2)
    assert run_curves(early, [good] * 2 + [bad])[2:] == [0]


@pytest.mark.parametrize("name", PRUNERS)
def test_no_trial_is_pruned_before_its_warmup_is_over(name):
    curves = [[float(n)] * 20 for n in range(12)]
    stops = run_curves(OptunaPruner(name, LOSS, warmup=6), curves)
    assert stops[:6] == [None] * 6
    assert any(stop is not None for stop in stops[6:])


@pytest.mark.parametrize("name", PRUNERS)
def test_no_trial_is_pruned_before_its_minimum_of_steps(name):
    curves = [[float(n)] * 60 for n in range(20)]
    stops = run_curves(OptunaPruner(name, LOSS, min_steps=7, warmup=1), curves)
    pruned = [stop for stop in stops if stop is not None]
    assert pruned
    assert min(pruned) >= 7


@pytest.mark.parametrize("name", PRUNERS)
def test_the_written_values_are_never_pruned(name):
    pruner = OptunaPruner(name, LOSS, warmup=0, min_steps=1)
    run_curves(pruner, [[0.0] * 9] * 8)
    pruner(started(8, Origin.DEFAULT))
    for step in range(9):
        pruner.judge(8, Report("loss", math.nan, step, 0.0))
    pruner(finished(8, [math.nan] * 9, TrialState.FAILED))


@pytest.mark.parametrize("name", PRUNERS)
def test_reports_that_do_not_go_forward_tell_a_pruner_nothing(name):
    pruner = OptunaPruner(name, LOSS, warmup=0, min_steps=1)
    run_curves(pruner, [[0.0] * 9] * 8)
    pruner(started(8))
    pruner.judge(8, Report("loss", 0.0, 2, 0.0))
    for step in (None, -1, 0, 2, 1):
        pruner.judge(8, Report("loss", 99.0, step, 0.0))


def test_a_failed_or_interrupted_trial_is_no_measure_for_others():
    pruner = OptunaPruner("median", LOSS, warmup=1)
    for number, state in enumerate([TrialState.FAILED, TrialState.INTERRUPTED]):
        pruner(started(number))
        pruner.judge(number, Report("loss", 0.0, 0, 0.0))
        pruner(finished(number, [0.0], state))
    assert run_curves(pruner, [[5.0], [6.0]], first=2) == [None, 0]


@pytest.mark.parametrize("name", PRUNERS)
@given(curves=CURVES, cut=st.integers(0, 24))
@settings(max_examples=15, deadline=None)
def test_trials_of_an_earlier_session_count_as_if_they_had_run_here(name, curves, cut):
    whole, resumed = (OptunaPruner(name, LOSS, warmup=2) for _ in range(2))
    stops = run_curves(whole, curves)
    for number, curve in enumerate(curves[:cut]):
        stop = stops[number]
        state = TrialState.COMPLETE if stop is None else TrialState.PRUNED
        seen = curve if stop is None else curve[: stop + 1]
        complete = math.isfinite(seen[-1]) or state is TrialState.PRUNED
        resumed(finished(number, seen, state if complete else TrialState.FAILED))
    assert run_curves(resumed, curves[cut:], first=cut) == stops[cut:]


def test_a_pruned_trial_is_told_why():
    pruner = OptunaPruner("median", LOSS, warmup=1)
    run_curves(pruner, [[0.0]])
    pruner(started(1))
    with pytest.raises(Pruned, match="behind the median of the others at that step"):
        pruner.judge(1, Report("loss", 1.0, 0, 0.0))


def test_making_a_pruner_says_nothing(capfd):
    OptunaPruner("hyperband", LOSS)
    assert capfd.readouterr() == ("", "")
