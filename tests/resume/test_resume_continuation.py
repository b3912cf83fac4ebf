"""What is kept of a study when it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpmagic.distributions import Choice, Int, LogUniform
from hpmagic.errors import OptionError
from hpmagic.language import parse_cell
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    StudyInfo,
    StudyRecord,
    Trial,
    TrialState,
)
from hpmagic.resume import Continuation, continuation

CELL = """\
lr = 0.1  # tune: loguniform(1e-3, 1)
depth = 3  # tune: int(1, 8)
loss = lr * depth  # tune: minimize
"""
LOSS = Objective("loss", Direction.MINIMIZE)
RANGES = {"lr": LogUniform(1e-3, 1), "depth": Int(1, 8)}


def trial(number: int, lr: float, depth: int, **changes: object) -> Trial:
    made = Trial(
        number=number,
        state=TrialState.COMPLETE,
        params={"lr": lr, "depth": depth},
        distributions=RANGES,
        values=(lr * depth,),
        metrics={"loss": lr * depth},
        curves={},
        origin=Origin.TUNER,
        start=0.0,
        duration=1.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def record(*trials: Trial, text: str = CELL) -> StudyRecord:
    cell = parse_cell(text)
    info = StudyInfo(
        name="first", experiment="e", tuner="random", tuner_options={}, trials=9, seed=0,
        objectives=(LOSS,), space=cell.space, constants={}, source=text,
        fingerprint=cell.fingerprint, start=0.0,
    )  # fmt: skip
    return StudyRecord(info, trials)


def go_on(before: StudyRecord, text: str = CELL, **options: object) -> Continuation:
    cell = parse_cell(text)
    given = {"objectives": (LOSS,), **options}
    return continuation(
        before, source=text, fingerprint=cell.fingerprint, space=cell.space, **given
    )  # type: ignore[arg-type]


def test_comments_spaces_ranges_and_defaults_may_change():
    """None of them is the logic."""
    other = CELL.replace("0.1  # tune", "0.02     # tune").replace("int(1, 8)", "int(1, 9)  # more")
    assert len(go_on(record(trial(0, 0.1, 3)), other).kept) == 1


def test_changed_logic_is_refused_with_its_difference():
    """The line as it was and as it is, and the two ways on."""
    other = CELL.replace("lr * depth ", "lr + depth ")
    with pytest.raises(OptionError) as refused:
        go_on(record(trial(0, 0.1, 3)), other)
    assert "-loss = lr * depth" in str(refused.value)
    assert "+loss = lr + depth" in str(refused.value)
    assert "--resume anyway" in str(refused.value)
    assert "--fresh" in str(refused.value)


def test_changed_logic_continues_anyway_when_asked():
    """The person vouches for it."""
    other = CELL.replace("lr * depth ", "lr + depth ")
    assert len(go_on(record(trial(0, 0.1, 3)), other, anyway=True).kept) == 1


def test_another_objective_is_refused():
    """Values of another metric, or of another direction, cannot be compared."""
    with pytest.raises(OptionError, match="minimize loss, but this cell is to maximize loss"):
        go_on(record(trial(0, 0.1, 3)), objectives=(Objective("loss", Direction.MAXIMIZE),))


def test_trials_outside_the_new_range_are_left_out():
    """Unless the person chose their values."""
    narrow = CELL.replace("int(1, 8)", "int(1, 4)")
    before = record(trial(0, 0.1, 7, origin=Origin.DEFAULT), trial(1, 0.1, 7), trial(2, 0.1, 4))
    kept = go_on(before, narrow)
    assert [t.number for t in kept.kept] == [0, 2]
    assert "without 1 trial outside the ranges of now" in kept.remark
    assert kept.kept[1].distributions["depth"] == Int(1, 4)


def test_interrupted_trials_run_again_with_their_values():
    """As what they were: the default stays the default."""
    before = record(trial(0, 0.1, 3), trial(1, 0.2, 4, state=TrialState.INTERRUPTED, values=None))
    kept = go_on(before)
    assert [t.number for t in kept.kept] == [0]
    assert [(p.origin, p.values) for p in kept.again] == [(Origin.TUNER, {"lr": 0.2, "depth": 4})]
    assert kept.next_number == 2


def test_objects_come_back_by_their_labels():
    """A stored label is the option of now that has it."""
    text = "model = dict  # tune: choice(dict, list)\nloss = 1.0  # tune: minimize\n"
    stored = Choice(("dict", "list"), ("dict", "list"))
    before = record(
        trial(0, 0.1, 3, params={"model": "list"}, distributions={"model": stored}), text=text
    )
    cell = parse_cell(text)
    space = replace(
        cell.space,
        parameters=(replace(cell.space.parameters[0], distribution=Choice((dict, list))),),
    )
    kept = continuation(
        before, source=text, fingerprint=cell.fingerprint, space=space, objectives=(LOSS,)
    )
    assert kept.kept[0].params == {"model": list}


def test_trials_with_a_name_that_is_no_longer_tuned_are_left_out():
    """Their value cannot be given to the cell of now."""
    fewer = CELL.replace("  # tune: int(1, 8)", "")
    kept = go_on(record(trial(0, 0.1, 3)), fewer, anyway=True)
    assert kept.kept == ()
