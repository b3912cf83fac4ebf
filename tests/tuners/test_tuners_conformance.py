"""What every tuner must do, whatever it thinks."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from programs import (
    GRID,
    PLANE,
    SVM,
    Cell,
    Program,
    identities,
    params_of,
    space_of,
    study_of,
    tuner_of,
)

from hpmagic.distributions import Choice, Int, LogNormal, LogUniform, Normal, Ordinal, Uniform
from hpmagic.execution.outcome import Pruned
from hpmagic.records import Direction, Objective, Origin, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.study import StudyResult
from hpmagic.tuners.registry import get_tuner, is_installed, known_tuners

SEARCHING = [name for name in known_tuners() if name != "manual" and is_installed(name)]
MANY = [name for name in SEARCHING if get_tuner(name).many_objectives]

each = pytest.mark.parametrize("name", SEARCHING)


def gridded(program: Program) -> Program:
    """The same with ``n=5`` everywhere, which is for the grid only."""
    parameters = [
        replace(p, grid_points=None if isinstance(p.distribution, Choice) else 5)
        for p in program.space.parameters
    ]
    return replace(program, space=SearchSpace(tuple(parameters)))


def _mixture(cell: Cell) -> float:
    return (
        abs(cell("prior"))
        + abs(math.log(cell("scale")))
        + (cell("size") != "medium")
        + math.log10(cell("units"))
        + abs(cell("rate") - 0.3)
        + {"adam": 0.0, "sgd": 0.2, None: 1.0}[cell("optimizer")]
        + cell("layers")
    )


MIXTURE = Program(
    space_of(
        Parameter("prior", Normal(0, 1), default=0.0),
        Parameter("scale", LogNormal(0, 1), default=1.0),
        Parameter("size", Ordinal(("small", "medium", "large")), default="small"),
        Parameter("units", Int(8, 512, log=True), default=64),
        Parameter("rate", Uniform(0, 0.9, step=0.1), default=0.5),
        Parameter("optimizer", Choice(("adam", "sgd", None)), default="sgd"),
        Parameter("layers", Int(1, 9, step=2), default=3),
        Parameter("unreached", LogUniform(1e-9, 1e-3), default=1e-6, conditional=True),
    ),
    _mixture,
)
"""Every distribution, and one that is never drawn."""


def _layered(cell: Cell) -> float:
    return sum(abs(cell(f"units_{i}") - 20 * (i + 1)) for i in range(cell("layers")))


LAYERED = Program(
    space_of(
        Parameter("layers", Int(1, 3), default=2),
        Parameter("units_{i}", Int(4, 128, log=True), default=32, conditional=True),
    ),
    _layered,
)
"""Names that are known only when they are drawn."""

PROGRAMS = {
    "branches": gridded(SVM),
    "plane": gridded(PLANE),
    "mixture": gridded(MIXTURE),
    "layers": gridded(LAYERED),
}


def drawn_by_tuner(result: StudyResult) -> list[Any]:
    return [trial for trial in result.record.trials if trial.origin is Origin.TUNER]


@pytest.mark.few(8)
@each
@pytest.mark.parametrize("program", PROGRAMS)
def test_values_are_of_their_distributions_and_no_trial_repeats_another(
    name: str, program: str
) -> None:
    """Every value could have been drawn, every complete configuration is new."""
    result = study_of(PROGRAMS[program], name, 16)
    for trial in drawn_by_tuner(result):
        for drawn, value in trial.params.items():
            assert trial.distributions[drawn].contains(value), (drawn, value)
    ids = identities(result.record.trials)
    assert len(ids) == len(set(ids)) == 16


@each
def test_a_seed_makes_a_study_repeatable(name: str) -> None:
    """The same seed gives the same values, in the same order; another seed others."""
    first, second = (study_of(PROGRAMS["branches"], name, 16, seed=5) for _ in range(2))
    assert params_of(first) == params_of(second)
    other = study_of(PROGRAMS["branches"], name, 16, seed=6)
    assert params_of(first) != params_of(other)


@each
def test_a_finite_space_is_run_to_its_end_and_no_further(name: str) -> None:
    """Twelve combinations, branches counted, though thirty trials were asked for."""
    result = study_of(GRID, name, 30)
    assert len(result.record.trials) == 12
    assert len(set(identities(result.record.trials))) == 12
    assert result.record.finished is not None
    assert result.record.finished.state == "complete"


@each
def test_a_person_may_write_values_outside_of_the_space(name: str) -> None:
    """Defaults beyond a range, off a lattice and among no options are told, and taken in."""
    program = Program(
        space_of(
            Parameter("x", Uniform(0, 1), default=7.5, grid_points=4),
            Parameter("rate", LogUniform(1e-3, 1), default=-1.0, grid_points=4),
            Parameter("depth", Int(2, 8, step=2), default=3),
            Parameter("units", Int(1, 64, log=True), default=1000, grid_points=4),
            Parameter("kernel", Choice(("rbf", "poly")), default="sigmoid"),
            Parameter("size", Ordinal((1, 2, 4)), default=3),
            Parameter("scale", LogNormal(0, 1), default=0.0, grid_points=4),
        ),
        lambda cell: sum(float(len(str(cell(n)))) for n in cell.space),
    )
    tries = [{"x": -3.0, "kernel": "poly"}, {"units": 0}]
    result = study_of(program, name, 14, tries=tries)
    assert [t.origin for t in result.record.trials[:3]] == [Origin.DEFAULT, Origin.TRY, Origin.TRY]
    assert result.record.trials[0].params["x"] == 7.5
    for trial in drawn_by_tuner(result):
        for drawn, value in trial.params.items():
            assert trial.distributions[drawn].contains(value), (drawn, value)


def _brittle(cell: Cell) -> float:
    if cell("x") < -0.3:
        raise ValueError("too small")
    if cell("y") < -0.6:
        cell.report("loss", 2.0, step=0)
        cell.report("loss", 1.5, step=1)
        raise Pruned
    return (cell("x") - 0.2) ** 2 + cell("y") ** 2


def _hardly_repeats(result: StudyResult) -> int:
    """How many differ; what ended before its last draw may have run twice, the rest only once."""
    times = Counter(identities(result.record.trials))
    assert all(count <= (1 if len(drawn) == 2 else 2) for drawn, count in times.items())
    return len(times)


@each
def test_failed_and_pruned_trials_are_told_and_the_search_goes_on(name: str) -> None:
    """A quarter of the space fails and some of it is pruned."""
    program = gridded(replace(PLANE, body=_brittle))
    result = study_of(program, name, 20, tries=[{"x": -0.9}, {"y": -0.9}])
    states = [trial.state for trial in result.record.trials]
    assert states[:3] == [TrialState.COMPLETE, TrialState.FAILED, TrialState.PRUNED]
    assert TrialState.COMPLETE in states[3:]
    assert _hardly_repeats(result) >= 16


@each
def test_a_study_in_which_all_but_the_default_fails_still_ends(name: str) -> None:
    """A tuner with one usable trial and nineteen failures neither raises nor repeats itself."""

    def body(cell: Cell) -> float:
        value = cell("x") + cell("y")
        if (cell("x"), cell("y")) != (0.5, -0.5):
            raise ValueError("only the default works")
        return value

    result = study_of(gridded(replace(PLANE, body=body)), name, 12)
    assert [t.state for t in result.record.trials].count(TrialState.FAILED) == 11
    assert len(set(identities(result.record.trials))) == 12


@each
def test_a_resumed_study_goes_on_without_repeating_a_point(name: str) -> None:
    """Old trials are told first; the same seed does not draw the same points again."""
    program = PROGRAMS["branches"]
    before = study_of(program, name, 8, seed=3).record.trials
    after = study_of(program, name, 8, seed=3, before=before).record.trials
    ids = identities([*before, *after])
    assert len(ids) == len(set(ids)) == 16


@pytest.mark.parametrize("name", ["random", "qmc", "tpe", "cmaes", "nsga2"])
def test_a_resumed_study_does_not_come_back_beside_its_first_points(name: str) -> None:
    """Before anything is learned the seed decides alone, and must not decide the same again."""
    before = study_of(PLANE, name, 5, default=False).record.trials
    after = study_of(PLANE, name, 5, before=before).record.trials
    for old in params_of_trials(before):
        for new in params_of_trials(after):
            assert max(abs(old[n] - new[n]) for n in ("x", "y")) > 0.01


def params_of_trials(trials: Any) -> list[dict[str, Any]]:
    return [dict(trial.params) for trial in trials]


@pytest.mark.parametrize("name", ["random", "qmc", "grid", "bayes", "auto"])
@pytest.mark.parametrize(
    "program", [PROGRAMS["branches"], pytest.param(PLANE, marks=pytest.mark.slow)]
)
def test_a_resumed_study_is_the_study_that_was_never_interrupted(
    name: str, program: Program
) -> None:
    """What depends on the seed and the trials only comes out the same."""
    whole = study_of(gridded(program), name, 18, seed=3).record.trials
    for ran in (3, 7, 11, 14):
        after = study_of(gridded(program), name, 18, seed=3, before=whole[:ran], limit=18 - ran)
        assert params_of_trials(whole[ran:]) == params_of(after)


@pytest.mark.parametrize("name", MANY)
def test_several_objectives_are_taken_together(name: str) -> None:
    """Two objectives, one to minimise and one to maximise; failures among the trials."""
    aims = (Objective("loss", Direction.MINIMIZE), Objective("speed", Direction.MAXIMIZE))

    def body(cell: Cell) -> tuple[float, float]:
        if cell("y") > 0.9:
            raise ValueError("too fast")
        if cell("y") < -0.8:
            cell.report("loss", 1.0, step=3)
            raise Pruned
        return cell("x") ** 2 + cell("y"), cell("y")

    program = gridded(Program(PLANE.space, body, aims))
    result = study_of(program, name, 20, tries=[{"y": -0.9}])
    assert result.record.trials[1].state is TrialState.PRUNED
    assert _hardly_repeats(result) >= 16
    assert all(len(t.values or (0, 0)) == 2 for t in result.record.trials)


@each
def test_trials_may_be_open_at_the_same_time(name: str) -> None:
    """Three proposals are drawn before the first of them is told, in another order."""
    program = PROGRAMS["plane"]
    tuner, _ = tuner_of(name, program, 9)
    told = list(study_of(program, "random", 9, seed=9).record.trials)
    for trial in told[:3]:
        tuner.tell(trial)
    for round_ in range(2):
        proposals = [tuner.ask() for _ in range(3)]
        drawn = []
        for proposal in proposals:
            assert proposal is not None
            drawn.append({p.name: proposal.suggest(p) for p in program.space.parameters})
        for at in (2, 0, 1):
            template = told[3 + 3 * round_ + at]
            tuner.tell(replace(template, origin=Origin.TUNER, params=drawn[at]))
    assert tuner.ask() is not None


@each
def test_an_interrupted_trial_may_be_told(name: str) -> None:
    """It has no value, and nothing is learned from it."""
    program = PROGRAMS["plane"]
    tuner, _ = tuner_of(name, program, 9)
    trial = study_of(program, "random", 2, seed=9).record.trials[1]
    proposal = tuner.ask()
    assert proposal is not None
    params = {p.name: proposal.suggest(p) for p in program.space.parameters}
    tuner.tell(replace(trial, state=TrialState.INTERRUPTED, params=params, values=None))
    assert tuner.ask() is not None


@each
def test_objects_are_options_like_any_other(name: str) -> None:
    """Classes and functions are handed out themselves, by no copy and no text."""
    program = Program(
        space_of(
            Parameter("kind", Choice((dict, list, max), ("dict", "list", "max")), default=list),
            Parameter("x", Int(0, 9), default=5),
        ),
        lambda cell: cell("x") + (cell("kind") is dict),
    )
    result = study_of(program, name, 12)
    assert all(t.params["kind"] in (dict, list, max) for t in result.record.trials)
    assert len(set(identities(result.record.trials))) == 12
