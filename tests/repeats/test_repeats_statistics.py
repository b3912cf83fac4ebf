"""What several runs of one configuration say together."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import Direction, Objective, Origin, Repeat, Report, Trial, TrialState
from hpmagic.repeats import Race, indistinguishable, joined, standard_error

LOSS = Objective("loss", Direction.MINIMIZE)


def outcome(*values: float, state: TrialState = TrialState.COMPLETE, **facts) -> TrialOutcome:
    """A run whose loss went through these values, one a step."""
    reports = tuple(Report("loss", v, step, 10.0 + step) for step, v in enumerate(values))
    last = {"loss": values[-1]} if values else {}
    return TrialOutcome(state, {}, {}, reports, start=10.0, duration=2.0, values=last, **facts)


def trial(number: int, *values: float, origin: Origin = Origin.TUNER) -> Trial:
    """A configuration with one repeat a value."""
    runs = tuple(Repeat(seed, {}, {"loss": v}, 0.0, 1.0) for seed, v in enumerate(values))
    mean = (float(np.mean(values)),)
    return Trial(number, TrialState.COMPLETE, {}, {}, mean, {}, {}, origin, 0.0, 1.0, repeats=runs)


def single(number: int, value: float) -> Trial:
    """A trial of a study, or a stretch of one, without repeats."""
    return replace(trial(number, value), repeats=())


def finals(whole: TrialOutcome) -> dict[str, float]:
    return {report.name: report.value for report in whole.reports}


def test_values_and_metrics_are_means_with_spread_and_count() -> None:
    """The standard deviation is the sample's; the time is that of all."""
    whole = joined([outcome(1.0), outcome(3.0)], [LOSS])
    assert whole.values == {"loss": 2.0}
    assert finals(whole) == {"loss": 2.0, "loss.std": math.sqrt(2), "loss.repeats": 2.0}
    assert (whole.start, whole.duration) == (10.0, 4.0)
    assert [repeat.values["loss"] for repeat in whole.repeats] == [1.0, 3.0]


def test_a_repeat_that_ends_early_counts_on_with_its_last_value() -> None:
    """So the curve of means ends at the mean of what the repeats ended with."""
    whole = joined([outcome(4.0, 2.0), outcome(6.0, 4.0, 0.0)], [LOSS])
    curve = [report.value for report in whole.reports if report.name == "loss"]
    assert curve == [5.0, 3.0, 1.0]
    assert whole.values == {"loss": 1.0}


def test_one_repeat_has_no_spread() -> None:
    """Only its count is told."""
    assert finals(joined([outcome(1.0)], [LOSS])) == {"loss": 1.0, "loss.repeats": 1.0}


def test_a_repeat_that_fails_fails_the_configuration() -> None:
    """The reason says which seed."""
    bad = outcome(state=TrialState.FAILED, reason="ValueError: no")
    whole = joined([outcome(1.0), bad], [LOSS])
    assert whole.state is TrialState.FAILED
    assert whole.reason == "repeat 2 (seed 1): ValueError: no"


def test_all_repeats_run_while_nothing_is_known() -> None:
    """Without spread or a best there is nothing to be worse than."""
    race = Race(3, LOSS)
    assert race.goes_on(Origin.TUNER, [outcome(9.0)])
    assert race.goes_on(Origin.TUNER, [outcome(9.0), outcome(8.0)])
    assert not race.goes_on(Origin.TUNER, [outcome(9.0)] * 3)


@pytest.mark.parametrize(
    ("value", "origin", "more"),
    [
        (5.0, Origin.TUNER, False),
        (1.2, Origin.TUNER, True),
        (0.1, Origin.TUNER, True),
        (5.0, Origin.DEFAULT, True),
    ],
)
def test_what_is_clearly_worse_is_not_repeated(value: float, origin: Origin, more: bool) -> None:
    """What may yet be the best is, and the person's own values are."""
    race = Race(5, LOSS)
    race.learn(trial(0, 1.0, 1.2, 0.8, 1.1, 0.9))
    assert race.goes_on(origin, [outcome(value)]) is more


@pytest.mark.parametrize("lucky", [single(1, 0.0), trial(1, 0.0)])
def test_a_lucky_single_run_is_not_raced_against(lucky: Trial) -> None:
    """The measure is the best of what was repeated, before and after the lucky run."""
    race = Race(5, LOSS)
    race.learn(lucky)
    race.learn(trial(0, 1.0, 1.2, 0.8, 1.1, 0.9))
    race.learn(lucky)
    assert race.goes_on(Origin.TUNER, [outcome(1.2)])
    assert not race.goes_on(Origin.TUNER, [outcome(5.0)])


@pytest.mark.parametrize("bad", [outcome(math.nan), outcome(state=TrialState.PRUNED), outcome()])
def test_nothing_is_repeated_that_gave_no_value(bad: TrialOutcome) -> None:
    """A pruned run, or one without a finite value, ends its configuration."""
    assert not Race(5, LOSS).goes_on(Origin.DEFAULT, [bad])


def test_the_standard_error_is_of_the_mean() -> None:
    """The sample's deviation by the root of the number; unknown from one run."""
    assert standard_error(trial(0, 1.0, 3.0), LOSS) == pytest.approx(1.0)
    assert standard_error(trial(0, 1.0), LOSS) is None
    assert standard_error(single(0, 1.0), LOSS) is None


def test_trials_are_compared_seed_by_seed() -> None:
    """A trial that is worse by the same with every seed is told apart though the seeds differ."""
    best = trial(0, 1.0, 5.0, 9.0, 3.0)
    always_worse = trial(1, 1.5, 5.4, 9.6, 3.5)
    mixed = trial(2, 0.5, 6.5, 8.0, 5.0)
    once = trial(3, 5.0)
    hopeless = trial(4, 99.0)
    found = indistinguishable([best, always_worse, mixed, once, hopeless], LOSS)
    assert [t.number for t in found] == [2, 3]


@pytest.mark.parametrize("once", [single, trial])
def test_a_best_trial_that_ran_once_is_compared_by_the_spread_of_the_others(once) -> None:
    """It has none of its own: whatever is within the chance of one run may be as good."""
    near, far = trial(1, 1.0, 1.4, 0.6), trial(2, 9.0, 9.3, 8.7)
    found = indistinguishable([once(0, 0.8), near, far, once(3, 1.0), once(4, 9.0)], LOSS)
    assert [t.number for t in found] == [1, 3]


def test_trials_from_before_the_repeats_may_be_as_good() -> None:
    """A single run near the best mean is not claimed to be worse."""
    best = trial(2, 1.0, 1.2, 0.8)
    found = indistinguishable([single(0, 1.1), single(1, 5.0), best], LOSS)
    assert [t.number for t in found] == [0]


def test_more_runs_are_needed_to_be_sure_of_less() -> None:
    """Against a single best run, a mean of many is told apart where one run is not."""
    many = trial(1, *(1.0 - 0.2 * (-1) ** seed for seed in range(16)))
    assert indistinguishable([single(0, 0.62), many], LOSS) == ()
    assert indistinguishable([single(0, 0.62), many, single(2, 1.0)], LOSS) == (single(2, 1.0),)


def test_without_repeats_nothing_is_said() -> None:
    """One run a trial gives no spread."""
    assert indistinguishable([trial(0, 1.0), trial(1, 1.0)], LOSS) == ()
    assert indistinguishable([single(0, 1.0), single(1, 1.0)], LOSS) == ()
