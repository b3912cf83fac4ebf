"""The execution tree: nothing runs twice, and everything finite runs once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import Cell, Program, identities, params_of, space_of, study_of

from hpmagic.distributions import Choice, Distribution, Int, Normal, Ordinal, Uniform
from hpmagic.records import Origin, TrialState
from hpmagic.space import Parameter
from hpmagic.tuners.grid import LARGEST
from hpmagic.tuners.lattice import Free, index_of, value_at
from hpmagic.tuners.tree import ExecutionTree

some = settings(deadline=None, max_examples=80)


@dataclass(frozen=True)
class Branch:
    """Draw ``name``, then go on with the child of the value's number; None is an end."""

    name: str
    distribution: Distribution
    children: tuple[Branch | None, ...]


KINDS = (
    lambda size: Choice(tuple("abcd"[:size])),
    lambda size: Ordinal(tuple(range(10, 10 + size))),
    lambda size: Int(3, 3 + 2 * (size - 1), step=2),
    lambda size: Uniform(0, 0.1 * (size - 1) if size > 1 else 0, step=0.1),
    lambda size: Int(1, size, log=True),
)


@st.composite
def branches(draw: st.DrawFn, depth: int = 3, path: str = "p") -> Branch | None:
    """A program that draws at most ``depth`` values; a name stands for one place in it."""
    if depth == 0 or (depth < 3 and draw(st.booleans())):
        return None
    size = draw(st.integers(1, 4))
    distribution = draw(st.sampled_from(KINDS))(size)
    if draw(st.booleans()):
        children = tuple(draw(branches(depth - 1, f"{path}{at}")) for at in range(size))
    else:
        children = (draw(branches(depth - 1, f"{path}_")),) * size
    return Branch(path, distribution, children)


def parameters(branch: Branch | None) -> dict[str, Parameter]:
    if branch is None:
        return {}
    found = {branch.name: Parameter(branch.name, branch.distribution, conditional=True)}
    for child in branch.children:
        found |= parameters(child)
    return found


def ends(branch: Branch | None) -> list[tuple[tuple[str, Any], ...]]:
    """All complete configurations, the first draw slowest."""
    if branch is None:
        return [()]
    return [
        ((branch.name, value_at(branch.distribution, at)), *rest)
        for at, child in enumerate(branch.children)
        for rest in ends(child)
    ]


def program_of(branch: Branch | None, failing: int = 0) -> Program:
    """The program; with ``failing`` > 0, each so-manieth run raises."""
    runs = [0]

    def body(cell: Cell) -> float:
        at = branch
        while at is not None:
            index = index_of(at.distribution, cell(at.name))
            assert index is not None
            at = at.children[index]
        runs[0] += 1
        if failing and runs[0] > 1 and runs[0] % failing == 0:
            raise ValueError("as planned")
        return float(len(cell.params))

    return Program(space_of(*parameters(branch).values()), body)


@some
@given(branches())
def test_grid_visits_each_configuration_once_in_order(branch: Branch | None) -> None:
    """The first hyperparameter changes slowest, and branches do not repeat anything."""
    assume(math.prod(p.distribution.size for p in parameters(branch).values()) <= LARGEST)
    result = study_of(program_of(branch), "grid", default=False)
    assert [tuple(params.items()) for params in params_of(result)] == ends(branch)


@some
@given(branches(), st.sampled_from(["random", "qmc"]), st.integers(0, 5))
def test_any_tuner_exhausts_a_finite_space_exactly(
    branch: Branch | None, name: str, seed: int
) -> None:
    """A tuner that knows nothing runs each configuration once, and the study ends by itself."""
    result = study_of(program_of(branch), name, seed=seed, default=False)
    assert sorted(identities(result.record.trials), key=str) == sorted(
        [tuple((n, _key(branch, n, v)) for n, v in end) for end in ends(branch)], key=str
    )
    assert result.record.finished is not None
    assert result.record.finished.state == "complete"


def _key(branch: Branch | None, name: str, value: Any) -> Any:
    distribution = parameters(branch)[name].distribution
    assert distribution is not None
    return distribution.key(value)


@pytest.mark.slow
@some
@given(branches(), st.integers(2, 4))
def test_a_configuration_that_failed_is_not_run_again(branch: Branch | None, failing: int) -> None:
    """Failures count as executed, for the grid and for others."""
    for name in ("grid", "random"):
        result = study_of(program_of(branch, failing), name, 1000, default=False)
        assert len(result.record.trials) == len(ends(branch))


@some
@given(branches(), st.data())
def test_a_path_is_known_once_it_was_executed(branch: Branch | None, data: st.DataObject) -> None:
    """`path` follows complete values as far as the cell is known, and no further."""
    tree, all_ends = ExecutionTree(), ends(branch)
    known = data.draw(st.sets(st.sampled_from(all_ends)))
    for end in known:
        walk = tree.walk()
        for name, value in end:
            walk.fix(parameters(branch)[name], value)
        walk.end(complete=True)
    for end in all_ends:
        drawn, executed = tree.path({**dict(end), "elsewhere": 1})
        assert executed == (end in known)
        assert tuple(drawn.items()) == end[: len(drawn)]
        assert not executed or tuple(drawn.items()) == end
    assert tree.exhausted == (known == set(all_ends))


@some
@given(branches(), st.integers(0, 3))
def test_a_finite_space_is_exhausted_also_with_values_from_outside(
    branch: Branch | None, seed: int
) -> None:
    """Values that are none of the distribution's neither end the search early nor late."""
    tree, rng = ExecutionTree(), np.random.default_rng(seed)
    if branch is not None:
        walk = tree.walk()
        walk.fix(parameters(branch)[branch.name], "outside")
        walk.end(complete=True)
    seen = []
    while not tree.exhausted:
        walk, at, values = tree.walk(), branch, []
        while at is not None:
            value = walk.draw(parameters(branch)[at.name], _random(rng), lambda: rng)
            values.append(value)
            index = index_of(at.distribution, value)
            assert index is not None
            at = at.children[index]
        walk.end(complete=True)
        seen.append(tuple(values))
    assert len(seen) == len(set(seen)) == len(ends(branch))


def _random(rng: np.random.Generator) -> Any:
    return lambda parameter: parameter.distribution.from_unit(float(rng.random()))


def run_once(
    tree: ExecutionTree, *draws: tuple[Parameter, Any], complete: bool | None = True
) -> list[Any]:
    """The values drawn by an execution: a complete one, one given up, or, None, one that failed."""
    walk, rng = tree.walk(), np.random.default_rng(0)
    got = [walk.draw(parameter, lambda _, v=value: v, lambda: rng) for parameter, value in draws]
    if complete is None:
        walk.fail()
    else:
        walk.end(complete=complete)
    return got


def test_an_ordered_value_that_was_run_gives_way_to_the_nearest_free_one() -> None:
    """5 is taken, then its neighbours, then theirs."""
    tree, size = ExecutionTree(), Parameter("size", Int(0, 9))
    got = [run_once(tree, (size, 5))[0] for _ in range(7)]
    assert got[0] == 5
    assert set(got[1:3]) == {4, 6}
    assert set(got[3:5]) == {3, 7}
    assert set(got[5:7]) == {2, 8}


def test_an_edge_that_was_run_gives_way_to_the_inside() -> None:
    """There is one side only at the end of a range."""
    tree, size = ExecutionTree(), Parameter("size", Int(0, 3))
    assert [run_once(tree, (size, 3))[0] for _ in range(4)] == [3, 2, 1, 0]


def test_a_point_of_a_continuum_that_was_run_gives_way_to_one_beside_it() -> None:
    """The tuner wanted to be there, so it is near, but it is another."""
    tree, rate = ExecutionTree(), Parameter("rate", Uniform(0, 1))
    first, second = (run_once(tree, (rate, 0.5))[0] for _ in range(2))
    assert first == 0.5
    assert second != 0.5
    assert second == pytest.approx(0.5, abs=0.02)


def test_a_continuum_in_the_middle_may_repeat_a_value() -> None:
    """Only complete configurations must differ."""
    tree = ExecutionTree()
    x, y = Parameter("x", Uniform(0, 1)), Parameter("y", Uniform(0, 1))
    assert run_once(tree, (x, 0.5), (y, 0.1)) == [0.5, 0.1]
    assert run_once(tree, (x, 0.5), (y, 0.2)) == [0.5, 0.2]
    third = run_once(tree, (x, 0.5), (y, 0.2))
    assert third[0] == 0.5
    assert third[1] != 0.2


def test_a_finite_branch_that_is_exhausted_is_not_entered() -> None:
    """All degrees of poly have run: another kernel is drawn, though poly was suggested."""
    tree = ExecutionTree()
    kernel = Parameter("kernel", Choice(("rbf", "poly")))
    degree = Parameter("degree", Int(2, 3))
    gamma = Parameter("gamma", Normal(0, 1))
    assert run_once(tree, (kernel, "poly"), (degree, 2)) == ["poly", 2]
    assert run_once(tree, (kernel, "poly"), (degree, 2)) == ["poly", 3]
    assert run_once(tree, (kernel, "poly"), (gamma, 0.5)) == ["rbf", 0.5]
    assert not tree.exhausted


def test_a_trial_that_was_cut_short_may_run_again() -> None:
    """An interrupted trial has shown nothing about its values."""
    tree, size = ExecutionTree(), Parameter("size", Int(0, 9))
    assert run_once(tree, (size, 5), complete=False) == [5]
    assert run_once(tree, (size, 5)) == [5]
    assert run_once(tree, (size, 5)) != [5]


def test_a_place_is_given_up_once_more_fail_there_than_go_on() -> None:
    """One failure may be mishap; a value at which every trial fails is not run for ever."""
    tree, kind, x = ExecutionTree(), Parameter("kind", Choice("ab")), Parameter("x", Int(0, 9))
    assert run_once(tree, (kind, "a"), complete=None) == ["a"]
    assert run_once(tree, (kind, "a"), (x, 3)) == ["a", 3]
    assert run_once(tree, (kind, "a"), complete=None) == ["a"]
    assert run_once(tree, (kind, "a")) == ["b"]


def test_nothing_is_left_to_run_when_the_first_trial_fails_before_its_first_draw() -> None:
    """Without values all trials would be the same; after one that drew they are not."""
    tree, x = ExecutionTree(), Parameter("x", Int(0, 9))
    run_once(tree, (x, 3))
    run_once(tree, complete=None)
    assert not tree.exhausted
    tree = ExecutionTree()
    run_once(tree, complete=None)
    assert tree.exhausted


def test_a_cell_that_draws_at_random_neither_hangs_nor_ends_early() -> None:
    """Other names, ranges and ends than last time: the values are taken as they come."""
    rng = np.random.default_rng(1)

    def body(cell: Cell) -> float:
        if rng.random() < 0.3:
            return float(cell("a"))
        return float(cell("b") + (cell("a") if rng.random() < 0.5 else 0))

    program = Program(space_of(Parameter("a", Int(0, 2)), Parameter("b", Int(0, 2))), body)
    for name in ("random", "grid"):
        result = study_of(program, name, 40, default=False)
        assert 3 <= len(result.record.trials) <= 40


def test_a_range_that_changes_is_never_exhausted_by_counting() -> None:
    """The same place with another distribution: three values are not all there are."""
    tree = ExecutionTree()
    for value in range(3):
        run_once(tree, (Parameter("a", Int(0, 2 + value)), value))
    assert not tree.exhausted
    assert run_once(tree, (Parameter("a", Int(0, 9)), 7)) == [7]
    assert run_once(tree, (Parameter("a", Int(0, 9)), 7)) != [7]


def test_values_of_one_range_do_not_exhaust_a_place_that_has_another() -> None:
    """Both values of the first range have run, but the cell has drawn from a second one too."""
    tree = ExecutionTree()
    run_once(tree, (Parameter("a", Int(0, 1)), 0))
    run_once(tree, (Parameter("b", Uniform(0, 1)), 0.5))
    run_once(tree, (Parameter("a", Int(0, 1)), 1))
    assert not tree.exhausted


def test_options_that_are_made_anew_keep_their_numbers() -> None:
    """A choice between objects that each run constructs has two values, not two a run."""
    tree, rng = ExecutionTree(), np.random.default_rng(0)
    for run in range(2):
        assert not tree.exhausted, run
        options = (object(), object())
        walk = tree.walk()
        walk.draw(
            Parameter("a", Choice(options, ("A", "B"))), lambda _, o=options: o[0], lambda: rng
        )
        walk.end(complete=True)
    assert tree.exhausted


def test_a_continuum_with_next_to_no_values_ends() -> None:
    """Between two neighbouring floats there is nothing; the study does not go on for ever."""
    program = Program(
        space_of(Parameter("a", Uniform(1.0, 1.0000000000000002))), lambda cell: cell("a")
    )
    assert len(study_of(program, "random", 50, default=False).record.trials) <= 3


def test_written_values_equal_to_those_of_the_range_count_as_the_same() -> None:
    """A default of 3.0, of True or of a numpy integer is the integer of the range."""
    for written in (1.0, True, np.int64(1)):
        tree, size = ExecutionTree(), Parameter("size", Int(1, 2))
        walk = tree.walk()
        walk.fix(size, written)
        walk.end(complete=True)
        assert run_once(tree, (size, 1)) == [2]
        assert tree.exhausted


finite = st.one_of(
    st.builds(
        lambda low, span, step: Int(low, low + span, step=step),
        st.integers(-(2**52), 2**52),
        st.integers(0, 2**52),
        st.integers(1, 10**6),
    ),
    st.builds(
        lambda low, span: Int(low, low + span, log=True), st.integers(1, 9), st.integers(0, 9)
    ),
    st.builds(
        lambda low, count, step: Uniform(low, low + count * step, step=step),
        st.integers(-100, 100),
        st.integers(0, 50),
        st.sampled_from([0.1, 0.25, 1e-3, 3.0]),
    ),
    st.lists(st.one_of(st.integers(), st.text(), st.booleans()), min_size=1, unique_by=repr).map(
        lambda options: Choice(tuple(options))
    ),
)


@some
@given(finite, st.data())
def test_numbers_and_values_of_a_finite_distribution_are_inverse(
    distribution: Distribution, data: st.DataObject
) -> None:
    """Each number has a value, which the distribution contains and which has that number."""
    assert distribution.size is not None
    index = data.draw(st.integers(0, distribution.size - 1))
    value = value_at(distribution, index)
    assert distribution.contains(value)
    assert index_of(distribution, value) == index


@some
@given(finite, st.one_of(st.floats(), st.integers(), st.text(), st.none(), st.booleans()))
def test_a_number_is_given_to_equal_values_only(distribution: Distribution, value: Any) -> None:
    """Whatever is asked for: an equal key means the same number, and nothing is raised."""
    index = index_of(distribution, value)
    if index is not None:
        assert distribution.key(value_at(distribution, index)) == distribution.key(value)


@some
@given(st.integers(1, 30), st.data())
def test_free_numbers_are_what_is_not_closed(size: int, data: st.DataObject) -> None:
    """Left, right and membership against a plain set."""
    free, model = Free(size), set(range(size))
    for index in data.draw(st.permutations(range(size))):
        free.close(index)
        model.remove(index)
        at = data.draw(st.integers(0, size - 1))
        assert free.right(at) == min((i for i in model if i >= at), default=size)
        assert free.left(at) == max((i for i in model if i <= at), default=-1)
        assert list(free) == sorted(model)
        assert free.closed == size - len(model)


def test_the_values_of_a_study_come_from_the_person_and_then_from_the_tuner() -> None:
    """The default is trial 0 and is not run again by the tuner."""
    program = Program(
        space_of(Parameter("a", Choice(("x", "y", "z")), default="y")), lambda cell: len(cell("a"))
    )
    trials = study_of(program, "grid").record.trials
    assert [(t.origin, t.params["a"]) for t in trials] == [
        (Origin.DEFAULT, "y"),
        (Origin.TUNER, "x"),
        (Origin.TUNER, "z"),
    ]
    assert all(t.state is TrialState.COMPLETE for t in trials)
