"""Plain sentences that are true of the trials, and nothing when there are too few."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import pytest
import simulated
from hypothesis import assume, given
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


UNITS = [-1000, -60, -26, 40, 540, 1000]
SQUARE = {"x": Uniform(-1, 1), "y": Uniform(-1, 1), "z": Uniform(-1, 1)}


def test_x_squared_matters_more_than_a_tenth_of_y():
    """The ranking that other measures have got wrong."""
    found = importances(trials_of(lambda p: p["x"] ** 2 + 0.1 * p["y"], SQUARE, 60), LOSS)
    assert list(found.shares) == ["x", "y", "z"]
    assert found.shares["x"] > 0.8
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.clear


@pytest.mark.parametrize("power", UNITS)
def test_the_unit_of_the_objective_does_not_change_what_matters(power):
    """Shares, pairs and ends are those of the same objective in ones."""

    def function(p):
        return (p["x"] - 0.3) ** 2 + 0.1 * p["y"] + p["x"] * p["y"]

    plain = trials_of(function, SQUARE, 30)
    scaled = [replace(t, values=(math.ldexp(t.values[0], power),)) for t in plain]
    expected, found = importances(plain, LOSS), importances(scaled, LOSS)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares == pytest.approx(expected.shares)
    assert found.fit == pytest.approx(expected.fit)
    assert found.ends == expected.ends
    for pair, effect in expected.together.items():
        assert found.together[pair].share == pytest.approx(effect.share)


def test_an_objective_next_to_the_largest_float_has_its_shares():
    """Where the cut for disasters is beyond all floats."""
    found = importances(
        trials_of(lambda p: 1.7e308 * (0.9 * p["x"] + 0.1 * p["y"]), SQUARE, 30), LOSS
    )
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.shares["x"] > 0.8


def test_a_small_objective_is_not_called_flat():
    """A loss of a hundred-millionth depends on x no less than a loss of one."""
    found = findings(record_of(trials_of(lambda p: 1e-8 * p["x"] ** 2, SQUARE, 30)))
    said = {f.kind: f.names for f in found}
    assert said["importance"] == ("x",)
    assert "x" not in said["flat"]


@pytest.mark.parametrize("place", [151, 299])
def test_the_best_of_many_trials_is_among_those_that_are_explained(place):
    """The line that `ends` speaks of goes through it: z was reached there, and is on the line."""
    table = {"kind": Choice(("a", "b")), "x": Uniform(0, 1), "z": Uniform(0, 1)}
    trials = trials_of(lambda p: p["x"] + 2 * (p["kind"] == "b"), table, 300)
    trials = [
        replace(t, params={"kind": "a", "x": t.params["x"]}) if t.params["kind"] == "a" else t
        for t in trials
    ]
    params = {"kind": "b", "x": 0.5, "z": 0.5}
    trials[place] = replace(trials[place], params=params, values=(-1.0,))
    found = importances(trials, LOSS)
    assert found.trials == 150
    assert "z" in found.ends


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
        (Int(30, 100, step=10), 30, "bottom", "int(10, 70, step=10)"),
        (Int(-(10**12), 0), -(10**12), "bottom", "int(-1500000000000, -500000000000)"),
        (Uniform(1000, 1001), 1001.0, "top", "uniform(1000.5, 1001.5)"),
        (Uniform(1000, 2000), 2000.0, "top", "uniform(1500, 2500)"),
        (Uniform(0.5, 0.502), 0.502, "top", "uniform(0.501, 0.503)"),
        (Uniform(12345, 12399), 12399.0, "top", "uniform(12370, 12426)"),
        (Uniform(0.1, 0.3), 0.1, "bottom", "uniform(0, 0.2)"),
        (Uniform(0, 3, step=1), 3.0, "top", "uniform(2, 5, step=1)"),
        (Uniform(0.3, 0.9, step=0.1), 0.3, "bottom", "uniform(0, 0.6, step=0.1)"),
        (Uniform(0.25, 0.85, step=0.1), 0.25, "bottom", "uniform(0.05, 0.55, step=0.1)"),
        (LogUniform(1e-100, 1e100), 1e100, "top", "loguniform(1, 1e200)"),
        (LogUniform(1, 1.5), 1.5, "top", "loguniform(1.2, 1.8)"),
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


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (LogUniform(1e-200, 1e200), 1e200),
        (LogUniform(1e-200, 1e200), 1e-200),
        (LogUniform(1e300, math.nextafter(1e300, math.inf)), 1e300),
        (Uniform(0, 1.7e308), 1.7e308),
        (Uniform(0, 1.7e308, step=1e307), 1.7e308),
        (Int(1, 2**53), 2**53),
        (Int(1, 2**50, log=True), 2**50),
        (Int(10, 100, step=10), 10),
    ],
)
def test_an_end_with_no_numbers_beyond_it_gets_no_advice(distribution, value):
    """Neither infinity nor zero, nor what `int` does not take."""
    assert edge_advice(distribution, value) is None


def written(advice):
    """The distribution that a person who follows the advice gets."""
    return eval(advice[1], {"loguniform": LogUniform, "uniform": Uniform, "int": Int})


@st.composite
def wide_ranges(draw):
    """Of every size that people type."""
    low, ratio = draw(st.floats(1e-6, 1e3)), draw(st.floats(3.0, 1e6))
    return draw(st.sampled_from([LogUniform, Uniform]))(low, low * ratio)


@st.composite
def narrow_ranges(draw):
    """Narrow beside where they are."""
    low = draw(st.floats(1e-3, 1e12)) * draw(st.sampled_from([1, -1]))
    width = abs(low) * 10.0 ** draw(st.floats(-12, 0))
    if low > 0 and draw(st.booleans()):
        return LogUniform(low, low + width)
    return Uniform(low, low + width)


@st.composite
def huge_ranges(draw):
    """Up to everything that a float can be."""
    low, high = sorted(draw(st.tuples(st.floats(-307, 307), st.floats(-307, 307))))
    return draw(st.sampled_from([LogUniform, Uniform]))(10.0**low, 10.0**high)


@st.composite
def stepped_ranges(draw):
    """Decimal lattices that begin anywhere."""
    decimals = draw(st.integers(-3, 6))
    start = draw(st.integers(-500, 500) | st.integers(-(10**6), 10**6))
    step = draw(st.integers(1, 500))
    stop = start + draw(st.integers(3, 1000)) * step
    low, high, step = (float(f"{n}e{-decimals}") for n in (start, stop, step))
    return Uniform(low, high, step=step)


@st.composite
def whole_ranges(draw):
    """Integers of every size, with steps or logarithmic."""
    size = 2 ** draw(st.integers(3, 53))
    low, high = sorted(draw(st.tuples(*[st.integers(-size, size)] * 2)))
    if draw(st.booleans()):
        return Int(max(low, 1), max(high, 1), log=True)
    return Int(low, high, step=draw(st.integers(1, max(1, (high - low) // 3))))


@given(
    st.one_of(wide_ranges(), narrow_ranges(), huge_ranges(), stepped_ranges(), whole_ranges()),
    st.sampled_from([0.0, 0.01, 0.99, 1.0]),
)
def test_advice_can_be_written_as_it_stands(distribution, unit):
    """The range is legal, has the best value inside, and keeps the old range's lattice."""
    value = distribution.from_unit(unit)
    advice = edge_advice(distribution, value)
    if advice is None:
        return
    again = written(advice)
    assert type(again) is type(distribution)
    assert again.contains(value)
    assert again.low < value < again.high
    assert again.low < distribution.low or again.high > distribution.high
    assert getattr(again, "log", False) == getattr(distribution, "log", False)
    step = getattr(distribution, "step", None)
    assert getattr(again, "step", None) == step
    if step is not None:
        low, before, apart = (Fraction(repr(n)) for n in (again.low, distribution.low, step))
        assert (low - before) % apart == 0


@given(narrow_ranges())
def test_advice_goes_as_far_beyond_the_end_as_it_says(distribution):
    """Rounding is small beside the width, whatever the range is wide beside its place."""
    low, high = distribution.low, distribution.high
    assume(high != 1)  # the end of a fraction
    advice = edge_advice(distribution, high)
    if high - low < 1e-10 * abs(low) and advice is None:
        return  # next to the end of what a float can tell apart
    if isinstance(distribution, Uniform):
        assert written(advice).high - high == pytest.approx((high - low) / 2, rel=0.2)
    else:
        ratio = math.log(high) - math.log(low)
        gone = math.log(written(advice).high) - math.log(high)
        assert gone == pytest.approx(ratio / 2, rel=0.3)


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


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (
            ["ValueError: boom 0.5 (line 4)", "ValueError: boom -2e-05 (line 4)"],
            "2 of 2 trials failed, all with errors like ValueError: boom 0.5 (line 4).",
        ),
        (["OSError: no (line 2)", "OSError: no (line 2)"], "2 of 2 trials failed: OSError: no"),
        (
            ["E: x1 (line 2)", "E: x2 (line 2)", "E: x2 (line 3)"],
            "3 of 3 trials failed, 1 with E: x1",
        ),
        (
            ["A: at 0x7f12", "B: no", "A: at 0x7fe8"],
            "3 of 3 trials failed, 2 with errors like A: at 0x7f12.",
        ),
    ],
)
def test_errors_that_differ_by_a_number_are_counted_together(reasons, said):
    """Digits in names and the line's number tell errors apart, a value in the message does not."""
    trials = [simulated.trial_of(i, None, reason=reason) for i, reason in enumerate(reasons)]
    (found,) = findings(record_of(trials))
    assert found.text.startswith(said)


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
