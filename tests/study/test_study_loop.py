"""The loop: what runs, when it ends, and what is said about it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from programs import (
    GRID,
    PLANE,
    SVM,
    Cell,
    Program,
    ProgramRunner,
    info_of,
    params_of,
    space_of,
    study_of,
    tuner_of,
)

from hpmagic import study as study_module
from hpmagic.distributions import Choice, Int, Ordinal, Uniform
from hpmagic.engines.local import LocalEngine
from hpmagic.execution.outcome import Pruned
from hpmagic.records import (
    Direction,
    Event,
    MetricReported,
    Objective,
    Origin,
    Report,
    StudyFinished,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
    ValueDrawn,
)
from hpmagic.space import Parameter
from hpmagic.study import Limits, Planned, StudyResult, run_study
from hpmagic.tuners.tree import ExecutionTree


def states(result: StudyResult) -> list[str]:
    return [trial.state.value for trial in result.record.trials]


def finished(result: StudyResult) -> StudyFinished:
    assert result.record.finished is not None
    return result.record.finished


def ended(result: StudyResult) -> tuple[str, str]:
    return finished(result).state, finished(result).reason


class Scripted:
    """A tuner that proposes given values, and remembers what it was told."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.told: list[Trial] = []

    def ask(self) -> Any:
        if not self.rows:
            return None
        row = self.rows.pop(0)
        return SimpleNamespace(suggest=lambda parameter: row[parameter.name])

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)


# What runs


def test_the_default_is_trial_0_then_the_hunches_then_the_tuner() -> None:
    """Origins say who chose; what a hunch leaves out is as written."""
    tuner = Scripted({"x": 0.1, "y": 0.2})
    result = study_of(PLANE, tuner=tuner, trials=3, tries=[{"y": 0.9}])
    assert params_of(result) == [{"x": 0.5, "y": -0.5}, {"x": 0.5, "y": 0.9}, {"x": 0.1, "y": 0.2}]
    assert [t.origin for t in result.record.trials] == [Origin.DEFAULT, Origin.TRY, Origin.TUNER]
    assert [t.number for t in result.record.trials] == [0, 1, 2]


def test_the_default_can_be_left_out() -> None:
    """The first trial is the tuner's then."""
    result = study_of(PLANE, trials=2, default=False)
    assert {t.origin for t in result.record.trials} == {Origin.TUNER}


def test_a_hunch_that_has_run_under_other_words_is_not_run_again() -> None:
    """Equal to the default or to another one, or different only where the cell does not look."""
    tries = [{"x": 0.5}, {"x": 0.7}, {"x": 0.7, "y": -0.5}]
    assert len(study_of(PLANE, "manual", tries=tries).record.trials) == 2
    tries = [
        {"kernel": "linear"},
        {"kernel": "linear", "gamma": 0.7},
        {"kernel": "linear", "C": 9.0},
    ]
    assert len(study_of(SVM, trials=4, tries=tries).record.trials) == 4
    result = study_of(SVM, trials=4, tries=tries)
    assert [t.origin for t in result.record.trials].count(Origin.TRY) == 2


def test_hunches_fill_names_with_braces() -> None:
    """One by its own name, or all of them; equal ones run once."""
    program = Program(
        space_of(Parameter("u_{i}", Int(1, 9), default=5)), lambda c: float(c("u_0") - c("u_1"))
    )
    tries = [{"u_0": 5}, {"u_1": 2}, {"u_{i}": 7}, {"u_0": 7, "u_1": 7}]
    rows = params_of(study_of(program, trials=3, tries=tries))
    assert rows == [{"u_0": 5, "u_1": 5}, {"u_0": 5, "u_1": 2}, {"u_0": 7, "u_1": 7}]


def test_a_written_value_that_is_no_literal_is_what_the_code_makes_of_it() -> None:
    """The record has the value that the cell computed."""
    program = Program(
        space_of(Parameter("x", Uniform(0, 9), default=4.0), Parameter("y", Uniform(0, 9))),
        lambda cell: cell("x") + cell("y", written=cell("x") / 2),
    )
    rows = params_of(study_of(program, trials=2, tries=[{"x": 1.0}]))
    assert rows == [{"x": 4.0, "y": 2.0}, {"x": 1.0, "y": 0.5}]


def test_a_value_that_would_repeat_a_trial_is_replaced_and_told_as_it_ran() -> None:
    """A tuner that insists gets other values, and hears which."""
    program = Program(
        space_of(Parameter("a", Choice(("x", "y")), default="x")), lambda c: len(c("a"))
    )
    tuner = Scripted({"a": "x"}, {"a": "x"})
    result = study_of(program, tuner=tuner)
    assert params_of(result) == [{"a": "x"}, {"a": "y"}]
    assert [t.params for t in tuner.told] == [{"a": "x"}, {"a": "y"}]


# When it ends


def test_the_number_of_trials_is_the_total() -> None:
    """The default and the hunches are among them."""
    result = study_of(PLANE, trials=5, tries=[{"x": 0.1}, {"x": 0.2}])
    assert len(result.record.trials) == 5
    assert ended(result) == ("complete", "all 5 trials have run")


def test_a_study_ends_with_the_hunches_if_there_are_more_than_trials() -> None:
    """The limit holds for the plan too."""
    result = study_of(PLANE, trials=2, tries=[{"x": 0.1}, {"x": 0.2}])
    assert len(result.record.trials) == 2


def test_a_study_ends_when_every_combination_has_run() -> None:
    """Though more trials were asked for."""
    assert ended(study_of(GRID, trials=99)) == ("complete", "every combination has run")


def test_a_study_ends_when_its_tuner_has_no_more_to_propose() -> None:
    """A plan has an end."""
    assert ended(study_of(PLANE, tuner=Scripted({"x": 0, "y": 0}))) == (
        "complete",
        "the plan is done",
    )
    empty = study_of(PLANE, tuner=Scripted(), default=False)
    assert ended(empty) == ("complete", "there is nothing to run")


def test_a_cell_that_tunes_nothing_runs_once() -> None:
    """There is one combination: none."""
    result = study_of(Program(space_of(), lambda _: 1.0), trials=9)
    assert len(result.record.trials) == 1
    assert ended(result) == ("complete", "nothing is tuned, so it ran once")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the loop's own clock forward by seconds."""
    now = [1000.0]
    fake = SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0])
    monkeypatch.setattr(study_module, "time", fake)

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_no_trial_begins_after_the_time_is_over(clock: Callable[[float], None]) -> None:
    """A trial that runs is not cut short: at 4 s a trial, 10 s are three trials."""

    def body(cell: Cell) -> float:
        clock(4)
        return float(cell("x"))

    program = replace(PLANE, body=body)
    result = run_study(
        info_of(program),
        LocalEngine(ProgramRunner(program)),
        Scripted(*({"x": i / 10, "y": 0.0} for i in range(9))),
        ExecutionTree(),
        limits=Limits(seconds=10),
    )
    assert len(result.record.trials) == 3
    assert ended(result) == ("complete", "the time of 10 s is over")


def test_three_failures_at_the_start_stop_a_study_with_the_first_error() -> None:
    """Nothing worked, so nothing will."""

    def body(cell: Cell) -> float:
        raise ValueError(f"x is {cell('x')}")

    result = study_of(replace(PLANE, body=body), trials=20)
    assert states(result) == 3 * ["failed"]
    assert ended(result) == ("failed", "the first 3 trials all failed")
    assert isinstance(result.error, ValueError)
    assert str(result.error) == "x is 0.5"
    assert result.best is None
    assert finished(result).best is None


def test_failures_after_a_trial_that_worked_do_not_stop_a_study() -> None:
    """The default works and nothing else: the study goes on to its end."""

    def body(cell: Cell) -> float:
        if cell("x") != 0.5:
            raise ValueError("no")
        return 1.0

    result = study_of(replace(PLANE, body=body), trials=9)
    assert states(result) == ["complete"] + 8 * ["failed"]
    assert ended(result)[0] == "complete"
    assert result.error is None
    assert finished(result).best == 0


def test_failures_after_a_session_that_worked_do_not_stop_a_study() -> None:
    """A study that goes on has shown before that its cell works."""
    earlier = study_of(PLANE, trials=3).record.trials

    def body(cell: Cell) -> float:
        raise ValueError(f"x is {cell('x')}")

    result = study_of(
        replace(PLANE, body=body), trials=8, default=False, earlier=earlier, next_number=3
    )
    assert states(result) == 3 * ["complete"] + 5 * ["failed"]
    assert ended(result)[0] == "complete"


@pytest.mark.parametrize("tuner", ["random", "grid", "bayes"])
@pytest.mark.parametrize("before", ["any draw", "x"])
def test_one_mishap_closes_no_branch_and_ends_no_study(tuner: str, before: str) -> None:
    """A connection that broke once says nothing about the values; the others there still run."""
    space = space_of(Parameter("kind", Choice(("a", "b"))), Parameter("x", Ordinal((1, 2, 3))))
    times: Counter[str] = Counter()

    def shaky(cell: Cell) -> float:
        if before == "any draw":
            times["begun"] += 1
            if times["begun"] == 2:
                raise ConnectionError
        kind = cell("kind")
        times[kind] += 1
        if before == "x" and kind == "a" and times["a"] == 1:
            raise ConnectionError
        return cell("x") + (kind == "b")

    trials = study_of(Program(space, shaky), tuner, 7, default=False).record.trials
    assert [t.state for t in trials].count(TrialState.FAILED) == 1
    whole = {tuple(t.params.values()) for t in trials if t.state is TrialState.COMPLETE}
    assert len(whole) == 6


def test_a_value_at_which_every_trial_fails_is_run_twice() -> None:
    """A grid without a number of trials ends."""
    space = space_of(Parameter("kind", Choice(("a", "b"))), Parameter("x", Int(1, 9)))

    def broken(cell: Cell) -> float:
        if cell("kind") == "a":
            raise ValueError
        return float(cell("x"))

    trials = study_of(Program(space, broken), "grid", default=False).record.trials
    assert [t.params["kind"] for t in trials].count("a") == 2
    assert len(trials) == 2 + 9


def test_a_pruned_trial_is_no_failure() -> None:
    """Two failures and a pruned trial do not stop a study."""

    def body(cell: Cell) -> float:
        if cell("x") < 0:
            raise Pruned
        raise ValueError("no")

    tuner = Scripted({"x": -0.5, "y": 0}, *({"x": i / 10, "y": 0} for i in range(5)))
    result = study_of(replace(PLANE, body=body), tuner=tuner)
    assert states(result) == ["failed", "pruned"] + 5 * ["failed"]
    assert ended(result)[0] == "complete"


def test_a_plan_of_which_every_trial_failed_is_a_failed_study() -> None:
    """Two combinations, two errors: the person must see one."""

    def body(cell: Cell) -> float:
        raise ValueError(f"x is {cell('x')}")

    result = study_of(replace(PLANE, body=body), "manual", tries=[{"x": 0.1}])
    assert ended(result) == ("failed", "all 2 trials failed")
    assert str(result.error) == "x is 0.5"
    once = study_of(Program(space_of(), lambda _: math.nan))
    assert ended(once) == ("failed", "the trial failed")


def test_an_interrupt_within_a_trial_ends_the_study_and_keeps_the_trial() -> None:
    """It is recorded as interrupted; the best of the others stands."""

    def body(cell: Cell) -> float:
        if cell("x") == 0.9:
            raise KeyboardInterrupt
        return float(cell("x"))

    tuner = Scripted({"x": 0.2, "y": 0}, {"x": 0.9, "y": 0}, {"x": 0.1, "y": 0})
    result = study_of(replace(PLANE, body=body), tuner=tuner)
    assert states(result) == ["complete", "complete", "interrupted"]
    assert ended(result) == ("interrupted", "stopped by hand after 2 trials")
    assert finished(result).best == 1
    assert tuner.told[-1].state is TrialState.INTERRUPTED


def test_an_interrupted_configuration_counts_as_not_run() -> None:
    """When the study is taken up again it may run."""
    tree = ExecutionTree()

    def body(cell: Cell) -> float:
        cell("x")
        raise KeyboardInterrupt

    program = replace(PLANE, body=body)
    run_study(
        info_of(program),
        LocalEngine(ProgramRunner(program)),
        Scripted(),
        tree,
        plan=[Planned(Origin.DEFAULT)],
    )
    assert tree.path({"x": 0.5}) == ({"x": 0.5}, False)


def test_a_trial_that_is_run_again_has_its_values_and_the_tuner_adds_the_others() -> None:
    """One that was cut short between two draws is the tuner's where it had not come to."""
    again = [
        Planned(Origin.TUNER, {"x": 0.125, "y": 0.25}),
        Planned(Origin.TUNER, {"x": 0.375}),
        Planned(Origin.TUNER, {"x": 0.375}),
    ]
    tuner, tree = tuner_of("random", PLANE)
    result = run_study(
        info_of(PLANE),
        LocalEngine(ProgramRunner(PLANE)),
        tuner,
        tree,
        plan=again,
        limits=Limits(4),
    )
    first, second, third, fourth = params_of(result)
    assert first == {"x": 0.125, "y": 0.25}
    assert second["x"] == third["x"] == 0.375
    assert len({-0.5, second["y"], third["y"]}) == 3
    assert fourth["x"] not in (0.125, 0.375)


def test_a_person_may_ask_to_stop_between_trials() -> None:
    """The running trial ends first."""
    asked = iter([False, False, True])
    result = study_of(PLANE, trials=9, stop=lambda: next(asked))
    assert states(result) == 2 * ["complete"]
    assert ended(result) == ("interrupted", "stopped by hand after 2 trials")


def test_an_interrupt_while_the_tuner_thinks_ends_the_study_properly() -> None:
    """What has run is kept."""

    class Slow(Scripted):
        def ask(self) -> Any:
            raise KeyboardInterrupt

    result = study_of(PLANE, tuner=Slow())
    assert states(result) == ["complete"]
    assert ended(result) == ("interrupted", "stopped by hand after 1 trial")


# What is best


def test_a_nan_is_a_failure_and_never_the_best() -> None:
    """Nor is infinity, though nothing is smaller than minus infinity."""
    values = {0.1: math.nan, 0.2: -math.inf, 0.3: 7.0}
    program = replace(PLANE, body=lambda cell: values.get(cell("x"), 9.0))
    tuner = Scripted(*({"x": x, "y": 0} for x in values))
    result = study_of(program, tuner=tuner)
    assert states(result) == ["complete", "failed", "failed", "complete"]
    assert finished(result).best == 3
    assert result.best is not None
    assert result.best.bindings["x"] == 0.3


def test_the_first_of_equals_is_the_best() -> None:
    """The person's default is not displaced by a tie."""
    result = study_of(replace(PLANE, body=lambda cell: float(cell("x") < 9)), trials=5)
    assert finished(result).best == 0


def test_what_is_to_be_maximised_is_maximised() -> None:
    """The direction is the objective's."""
    aims = (Objective("score", Direction.MAXIMIZE),)
    tuner = Scripted({"x": 0.9, "y": 0}, {"x": 0.2, "y": 0})
    result = study_of(Program(PLANE.space, lambda cell: cell("x"), aims), tuner=tuner)
    assert finished(result).best == 1


def test_a_trial_has_the_values_of_all_objectives_or_none() -> None:
    """In the study's order, whatever the order of the reports."""
    aims = (Objective("a", Direction.MINIMIZE), Objective("b", Direction.MAXIMIZE))

    def body(cell: Cell) -> tuple[float, float]:
        cell.report("b", 5.0)
        if cell("x") < 0:
            raise Pruned
        return float(cell("x")), 6.0

    tuner = Scripted({"x": -0.5, "y": 0})
    first, second = study_of(Program(PLANE.space, body, aims), tuner=tuner).record.trials
    assert first.values == (0.5, 6.0)
    assert second.values is None
    assert second.metrics == {"b": 5.0}


def test_reports_become_metrics_and_curves() -> None:
    """The last value of each metric, and every one that had a step."""

    def body(cell: Cell) -> float:
        for step in range(3):
            cell.report("loss", 3.0 - step, step)
        cell.report("note", 1.0)
        return float(cell("x"))

    trial = study_of(replace(PLANE, body=body), trials=1).record.trials[0]
    assert trial.curves == {"loss": ((0, 3.0), (1, 2.0), (2, 1.0))}
    assert trial.metrics == {"loss": 0.5, "note": 1.0}


# Who hears what


def test_listeners_hear_every_event_in_order() -> None:
    """A trial's values and reports come between its start and its end."""
    heard: list[Event] = []
    study_of(PLANE, trials=2, listeners=[heard.append])
    kinds = [type(event) for event in heard]
    trial = [TrialStarted, ValueDrawn, ValueDrawn, MetricReported, TrialFinished]
    assert kinds == [StudyStarted, *trial, *trial, StudyFinished]
    assert heard[2] == ValueDrawn(0, "x", Uniform(-1, 1), 0.5)
    assert heard[4] == MetricReported(0, Report("loss", heard[4].report.value, None, 0.0))


def test_the_judge_sees_the_first_objective_and_may_prune() -> None:
    """Other metrics are not its business."""
    seen: list[tuple[int, str, float]] = []

    def judge(number: int, report: Report) -> None:
        seen.append((number, report.name, report.value))
        if number == 1 and report.step == 1:
            raise Pruned

    def body(cell: Cell) -> float:
        cell("x")
        for step in range(3):
            cell.report("other", 1.0, step)
            cell.report("loss", float(step), step)
        return 0.0

    result = study_of(replace(PLANE, body=body), trials=2, judge=judge)
    assert states(result) == ["complete", "pruned"]
    assert {name for _, name, _ in seen} == {"loss"}
    assert result.record.trials[1].values == (1.0,)


def test_each_trial_runs_within_a_context_of_its_number() -> None:
    """MLflow's run of the trial is open while the cell runs."""
    log: list[str] = []

    @contextmanager
    def around(number: int) -> Any:
        log.append(f"in {number}")
        yield
        log.append(f"out {number}")

    study_of(PLANE, trials=2, around_trial=around)
    assert log == ["in 0", "out 0", "in 1", "out 1"]


# Faults of our own


def test_an_error_of_the_tuner_is_raised_not_taken_for_the_cells() -> None:
    """While it draws, though the cell catches everything; the study is closed first."""

    class Faulty(Scripted):
        def ask(self) -> Any:
            def suggest(_: Parameter) -> Any:
                raise LookupError("tuner")

            return SimpleNamespace(suggest=suggest)

    def body(cell: Cell) -> float:
        try:
            return float(cell("x"))
        except Exception:
            return 0.0

    heard: list[Event] = []
    with pytest.raises(LookupError, match="tuner"):
        study_of(replace(PLANE, body=body), tuner=Faulty(), listeners=[heard.append])
    assert isinstance(heard[-1], StudyFinished)
    assert heard[-1].state == "failed"


@pytest.mark.parametrize("when", ["ask", "tell"])
def test_an_error_of_the_tuner_between_trials_is_raised_too(when: str) -> None:
    """The trial that it was told of is on record before."""
    tuner = Scripted({"x": 0.1, "y": 0.1})

    def fail(*_: object) -> None:
        raise LookupError(when)

    setattr(tuner, when, fail)
    heard: list[Event] = []
    with pytest.raises(LookupError, match=when):
        study_of(PLANE, tuner=tuner, listeners=[heard.append])
    assert [type(event) for event in heard[-2:]] == [TrialFinished, StudyFinished]


def test_an_error_of_a_listener_is_raised_and_the_study_is_closed() -> None:
    """Nothing is left open for the other listeners."""
    heard: list[Event] = []

    def faulty(event: Event) -> None:
        if isinstance(event, TrialFinished):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        study_of(PLANE, trials=3, listeners=[heard.append, faulty])
    assert isinstance(heard[-1], StudyFinished)
