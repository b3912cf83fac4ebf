"""How far a study has come: its events, folded into what a person wants to see."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hpmagic.durations import duration_text
from hpmagic.ranking import advantage, beats, front_with
from hpmagic.records import (
    TUNER_NOTE,
    Event,
    MetricReported,
    Objective,
    Origin,
    StudyFinished,
    StudyInfo,
    StudyRecord,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
)

__all__ = ["Point", "Progress", "Running"]

_PACE_WINDOW = 12
_CURVE_POINTS = 240


@dataclass(frozen=True, slots=True)
class Point:
    """One ended trial in the chart: its value (None without one) and the best up to it."""

    number: int
    state: TrialState
    value: float | None
    best: float | None


@dataclass(slots=True)
class Running:
    """A trial that runs now. ``curves`` keep their shape, not every step."""

    number: int
    origin: Origin
    start: float
    metrics: dict[str, float] = field(default_factory=dict)
    step: int | None = None
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def report(self, name: str, value: float, step: int | None) -> None:
        """Take in a metric's new value; a long curve is thinned to every second point."""
        self.metrics[name] = value
        if step is None:
            return
        self.step = step
        curve = self.curves.setdefault(name, [])
        curve.append((step, value))
        if len(curve) > 2 * _CURVE_POINTS:
            del curve[1:-1:2]


class Progress:
    """The running state of a study, folded from its events one at a time.

    ``now`` arguments are seconds on the events' own clock (the epoch's).

    >>> progress = Progress()
    >>> progress.done, progress.planned, progress.best
    (0, None, None)
    """

    def __init__(self) -> None:
        self.info: StudyInfo | None = None
        self.finished: StudyFinished | None = None
        self.trials: list[Trial] = []
        self.points: list[Point] = []
        self.counts: Counter[TrialState] = Counter()
        self.running: dict[int, Running] = {}
        self.best: Trial | None = None
        self.default: Trial | None = None
        self.default_failed = False
        self.reported: set[str] = set()
        self.reused = ""
        self.said = ""
        """What the tuner said when it began to choose otherwise."""
        self._saved = 0.0
        self.front: list[Trial] = []
        """The trials that no other beats in every objective, when there are several objectives."""
        self._top: list[Trial] = []
        self._ends: deque[float] = deque(maxlen=_PACE_WINDOW)
        self._first_start: float | None = None

    @classmethod
    def of(cls, record: StudyRecord) -> Progress:
        """The state after all of a record's trials."""
        progress = cls()
        progress.fold(StudyStarted(record.info))
        for trial in record.trials:
            progress.fold(TrialFinished(trial))
        if record.finished is not None:
            progress.fold(record.finished)
        return progress

    def fold(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case MetricReported(number=number, report=report):
                running = self.running.get(number)
                if running is not None:
                    running.report(report.name, report.value, report.step)
                    if report.step is not None:
                        self.reported.add(report.name)
            case TrialStarted(number=number, origin=origin, start=start):
                if self._first_start is None:
                    self._first_start = start
                    self._ends.append(start)
                self.running[number] = Running(number, origin, start)
            case TrialFinished(trial=trial):
                self._end(trial)
            case StudyStarted(info=info, earlier=earlier):
                self.info = info
                for trial in earlier:
                    self._end(trial)
            case StudyFinished():
                self.finished = event
                self.running.clear()

    def _end(self, trial: Trial) -> None:
        self.running.pop(trial.number, None)
        self.trials.append(trial)
        self.counts[trial.state] += 1
        if self._first_start is not None:
            self._ends.append(trial.start + trial.duration)
        if trial.notes.get("reused"):
            self._saved += max(trial.from_scratch - trial.duration, 0.0)
            self.reused = f"{trial.notes['reused']}; saved {duration_text(self._saved)}"
        self.said = trial.notes.get(TUNER_NOTE, self.said)
        if trial.origin is Origin.DEFAULT:
            self.default_failed = trial.state is not TrialState.COMPLETE
        value = trial.value
        if trial.state is TrialState.COMPLETE and value is not None:
            if trial.origin is Origin.DEFAULT and self.default is None:
                self.default = trial
            if beats(trial, self.best, self.objective):
                self.best = trial
            self._rank(trial)
            if len(self.objectives) > 1:
                self.front = front_with(self.front, trial, self.objectives)
        known = self.best.value if self.best is not None else None
        self.points.append(Point(trial.number, trial.state, value, known))

    def _rank(self, trial: Trial) -> None:
        """Keep the few best trials in order; the earlier first among equals."""
        place = len(self._top)
        while place and beats(trial, self._top[place - 1], self.objective):
            place -= 1
        self._top.insert(place, trial)
        del self._top[10:]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The study's objectives; empty before it has started."""
        return self.info.objectives if self.info is not None else ()

    @property
    def objective(self) -> Objective:
        """The first objective."""
        return self.objectives[0]

    @property
    def done(self) -> int:
        """How many trials have ended, however they did."""
        return len(self.trials)

    @property
    def planned(self) -> int | None:
        """How many trials there will be, at most; None when that is open."""
        if self.info is None:
            return None
        return self.info.expected if self.info.trials is None else self.info.trials

    @property
    def at_most(self) -> str:
        """Those words where `planned` is not sure: with branches a plan may have fewer trials."""
        info = self.info
        if info is None or info.trials is not None or info.expected is None:
            return ""
        return "at most " if any(p.conditional for p in info.space.parameters) else ""

    @property
    def current(self) -> Running | None:
        """The trial that started last and still runs."""
        return next(reversed(self.running.values()), None)

    @property
    def top(self) -> Sequence[Trial]:
        """Up to ten complete trials, the best first."""
        return self._top

    @property
    def gain(self) -> float | None:
        """How much better the best is than the written default, >= 0; None without either."""
        if self.best is None or self.default is None:
            return None
        return advantage(self.best, self.default, self.objective)

    @property
    def curve(self) -> str | None:
        """The metric whose running curve is worth a chart: the objective if it has steps."""
        wanted = [o.name for o in self.objectives if o.name in self.reported]
        return next(iter(wanted or sorted(self.reported)), None)

    def elapsed(self, now: float) -> float:
        """Seconds since the study began, or that it took."""
        if self.info is None:
            return 0.0
        end = self.finished.end if self.finished is not None else now
        return max(0.0, end - self.info.start)

    def left(self, now: float) -> float | None:
        """Seconds that the remaining trials will take, by the last dozen; None if unknown."""
        if self.finished is not None or self.planned is None or len(self._ends) < 3:
            return None
        ends = sorted(self._ends)
        pace = (ends[-1] - ends[0]) / (len(ends) - 1)
        remaining = max(self.planned - self.done, 0)
        return max(0.0, remaining * pace - min(max(now - ends[-1], 0.0), pace))

    def record(self) -> StudyRecord:
        """The facts so far, without their place in MLflow."""
        assert self.info is not None
        return StudyRecord(self.info, tuple(self.trials), self.finished)
