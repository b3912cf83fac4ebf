"""Plain sentences that are true of the trials, and nothing when there are too few."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import simulated
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.display.edges import edge_advice
from hpmagic.display.findings import findings
from hpmagic.distributions import Choice, Int, LogUniform, Uniform
from hpmagic.effects import importances
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    StudyFinished,
    StudyStarted,
    TrialFinished,
)
from hpmagic.results import Study

LOSS = Objective("loss", Direction.MINIMIZE)


def trials_of(function, table, count=40, seed=0):
    rng = random.Random(seed)
    trials = []
    for number in range(count):
        params = {name: d.from_unit(rng.random()) for name, d in table.items()}
        trials.append(
            simulated.trial_of(
                number, function(params), params=params, distributions=dict(table),
                origin=Origin.TUNER,
            )
        )  # fmt: skip
    return trials


def record_of(trials, objective=LOSS):
    end = StudyFinished("complete", "done", simulated.BEGIN + 99, None)
    told = simulated.info(len(trials), (objective,), {})
    return simulated.record_of([StudyStarted(told), *map(TrialFinished, trials), end])


def kinds(record):
    return [finding.kind for finding in findings(record)]


SQUARE = {"x": Uniform(-1, 1), "y": Uniform(-1, 1), "z": Uniform(-1, 1)}


def test_x_squared_matters_more_than_a_tenth_of_y():
    """The ranking that other measures have got wrong."""
    found = importances(trials_of(lambda p: p["x"] ** 2 + 0.1 * p["y"], SQUARE, 60), LOSS)
    assert list(found.shares) == ["x", "y", "z"]
    assert found.shares["x"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.clear


def test_one_disaster_does_not_explain_everything():
    """An outlier in the bad direction is cut before the forest is fitted."""
    trials = trials_of(lambda p: p["x"] ** 2, SQUARE, 40)
    trials[7] = replace(trials[7], values=(1e9,))
    assert next(iter(importances(trials, LOSS).shares)) == "x"


def test_categories_count_and_unused_parameters_do_no_harm():
    """A choice that decides everything is found, with a conditional parameter beside it."""
    table = {"kind": Choice(("a", "b", "c")), "x": Uniform(0, 1)}
    trials = trials_of(lambda p: {"a": 1.0, "b": 5.0, "c": 2.0}[p["kind"]] + 0.01 * p["x"], table)
    trials = [
        replace(t, params={"kind": t.params["kind"]}) if t.params["kind"] == "a" else t
        for t in trials
    ]
    found = importances(trials, LOSS)
    assert next(iter(found.shares)) == "kind"
    assert found.shares["kind"] > 0.6


def test_noise_is_not_given_a_meaning():
    """A surrogate that predicts nothing says so, and nothing else is said of the values."""
    for seed in range(6):
        rng = random.Random(seed)
        record = record_of(trials_of(lambda _: rng.random(), SQUARE, 40, seed))  # noqa: B023
        found = findings(record)
        (said,) = (f.text for f in found if f.kind == "importance")
        assert said.startswith("No pattern yet")
        assert not {"interaction", "flat"} & {f.kind for f in found}


def test_a_dimension_without_effect_is_called_flat():
    """Thirty trials are enough to say that z does nothing, and that x and y do something."""
    found = findings(record_of(trials_of(lambda p: p["x"] ** 2 + p["y"], SQUARE, 30)))
    (said,) = (f for f in found if f.kind == "flat")
    assert said.names == ("z",)
    assert (
        said.text
        == "z hardly mattered: over the whole range less than 1% of the variation of loss."
    )


@pytest.mark.parametrize("count", [20, 40])
def test_values_that_act_together_are_found(count):
    """x * y: each alone explains nothing, together everything."""
    found = findings(record_of(trials_of(lambda p: p["x"] * p["y"], SQUARE, count)))
    (said,) = (f for f in found if f.kind == "interaction")
    assert set(said.names) == {"x", "y"}
    assert "act together" in said.text
    table = found.interactions
    assert table.loc[0, "share"] > 0.8
    assert table.loc[0, "low"] <= table.loc[0, "share"] <= table.loc[0, "high"]


@pytest.mark.parametrize("seed", range(4))
def test_what_adds_up_does_not_act_together(seed):
    """A sum of two squares has no interaction, few trials or many, with noise or without."""
    rng = random.Random(seed)

    def noisy(p):
        return p["x"] ** 2 + p["y"] ** 2 + rng.gauss(0, 0.2)

    for function in (lambda p: p["x"] ** 2 + p["y"] ** 2, noisy):
        for count in (12, 40):
            found = findings(record_of(trials_of(function, SQUARE, count, seed)))
            assert "interaction" not in {f.kind for f in found}


def test_five_trials_claim_nothing():
    """Neither importance nor edges nor flatness, whatever the five look like."""
    for seed in range(10):
        found = findings(record_of(trials_of(lambda p: p["x"] * p["y"], SQUARE, 5, seed)))
        assert not {"importance", "interaction", "flat"} & {f.kind for f in found}
        assert found.importances.empty
        assert found.fit is None


def test_importances_come_with_their_spread():
    """What is known better has a narrower interval, and the interval holds the share."""
    few, many = (
        findings(record_of(trials_of(lambda p: p["x"] ** 2 + p["y"] ** 2, SQUARE, count, 1)))
        for count in (12, 60)
    )
    for found in (few, many):
        table = found.importances
        assert list(table.columns) == ["name", "share", "low", "high"]
        assert table["share"].sum() == pytest.approx(1)
        assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    widths = [(t.importances["high"] - t.importances["low"]).max() for t in (few, many)]
    assert widths[1] < widths[0]


def test_a_study_has_its_findings():
    """`study.findings` are those of the final view; they are worked out once."""
    study = Study(record_of(trials_of(lambda p: p["x"] * p["y"], SQUARE, 30)))
    assert study.findings is study.findings
    for found in study.findings:
        assert found.text[:80] in repr(study)


def test_findings_read_as_a_list_of_sentences():
    """Text and HTML show the sentences, escaped."""
    table = {"<x>": Uniform(-1, 1), "y": Uniform(-1, 1)}
    found = findings(record_of(trials_of(lambda p: p["<x>"] * p["y"], table, 30)))
    assert repr(found).startswith("- ")
    assert len(repr(found).splitlines()) == len(found)
    assert "&lt;x&gt;" in found._repr_html_()
    assert "<x>" not in found._repr_html_()


@pytest.mark.parametrize("noise", [0.15, 1.0])
def test_an_edge_that_the_surrogate_does_not_believe_in_is_not_advised(noise):
    """The best of noisy trials lies at an end by luck; the others say that the middle is better."""
    rng = random.Random(0)
    table = {"x": Uniform(-1, 1), "y": Uniform(-1, 1)}
    trials = trials_of(lambda p: p["x"] ** 2 + rng.gauss(0, noise), table, 60)
    for number, x in enumerate((0.95, 0.97, 0.99), start=60):
        value = (0.9 + rng.gauss(0, noise),)
        trials.append(replace(trials[0], number=number, params={"x": x, "y": 0.0}, values=value))
    luck = (min(t.values[0] for t in trials) - 0.01,)
    trials.append(replace(trials[0], number=63, params={"x": 1.0, "y": 0.0}, values=luck))
    assert "edge" not in kinds(record_of(trials))


def test_few_trials_say_nothing_about_importance():
    """Nine complete trials are too few."""
    assert importances(trials_of(lambda p: p["x"], SQUARE, 9), LOSS) is None
    assert importances(trials_of(lambda p: p["x"], SQUARE, 10), LOSS) is not None


def test_importance_leaves_the_global_random_state_alone():
    """The notebook's generator belongs to the person."""
    import numpy as np

    before = np.random.get_state()[1].copy()
    importances(trials_of(lambda p: p["x"], SQUARE), LOSS)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    ("distribution", "value", "end", "instead"),
    [
        (LogUniform(1e-5, 0.1), 0.1, "top", "loguniform(1e-3, 10)"),
        (LogUniform(1e-5, 0.1), 1.1e-5, "bottom", "loguniform(1e-7, 1e-3)"),
        (Uniform(0, 10), 10.0, "top", "uniform(5, 15)"),
        (Uniform(2, 4), 2.0, "bottom", "uniform(1, 3)"),
        (Uniform(-1, 1), -1.0, "bottom", "uniform(-2, 0)"),
        (Int(16, 256, log=True), 256, "top", "int(64, 1024, log=True)"),
        (Int(2, 10), 10, "top", "int(6, 14)"),
        (Int(10, 100, step=10), 100, "top", "int(60, 150, step=10)"),
    ],
)
def test_a_best_value_at_the_edge_gets_a_range_around_it(distribution, value, end, instead):
    """As wide as before, the value near the middle."""
    assert edge_advice(distribution, value) == (end, instead)


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (Uniform(0, 1), 1.0),
        (Uniform(0, 5), 0.0),
        (Int(1, 9), 1),
        (Int(0, 3, log=False), 0),
        (Int(1, 2), 2),
        (Uniform(0, 10), 5.0),
        (Choice((1, 2, 3, 4, 5)), 5),
        (Uniform(0, 10), 11.0),
        (LogUniform(1e-3, 1e3), True),
    ],
)
def test_natural_ends_and_inner_values_get_no_advice(distribution, value):
    """A fraction ends at 1, a count starts at 1."""
    assert edge_advice(distribution, value) is None


@given(
    st.floats(1e-6, 1e3), st.floats(3.0, 1e6), st.booleans(), st.sampled_from([LogUniform, Uniform])
)
def test_advice_can_be_written_as_it_stands(low, ratio, top, kind):
    """The range is legal and holds the value that was best."""
    distribution = kind(low, low * ratio)
    value = distribution.high if top else distribution.low
    advice = edge_advice(distribution, value)
    if advice is not None:
        words = {"loguniform": LogUniform, "uniform": Uniform}
        again = eval(advice[1], words)
        assert again.contains(value)


def test_edge_is_found_in_a_study():
    """The sentence names the value, its range and what to write."""
    table = {"lr": LogUniform(1e-5, 0.1), "x": Uniform(-1, 1)}
    trials = trials_of(lambda p: -p["lr"] + p["x"] ** 2, table, 40)
    trials.append(replace(trials[0], number=40, params={"lr": 0.1, "x": 0.0}, values=(-1.0,)))
    (said,) = (f.text for f in findings(record_of(trials)) if f.kind == "edge")
    assert said.startswith("lr's best, 0.1, is at the top of loguniform(1e-05, 0.1): try logunif")


def test_a_flat_objective_is_said_once_and_nothing_else():
    """What is tuned does not change it."""
    assert kinds(record_of(trials_of(lambda _: 0.5, SQUARE, 20))) == ["constant"]


def test_a_default_that_was_best_is_said():
    """Sometimes the person was right."""
    trials = trials_of(lambda p: 1 + p["x"] ** 2, SQUARE, 20)
    trials[0] = replace(trials[0], origin=Origin.DEFAULT, values=(0.0,))
    assert "default" in kinds(record_of(trials))


def test_many_failures_name_their_cause():
    """The commonest reason, and the value that always fails."""
    table = {"solver": Choice(("good", "bad")), "x": Uniform(0, 1)}
    trials = [
        replace(t, state="failed", values=None, reason="ValueError: no")
        if t.params["solver"] == "bad"
        else t
        for t in trials_of(lambda p: p["x"], table, 30)
    ]
    from hpmagic.records import TrialState

    trials = [replace(t, state=TrialState(t.state)) for t in trials]
    said = next(f.text for f in findings(record_of(trials)) if f.kind == "failures")
    assert "of 30 trials failed: ValueError: no" in said
    assert "Every trial with solver = bad failed." in said


def test_a_single_failure_is_no_finding():
    """One in forty is the failures' own list."""
    assert "failures" not in kinds(simulated.record(40, failing=0.03))


def test_what_pruning_saved_is_said_in_steps_and_in_time():
    record = simulated.record(40, steps=20, pruning=0.4)
    said = [found.text for found in findings(record) if found.kind == "pruning"]
    assert len(said) == 1
    assert said[0].startswith("Pruning saved about ")
    assert " steps, about " in said[0]
    assert not [f for f in findings(simulated.record(40, steps=20)) if f.kind == "pruning"]
