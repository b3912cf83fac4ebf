"""Studies that learn from earlier ones: sooner when these agree, hardly later when they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from programs import (
    LOSS,
    Planned,
    Program,
    ProgramRunner,
    info_of,
    space_of,
    study_of,
)

import hpmagic
from hpmagic.distributions import Choice, Int, LogUniform, Ordinal, Uniform
from hpmagic.engines.local import LocalEngine
from hpmagic.errors import OptionError
from hpmagic.records import Origin
from hpmagic.space import Parameter
from hpmagic.study import Limits, run_study
from hpmagic.tuners.base import EarlierStudy, TunerContext
from hpmagic.tuners.bayes.earlier import Expectation, first_points
from hpmagic.tuners.bayes.encoding import UNKNOWN, Column, Points
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree

SPACE = space_of(
    Parameter("x", Uniform(0, 1), default=0.9),
    Parameter("y", LogUniform(1e-4, 1), default=0.5),
    Parameter("z", Uniform(0, 1), default=0.1),
    Parameter("kind", Choice(("a", "b", "c")), default="a"),
)
LEVEL = 0.02


def bowl(cell, sign=1.0, shift=0.0):
    return sign * (
        (cell("x") - 0.3 - shift) ** 2
        + 0.3 * (math.log10(cell("y")) + 2 - shift) ** 2
        + 0.5 * (cell("z") - 0.6) ** 2
        + (0.2 if cell("kind") == "a" else 0.0)
    )


def before(sign=1.0, shift=0.0, seed=100):
    result = study_of(Program(SPACE, lambda cell: bowl(cell, sign, shift)), "bayes", 25, seed=seed)
    return EarlierStudy("before", result.record.trials, LOSS[0])


def trials_to_level(earlier, tuner="bayes", count=24):
    """How many trials each of four studies needs."""
    program = Program(SPACE, bowl)
    needed = []
    for seed in range(4):
        tree = ExecutionTree()
        context = TunerContext(SPACE, LOSS, count, seed, tree, earlier=earlier)
        result = run_study(
            info_of(program, count, seed),
            LocalEngine(ProgramRunner(program)),
            get_tuner(tuner).make(context),
            tree,
            plan=[Planned(Origin.DEFAULT)],
            limits=Limits(count),
        )
        reached = [t.number + 1 for t in result.record.trials if t.value <= LEVEL]
        needed.append(reached[0] if reached else count + 1)
    return float(np.mean(needed))


@pytest.fixture(scope="module")
def scratch():
    return trials_to_level(())


@pytest.mark.slow
def test_an_agreeing_study_saves_trials(scratch):
    """The same objective is reached at once, one that is a little different in fewer trials."""
    assert trials_to_level([before()]) <= 3
    assert trials_to_level([before(shift=0.1)]) <= scratch - 3


@pytest.mark.slow
def test_a_contradicting_study_costs_a_few_trials_at_most(scratch):
    """The objective negated: its best points are the worst, and are soon seen through."""
    assert trials_to_level([before(sign=-1.0)]) <= scratch + 4


@pytest.mark.slow
def test_a_study_that_agrees_is_found_among_others(scratch):
    """One that contradicts does not stand in the way of one that agrees."""
    assert trials_to_level([before(sign=-1.0), before()]) <= scratch - 3


@pytest.mark.slow
def test_auto_hands_earlier_studies_over():
    """Few trials are not spread evenly when something is known."""
    assert trials_to_level([before()], "auto", 6) <= 3


@pytest.mark.slow
def test_expectations_are_those_of_the_earlier_study():
    """Its surrogate ranks points of now as its objective does, though the ranges differ."""
    columns = [
        Column.of("y", LogUniform(1e-3, 0.1)),
        Column.of("new", Int(1, 5)),
        Column.of("x", Uniform(0, 2)),
        Column.of("kind", Choice(("c", "d", "a"))),
    ]
    belief = Expectation.of(before(), columns)
    assert belief is not None
    rows = [
        {"y": 0.5, "new": 0.1, "x": 0.15, "kind": 1 / 6},
        {"y": 0.5, "new": 0.9, "x": 0.15, "kind": 1 / 6},
        {"y": 0.0, "new": 0.5, "x": 0.5, "kind": 1 / 6},
        {"y": 0.0, "new": 0.5, "x": 0.5, "kind": 0.5},
    ]
    best, same, worse, unknown = belief(Points.of(rows, columns), columns)
    assert best == pytest.approx(same)
    assert best < worse
    assert math.isfinite(unknown)


@pytest.mark.slow
def test_nothing_shared_is_nothing_believed():
    """Other names, or a category that was a number, are not the same hyperparameter."""
    assert Expectation.of(before(), [Column.of("rate", Uniform(0, 1))]) is None
    assert Expectation.of(before(), [Column.of("kind", Ordinal((1, 2, 3)))]) is None


def test_the_best_points_are_put_into_the_ranges_of_now():
    """Values outside lie at the end, categories that are gone and names that are new as written."""
    study = before()
    columns = [
        Column.of("x", Uniform(0.5, 1)),
        Column.of("new", Uniform(0, 1)),
        Column.of("kind", Choice(("d", "e"))),
    ]
    points = first_points([study], columns, {"kind": 0.75}, 2)
    assert len(points) == len({tuple(p.values()) for p in points}) <= 2
    assert points[0] == {"x": 0.0, "new": 0.5, "kind": 0.75}
    assert all(unit != UNKNOWN for point in points for unit in point.values())


def test_the_best_points_are_put_among_the_options_of_now():
    """Of a range that became a choice only what is listed has a place, the rest is as written."""
    program = Program(
        space_of(
            Parameter("rate", LogUniform(1e-4, 0.1), default=0.01),
            Parameter("count", Int(1, 5000), default=2),
            Parameter("part", Uniform(0, 1), default=0.5),
        ),
        lambda cell: abs(cell("rate") - 0.02) + cell("count") + cell("part"),
    )
    tries = [{"rate": 0.02, "count": 7, "part": 0.25}]
    trials = study_of(program, "manual", tries=tries).record.trials
    columns = [
        Column.of("rate", Choice((0.1, 0.01))),
        Column.of("count", Choice((1, 2))),
        Column.of("part", Choice(("a", "b"))),
    ]
    written = {"rate": 0.25, "count": 0.25, "part": 0.75}
    points = first_points([EarlierStudy("before", trials, LOSS[0])], columns, written, 2)
    assert points == [
        {"rate": 0.75, "count": 0.75, "part": 0.75},
        {"rate": 0.25, "count": 0.25, "part": 0.75},
    ]


def test_an_expectation_knows_nothing_of_what_became_another_kind():
    """A range that is a choice by now, or the reverse, is like a name that is not there yet."""
    first = [Column.of("x", Uniform(0, 1)), Column.of("kind", Choice(("a", "b", "c")))]
    turned = [Column.of("x", Choice(("a", "b"))), Column.of("kind", Uniform(0, 1))]
    trials = study_of(Program(SPACE, bowl), "random", 12).record.trials
    belief = Expectation.of(EarlierStudy("before", trials, LOSS[0]), first)
    assert belief is not None
    rows = [{"x": 0.25, "kind": 0.2}, {"x": 0.75, "kind": 0.9}, {"x": UNKNOWN, "kind": 0.5}]
    nothing = belief(Points.of([{}], []), [])
    assert belief(Points.of(rows, turned), turned) == pytest.approx(np.repeat(nothing, 3))


CELL = """\
lr = 0.1  # tune: loguniform(1e-4, 1)
depth = 3  # tune: int(1, 8)
loss = abs(lr - 0.02) + abs(depth - 5)  # tune: minimize
"""
OTHER = "a = 1  # tune: int(1, 40)\nloss = a  # tune: minimize\n"
WIDER = CELL.replace("loss =", "drop = 0.5  # tune: uniform(0, 1)\nloss = drop +")


def tune(text, tuner="bayes", **options):
    given = {"trials": 6, "seed": 0, "quiet": True, "fresh": True, **options}
    return hpmagic.tune(text, tuner, **given)


def warm_remark(study):
    (said,) = (r for r in study.record.info.remarks if r.startswith("warm start"))
    return said


@pytest.mark.slow
def test_earlier_studies_are_found_and_named(store):
    """The same cell first, then one with half of the hyperparameters, never a stranger."""
    assert "no earlier study" in warm_remark(tune(CELL, warm_start="auto", study="first"))
    tune(OTHER, study="stranger")
    tune(WIDER, study="wider")
    study = tune(CELL, warm_start="auto", study="second")
    assert warm_remark(study) == (
        "warm start: 6 trials of first (the same cell), 6 trials of wider (2 of 2 "
        "hyperparameters), believed as far as they agree"
    )
    best = hpmagic.load("first").best
    assert dict(study.record.trials[1].params) == best.params
    assert "2 of 3 hyperparameters" in warm_remark(tune(WIDER, "auto", warm_start="first"))


@pytest.mark.slow
def test_a_warm_start_goes_along_with_a_resumption(store):
    """The study itself is not among its teachers, and no point is run twice."""
    tune(CELL, study="teacher", seed=1)
    tune(CELL, study="pupil", warm_start="auto", trials=4)
    study = tune(CELL, study="pupil", warm_start="auto", trials=9, fresh=False, resume=True)
    assert "of teacher" in warm_remark(study)
    assert "of pupil" not in warm_remark(study)
    assert len({tuple(t.params.values()) for t in study.record.trials}) == 9


def test_a_metric_is_read_in_the_direction_of_now(store):
    """What was worst when the metric was minimised is tried first when it is maximised."""
    teacher = tune(CELL, "random", study="teacher")
    worst = max(teacher.record.trials, key=lambda t: t.value)
    pupil = tune(CELL.replace("minimize", "maximize"), warm_start="teacher", trials=2)
    assert pupil.record.trials[1].params == worst.params


def test_another_metric_keeps_its_own_direction(store):
    """What was best for it is tried first, whichever way the metric of now goes."""
    teacher = tune(CELL, "random", study="teacher")
    other = CELL.replace("loss =", "score =").replace("minimize", "maximize")
    pupil = tune(other, warm_start="teacher", trials=2)
    assert dict(pupil.record.trials[1].params) == teacher.best.params


def test_a_study_without_a_complete_trial_teaches_nothing(store):
    """A remark says so, and `auto` chooses as without it; names in common do not matter."""
    with pytest.raises(RuntimeError):
        tune(CELL.replace("loss =", "raise RuntimeError\nloss ="), "random", study="broken")
    study = tune(CELL, "auto", trials=2, warm_start="broken")
    said = "warm start: study broken has no complete trial to learn from"
    assert warm_remark(study) == said
    assert any(r.startswith("auto: qmc") for r in study.record.info.remarks)
    assert warm_remark(tune(OTHER, trials=2, warm_start="broken")) == said


def test_a_study_that_goes_on_is_not_its_own_teacher(store):
    """Named itself, it is resumed as without a teacher, and a remark says so."""
    first = tune(CELL, "random", study="pupil", trials=2)
    for named in ("pupil", first.run_id):
        options = {"study": "pupil", "fresh": False, "resume": True}
        study = tune(CELL, "auto", warm_start=named, trials=2, **options)
        said = "warm start: study pupil is this one, which has its own trials anyway"
        assert warm_remark(study) == said
        assert any(r.startswith("auto: qmc") for r in study.record.info.remarks)


@pytest.mark.slow
def test_a_study_that_runs_everything_needs_no_reminding(store):
    """Where `auto` takes the grid, nothing is said to have been learned."""
    tune(OTHER, study="teacher")
    study = tune(OTHER, "auto", trials=50, warm_start="auto")
    assert warm_remark(study) == "warm start: not needed, since every combination runs"


def test_what_cannot_be_learned_from_is_refused(store):
    """An unknown name, a study without anything in common, a tuner that does not learn."""
    tune(OTHER, study="stranger")
    with pytest.raises(OptionError, match=r"no study `strange`.*did you mean `stranger`"):
        tune(CELL, warm_start="strange")
    with pytest.raises(OptionError, match=r"stranger shares no hyperparameter.*it has a"):
        tune(CELL, warm_start="stranger")
    with pytest.raises(OptionError, match="for bayes and auto: random cannot make use of it"):
        tune(CELL, "random", warm_start="auto")
    with pytest.raises(OptionError, match="for one objective, but the cell has loss, depth"):
        tune(CELL, "auto", warm_start="auto", minimize=["loss", "depth"])
