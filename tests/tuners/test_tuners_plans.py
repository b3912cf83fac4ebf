"""Manual and grid: tuners with a plan of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from programs import GRID, SVM, Cell, Program, params_of, space_of, study_of, tuner_of

from hpmagic.distributions import Choice, Distribution, Int, LogUniform, Ordinal, Uniform
from hpmagic.errors import SpaceError, TunerError
from hpmagic.records import Direction, Objective, Origin
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.grid import GridTuner
from hpmagic.tuners.tree import ExecutionTree


def total(cell: Cell) -> float:
    return float(sum(cell(name) for name in cell.space))


def program_of(*parameters: Parameter) -> Program:
    return Program(space_of(*parameters), total)


RATES = program_of(
    Parameter("rate", Choice((0.05, 0.2, 0.02)), default=0.1),
    Parameter("leaves", Choice((15, 8, 4)), default=31),
    Parameter("bias", Uniform(0, 1), default=0.5),
)


def test_manual_runs_the_default_the_tries_and_the_lists_side_by_side() -> None:
    """First values together, then second ones; what has no list is as written."""
    result = study_of(RATES, "manual", tries=[{"rate": 0.3, "bias": 0.9}])
    assert params_of(result) == [
        {"rate": 0.1, "leaves": 31, "bias": 0.5},
        {"rate": 0.3, "leaves": 31, "bias": 0.9},
        {"rate": 0.05, "leaves": 15, "bias": 0.5},
        {"rate": 0.2, "leaves": 8, "bias": 0.5},
        {"rate": 0.02, "leaves": 4, "bias": 0.5},
    ]
    origins = [trial.origin for trial in result.record.trials]
    assert origins == [Origin.DEFAULT] + 4 * [Origin.TRY]
    assert result.record.finished is not None
    assert result.record.finished.best == 4


def test_manual_runs_a_combination_of_the_lists_once_though_it_is_the_default_too() -> None:
    """The written values and a try are among the lists."""
    program = program_of(Parameter("a", Choice((1, 2, 3)), default=2))
    result = study_of(program, "manual", tries=[{"a": 3}, {"a": 3}])
    assert [params["a"] for params in params_of(result)] == [2, 3, 1]


def test_manual_takes_tries_alone() -> None:
    """No list is needed when there are tries."""
    program = program_of(Parameter("x", Uniform(0, 1), default=0.5))
    assert params_of(study_of(program, "manual", tries=[{"x": 0.1}])) == [{"x": 0.5}, {"x": 0.1}]


def test_manual_holds_a_list_of_one_for_all() -> None:
    """One value goes with each of the others."""
    program = program_of(
        Parameter("a", Choice((1, 2)), default=0), Parameter("b", Ordinal((9,)), default=0)
    )
    result = study_of(program, "manual", default=False)
    assert params_of(result) == [{"a": 1, "b": 9}, {"a": 2, "b": 9}]


def test_manual_fills_lists_into_names_with_braces() -> None:
    """A list under a name with braces holds for every name that comes of it."""
    program = Program(
        space_of(Parameter("u_{i}", Choice((1, 2)), default=0)),
        lambda cell: cell("u_0") + cell("u_1"),
    )
    rows = params_of(study_of(program, "manual"))
    assert rows == [{"u_0": n, "u_1": n} for n in (0, 1, 2)]


def test_manual_without_combinations_says_what_to_write() -> None:
    """The person's own names stand in the example."""
    with pytest.raises(TunerError) as raised:
        tuner_of("manual", program_of(Parameter("x", Uniform(0, 1), default=0.5)))
    assert "`--try x=0.5`" in str(raised.value)
    assert "`x = ...  # tune: [0.01, 0.1, 1.0]`" in str(raised.value)


def test_manual_refuses_lists_of_different_lengths() -> None:
    """It does not guess which values go together; the ways out are named."""
    with pytest.raises(
        TunerError, match=r"kernel 3 and shrink 2 values.*--try kernel=linear,shrink"
    ):
        tuner_of("manual", GRID)


def test_manual_leaves_uneven_lists_out_when_there_are_tries() -> None:
    """The tries are the whole plan then, and it says so."""
    tuner, _ = tuner_of("manual", GRID, tries=[{"kernel": "poly"}])
    assert tuner.combinations == ()
    assert "kernel 3 and shrink 2 values do not go side by side" in tuner.remark
    result = study_of(GRID, "manual", tries=[{"kernel": "poly"}])
    assert [params["kernel"] for params in params_of(result)] == ["rbf", "poly"]


def remark(name: str, program: Program, trials: int | None = None, **options: Any) -> str:
    text: str = tuner_of(name, program, trials, **options)[0].remark
    return text


def test_manual_says_what_it_runs() -> None:
    """Tries and lists are counted apart."""
    assert remark("manual", RATES) == (
        "manual: 3 combinations from the lists of rate, leaves, side by side"
    )
    assert remark("manual", RATES, tries=[{"rate": 1.0}]) == (
        "manual: your 1 combination from --try, then 3 combinations from the lists of rate, "
        "leaves, side by side"
    )


def test_grid_runs_the_first_hyperparameter_slowest() -> None:
    """Trials that begin alike come together, and the order within a list is kept."""
    program = program_of(
        Parameter("a", Choice((2, 1)), default=9),
        Parameter("b", LogUniform(0.01, 1), default=0.5, grid_points=3),
    )
    rows = [tuple(params.values()) for params in params_of(study_of(program, "grid"))]
    assert rows == [(9, 0.5), (2, 0.01), (2, 0.1), (2, 1.0), (1, 0.01), (1, 0.1), (1, 1.0)]


def test_grid_does_not_repeat_a_default_or_a_hunch_that_lies_on_it() -> None:
    """Six combinations, two of them the person's: six trials."""
    program = program_of(
        Parameter("a", Choice((1, 2)), default=2),
        Parameter("b", Uniform(0, 1), default=0.5, grid_points=3),
    )
    result = study_of(program, "grid", tries=[{"a": 1, "b": 1.0}])
    rows = [tuple(params.values()) for params in params_of(result)]
    assert rows == [(2, 0.5), (1, 1.0), (1, 0.0), (1, 0.5), (2, 0.0), (2, 1.0)]


@pytest.mark.parametrize(
    ("distribution", "default"),
    [(Uniform(0, 4), 2), (Uniform(0, 4), 0), (LogUniform(0.01, 100), 1)],
)
def test_grid_knows_a_default_by_its_value_though_its_type_is_another(
    distribution: Distribution, default: float
) -> None:
    """``1`` in a range of floats is the grid's ``1.0``: it runs once, and nothing in its place."""
    program = program_of(Parameter("x", distribution, default=default, grid_points=5))
    values = [params["x"] for params in params_of(study_of(program, "grid"))]
    assert sorted(values) == list(distribution.grid(5))


def test_grid_does_not_insist_on_a_value_that_the_study_replaced() -> None:
    """What it proposed and what ran instead are both behind it."""
    program = program_of(Parameter("a", Choice((1, 2, 3)), default=1))
    trial = study_of(program, "random", 2).record.trials[1]
    tuner, _ = tuner_of("grid", program)
    proposal = tuner.ask()
    assert proposal is not None
    assert proposal.suggest(program.space["a"]) == 1
    tuner.tell(replace(trial, params={"a": 2}))
    following = tuner.ask()
    assert following is not None
    assert following.suggest(program.space["a"]) == 3


def test_grid_takes_n_values_of_a_name_with_braces() -> None:
    """`n=` holds for every name that fills the braces, also when the default was told first."""
    program = Program(
        space_of(Parameter("u_{i}", Uniform(0, 1), default=1.0, grid_points=2, conditional=True)),
        lambda cell: cell("u_0") + cell("u_1"),
    )
    rows = [tuple(params.values()) for params in params_of(study_of(program, "grid"))]
    assert rows == [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]


def test_grid_over_continua_without_n_names_them_all_before_anything_runs() -> None:
    """One error for the whole space, not one a run."""
    with pytest.raises(SpaceError) as raised:
        tuner_of("grid", SVM)
    text = str(raised.value)
    assert "C: loguniform(0.001, 1000) is a continuum: a grid over it needs n=" in text
    assert "gamma: loguniform(0.0001, 1)" in text


def test_grid_over_a_range_that_turns_out_a_continuum_says_so_when_it_is_drawn() -> None:
    """A range that only the cell knows is checked as soon as it is known."""
    range_ = Uniform(0, 1)

    def body(cell: Cell) -> float:
        cell.space = space_of(Parameter("x", range_, default=0.5))
        return float(cell("x"))

    program = Program(space_of(Parameter("x", None, text="uniform(0, top)", default=0.5)), body)
    with pytest.raises(SpaceError, match=r"x: uniform\(0, 1\) is a continuum"):
        study_of(program, "grid")


def test_grid_says_its_size_with_the_arithmetic() -> None:
    """Branches make it an upper bound; what is drawn later is named."""
    assert remark("grid", GRID) == (
        "grid: kernel 3 x degree 4 x shrink 2 = at most 24 combinations"
    )
    assert remark("grid", program_of(Parameter("a", Int(1, 6)))) == "grid: a 6 = 6 combinations"
    assert remark("grid", program_of()) == "grid: nothing is tuned"
    later = program_of(Parameter("a", Int(1, 6)), Parameter("u_{i}", Int(1, 3)))
    assert (
        remark("grid", later)
        == "grid: a 6 = 6 combinations, times those of u_{i}, known once drawn"
    )


def test_grid_knows_its_size_for_the_time_left() -> None:
    """`size` is a bound on the number of trials, None while that is unknown."""
    assert tuner_of("grid", GRID)[0].size == 24
    assert tuner_of("grid", program_of(Parameter("u_{i}", Int(1, 3))))[0].size is None


LARGE = program_of(*(Parameter(name, Int(1, 10)) for name in "abcde"))


def test_a_grid_of_more_than_ten_thousand_asks_for_a_number_of_trials() -> None:
    """The arithmetic is shown, with the ways out."""
    with pytest.raises(TunerError) as raised:
        tuner_of("grid", LARGE)
    text = str(raised.value)
    assert "a 10 x b 10 x c 10 x d 10 x e 10 = 100,000 combinations, more than 10,000" in text
    assert "`--trials N`" in text
    tuner_of("grid", program_of(*(Parameter(name, Int(1, 10)) for name in "abcd")))


def test_the_size_of_a_huge_range_is_counted_without_listing_it() -> None:
    """A thousand million values take no memory."""
    with pytest.raises(TunerError, match="seed 1,000,000,000 = 1,000,000,000 combinations"):
        tuner_of("grid", program_of(Parameter("seed", Int(1, 10**9))))
    tuner, _ = tuner_of("grid", program_of(Parameter("seed", Int(1, 10**9))), 10)
    assert tuner.ask() is not None


def test_a_grid_with_fewer_trials_is_spread_over_all_values() -> None:
    """Sixteen of 100,000: every hyperparameter gets low and high values, not the first corner."""
    result = study_of(LARGE, "grid", 16, default=False)
    assert remark("grid", LARGE, 16).endswith(
        "= 100,000 combinations; --trials 16 are spread evenly over them"
    )
    for name in LARGE.space:
        values = [params[name] for params in params_of(result)]
        assert sum(value <= 5 for value in values) == 8


def test_a_grid_with_enough_trials_is_run_in_order() -> None:
    """The number of combinations is no more than the trials."""
    rows = params_of(study_of(GRID, "grid", 24, default=False))
    assert rows == params_of(study_of(GRID, "grid", default=False))


def test_a_range_is_a_range_again_in_another_study() -> None:
    """The grid's values are its own: the trial records what the cell says."""
    program = replace(
        SVM,
        space=space_of(*(replace(p, grid_points=2) for p in SVM.space.parameters)),
    )
    with pytest.raises(SpaceError, match="kernel: choice: a grid takes every value, but got n=2"):
        tuner_of("grid", program)
    numbers = program_of(Parameter("C", LogUniform(1e-3, 1e3), default=1.0, grid_points=2))
    trials = study_of(numbers, "grid").record.trials
    assert [t.params["C"] for t in trials] == [1.0, 0.001, 1000.0]
    assert {str(t.distributions["C"]) for t in trials} == {"loguniform(0.001, 1000)"}


def _used_backwards(*parameters: Parameter) -> GridTuner:
    space, tree = SearchSpace(parameters), ExecutionTree()
    context = TunerContext(
        space,
        (Objective("score", Direction.MAXIMIZE),),
        None,
        0,
        tree,
        reading_order=lambda: ("b", "a"),
    )
    return GridTuner(context)


def test_grid_goes_in_the_order_of_use_so_that_work_is_shared_and_says_so() -> None:
    """What is used first changes slowest, though it is drawn last; the set is the same."""
    a, b = Parameter("a", Choice((1, 2)), default=1), Parameter("b", Int(5, 7), default=5)
    tuner = _used_backwards(a, b)
    rows = []
    while (proposal := tuner.ask()) is not None:
        rows.append((proposal.suggest(a), proposal.suggest(b)))
    assert rows == [(1, 5), (2, 5), (1, 6), (2, 6), (1, 7), (2, 7)]
    assert tuner.remark == (
        "grid: a 2 x b 3 = 6 combinations; b, a in this order of use, the last one changing fastest"
    )


def test_grid_with_branches_keeps_the_order_of_drawing() -> None:
    """What a branch draws cannot be ordered beforehand."""
    tuner = _used_backwards(
        Parameter("a", Choice((1, 2)), default=1), Parameter("b", Int(5, 7), conditional=True)
    )
    assert "order" not in tuner.remark
