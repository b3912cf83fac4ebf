"""Studies that never ran, as events and as records of a spool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpmagic.distributions import Choice, Distribution, Int, LogUniform
from hpmagic.records import (
    Direction,
    Event,
    MetricReported,
    Objective,
    Origin,
    Output,
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
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tracking.frames import Record
from hpmagic.tracking.ledger import Ledger
from hpmagic.tracking.place import Place

BEGIN = 1_795_000_000.123

SPACE: dict[str, tuple[Distribution, Any]] = {
    "C": (LogUniform(1e-3, 1e3), 1.0),
    "kernel": (Choice(("linear", "rbf", "poly")), "rbf"),
    "degree": (Int(2, 5), 3),
    "shrinking": (Choice((True, False)), True),
}
PLACE = Place("sqlite:////nowhere/mlflow.db", "things")


def info(name: str = "svm", trials: int | None = 4, **changes: Any) -> StudyInfo:
    """A study of a support vector machine."""
    parameters = tuple(
        Parameter(name, distribution, default=default, conditional=name == "degree")
        for name, (distribution, default) in SPACE.items()
    )
    made = StudyInfo(
        name=name,
        experiment="",
        tuner="random",
        tuner_options={},
        trials=trials,
        seed=7,
        objectives=(Objective("accuracy", Direction.MAXIMIZE),),
        space=SearchSpace(parameters),
        constants={"test_size": 0.25, "seed": 3},
        source="C = 1.0  # tune: loguniform(1e-3, 1e3)\n",
        fingerprint="f" * 16,
        start=BEGIN,
        command="%%tune random --trials 4",
        source_name="things.ipynb",
    )
    return replace(made, **changes)


def trial(number: int, value: float | None = None, **changes: Any) -> Trial:
    """One trial: the third of every five fails, the fourth is pruned, all have a curve."""
    begun = BEGIN + 1 + number
    kernel = ("rbf", "linear", "poly")[number % 3]
    params: dict[str, Any] = {"C": round(0.1 * (number + 1), 3), "kernel": kernel}
    if kernel == "poly":
        params["degree"] = 2 + number % 4
    params["shrinking"] = number % 2 == 0
    state = {2: TrialState.FAILED, 3: TrialState.PRUNED}.get(number % 5, TrialState.COMPLETE)
    curve = tuple((step, 0.5 + 0.01 * number + 0.001 * step) for step in range(3))
    last = curve[-1][1] if value is None else value
    made = Trial(
        number=number,
        state=state,
        params=params,
        distributions={name: SPACE[name][0] for name in params},
        values=None if state is TrialState.FAILED else (last,),
        metrics={"accuracy": last},
        curves={"accuracy": curve},
        origin=Origin.TUNER if number else Origin.DEFAULT,
        start=begun,
        duration=0.25 + 0.1234567 * number,
        reason="" if state is TrialState.COMPLETE else f"it was {state}",
        output=Output(stdout=f"hello from {number}\n") if number % 2 else Output(),
        notes={"stopped_early": "at step 2"} if number == 1 else {},
    )
    return replace(made, **changes)


def events_of(told: StudyInfo, trials: Sequence[Trial], *, end: bool = True) -> list[Event]:
    """The events of a study with these trials."""
    events: list[Event] = [StudyStarted(told)]
    for one in trials:
        events.append(TrialStarted(one.number, one.origin, one.start))
        for name, value in one.params.items():
            events.append(ValueDrawn(one.number, name, one.distributions[name], value))
        for name, points in one.curves.items():
            for index, (step, value) in enumerate(points):
                at = one.start + one.duration * (index + 1) / len(points)
                events.append(MetricReported(one.number, Report(name, value, step, at)))
        for name, value in one.metrics.items():
            if name not in one.curves or one.curves[name][-1][1] != value:
                at = one.start + one.duration
                events.append(MetricReported(one.number, Report(name, value, None, at)))
        events.append(TrialFinished(one))
    if end:
        last = trials[-1].start + trials[-1].duration if trials else told.start
        events.append(StudyFinished("complete", "all trials have run", last, best_of(trials)))
    return events


def best_of(trials: Iterable[Trial]) -> int | None:
    """The number of the best trial."""
    complete = [t for t in trials if t.state is TrialState.COMPLETE and t.values]
    return max(complete, key=lambda t: (t.value or 0, -t.number)).number if complete else None


def events(count: int = 4, name: str = "svm", **options: Any) -> list[Event]:
    """The events of a study of ``count`` trials."""
    return events_of(info(name, count), [trial(n) for n in range(count)], **options)


def record_of(stream: Sequence[Event], run_ids: dict[int, str] | None = None) -> StudyRecord:
    """What the study's loop would have in its hands."""
    told = next(e.info for e in stream if isinstance(e, StudyStarted))
    done = [e.trial for e in stream if isinstance(e, TrialFinished)]
    ended = next((e for e in stream if isinstance(e, StudyFinished)), None)
    trials = tuple(replace(t, run_id=(run_ids or {}).get(t.number)) for t in done)
    return StudyRecord(told, trials, ended)


def spooled(
    stream: Iterable[Event], directory: Path, place: Place = PLACE, *, exact: bool = False
) -> Path:
    """A spool with these events, left behind as by a process that died."""
    directory.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(directory, place, exact=exact)
    for event in stream:
        ledger(event)
    assert ledger.spool is not None
    ledger.spool.close()
    return ledger.spool.path


def records(stream: Iterable[Event], directory: Path, **options: Any) -> list[Record]:
    """The records that a study's events leave in its spool."""
    from hpmagic.tracking.spool import Spool

    spool = Spool.open(spooled(stream, directory, **options))
    reader = spool.reader()
    found = list(reader)
    reader.close()
    spool.remove()
    return found
