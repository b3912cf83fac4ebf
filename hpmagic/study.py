"""The one loop: ask, run, tell, record."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hpmagic.distributions import MISSING
from hpmagic.errors import ObjectiveError
from hpmagic.execution.outcome import WRITTEN, Runner, TrialOutcome
from hpmagic.ranking import best_trial
from hpmagic.records import (
    Event,
    Listener,
    MetricReported,
    Objective,
    Origin,
    Report,
    StudyFinished,
    StudyInfo,
    StudyRecord,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
)
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal, Tuner
from hpmagic.tuners.tree import ExecutionTree, Walk

__all__ = ["Limits", "Planned", "StudyResult", "run_study"]

HOPELESS = 3
"""So many failures at the start, with no trial in between that worked, stop a study."""


@dataclass(frozen=True)
class Planned:
    """A trial whose values a person chose; what is not in ``values`` is as written in the code."""

    origin: Origin
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """When to stop: ``trials`` in all, and no new trial after ``seconds``; None is no limit."""

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class StudyResult:
    """How a study went, and what the notebook needs of it."""

    record: StudyRecord
    best: TrialOutcome | None
    """The outcome of the best trial, with its bindings."""
    error: BaseException | None
    """What the person must see: the one error of a study whose first trials all failed."""


class _TunerFault(BaseException):
    """Carries an error of the tuner out through the cell, past the cell's own ``except``."""


def run_study(
    info: StudyInfo,
    runner: Runner,
    tuner: Tuner,
    tree: ExecutionTree,
    *,
    plan: Iterable[Planned] = (),
    limits: Limits | None = None,
    listeners: Sequence[Listener] = (),
    stop: Callable[[], bool] = lambda: False,
    around_trial: Callable[[int], AbstractContextManager[object]] = lambda _: nullcontext(),
    judge: Callable[[int, Report], None] | None = None,
) -> StudyResult:
    """Run trials until the plan, the tuner, the space or a limit ends them.

    Args:
        info: what the study is.
        runner: runs the cell once.
        tuner: chooses values once the ``plan`` is through.
        tree: what has been executed; shared with the tuner.
        plan: the person's own combinations: the default first, then the hunches.
        limits: how many trials, how long.
        listeners: hear every event, on this thread.
        stop: asked between trials whether the person has asked to stop.
        around_trial: a context for each trial, by its number.
        judge: sees each report of the first objective, and may raise `Pruned`.

    Raises:
        Exception: what the tuner or a listener raised; the study is closed first.
    """
    loop = _Loop(
        info, runner, tuner, tree, listeners=listeners, around_trial=around_trial, judge=judge
    )
    return loop.run(list(plan), limits or Limits(), stop)


class _Loop:
    def __init__(
        self,
        info: StudyInfo,
        runner: Runner,
        tuner: Tuner,
        tree: ExecutionTree,
        *,
        listeners: Sequence[Listener],
        around_trial: Callable[[int], AbstractContextManager[object]],
        judge: Callable[[int, Report], None] | None,
    ) -> None:
        self.info = info
        self.runner = runner
        self.tuner = tuner
        self.tree = tree
        self.listeners = listeners
        self.around_trial = around_trial
        self.judge = judge
        self.rng = np.random.default_rng([info.seed, 0x6E6F76])
        self.trials: list[Trial] = []
        self.leader: Trial | None = None
        self.best: TrialOutcome | None = None
        self.errors: list[BaseException] = []

    def run(self, plan: list[Planned], limits: Limits, stop: Callable[[], bool]) -> StudyResult:
        begun = time.monotonic()
        state, reason = "failed", "hpmagic itself failed"
        self.emit(StudyStarted(self.info))
        try:
            state, reason = self.trials_until_done(plan, limits, stop, begun)
            if state == "complete" and len(self.errors) == len(self.trials) > 0:
                state, reason = "failed", _all_failed(len(self.trials))
        except KeyboardInterrupt:
            state, reason = "interrupted", _stopped(self.trials)
        finally:
            best = None if self.leader is None else self.leader.number
            finished = StudyFinished(state, reason, time.time(), best)
            self.emit(finished)
        error = self.errors[0] if state == "failed" and self.errors else None
        record = StudyRecord(self.info, tuple(self.trials), finished)
        return StudyResult(record, self.best, error)

    def trials_until_done(
        self, plan: list[Planned], limits: Limits, stop: Callable[[], bool], begun: float
    ) -> tuple[str, str]:
        while True:
            if stop():
                return "interrupted", _stopped(self.trials)
            if limits.trials is not None and len(self.trials) >= limits.trials:
                return "complete", f"all {limits.trials} trials have run"
            if limits.seconds is not None and time.monotonic() - begun >= limits.seconds:
                return "complete", f"the time of {limits.seconds:g} s is over"
            if self.tree.exhausted:
                return "complete", _every(len(self.trials))
            planned = self.next_planned(plan)
            proposal = None if planned else self.tuner.ask()
            if planned is None and proposal is None:
                return "complete", "the plan is done" if self.trials else "there is nothing to run"
            trial = self.one(planned, proposal)
            if trial.state is TrialState.INTERRUPTED:
                return "interrupted", _stopped(self.trials)
            if len(self.errors) == HOPELESS == len(self.trials):
                return "failed", f"the first {HOPELESS} trials all failed"

    def next_planned(self, plan: list[Planned]) -> Planned | None:
        """The next of the plan that has not been run already under other words."""
        while plan:
            planned = plan.pop(0)
            _, known = self.tree.path(_AsPlanned(planned, self.info.space))
            if not known:
                return planned
        return None

    def one(self, planned: Planned | None, proposal: Proposal | None) -> Trial:
        """Run one trial and tell everybody."""
        number = len(self.trials)
        origin = planned.origin if planned else Origin.TUNER
        walk = self.tree.walk()
        self.emit(TrialStarted(number, origin, time.time()))

        def draw(parameter: Parameter) -> Any:
            if planned is not None:
                return _planned_value(planned, parameter, self.info.space)
            assert proposal is not None
            try:
                return walk.draw(parameter, proposal.suggest, self.rng)
            except Exception as error:
                raise _TunerFault from error

        def report(report: Report) -> None:
            self.emit(MetricReported(number, report))
            if self.judge is not None and report.name == self.info.objectives[0].name:
                self.judge(number, report)

        with self.around_trial(number):
            outcome = self.runner.run(draw, report)
        if isinstance(outcome.error, _TunerFault):
            assert outcome.error.__cause__ is not None
            raise outcome.error.__cause__
        if planned is not None:
            _follow(walk, outcome)
        trial = _trial(number, origin, outcome, self.info.objectives)
        walk.end(complete=trial.state is not TrialState.INTERRUPTED)
        self.trials.append(trial)
        if trial.state is TrialState.FAILED:
            self.errors.append(outcome.error or ObjectiveError(trial.reason))
        leaders = [trial] if self.leader is None else [self.leader, trial]
        if best_trial(leaders, self.info.objectives) is trial:
            self.leader, self.best = trial, outcome
        self.emit(TrialFinished(trial))
        self.tuner.tell(trial)
        return trial

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


class _AsPlanned(dict[str, Any]):
    """The values of a planned trial by name, as far as they are known before it runs."""

    def __init__(self, planned: Planned, space: SearchSpace) -> None:
        super().__init__()
        self.planned = planned
        self.space = space

    def __missing__(self, name: str) -> Any:
        parameter = self.space.find(name)
        if parameter is None:
            raise KeyError(name)
        value = _planned_value(self.planned, replace(parameter, name=name), self.space)
        if value is WRITTEN:
            raise KeyError(name)
        return value


def _planned_value(planned: Planned, parameter: Parameter, space: SearchSpace) -> Any:
    """The value planned for a name, or for all that fill in the same braces; else as written."""
    found = space.find(parameter.name)
    for name in (parameter.name, found.name if found else parameter.name):
        if name in planned.values:
            return planned.values[name]
    return WRITTEN if parameter.default is MISSING else parameter.default


def _follow(walk: Walk, outcome: TrialOutcome) -> None:
    for name, value in outcome.params.items():
        walk.fix(Parameter(name, outcome.distributions[name]), value)


def _trial(
    number: int, origin: Origin, outcome: TrialOutcome, objectives: Sequence[Objective]
) -> Trial:
    curves: dict[str, list[tuple[int, float]]] = {}
    metrics: dict[str, float] = {}
    for report in outcome.reports:
        metrics[report.name] = report.value
        if report.step is not None:
            curves.setdefault(report.name, []).append((report.step, report.value))
    finals = metrics | dict(outcome.values)
    known = [finals[o.name] for o in objectives if o.name in finals]
    usable = outcome.state in (TrialState.COMPLETE, TrialState.PRUNED)
    usable = usable and all(map(math.isfinite, known))
    return Trial(
        number=number,
        state=outcome.state,
        params=outcome.params,
        distributions=outcome.distributions,
        values=tuple(known) if usable and len(known) == len(objectives) else None,
        metrics=metrics,
        curves={name: tuple(points) for name, points in curves.items()},
        origin=origin,
        start=outcome.start,
        duration=outcome.duration,
        reason=outcome.reason,
        output=outcome.output,
        notes=outcome.notes,
    )


def _stopped(trials: Sequence[Trial]) -> str:
    return (
        f"stopped by hand after {sum(t.state is not TrialState.INTERRUPTED for t in trials)} trials"
    )


def _all_failed(count: int) -> str:
    return "the trial failed" if count == 1 else f"all {count} trials failed"


def _every(count: int) -> str:
    return "every combination has run" if count > 1 else "nothing is tuned, so it ran once"
