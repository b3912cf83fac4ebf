"""Optuna's samplers, seen through our distributions."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import PLANE, SVM, Cell, Program, space_of, study_of, tuner_of

from hpmagic.distributions import (
    Choice,
    Distribution,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
)
from hpmagic.execution.outcome import Pruned
from hpmagic.records import Direction, Objective, Origin, Trial, TrialState
from hpmagic.space import Parameter
from hpmagic.tuners import auto
from hpmagic.tuners.optuna_space import Dimensions
from hpmagic.tuners.turns import settle

TUNERS = ("tpe", "cmaes", "nsga2")

DISTRIBUTIONS = (
    Uniform(-2, 3),
    Uniform(0, 1, step=0.1),
    Uniform(2, 2),
    LogUniform(1e-6, 1e3),
    Int(-5, 5),
    Int(1, 10, step=3),
    Int(1, 1000, log=True),
    Int(7, 7, log=True),
    Normal(10, 3),
    LogNormal(0, 2),
    Choice(("a", 1, None)),
    Choice(("only",)),
    Ordinal(("s", "m", "l")),
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[optuna.Study]:
    """The Optuna studies that the tuners make."""
    studies: list[optuna.Study] = []
    create = optuna.create_study

    def watched(**options: Any) -> optuna.Study:
        studies.append(create(**options))
        return studies[-1]

    monkeypatch.setattr(optuna, "create_study", watched)
    return studies


@settings(deadline=None)
@given(st.sampled_from(DISTRIBUTIONS), st.floats(0, 1))
def test_values_go_to_optuna_and_back(distribution: Distribution, unit: float) -> None:
    """What we draw lies within Optuna's bounds, and comes back as the same setting."""
    value = distribution.from_unit(unit)
    dimension = Dimensions().of(Parameter("p", distribution))
    there = dimension.from_ours(value)
    assert dimension.theirs._contains(dimension.theirs.to_internal_repr(there))
    back = dimension.to_ours(there)
    if distribution.size is None:
        assert distribution.to_unit(back) == pytest.approx(distribution.to_unit(value), abs=1e-5)
    else:
        assert distribution.key(back) == distribution.key(value)


outside = st.one_of(
    st.floats(), st.integers(-(10**9), 10**9), st.text(max_size=3), st.none(), st.booleans()
)


@settings(deadline=None)
@given(st.sampled_from(DISTRIBUTIONS), outside)
def test_a_value_from_outside_becomes_the_nearest_or_nothing(
    distribution: Distribution, value: object
) -> None:
    """Whatever a person wrote: Optuna is told something it can take, or nothing."""
    dimension = Dimensions().of(Parameter("p", distribution))
    there = dimension.from_ours(value)
    if there is not None:
        assert dimension.theirs._contains(dimension.theirs.to_internal_repr(there))
        assert distribution.contains(dimension.to_ours(there))
    else:
        numeric = isinstance(value, int | float) and math.isfinite(value)
        assert isinstance(distribution, Choice) or not numeric


def test_the_nearest_value_is_the_nearest() -> None:
    """Beyond either end, and between the points of a lattice."""
    for distribution, written, told in (
        (Uniform(0, 1), 7.5, 1.0),
        (LogUniform(1e-3, 1), -4.0, 1e-3),
        (Int(2, 8, step=2), 3.9, 4),
        (Int(2, 8, step=2), 100, 8),
        (Int(1, 64, log=True), 0, 1),
        (Uniform(0, 1, step=0.25), 0.7, 0.75),
    ):
        dimension = Dimensions().of(Parameter("p", distribution))
        assert dimension.to_ours(dimension.from_ours(written)) == told


def test_one_name_with_two_ranges_is_two_dimensions() -> None:
    """Optuna allows a name one distribution; a branch may draw it from another."""
    dimensions = Dimensions()
    small, large = (dimensions.of(Parameter("n", Int(1, high))) for high in (10, 99))
    assert small.name != large.name
    assert dimensions.of(Parameter("n", Int(1, 10))).name == small.name


@pytest.mark.parametrize("name", TUNERS)
def test_a_range_that_depends_on_another_value_can_be_searched(name: str) -> None:
    """The same name with a range of its own in each branch."""

    def body(cell: Cell) -> float:
        kind = cell("kind")
        cell.space = space_of(*cell.space.parameters[:1], Parameter("n", RANGES[kind], default=1))
        return float(cell("n"))

    program = Program(
        space_of(
            Parameter("kind", Choice(tuple(RANGES)), default="small"),
            Parameter("n", None, text="int(1, top)", default=1),
        ),
        body,
    )
    trials = study_of(program, name, 25).record.trials
    assert len(trials) == 25
    assert all(RANGES[t.params["kind"]].contains(t.params["n"]) for t in trials)


RANGES: dict[Any, Distribution] = {
    "small": Int(1, 10),
    "large": Int(1, 1000),
    "other": Uniform(0, 1),
}


@pytest.mark.parametrize("name", TUNERS)
def test_optuna_hears_of_every_trial_that_ran(name: str, made: list[optuna.Study]) -> None:
    """The default and the hunches, pruned trials with how far they came, and what really ran."""

    def body(cell: Cell) -> float:
        if cell("y") > 0.8:
            cell.report("loss", 3.0, step=0)
            cell.report("loss", 2.0, step=4)
            raise Pruned
        if cell("x") > 0.8:
            raise ValueError("too large")
        return float(cell("x") ** 2 + cell("y") ** 2)

    program = Program(PLANE.space, body)
    tries = [{"y": 0.9}, {"x": 0.9}, {"x": 0.3}]
    trials = study_of(program, name, 20, tries=tries).record.trials
    told = [t for t in made[0].trials if t.state is not optuna.trial.TrialState.FAIL]
    ran = [t for t in trials if t.state.value != "failed"]
    assert [t.state.name.lower() for t in told] == [t.state.value for t in ran]
    for there, here in zip(told, ran, strict=True):
        assert {n: there.params[n] for n in here.params} == pytest.approx(here.params, abs=1e-5)
    assert told[1].intermediate_values == {4: 2.0}
    complete = [t for t in ran if t.state.value == "complete"]
    assert [t.value for t in told if t.state.name == "COMPLETE"] == [t.value for t in complete]


def test_a_value_that_the_study_replaced_is_told_as_it_ran(made: list[optuna.Study]) -> None:
    """What was suggested but had run before is no trial of Optuna's; what ran instead is."""
    program = Program(
        space_of(Parameter("a", Int(1, 12), default=6)), lambda cell: float((cell("a") - 4) ** 2)
    )
    for name in TUNERS:
        trials = study_of(program, name, 12).record.trials
        told = [t for t in made[-1].trials if t.state is optuna.trial.TrialState.COMPLETE]
        assert [t.params["a"] + 1 for t in told] == [t.params["a"] for t in trials]


@pytest.mark.parametrize("name", TUNERS)
def test_a_trial_that_ends_before_its_first_draw_leaves_the_others_alone(
    name: str, made: list[optuna.Study]
) -> None:
    """What is drawn from one that runs is not given up for one that failed."""
    tuner, _ = tuner_of(name, PLANE)
    slow, broken = tuner.ask(), tuner.ask()
    assert slow is not None
    assert broken is not None
    x = slow.suggest(PLANE.space["x"])
    tuner.tell(ended({}))
    assert [t.state.name for t in made[0].trials] == ["RUNNING", "FAIL"]
    tuner.tell(ended({"x": x, "y": slow.suggest(PLANE.space["y"])}, 1.0))
    assert [t.state.name for t in made[0].trials] == ["COMPLETE", "FAIL"]


@pytest.mark.parametrize("name", TUNERS)
def test_trials_that_began_alike_may_end_in_any_order(name: str, made: list[optuna.Study]) -> None:
    """Nothing tells them apart; those that go on keep what they drew, and Optuna hears of all."""
    kind, *others = space = (Parameter("kind", KIND), *PLANE.space.parameters)
    tuner, _ = tuner_of(name, Program(space_of(*space), lambda _: 0.0))
    running = [(tuner.ask(), {}) for _ in range(5)]
    for proposal, values in running:
        values["kind"] = proposal.suggest(kind)
    usual = sorted(values["kind"] for _, values in running)[2]  # so three are alike
    broken = [at for at, (_, values) in enumerate(running) if values["kind"] == usual][-1]
    tuner.tell(ended(running.pop(broken)[1]))
    for proposal, values in running:
        values |= {parameter.name: proposal.suggest(parameter) for parameter in others}
    for number, (_, values) in enumerate(running):
        tuner.tell(ended(values, number))
    assert {t.state.name for t in made[0].trials} == {"COMPLETE", "FAIL"}
    told = {t.value: t.params for t in made[0].trials if t.state.name == "COMPLETE"}
    assert told == {
        number: pytest.approx(values | {"kind": KIND.index(values["kind"])}, abs=1e-5)
        for number, (_, values) in enumerate(running)
    }


def test_what_ran_when_auto_changed_its_mind_is_no_proposal_of_the_next_tuner(
    made: list[optuna.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial of the one before is told as it ran, and those of the next one run on."""
    monkeypatch.setattr(auto, "MANY", 3)
    tuner = tuner_of("auto", PLANE, 10)[0]
    x, y = PLANE.space.parameters

    def finish(proposal: Any) -> None:
        values = {"x": proposal.suggest(x), "y": proposal.suggest(y)}
        tuner.tell(ended(values, values["x"]))

    slow = tuner.ask()
    for _ in range(3):
        finish(tuner.ask())
    following = tuner.ask()
    assert following is not None
    assert "tpe after 3 trials of bayes" in tuner.remark
    first = following.suggest(x)
    finish(slow)
    assert sorted(t.state.name for t in made[0].trials) == ["COMPLETE"] * 4 + ["RUNNING"]
    tuner.tell(ended({"x": first, "y": following.suggest(y)}, first))
    assert [t.state.name for t in made[0].trials] == ["COMPLETE"] * 5


@pytest.mark.parametrize(
    ("ran", "others", "its"),
    [
        ({}, {"x": 1}, {}),
        ({"x": 1}, {"x": 1, "y": 2}, {"x": 1}),
        ({"x": 1, "y": 2}, {"x": 1}, {"x": 1, "y": 3}),
        ({"x": 1, "y": 2}, {"x": 1, "y": 2, "z": 3}, {"x": 1, "y": 3}),
        ({"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 1}),
    ],
)
def test_a_trial_is_of_the_likeliest_proposal(
    ran: dict[str, Any], others: dict[str, Any], its: dict[str, Any]
) -> None:
    """It has every name drawn from it, most of its values, and no name besides."""
    proposals = [SimpleNamespace(values=others), SimpleNamespace(values=its)]
    distributions: dict[str, Distribution] = dict.fromkeys(ran, Int(0, 9))
    trial = replace(ended({}), params=ran, distributions=distributions)
    for order in (proposals, proposals[::-1]):
        found = settle(list(order), trial)
        assert found is not None
        assert found.values is its


KIND = Choice(("a", "b"))


def ended(params: dict[str, Any], value: float | None = None) -> Trial:
    """A trial of the tuner's, which failed unless there is a value."""
    return Trial(
        0,
        TrialState.FAILED if value is None else TrialState.COMPLETE,
        params,
        {name: KIND if name == "kind" else Uniform(-1, 1) for name in params},
        None if value is None else (value,),
        {},
        {},
        Origin.TUNER,
        0.0,
        0.0,
    )


def test_optuna_maximises_what_is_to_be_maximised(made: list[optuna.Study]) -> None:
    """Directions are the study's, one for each objective."""
    aims = (Objective("a", Direction.MAXIMIZE), Objective("b", Direction.MINIMIZE))
    tuner_of("tpe", Program(PLANE.space, lambda _: (0.0, 0.0), aims))
    assert [d.name for d in made[0].directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize("name", TUNERS)
def test_optuna_is_quiet_and_its_settings_stay_the_users(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No log line, no warning; the level of Optuna's logger and the filters are as before."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    filters = list(warnings.filters)
    try:
        study_of(SVM, name, 15)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
        assert warnings.filters == filters
    finally:
        optuna.logging.set_verbosity(before)
    assert capsys.readouterr() == ("", "")


def test_tpe_learns() -> None:
    """On a smooth plane forty trials of it beat forty random ones, over five seeds."""
    assert _mean_best("tpe") < _mean_best("random") / 2


def test_cmaes_learns() -> None:
    """The same for an evolution strategy."""
    assert _mean_best("cmaes") < _mean_best("random") / 2


def _mean_best(name: str) -> float:
    def best(seed: int) -> float:
        trials = study_of(PLANE, name, 40, seed=seed).record.trials
        return min(t.value for t in trials if t.value is not None)

    return sum(best(seed) for seed in range(5)) / 5


def test_cmaes_says_when_a_space_is_not_for_it() -> None:
    """Choices are left to another sampler; with one number left it is the wrong tuner."""
    assert tuner_of("cmaes", PLANE)[0].remark == ""
    assert tuner_of("cmaes", SVM)[0].remark == (
        "cmaes adapts 3 of 4 hyperparameters: choices and unknown ranges (kernel) are left to tpe"
    )
    choices = Program(
        space_of(Parameter("a", Choice((1, 2, 3))), Parameter("b", Uniform(0, 1))), lambda _: 0.0
    )
    assert tuner_of("cmaes", choices)[0].remark.endswith("not for cmaes, take bayes or tpe")


def test_cmaes_goes_on_adapting_where_branches_come_and_go(made: list[optuna.Study]) -> None:
    """A number that a branch does not reach keeps its place in the strategy."""

    def body(cell: Cell) -> float:
        total = (cell("x") - 0.3) ** 2 + (cell("y") + 0.6) ** 2
        return float(total + cell("z") ** 2 if cell("x") > 0.5 else total)

    program = Program(
        space_of(*(Parameter(n, Uniform(-1, 1), default=0.9, conditional=n == "z") for n in "xyz")),
        body,
    )
    trials = study_of(program, "cmaes", 30).record.trials
    assert {len(trial.params) for trial in trials} == {2, 3}
    assert {len(trial.params) for trial in made[0].trials} == {3}
