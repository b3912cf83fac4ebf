"""The one loop: ask, run, tell, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from hpmagic.conversation import (
    OPEN,
    Planned,
    TrialConversation,
    given_value,
    planned_value,
    trial_of,
)
from hpmagic.distributions import Distribution
from hpmagic.engines.base import Engine
from hpmagic.errors import ObjectiveError
from hpmagic.execution.interrupt import held, interrupt_requested
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.ranking import beats
from hpmagic.records import (
    TUNER_NOTE,
    Event,
    Listener,
    MetricReported,
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
    ValueDrawn,
)
from hpmagic.repeats import Race, joined
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal, Tuner
from hpmagic.tuners.tree import ExecutionTree, end_as

__all__ = ["Limits", "Planned", "StudyResult", "run_study"]

HOPELESS = 3
"""So many failures at the start, with no trial in between that worked, stop a study."""


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
    """The outcome of the best trial, whose variables the engine has kept."""
    error: BaseException | None
    """What the person must see: the one error of a study whose first trials all failed."""


class _End(NamedTuple):
    """How a study ends; ``state`` as in `StudyFinished`."""

    state: str
    reason: str


def run_study(
    info: StudyInfo,
    engine: Engine,
    tuner: Tuner,
    tree: ExecutionTree,
    *,
    plan: Iterable[Planned] = (),
    limits: Limits | None = None,
    listeners: Sequence[Listener] = (),
    stop: Callable[[], bool] = lambda: False,
    enough: Callable[[Sequence[Trial]], str] = lambda _: "",
    judge: Callable[[int, Report], None] | None = None,
    earlier: Sequence[Trial] = (),
    next_number: int = 0,
) -> StudyResult:
    """Run trials until the plan, the tuner, the space or a limit ends them.

    A free worker of the engine gets the next trial at once, whatever the others do.

    Args:
        info: what the study is.
        engine: runs trials; it stays open.
        tuner: chooses values once the ``plan`` is through.
        tree: what has been executed; shared with the tuner.
        plan: the person's own combinations: the default first, then the hunches.
        limits: how many trials, how long.
        listeners: hear every event, on this thread.
        stop: asked between trials whether the person has asked to stop.
        enough: why the trials that have ended are enough, empty while they are not; asked between
            trials once the ``plan`` is through.
        judge: sees each report of the first objective, and may raise `Pruned`.
        earlier: the trials of a study that is resumed. Those that ended count among the limit, and
            the tuner is told of them.
        next_number: the number of the first new trial.

    Raises:
        Exception: what the tuner, the engine or a listener raised; the study is closed first.
    """
    loop = _Loop(info, engine, tuner, tree, listeners=listeners, judge=judge, enough=enough)
    loop.go_on_after(earlier, next_number)
    return loop.run(list(plan), limits or Limits(), stop)


class _Loop:
    def __init__(
        self,
        info: StudyInfo,
        engine: Engine,
        tuner: Tuner,
        tree: ExecutionTree,
        *,
        listeners: Sequence[Listener],
        judge: Callable[[int, Report], None] | None,
        enough: Callable[[Sequence[Trial]], str],
    ) -> None:
        self.info = info
        self.engine = engine
        self.tuner = tuner
        self.tree = tree
        self.listeners = listeners
        self.judge = judge
        self.enough = enough
        self.heeded = frozenset([info.objectives[0].name] if judge is not None else [])
        self.race = Race(info.repeats, info.objectives[0])
        self.room = _surely(info)
        self.branches = any(p.conditional for p in info.space.values())
        self.begun = 0
        """How many trials have begun, those of a resumed study among them that count."""
        self.next_number = 0
        self.earlier: tuple[Trial, ...] = ()
        self.running: dict[int, TrialConversation] = {}
        self.trials: list[Trial] = []
        self.best: Trial | None = None
        self.best_outcome: TrialOutcome | None = None
        self.errors: list[BaseException] = []
        self.remark = _remark(tuner)
        self.notes: dict[int, str] = {}
        """What the tuner said with a trial's values, by the trial's number."""

    def go_on_after(self, earlier: Sequence[Trial], next_number: int) -> None:
        """Take in the trials of a study that is resumed."""
        self.earlier = tuple(earlier)
        self.next_number = next_number
        self.trials = list(earlier)
        for trial in earlier:
            if trial.state is TrialState.INTERRUPTED:
                continue
            self.begun += 1
            walk = self.tree.walk()
            for name, value in trial.params.items():
                walk.fix(Parameter(name, trial.distributions[name]), value)
            end_as(walk, trial.state, trial.params, self.info.space)
            if beats(trial, self.best, self.info.objectives[0]):
                self.best = trial
            self.race.learn(trial)
            self.tuner.tell(trial)

    def run(self, plan: list[Planned], limits: Limits, stop: Callable[[], bool]) -> StudyResult:
        end = _End("failed", "hpmagic itself failed")
        clock = time.monotonic()
        self.emit(StudyStarted(self.info, self.earlier))
        try:
            with held():  # an interrupt arrives while the engine waits, and nowhere else
                end = self.trials_until_done(plan, limits, stop, clock)
            if end.state == "complete" and self.all_failed() and self.errors:
                end = _End("failed", _all_failed(len(self.trials)))
        except KeyboardInterrupt:
            end = self.stopped()
        finally:
            with held():
                by_hand = end.state == "interrupted"
                self.give_up("stopped by hand" if by_hand else "given up when the study ended")
                number = None if self.best is None else self.best.number
                finished = StudyFinished(end.state, end.reason, time.time(), number)
                self.emit(finished)
        error = self.errors[0] if end.state == "failed" and self.errors else None
        trials = tuple(sorted(self.trials, key=lambda trial: trial.number))
        record = StudyRecord(self.info, trials, finished)
        return StudyResult(record, self.best_outcome, error)

    def trials_until_done(
        self, plan: list[Planned], limits: Limits, stop: Callable[[], bool], clock: float
    ) -> _End:
        while True:
            end = self.begin_trials(plan, limits, stop, clock)
            if end is not None and (end.state != "complete" or not self.running):
                return end
            ended = self.engine.wait()
            if ended is None:
                continue
            number, outcome = ended
            conversation = self.running[number]
            if self.info.repeats > 1:
                conversation.outcomes.append(outcome)
                if not stop() and self.race.goes_on(conversation.origin, conversation.outcomes):
                    conversation.again()
                    self.engine.start(conversation)
                    continue
                outcome = joined(conversation.outcomes, self.info.objectives)
            del self.running[number]
            trial = self.record(conversation, outcome)
            if trial.state is TrialState.INTERRUPTED:
                return self.stopped()
            if self.all_failed() and len(self.errors) == HOPELESS:
                return _End("failed", f"the first {HOPELESS} trials all failed")

    def begin_trials(
        self, plan: list[Planned], limits: Limits, stop: Callable[[], bool], clock: float
    ) -> _End | None:
        """Give every free worker a trial; why there are no more to give, if so."""
        while len(self.running) < self.engine.capacity:
            if stop():
                return self.stopped()
            if limits.trials is not None and self.begun >= limits.trials:
                return _End("complete", _all_run(self.begun, limits.trials))
            if limits.seconds is not None and time.monotonic() - clock >= limits.seconds:
                return _End("complete", f"the time of {limits.seconds:g} s is over")
            if self.tree.exhausted:
                return _End("complete", _every(self.begun))
            if not plan and (reason := self.enough(self.trials)):
                return _End("complete", reason)
            if self.running and self.crowded():
                return None
            chosen: Planned | Proposal | None = self.next_planned(plan)
            if chosen is None:
                if limits.trials is not None and self.begun + len(plan) >= limits.trials:
                    return None  # what is left is for the plan, once it is clear what it draws
                chosen = self.tuner.ask()
                self.listen()
            if chosen is None:
                if plan:
                    return None
                reason = "the plan is done" if self.begun else "there is nothing to run"
                return _End("complete", reason)
            if interrupt_requested():  # while the tuner was thinking
                return self.stopped()
            self.begin(chosen)
        return None

    def listen(self) -> None:
        """Keep what the tuner has to say of the next trial, if that is news."""
        said = _remark(self.tuner)
        if said != self.remark:
            self.remark = self.notes[self.next_number] = said

    def crowded(self) -> bool:
        """Whether the trials that run may be all there are to run, so that one has to wait."""
        if self.tree.explored:
            return self.tree.crowded
        return self.room is not None and len(self.running) >= self.room

    def next_planned(self, plan: list[Planned]) -> Planned | None:
        """The next of the plan that has not been run, and does not run now, under other words.

        One that may be what runs now, depending on what that trial still draws, stays in the plan.
        """
        for planned in list(plan):
            values = _AsPlanned(planned, self.info.space)
            _, known = self.tree.path(values)
            if not known and self.tree.taken(values):
                continue
            twins = [c for c in self.running.values() if self.alike(planned, c.planned)]
            if twins and self.branches and not known:
                continue
            plan.remove(planned)
            if not twins and not known:
                return planned
        return None

    def alike(self, one: Planned, other: Planned | None) -> bool:
        """Whether two plans agree in every value that is drawn whatever happens."""
        if other is None:
            return False
        space = self.info.space
        always = [p for p in space.values() if not p.conditional]
        return all(_key(p, one, space) == _key(p, other, space) for p in always)

    def begin(self, chosen: Planned | Proposal) -> None:
        """Start a trial on a free worker."""
        space = self.info.space
        ask = self.tuner.ask
        if isinstance(chosen, Planned):
            if chosen.origin is Origin.TUNER:  # it counts as one of the tuner's while it runs
                proposal = self.tuner.ask()
                ask = lambda: proposal  # noqa: E731
            walk = self.tree.walk(lambda name: given_value(chosen, name, space))
        else:
            walk = self.tree.walk()
        conversation = TrialConversation(
            self.next_number,
            chosen,
            space=space,
            walk=walk,
            # Of its own for each trial: then a resumed study goes on as if never interrupted.
            seed=(self.info.seed, 0x6E6F76, self.begun),
            hear=self.hear,
            note=self.note,
            ask=ask,
            heeded=self.heeded,
            repeats=self.info.repeats > 1,
        )
        self.begun += 1
        self.next_number += 1
        self.running[conversation.number] = conversation
        self.emit(TrialStarted(conversation.number, conversation.origin, time.time()))
        self.engine.start(conversation)

    def note(self, number: int, name: str, distribution: Distribution, value: object) -> None:
        self.emit(ValueDrawn(number, name, distribution, value))

    def hear(self, number: int, report: Report) -> None:
        self.emit(MetricReported(number, report))
        if self.judge is not None and report.name in self.heeded:
            self.judge(number, report)

    def record(self, conversation: TrialConversation, outcome: TrialOutcome) -> Trial:
        """A trial has ended: tell everybody."""
        conversation.end(outcome)
        trial = trial_of(conversation.number, conversation.origin, outcome, self.info.objectives)
        if said := self.notes.pop(trial.number, ""):
            trial = replace(trial, notes={**trial.notes, TUNER_NOTE: said})
        self.trials.append(trial)
        if trial.state is TrialState.FAILED:
            self.errors.append(outcome.error or ObjectiveError(trial.reason))
        if beats(trial, self.best, self.info.objectives[0]):
            self.best, self.best_outcome = trial, outcome
            self.engine.keep(trial.number)
        self.emit(TrialFinished(trial))
        self.race.learn(trial)
        self.tuner.tell(trial)
        return trial

    def give_up(self, reason: str) -> None:
        """Record the trials that still run as interrupted."""
        while self.running:
            _, conversation = self.running.popitem()
            outcome = conversation.interrupted(reason)
            conversation.end(outcome)
            trial = trial_of(
                conversation.number, conversation.origin, outcome, self.info.objectives
            )
            self.trials.append(trial)
            self.emit(TrialFinished(trial))

    def all_failed(self) -> bool:
        """Whether no trial of this session, or of an earlier one, gave anything."""
        new = len(self.trials) - len(self.earlier)
        gave = (TrialState.COMPLETE, TrialState.PRUNED)
        return len(self.errors) == new and not any(t.state in gave for t in self.earlier)

    def stopped(self) -> _End:
        count = sum(trial.state is not TrialState.INTERRUPTED for trial in self.trials)
        return _End("interrupted", f"stopped by hand after {count} trial{'s' * (count != 1)}")

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def _surely(info: StudyInfo) -> int | None:
    """How many combinations there are whatever the cell's branches hold; None: more than enough."""
    room = 1
    for parameter in info.space.values():
        if parameter.conditional or parameter.distribution is None or "{" in parameter.name:
            continue
        size = parameter.grid_points or parameter.distribution.size
        if size is None:
            return None
        room *= size
    return room


def _key(parameter: Parameter, planned: Planned, space: SearchSpace) -> object:
    value = planned_value(planned, parameter, space)
    if value is OPEN:
        return object()  # like no other
    return value if parameter.distribution is None else parameter.distribution.key(value)


class _AsPlanned(dict[str, Any]):
    """The values of a planned trial by name, as far as they are known before it runs."""

    def __init__(self, planned: Planned, space: SearchSpace) -> None:
        super().__init__()
        self.planned = planned
        self.space = space

    def __missing__(self, name: str) -> Any:
        value = given_value(self.planned, name, self.space)
        if value is OPEN:
            raise KeyError(name)
        return value


def _all_run(begun: int, wanted: int) -> str:
    if begun > wanted:
        return f"{begun} trials have run, and --trials asks for {wanted}"
    return f"all {wanted} trials have run"


def _all_failed(count: int) -> str:
    return "the trial failed" if count == 1 else f"all {count} trials failed"


def _remark(tuner: Tuner) -> str:
    return str(getattr(tuner, "remark", ""))


def _every(count: int) -> str:
    return "every combination has run" if count > 1 else "nothing is tuned, so it ran once"
