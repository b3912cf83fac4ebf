"""Metrics are reported where they are assigned, as numbers, with steps."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_trial import steps, trial

from hpmagic.errors import ObjectiveError
from hpmagic.execution.numeric import as_float
from hpmagic.records import Direction, Objective, TrialState


class Tensor:
    """A stand-in for a framework's tensor of one element."""

    def item(self):
        return 0.5


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float32(0.5),
        np.array(0.5),
        np.array([[0.5]]),
        pd.Series([0.5]),
        Decimal("0.5"),
        Fraction(1, 2),
        Tensor(),
    ],
    ids=lambda v: type(v).__name__,
)
def test_one_number_of_any_kind_is_a_number(value):
    assert as_float(value) == 0.5


@pytest.mark.parametrize(
    "value", ["0.5", b"1", None, [0.5], np.array([1.0, 2.0]), 1j, np.array(["1"]), {}, 10**400]
)
def test_what_is_not_one_real_number_is_refused(value):
    assert as_float(value) is None


@given(st.one_of(st.integers(-(2**60), 2**60), st.booleans(), st.floats(allow_nan=False)))
def test_plain_numbers_keep_their_value(value):
    assert as_float(value) == float(value)


def test_metric_outside_a_loop_has_no_step():
    outcome = trial("acc = 0.5  # tune: maximize")
    assert steps(outcome, "acc") == [None]
    assert outcome.values == {"acc": 0.5}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("for epoch in range(3, 6):", [3, 4, 5]),
        ("for epoch in range(6, 0, -2):", [6, 4, 2]),
        ("for n, x in enumerate('abc'):", [0, 1, 2]),
        ("for n, (x, y) in enumerate(['ab', 'cd'], start=1):", [1, 2]),
        ("for epoch in tqdm(range(2, 4), total=9):", [2, 3]),
        ("for x in 'abc':", [0, 1, 2]),
        ("for a, b in zip(range(5, 7), 'ab'):", [0, 1]),
        ("while (left := left - 1):", [0, 1]),
    ],
)
def test_step_is_the_loop_counter_or_the_count_of_reports(head, expected):
    namespace = {"tqdm": lambda it, **_: it, "left": 3}
    outcome = trial(f"{head}\n    loss = 1.0  # tune: minimize\n", namespace)
    assert steps(outcome, "loss") == expected


def test_nested_loops_take_the_loop_that_holds_the_assignment():
    outcome = trial("""
        for epoch in range(2):
            for batch in range(3):
                loss = 1.0  # tune: metric
            acc = 0.5  # tune: maximize
        """)
    assert steps(outcome, "acc") == [0, 1]
    assert steps(outcome, "loss") == [0, 1, 2, 0, 1, 2]


def test_functions_and_methods_report_too():
    outcome = trial("""
        class Net:
            def fit(self):
                for epoch in range(3):
                    self.loss = 1 / (epoch + 1)  # tune: minimize, name="loss"
        Net().fit()
        """)
    assert steps(outcome, "loss") == [0, 1, 2]
    assert outcome.values["loss"] == 1 / 3


def test_subscript_and_augmented_targets_are_read_after_the_statement():
    outcome = trial("""
        scores = {}
        scores["auc"] = 0.25  # tune: metric, name="auc"
        total = 1
        total += 2  # tune: maximize
        """)
    assert outcome.values == {"auc": 0.25, "total": 3.0}


def test_the_last_report_counts_and_best_counts_where_asked():
    text = "for v in (3.0, float('nan'), 1.0, 2.0):\n    loss = v  # tune: {}\n"
    assert trial(text.format("minimize")).values["loss"] == 2.0
    assert trial(text.format("minimize(best)")).values["loss"] == 1.0
    assert trial(text.format("maximize(best)")).values["loss"] == 3.0


def test_the_last_and_the_best_value_are_both_reported_where_best_counts():
    outcome = trial("for v in (3.0, 1.0, 2.0):\n    loss = v  # tune: minimize(best)\n")
    assert [(r.name, r.value, r.step) for r in outcome.reports[2:]] == [
        ("loss", 2.0, 2),
        ("loss.best", 1.0, None),
    ]
    assert outcome.notes == {"best": "loss 1 at step 1"}
    plain = trial("for v in (3.0, 1.0, 2.0):\n    loss = v  # tune: minimize\n")
    assert plain.notes == {}
    assert plain.values == {"loss": 2.0}


def test_every_report_is_handed_on_as_it_happens():
    heard = []
    trial("for i in range(2):\n    acc = i  # tune: maximize\n", report=heard.append)
    assert [(r.name, r.value, r.step) for r in heard] == [("acc", 0.0, 0), ("acc", 1.0, 1)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("'high'", "of type str"),
        ("None", "None"),
        ("[1.0]", "of type list"),
        ("np.zeros(3)", "a numpy.ndarray of shape (3,)"),
    ],
)
def test_metric_that_is_no_number_fails_the_trial_naming_type_and_line(value, kind):
    outcome = trial(f"x = 1\nacc = {value}  # tune: maximize", {"np": np})
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, ObjectiveError)
    assert outcome.reason == f"acc must be a number, but is {kind} at line 2"


def test_metric_that_is_no_number_fails_the_trial_even_if_swallowed():
    outcome = trial("try:\n    acc = 'x'  # tune: maximize\nexcept Exception:\n    pass\n")
    assert outcome.reason == "acc must be a number, but is of type str at line 2"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_objective_that_is_not_finite_fails_the_trial(value):
    outcome = trial(f"\n\nacc = float('{value}')  # tune: maximize")
    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith(f"acc is {value} at line ")
    assert isinstance(outcome.error, ObjectiveError)


def test_metric_that_is_not_finite_is_kept():
    outcome = trial("m = float('nan')  # tune: metric\nacc = 1.0  # tune: maximize")
    assert outcome.state is TrialState.COMPLETE
    assert np.isnan(outcome.values["m"])


def test_objective_whose_line_did_not_run_fails_the_trial():
    outcome = trial("if False:\n    acc = 1.0  # tune: maximize\n")
    assert outcome.reason == "the objective `acc` was never assigned: line 2 did not run"


LOSS = (Objective("loss", Direction.MINIMIZE),)


def test_unannotated_objective_is_read_at_the_end():
    outcome = trial("loss = 3\nloss = 2", objectives=LOSS, extra_metrics=("loss",))
    assert outcome.state is TrialState.COMPLETE
    assert outcome.values == {"loss": 2.0}
    assert steps(outcome, "loss") == [None]


def test_unannotated_objective_that_is_never_assigned_names_the_nearest():
    outcome = trial("losss = 3", objectives=LOSS, extra_metrics=("loss",))
    assert outcome.reason == "the objective `loss` was never assigned; did you mean `losss`?"


def test_unannotated_objective_of_an_earlier_cell_does_not_count():
    outcome = trial("x = 3", {"loss": 1.0}, objectives=LOSS, extra_metrics=("loss",))
    assert outcome.state is TrialState.FAILED


def test_unannotated_objective_assigned_the_same_value_counts():
    outcome = trial("loss = 1", {"loss": 1}, objectives=LOSS, extra_metrics=("loss",))
    assert outcome.values == {"loss": 1.0}


def test_unannotated_objective_that_is_no_number_fails_the_trial():
    outcome = trial("loss = 'low'", objectives=LOSS, extra_metrics=("loss",))
    assert outcome.reason == "loss must be a number, but is of type str"
