"""The default tuner's choice, and Sobol points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import (
    GRID,
    PLANE,
    SVM,
    Program,
    identities,
    params_of,
    space_of,
    study_of,
    tuner_of,
)

from hpmagic.display.text import summary
from hpmagic.distributions import MISSING, Choice, Int, LogUniform, Uniform
from hpmagic.records import TUNER_NOTE, Direction, Objective
from hpmagic.space import Parameter
from hpmagic.tuners import auto
from hpmagic.tuners.auto import Course, Situation, choose, successor

TWO = (Objective("loss", Direction.MINIMIZE), Objective("size", Direction.MINIMIZE))


@pytest.mark.parametrize(
    ("situation", "tuner"),
    [
        (Situation(30, 30, 1), "grid"),
        (Situation(30, 30, 2), "grid"),
        (Situation(31, 30, 1), "bayes"),
        (Situation(31, 7, 1), "qmc"),
        (Situation(None, 7, 1), "qmc"),
        (Situation(None, 8, 1), "bayes"),
        (Situation(None, 200, 1), "bayes"),
        (Situation(None, 201, 1), "bayes"),
        (Situation(None, None, 1), "bayes"),
        (Situation(None, 4, 1, earlier=1), "bayes"),
        (Situation(4, 4, 1, earlier=1), "grid"),
        (Situation(29, 30, 1, besides=1), "grid"),
        (Situation(30, 30, 1, besides=1), "bayes"),
        (Situation(None, 30, 2), "tpe"),
        (Situation(None, 300, 3), "nsga2"),
    ],
)
def test_auto_chooses_by_space_budget_and_objectives(situation: Situation, tuner: str) -> None:
    """The first rule that applies decides."""
    assert choose(situation)[0] == tuner


def test_auto_says_what_it_chose_and_why() -> None:
    """One line, before the first trial."""
    assert tuner_of("auto", GRID, 30)[0].remark == (
        "auto: grid, because all 24 combinations fit in 30 trials"
    )
    assert tuner_of("auto", SVM, 5)[0].remark.startswith("auto: qmc, because 5 trials are too few")
    assert tuner_of("auto", SVM, 40)[0].remark.startswith("auto: bayes, because 40 trials")
    assert tuner_of("auto", replace(PLANE, objectives=TWO), 40)[0].remark == (
        "auto: tpe, because there are 2 objectives"
    )
    assert tuner_of("auto", Program(space_of(), lambda _: 0.0), 40)[0].remark == ""


def test_auto_behaves_as_the_tuner_it_chose() -> None:
    """Same seed, same values."""
    assert params_of(study_of(SVM, "auto", 6)) == params_of(study_of(SVM, "qmc", 6))
    assert params_of(study_of(GRID, "auto", 30)) == params_of(study_of(GRID, "grid"))


@pytest.mark.parametrize(
    ("course", "tuner"),
    [
        (Course("bayes", 199, 5), None),
        (Course("bayes", 200, 5), "tpe"),
        (Course("bayes", 10, 41), "tpe"),
        (Course("bayes", 10, 40), None),
        (Course("tpe", 500, 50), None),
        (Course("grid", 500, 5), None),
        (Course("qmc", 5, 50), None),
    ],
)
def test_auto_changes_its_mind_when_a_surrogate_is_at_its_limits(course, tuner):
    """Many trials and many hyperparameters are for densities; other tuners stay."""
    found = successor(course)
    assert (found and found[0]) == tuner


def test_a_change_is_said_once_with_the_trial_that_it_begins_with(monkeypatch):
    """The new tuner knows all trials, repeats none, and the study says what happened."""
    monkeypatch.setattr(auto, "MANY", 12)
    result = study_of(SVM, "auto", 16)
    notes = {t.number: t.notes[TUNER_NOTE] for t in result.record.trials if TUNER_NOTE in t.notes}
    assert notes == {
        12: "auto: tpe after 12 trials of bayes, because 12 trials are as well modelled by "
        "densities, and quicker"
    }
    assert "auto: tpe after 12 trials of bayes" in summary(result.record)
    ids = identities(result.record.trials)
    assert len(ids) == len(set(ids)) == 16


def test_a_resumed_study_changes_where_the_uninterrupted_one_does(monkeypatch):
    """What was told decides, whenever it was."""
    monkeypatch.setattr(auto, "MANY", 12)
    before = study_of(SVM, "auto", 16).record.trials[:14]
    after = study_of(SVM, "auto", 16, before=before, limit=2).record.trials
    assert "auto: tpe after 12 trials of bayes, because 12" in after[0].notes[TUNER_NOTE]


def test_auto_takes_no_grid_that_would_leave_values_out() -> None:
    """`n=` is meant for the grid; the range itself has more values than trials."""
    program = Program(
        space_of(Parameter("n", Int(1, 100), default=1, grid_points=5)), lambda cell: cell("n")
    )
    assert "bayes" in tuner_of("auto", program, 30)[0].remark
    unknown = Program(space_of(Parameter("u_{i}", Choice((1, 2)))), lambda _: 0.0)
    assert "bayes" in tuner_of("auto", unknown, 30)[0].remark


@pytest.mark.parametrize(
    ("written", "tries", "trials"),
    [(2, [], 3), (7, [], 4), (MISSING, [], 4), (2, [{"a": 1}, {"a": 9}], 4), (7, [{"a": 9}], 5)],
)
def test_auto_takes_a_grid_when_there_are_trials_left_for_values_outside_of_it(
    written: object, tries: list[dict[str, Any]], trials: int
) -> None:
    """What is written or tried besides the combinations takes a trial of its own."""
    program = Program(
        space_of(Parameter("a", Choice((1, 2, 3)), default=written)), lambda cell: cell("a", 7)
    )
    assert "grid" in tuner_of("auto", program, trials, tries=tries)[0].remark
    assert "qmc" in tuner_of("auto", program, trials - 1, tries=tries)[0].remark
    result = study_of(program, "auto", trials, tries=tries)
    assert {1, 2, 3} <= {row["a"] for row in params_of(result)}


def test_sobol_points_are_even_in_every_dimension_choices_too() -> None:
    """Sixteen points: each half of a range has eight, each of four options four."""
    program = Program(
        space_of(
            Parameter("rate", LogUniform(1e-4, 1)),
            Parameter("kind", Choice(("a", "b", "c", "d"))),
            Parameter("x", Uniform(0, 1)),
        ),
        lambda cell: float(sum(len(str(cell(name))) for name in cell.space)),
    )
    rows = params_of(study_of(program, "qmc", 16, default=False))
    assert sum(row["rate"] < 1e-2 for row in rows) == 8
    assert sum(row["x"] < 0.5 for row in rows) == 8
    kinds = [row["kind"] for row in rows]
    assert {kind: kinds.count(kind) for kind in "abcd"} == dict.fromkeys("abcd", 4)


def test_random_draws_are_uniform_where_the_distribution_is() -> None:
    """Equal factors of ten are equally likely."""
    program = Program(space_of(Parameter("rate", LogUniform(1e-4, 1))), lambda cell: cell("rate"))
    rows = params_of(study_of(program, "random", 400, default=False))
    decades = np.histogram(np.log10([row["rate"] for row in rows]), bins=4, range=(-4, 0))[0]
    assert decades.min() > 70
