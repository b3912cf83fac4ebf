"""Figures of any study, without pyplot."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import simulated

from hpmagic.display.plots import KINDS, figure, log_axis, plot
from hpmagic.distributions import MISSING, Choice, Int, LogUniform, Normal, Uniform
from hpmagic.errors import OptionError
from hpmagic.records import Direction, Objective, StudyStarted, TrialFinished, TrialState

HERE = str(Path(__file__).parent)


def texts(figure):
    found = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        found += [t.get_text() for t in axes.texts]
        found += [axes.get_title("left"), axes.get_xlabel(), axes.get_ylabel()]
    if figure.get_suptitle():
        found.append(figure.get_suptitle())
    return " | ".join(found)


@pytest.mark.few(6)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trials", [30, 0, 1, 2])
def test_every_kind_draws_any_number_of_trials(kind, trials):
    """With conditionals, categories, logs, ints, failed and pruned trials."""
    figure = plot(simulated.record(trials, steps=4, pruning=0.2, failing=0.2), kind)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert texts(figure).strip(" |")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_thousands_of_trials(kind):
    """Five thousand are drawn, in under a megabyte."""
    figure = plot(simulated.record(5000, steps=2, pruning=0.1), kind)
    assert len(figure._repr_png_()) < 1_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_the_second_objective(kind):
    """By its name."""
    figure = plot(simulated.record(30, two=True, steps=3), kind, objective="latency")
    assert "latency" in texts(figure) or kind == "curves"


@pytest.mark.parametrize("kind", KINDS)
def test_names_with_markup_are_text(kind):
    """A dollar sign or a caret is no formula, a megabyte is cut."""
    bad = "$\\frac{<b>" + "x" * 100_000
    table = {bad: Choice(("$a$", "{b}")), "$x_": Uniform(0, 1)}
    trials = [
        simulated.trial_of(
            i, i % 5 / 5, params={bad: "$a$" if i % 2 else "{b}", "$x_": i / 20},
            distributions=dict(table), curves={bad: ((0, 0.1), (1, 0.2))},
        )
        for i in range(20)
    ]  # fmt: skip
    told = simulated.info(20, table={name: (d, MISSING) for name, d in table.items()})
    stream = [StudyStarted(told), *map(TrialFinished, trials)]
    plot(simulated.record_of(stream), kind)._repr_png_()


@pytest.mark.few(6)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "values",
    [[0.5] * 15, [math.inf, math.nan, 1e308, -1e308] * 4, [10.0**-i for i in range(15)],
     [0.0, -1e-300] * 8],
    ids=["flat", "huge", "decades", "tiny"],
)  # fmt: skip
def test_difficult_objectives_are_drawn(kind, values):
    """Flat, infinite, over many decades."""
    table = {
        "a": LogUniform(1e-3, 1e3),
        "b": Int(1, 100, log=True),
        "c": Normal(0, 1),
        "d": Choice((True, False)),
    }
    trials = [
        simulated.trial_of(
            i, value, params={n: d.from_unit((i * 7 % 15 + 0.5) / 16) for n, d in table.items()},
            distributions=dict(table),
        )
        for i, value in enumerate(values)
    ]  # fmt: skip
    stream = [StudyStarted(simulated.info(15, table={})), *map(TrialFinished, trials)]
    plot(simulated.record_of(stream), kind)._repr_png_()


def test_a_default_outside_its_range_is_drawn():
    """A written zero on a logarithmic range, a text where numbers are searched."""
    record = simulated.record(20)
    odd = replace(record.trials[0], params={**record.trials[0].params, "C": 0.0, "kernel": "mine"})
    odd = replace(record, trials=(odd, *record.trials[1:]))
    for kind in KINDS:
        plot(odd, kind)._repr_png_()


def test_titles_say_what_is_to_be_seen():
    """Not the name of the plot, but its message."""
    record = simulated.record(60, steps=5, pruning=0.1)
    assert "your 0.8915 became" in texts(plot(record))
    assert "matter" in texts(plot(record, "importance"))
    assert "stopped early" in texts(plot(record, "curves"))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.0002, 3.0, ["0.001", "0.01", "0.1", "1"]),
        (1e-9, 1.0, ["1e-09", "1e-06", "0.001", "1"]),
        (2.0, 8.0, ["2", "4", "8"]),
        (5.0, 5.0, ["5"]),
    ],
)
def test_a_logarithmic_axis_has_few_ticks_in_plain_text(low, high, shown):
    """Decades where there are two of them, else the ends and the middle; nothing between."""
    axes = figure().subplots()
    axes.plot([low, high], [0, 1])
    log_axis(axes, "x", low, high)
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == shown
    assert axes.get_xticks() == pytest.approx([float(text) for text in shown])
    assert list(axes.get_xticks(minor=True)) == []


@pytest.mark.parametrize("kind", ["history", "slice"])
def test_marks_at_the_end_of_an_axis_are_whole(kind):
    """The best value is where a logarithmic axis ends; values beyond the axis are at its end."""
    trials = [
        simulated.trial_of(i, 10.0**-i, params={"x": i / 9}, distributions={"x": Uniform(0, 1)})
        for i in range(9)
    ]
    told = simulated.info(9, [Objective("loss", Direction.MINIMIZE)], table={})
    drawn = plot(simulated.record_of([StudyStarted(told), *map(TrialFinished, trials)]), kind)
    axes = drawn.axes[0]
    low, high = axes.get_ylim()
    heights = []
    for mark in axes.lines:
        if mark.get_marker() == "o" or mark.get_drawstyle() == "steps-post":
            assert not mark.get_clip_on()
            heights += list(mark.get_ydata())
    for dots in axes.collections:
        assert not dots.get_clip_on()
        heights += list(dots.get_offsets()[:, 1])
    assert low <= min(heights) < 1.5 * low
    assert max(heights) <= high


def test_importance_names_what_it_is_computed_by():
    """The same surrogate as in the findings."""
    assert "Gaussian process fitted to 40 trials" in texts(
        plot(simulated.record(40, failing=0), "importance")
    )


def test_failed_trials_leave_a_mark():
    """They are not silently missing."""
    record = simulated.record(40, failing=0.3)
    failed = sum(t.state is TrialState.FAILED for t in record.trials)
    assert f"× {failed} failed" in texts(plot(record))


def test_contour_takes_the_axes_that_are_named():
    """And fills up with the most important other one."""
    record = simulated.record(40)
    axes = plot(record, "contour", x="gamma", y="C").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("gamma", "C")
    axes = plot(record, "contour", y="C").axes[0]
    assert axes.get_ylabel() == "C"
    assert axes.get_xlabel() != "C"


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("histroy", {}, "did you mean `history`"),
        ("history", {"parms": []}, "history has no option `parms`"),
        ("slice", {"params": ["gama"]}, "did you mean `gamma`"),
        ("contour", {"x": "gama"}, "did you mean `gamma`"),
        ("history", {"objective": "acuracy"}, "did you mean `accuracy`"),
        ("curves", {"metric": "los"}, "no curve is called `los`"),
    ],
)
def test_wrong_words_name_the_nearest(kind, options, said):
    """As everywhere else."""
    with pytest.raises(OptionError, match=said):
        plot(simulated.record(20, steps=2), kind, **options)


@pytest.mark.slow
def test_pyplot_is_never_imported():
    """A figure of ours must not change the notebook's backend or its current figure."""
    code = (
        f"import sys; sys.path.insert(0, {HERE!r}); import simulated\n"
        "from hpmagic.display.plots import KINDS, plot\n"
        "for kind in KINDS: plot(simulated.record(15, steps=2), kind)._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
