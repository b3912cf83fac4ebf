"""The table of hyperparameters and parameters says who sets what."""

from dataclasses import replace

import pandas as pd
import pytest

from hpmagic.distributions import Choice, Int, LogUniform
from hpmagic.kinds import kind_of
from hpmagic.records import Direction, Objective, Origin, StudyInfo, StudyRecord, Trial, TrialState
from hpmagic.results import Study
from hpmagic.space import Parameter, SearchSpace

SPACE = SearchSpace(
    (
        Parameter("lr", LogUniform(1e-4, 1.0), default=0.1),
        Parameter("units", Int(8, 64), default=32),
        Parameter("mode", Choice((len, sum)), kind="model"),
    )
)
INFO = StudyInfo(
    name="s",
    experiment="e",
    tuner="bayes",
    tuner_options={},
    trials=3,
    seed=0,
    objectives=(Objective("loss", Direction.MINIMIZE),),
    space=SPACE,
    constants={"epochs": 20, "folds": 3},
    source="",
    fingerprint="",
    start=0.0,
)
TRIAL = Trial(
    number=0,
    state=TrialState.COMPLETE,
    params={"lr": 0.01, "units": 16, "mode": len},
    distributions={p.name: p.distribution for p in SPACE.parameters},
    values=(0.5,),
    metrics={},
    curves={},
    origin=Origin.TUNER,
    start=0.0,
    duration=1.0,
    notes={"learned": "model.coef_ 640; model.intercept_ 10"},
)


def table(*trials):
    return Study(StudyRecord(INFO, trials)).roles


def test_every_row_says_who_sets_it_and_who_may_change_it():
    rows = table(TRIAL).set_index("name")
    assert list(rows.index) == [
        *("lr", "units", "mode", "epochs", "folds", "model.coef_", "model.intercept_")
    ]
    assert list(rows.loc["lr"][["role", "set_by", "adjustable_by", "value"]]) == [
        *("hyperparameter of training", "bayes", "you and the tuner", 0.01)
    ]
    assert rows.loc["mode", "role"] == "hyperparameter of the model"
    assert rows.loc["folds", "role"] == "hyperparameter"
    assert list(rows.loc["epochs"][["set_by", "adjustable_by", "value"]]) == ["you", "you", 20]
    assert list(rows.loc["model.coef_"][["role", "set_by", "adjustable_by", "count"]]) == [
        *("parameter", "training", "training", 640)
    ]


def test_values_have_their_own_types():
    rows = table(TRIAL).set_index("name")
    assert type(rows.loc["units", "value"]) is int
    assert type(rows.loc["lr", "value"]) is float
    assert rows["count"].dtype == "Int64"
    assert rows["count"].isna().sum() == 5


def test_infinity_is_a_number():
    """It has no literal, and is the float that was used all the same."""
    most = Choice((10, float("inf")))
    trial = replace(TRIAL, params={"most": most.options[1]}, distributions={"most": most})
    assert table(trial).set_index("name").loc["most", "value"] == float("inf")


def test_your_own_values_are_set_by_you():
    rows = table(replace(TRIAL, origin=Origin.DEFAULT)).set_index("name")
    assert rows.loc["lr", "set_by"] == "you"


def test_without_a_trial_that_ran_to_its_end_there_are_the_constants():
    rows = table(replace(TRIAL, state=TrialState.FAILED, values=None))
    assert list(rows["name"]) == ["epochs", "folds"]
    assert isinstance(rows, pd.DataFrame)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[(n, "training") for n in ("lr", "epochs", "batch_size", "dropout", "patience")],
        *[(n, "training") for n in ("learningRate", "SGD.learning_rate", "max_iter")],
        *[(n, "model") for n in ("hidden", "max_depth", "alpha", "C", "SVC.C", "init", "units_0")],
        *[(n, None) for n in ("x", "threshold", "lrx")],
    ],
)
def test_kind_by_the_words_of_a_name(name, kind):
    assert kind_of(name) == kind
