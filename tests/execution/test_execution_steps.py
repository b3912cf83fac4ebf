"""The step is the loop's own counter, or what `step=` names, and patience leaves that loop."""

import pytest
from one_trial import steps, trial

from hpmagic.errors import AnnotationError
from hpmagic.execution.hooks import TrialHooks
from hpmagic.language import parse_cell
from hpmagic.records import TrialState


def test_step_names_an_outer_loop():
    outcome = trial("""
        for epoch in range(3):
            for batch in range(2):
                loss = 1.0  # tune: minimize(step=epoch)
        """)
    assert steps(outcome, "loss") == [0, 0, 1, 1, 2, 2]


def test_patience_leaves_the_loop_that_step_names_through_those_within():
    outcome = trial("""
        said = []
        for epoch in range(9):
            for batch in range(2):
                try:
                    loss = 1.0  # tune: minimize(step=epoch, patience=3)
                finally:
                    said.append((epoch, batch))
            else:
                said.append("batches")
        else:
            said.append("epochs")
        """)
    assert outcome.bindings["said"] == [(0, 0), (0, 1), "batches", (1, 0), (1, 1)]
    assert outcome.notes == {"stopped_early": "loss at step 1"}


def test_step_may_be_computed():
    outcome = trial("""
        for epoch in range(2):
            for batch in range(3):
                loss = 1.0  # tune: minimize(step=epoch * 3 + batch)
        """)
    assert steps(outcome, "loss") == list(range(6))


def test_step_counts_what_a_while_loop_counts():
    outcome = trial("""
        seen = 0
        while seen < 300:
            seen += 100
            for x in "ab":
                loss = 1 / seen  # tune: minimize(step=seen, patience=9)
        """)
    assert steps(outcome, "loss") == [100, 100, 200, 200, 300, 300]


def test_function_that_is_called_in_a_loop_reports_the_step_it_is_given():
    outcome = trial("""
        def evaluate(epoch):
            loss = 1 / (epoch + 1)  # tune: minimize(step=epoch)
        for n in range(3):
            evaluate(n)
        """)
    assert steps(outcome, "loss") == [0, 1, 2]
    assert outcome.values == {"loss": 1 / 3}


def test_metric_takes_a_step_too():
    outcome = trial("""
        for epoch in range(2):
            for batch in range(2):
                grad = 0.5  # tune: metric(step=epoch)
            loss = 1.0  # tune: minimize
        """)
    assert steps(outcome, "grad") == [0, 0, 1, 1]


@pytest.mark.parametrize("step", ["epoch / 2", "names", "None if epoch else 'x'"])
def test_step_that_is_no_whole_number_fails_the_trial_and_says_so(step):
    outcome = trial(f"""
        names = "abc"
        for epoch in range(1, 3):
            loss = 1.0  # tune: minimize(step={step})
        """)
    assert outcome.state is TrialState.FAILED
    assert outcome.reason.startswith("minimize: step must be a whole number, but is ")


def test_patience_and_min_delta_may_be_tuned_themselves():
    text = """
        patience = 2  # tune: int(1, 5)
        gain = 0.0
        for epoch in range(9):
            loss = 1.0  # tune: minimize(patience=patience, min_delta=gain)
        """
    assert trial(text).bindings["epoch"] == 2
    assert trial(text, values={"patience": 4}).bindings["epoch"] == 4
    assert not parse_cell(
        "p = 2  # tune: int(1, 5)\nfor i in x:\n    loss = 1  # tune: minimize(patience=p)\n"
    ).lints


@pytest.mark.parametrize("bad", ["0", "'3'", "2.5", "None"])
def test_patience_of_a_wrong_value_fails_the_trial_with_its_place(bad):
    outcome = trial(f"""
        p = {bad}
        for epoch in range(9):
            loss = 1.0  # tune: minimize(patience=p)
        """)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, AnnotationError)
    assert outcome.error.place.line == 3
    assert outcome.reason.startswith("minimize: patience must be a whole number, 1 or more")


def test_loops_of_a_class_body_and_of_nested_functions_are_their_own():
    outcome = trial("""
        for epoch in range(2):
            class Net:
                for layer in range(3):
                    size = layer  # tune: metric
            def fit():
                loss = 1.0  # tune: minimize
            fit()
        """)
    assert steps(outcome, "size") == [0, 1, 2, 0, 1, 2]
    assert steps(outcome, "loss") == [None, None]


def test_answers_of_a_published_function_take_what_the_instrumented_code_passes():
    """After the study a function with `step=` and `patience=` runs as plain code."""
    outcome = trial("""
        p = 2
        def fit():
            for epoch in range(5):
                loss = 1.0  # tune: minimize(patience=p, step=epoch)
            return epoch
        fit()
        """)
    namespace = dict(outcome.bindings)
    fit = namespace["fit"]
    hidden = next(name for name in namespace if name.startswith("_hpmagic"))
    fit.__globals__[hidden] = namespace[hidden]
    fit.__globals__["p"] = 2
    assert not isinstance(namespace[hidden], TrialHooks)
    assert fit() == 4
