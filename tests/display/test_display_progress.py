"""How a study's events become the state that views show."""

from __future__ import annotations

from dataclasses import replace

import simulated
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.display.progress import Progress
from hpmagic.distributions import Int
from hpmagic.ranking import best_trial, gain, pareto_front
from hpmagic.records import (
    Direction,
    MetricReported,
    Objective,
    Origin,
    Report,
    StudyStarted,
    TrialFinished,
    TrialStarted,
    TrialState,
)
from hpmagic.space import Parameter, SearchSpace


def folded(events):
    progress = Progress()
    for event in events:
        progress.fold(event)
    return progress


def test_state_agrees_with_ranking_over_the_whole_study():
    """Best, gain and counts are those that the record gives."""
    events = list(simulated.events(50, failing=0.2, pruning=0.2))
    progress, record = folded(events), simulated.record_of(events)
    assert progress.best is best_trial(record.trials, record.info.objectives)
    assert progress.gain == gain(record.trials, record.info.objectives)
    assert progress.done == 50
    assert sum(progress.counts.values()) == 50
    assert progress.counts[TrialState.FAILED] > 0


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25),
    st.sampled_from(list(Direction)),
)
def test_front_kept_on_the_way_is_the_pareto_front(pairs, direction):
    """Keeping the front trial by trial gives the same trials as looking at all of them."""
    objectives = (Objective("a", direction), Objective("b", Direction.MINIMIZE))
    progress = Progress()
    progress.fold(StudyStarted(simulated.info(len(pairs), objectives)))
    trials = [
        simulated.trial_of(i, 0.0, values=(float(a), float(b))) for i, (a, b) in enumerate(pairs)
    ]
    for trial in trials:
        progress.fold(TrialFinished(trial))
    expected = {t.number for t in pareto_front(trials, objectives)}
    assert {t.number for t in progress.front} == expected


@given(
    st.lists(st.integers(0, 9), max_size=40).flatmap(
        lambda values: st.permutations(list(enumerate(values)))
    ),
    st.sampled_from(list(Direction)),
)
def test_top_holds_the_best_in_order_the_earlier_first(ended, direction):
    """The kept few are the head of a stable sort, in whichever order parallel trials end."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info(None, (Objective("a", direction),))))
    for number, value in ended:
        progress.fold(TrialFinished(simulated.trial_of(number, float(value))))
    expected = sorted(sorted(ended), key=lambda pair: direction.sign * pair[1])[:10]
    assert [t.number for t in progress.top] == [number for number, _ in expected]


def test_what_reuse_saved_is_added_up_over_the_trials():
    """What each would have taken from scratch, less what it took."""
    progress = folded(simulated.events(50))
    assert progress.reused == "lines 1-4 ran once (12.4 s); saved 8 min 10 s"


def test_a_default_that_failed_gives_no_gain():
    """Without the person's own value there is nothing to compare with."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info()))
    progress.fold(TrialFinished(simulated.trial_of(0, None)))
    progress.fold(TrialFinished(simulated.trial_of(1, 0.9)))
    assert progress.default_failed
    assert progress.gain is None


def test_time_left_follows_the_pace_and_never_goes_below_zero():
    """Ten trials of two seconds each leave twice the remaining number of seconds."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info(20)))
    for number in range(10):
        start = simulated.BEGIN + 2 * number
        progress.fold(TrialStarted(number, Origin.TUNER, start))
        progress.fold(TrialFinished(simulated.trial_of(number, 0.5, start=start, duration=2.0)))
    now = simulated.BEGIN + 20
    assert progress.left(now) == 20.0
    assert progress.left(now + 1) == 19.0
    assert progress.left(now + 1000) == 18.0


def test_time_left_is_unknown_without_a_plan_or_a_pace():
    """No guess is made before two trials have ended, or when the number is open."""
    early = folded(list(simulated.events(40))[:3])
    assert early.left(simulated.BEGIN + 5) is None
    opened = folded(list(simulated.events(40, planned=None))[:30])
    assert opened.left(simulated.BEGIN + 50) is None


def test_trials_of_an_earlier_session_do_not_count_for_the_pace():
    """When a study is resumed, its old trials come without a start."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info(20)))
    for number in range(5):
        progress.fold(TrialFinished(simulated.trial_of(number, 0.5, start=0.0)))
    assert progress.done == 5
    assert progress.left(simulated.BEGIN) is None


def test_running_curve_stays_small_and_keeps_its_ends():
    """A million steps would be a million points: the shape is enough."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info()))
    progress.fold(TrialStarted(0, Origin.DEFAULT, 0.0))
    for step in range(5000):
        progress.fold(MetricReported(0, Report("loss", 1.0 / (step + 1), step, 0.0)))
    curve = progress.current.curves["loss"]
    assert len(curve) <= 481
    assert curve[0] == (0, 1.0)
    assert curve[-1] == (4999, 1 / 5000)
    assert progress.current.step == 4999


def test_parallel_trials_are_all_running_until_they_end():
    """Ends come in any order."""
    progress = Progress()
    progress.fold(StudyStarted(simulated.info()))
    for number in range(3):
        progress.fold(TrialStarted(number, Origin.TUNER, 0.0))
    progress.fold(TrialFinished(simulated.trial_of(2, 0.5)))
    assert set(progress.running) == {0, 1}
    assert progress.current.number == 1


def test_reports_of_unknown_trials_are_ignored():
    """A late report does not bring a trial back."""
    progress = folded([StudyStarted(simulated.info())])
    progress.fold(MetricReported(7, Report("loss", 1.0, 0, 0.0)))
    assert progress.current is None


def test_a_plan_of_the_tuners_own_has_a_size_and_time_left():
    """A grid without `--trials` says how many there will be; with branches, at most how many."""
    told = replace(simulated.info(None), expected=12)
    progress = Progress()
    progress.fold(StudyStarted(told))
    assert progress.planned == 12
    flat = replace(told, space=SearchSpace((Parameter("depth", Int(1, 12)),)))
    branched = replace(told, space=SearchSpace((Parameter("depth", Int(1, 12), conditional=True),)))
    for info, words in ((flat, ""), (branched, "at most ")):
        progress = Progress()
        progress.fold(StudyStarted(info))
        assert progress.at_most == words
