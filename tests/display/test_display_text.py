"""The facts as plain text."""

from __future__ import annotations

import shlex

import pytest
import simulated
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.display import text
from hpmagic.display.progress import Progress
from hpmagic.distributions import Choice, Uniform
from hpmagic.records import (
    Direction,
    Objective,
    StudyFinished,
    StudyStarted,
    TrialFinished,
    TrialStarted,
)
from hpmagic.space import SearchSpace


def folded(events):
    progress = Progress()
    for event in events:
        progress.fold(event)
    return progress


def test_summary_says_the_best_the_gain_and_what_to_set():
    """A study's representation in a terminal."""
    said = text.summary(simulated.record(40))
    assert said.startswith("Study svm-digits: maximize accuracy by bayes, 40 trials in 1:24")
    assert "best accuracy 0.9685 in trial 34, 0.077 better than your 0.8915" in said
    assert 'kernel = "rbf"' in said
    assert "yours" in said.splitlines()[-1]


@pytest.mark.parametrize("width", [60, 79, 120])
def test_summary_fits_its_width(width):
    """Sentences break between words; the table has shorter names, then fewer hyperparameters."""
    names = [f"kernel_of_the_support_vector_machine_{i}" for i in range(5)]
    drawn = dict.fromkeys(names, 0.125)
    distributions = dict.fromkeys(names, Uniform(0.0, 1.0))
    objective = Objective("validation_loss_on_the_held_out_set", Direction.MINIMIZE)
    told = simulated.info(3, [objective], table={n: (d, 0.125) for n, d in distributions.items()})
    trials = [
        simulated.trial_of(i, 2.5 - i, params=drawn, distributions=distributions) for i in range(3)
    ]
    record = simulated.record_of([StudyStarted(told), *map(TrialFinished, trials)])
    said, whole = text.summary(record, width), text.summary(record)
    assert all(len(line) <= width for line in said.splitlines())
    head, table = said.split("\n\n")
    assert head.split() == whole.split("\n\n")[0].split()
    assert "0.125" in table
    assert "1.0 s" in table
    shown = table.splitlines()[0].count("kernel") + table.splitlines()[0].count("kerne…")
    assert shown == 5 or f"{5 - shown} more hyperparameter" in table


def test_summary_of_an_unfinished_or_empty_study():
    """Nothing has run yet, and still there is something to say."""
    assert "no result yet" in text.summary(
        simulated.record_of([StudyStarted(simulated.info()), *()])
    )
    assert text.overview(Progress()) == "a study that has not started"


@pytest.mark.parametrize("width", [10, 40, 79, 200])
def test_status_lines_are_three_and_fit(width):
    """A line that wraps would break a view that moves the cursor."""
    for stop in (1, 2, 30, 80):
        progress = folded(list(simulated.events(40, steps=3))[:stop])
        lines = text.status_lines(progress, simulated.BEGIN + 60, width)
        assert len(lines) == 3
        assert all(len(line) <= width for line in lines)
        assert not any("\n" in line for line in lines)


def test_status_lines_say_where_the_running_trial_is():
    """Its step and its last value."""
    events = []
    for event in simulated.events(40, steps=9):
        events.append(event)
        if len(events) > 2 and isinstance(events[-2], TrialStarted) and events[-2].number == 4:
            break
    first, second, third = text.status_lines(folded(events), simulated.BEGIN + 30, 120)
    assert "4/40" in first
    assert "best accuracy" in second
    assert third.startswith("trial 4 running")
    assert "step 0: accuracy" in third


@given(st.text(max_size=60), st.integers(1, 40))
def test_fitted_text_takes_no_more_columns_than_there_are(line, width):
    """Wide characters take two."""
    assert text._columns(text.fit(line, width)) <= width


def pairs(line):
    return dict(word.split("=", 1) for word in shlex.split(line)[1:] if "=" in word)


def test_log_lines_can_be_read_back():
    """``key=value`` with quotes where needed, one line a trial."""
    events = list(simulated.events(20, failing=0.3))
    progress = Progress()
    for event in events:
        progress.fold(event)
        if isinstance(event, TrialFinished):
            line = text.trial_line(progress, event.trial)
            assert "\n" not in line
            found = pairs(line)
            assert found["trial"] == f"{event.trial.number}/20"
            assert found["state"] == event.trial.state
            assert set(event.trial.params) <= set(found)
            if event.trial.value is None:
                assert found["reason"] == event.trial.reason
            else:
                assert float(found["accuracy"]) == pytest.approx(event.trial.value, rel=1e-5)
    assert "objective=maximize:accuracy" in text.start_line(progress)
    assert " complete trials=20 " in text.end_line(progress)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_and_value_stay_one_field_of_a_log_line(name, value):
    """A value with spaces, quotes or line breaks cannot forge another field or line."""
    progress = folded([StudyStarted(simulated.info(3))])
    trial = simulated.trial_of(
        1, 0.5, params={name: value}, distributions={name: Choice((value, value + "b"))}
    )
    line = text.trial_line(progress, trial)
    assert len(line.splitlines()) == 1
    assert line.startswith("hpmagic trial=1/3 state=complete accuracy=0.5 seconds=1.000 ")
    assert len(shlex.split(line)) == 6


def test_hostile_study_stays_in_its_lines():
    """A megabyte of escape codes is cut."""
    bad = "\x1b[2J" + "x" * 1_000_000 + "\n\nhpmagic trial=9"
    told = simulated.info(2, name=bad)
    trial = simulated.trial_of(0, 0.5, params={"a": bad}, distributions={"a": Choice((bad, "b"))})
    lost = simulated.trial_of(1, None, reason=bad)
    end = StudyFinished("interrupted", bad, simulated.BEGIN + 2, 0)
    record = simulated.record_of(
        [StudyStarted(told), TrialFinished(trial), TrialFinished(lost), end]
    )
    said = text.summary(record)
    assert "\x1b" not in said
    assert len(said) < 3000


def test_space_table_lines_up():
    """Columns start at the same place in each line."""
    lines = text.space_table(simulated.info().space).splitlines()
    assert len(lines) == 6
    assert {line.index(word) for line, word in zip(lines, ("searched", "logu", "choice"))} == {16}
    assert text.space_table(SearchSpace()) == "nothing is tuned"


def test_log_ends_with_what_pruning_saved():
    """In steps and in seconds, as keys of the last line."""
    end = text.end_line(folded(simulated.events(40, steps=20, pruning=0.4)))
    keys = dict(part.partition("=")[::2] for part in shlex.split(end))
    assert int(keys["saved_steps"]) > 0
    assert float(keys["saved_seconds"]) > 0
    assert "saved_steps" not in text.end_line(folded(simulated.events(40, steps=20)))


def test_log_says_where_a_trial_stopped_early():
    """By patience: the trial is complete, and has a key more."""
    progress = folded(simulated.events(2))
    early = simulated.trial_of(1, 0.5, notes={"stopped_early": "loss at step 4"})
    assert 'stopped_early="loss at step 4"' in text.trial_line(progress, early)
    assert "stopped_early" not in text.trial_line(progress, simulated.trial_of(1, 0.5))


def test_what_was_reused_is_said_in_the_summary_the_lines_and_the_log():
    progress = folded(simulated.events(50))
    sentence = "lines 1-4 ran once (12.4 s); saved 8 min 10 s"
    assert sentence in text.overview(progress)
    assert sentence in text.status_lines(progress, progress.trials[-1].start, 200)[2]
    assert sentence in text.end_line(progress)
