"""The facts of a study: what was asked, what each trial gave, and the events in between.

Everything here is frozen. `study` makes these facts; `tracking`, `display` and `results` read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hpmagic.distributions import Distribution
from hpmagic.space import SearchSpace

__all__ = [
    "TUNER_NOTE",
    "Direction",
    "Event",
    "Listener",
    "MetricReported",
    "Objective",
    "Origin",
    "Output",
    "Repeat",
    "Report",
    "StudyFinished",
    "StudyInfo",
    "StudyRecord",
    "StudyStarted",
    "Trial",
    "TrialFinished",
    "TrialStarted",
    "TrialState",
    "ValueDrawn",
]


TUNER_NOTE = "tuner"
"""The key among a trial's notes of what the tuner said when it began to choose otherwise."""


class Direction(StrEnum):
    """Which way is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``.

        >>> Direction.MAXIMIZE.better(0.9, 0.8)
        True
        """
        return a < b if self is Direction.MINIMIZE else a > b

    @property
    def sign(self) -> float:
        """Multiply by this and smaller is better."""
        return 1.0 if self is Direction.MINIMIZE else -1.0


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Origin(StrEnum):
    """Who chose a trial's values."""

    DEFAULT = "default"
    TRY = "try"
    TUNER = "tuner"


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to minimise or maximise."""

    name: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class Report:
    """One value of a metric; ``step`` is None outside loops, ``time`` seconds since the epoch."""

    name: str
    value: float
    step: int | None
    time: float


@dataclass(frozen=True, slots=True)
class Output:
    """What a trial printed and drew. ``figures`` are PNG images; ``traceback`` is plain text."""

    stdout: str = ""
    stderr: str = ""
    figures: tuple[bytes, ...] = ()
    traceback: str = ""

    def __bool__(self) -> bool:
        return bool(self.stdout or self.stderr or self.figures or self.traceback)


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run among several of a trial, with a seed of its own.

    ``metrics`` holds the last value of each metric and ``values`` what counts of the objectives, by
    name. ``start`` is seconds since the epoch and ``duration`` seconds.
    """

    seed: int
    metrics: Mapping[str, float]
    values: Mapping[str, float]
    start: float
    duration: float


@dataclass(frozen=True)
class Trial:
    """One run of the cell with one set of values.

    ``params`` holds the values in the order in which they were drawn, only those that were drawn;
    ``values`` the objectives' values in the study's order, None unless the trial is complete (a
    pruned trial has its last report there, if that is finite); ``metrics`` the last value of each
    metric, objectives included; ``curves`` every report that had a step. ``start`` is seconds
    since the epoch and ``duration`` seconds. ``reason`` says why a trial is not complete, in one
    line.
    """

    number: int
    state: TrialState
    params: Mapping[str, object]
    distributions: Mapping[str, Distribution]
    values: tuple[float, ...] | None
    metrics: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[int, float], ...]]
    origin: Origin
    start: float
    duration: float
    reason: str = ""
    output: Output = field(default_factory=Output)
    run_id: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    """Further facts of the trial as short texts, such as where it stopped early."""
    repeats: tuple[Repeat, ...] = ()
    """The runs whose means the values are; empty where each trial runs once."""

    @property
    def value(self) -> float | None:
        """The first objective's value."""
        return self.values[0] if self.values else None

    @property
    def from_scratch(self) -> float:
        """About how many seconds the trial would have taken if nothing had been reused."""
        figure, _, _ = self.notes.get("from_scratch", "").partition(" ")
        try:
            return float(figure)
        except ValueError:
            return self.duration


@dataclass(frozen=True)
class StudyInfo:
    """What a study is, known before its first trial."""

    name: str
    experiment: str
    tuner: str
    tuner_options: Mapping[str, object]
    trials: int | None
    seed: int
    objectives: tuple[Objective, ...]
    space: SearchSpace
    constants: Mapping[str, object]
    """Untuned literal constants of the cell: hyperparameters too, since a person set them."""
    source: str
    fingerprint: str
    start: float
    pruner: str = "none"
    command: str = ""
    """The line that started the study, such as ``%%tune bayes --trials 40``."""
    source_name: str = ""
    """The notebook or script, as far as it is known."""
    repeats: int = 1
    """How often each configuration runs, at most, each time with another seed."""
    remarks: tuple[str, ...] = ()
    """What the person should know before it starts: a size, a choice made for them."""
    head: str = ""
    """What stands above ``source`` in its cell: comments, the line that started the study."""
    expected: int | None = None
    """How many trials the tuner's own plan comes to, at most, when ``trials`` is None."""


@dataclass(frozen=True)
class StudyRecord:
    """A study as far as it has come: all that `results`, `display` and `tracking` need to know.

    ``run_id``, ``experiment_id`` and ``tracking_uri`` say where it is in MLflow; None when nowhere.
    """

    info: StudyInfo
    trials: tuple[Trial, ...]
    finished: StudyFinished | None = None
    run_id: str | None = None
    experiment_id: str | None = None
    tracking_uri: str | None = None


@dataclass(frozen=True, slots=True)
class StudyStarted:
    """``earlier`` are the trials of a study that is resumed, by number."""

    info: StudyInfo
    earlier: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialStarted:
    number: int
    origin: Origin
    start: float


@dataclass(frozen=True, slots=True)
class ValueDrawn:
    """A running trial has its value of a hyperparameter."""

    number: int
    name: str
    distribution: Distribution
    value: object


@dataclass(frozen=True, slots=True)
class MetricReported:
    number: int
    report: Report


@dataclass(frozen=True, slots=True)
class TrialFinished:
    trial: Trial


@dataclass(frozen=True, slots=True)
class StudyFinished:
    """``state`` is "complete", "interrupted" or "failed"; ``reason`` is one sentence."""

    state: str
    reason: str
    end: float
    best: int | None
    """The number of the best trial."""


Event = StudyStarted | TrialStarted | ValueDrawn | MetricReported | TrialFinished | StudyFinished


class Listener(Protocol):
    """Whoever wants to know how a study goes. Called on the loop's thread: be quick."""

    def __call__(self, event: Event) -> None: ...
