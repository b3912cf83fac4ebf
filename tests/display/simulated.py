"""A study that never ran: its events, for tests and for looking at the views."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

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
)
from hpmagic.space import Parameter, SearchSpace

BEGIN = 1_795_000_000.0

SVM: dict[str, tuple[Distribution, object]] = {
    "C": (LogUniform(1e-3, 1e3), 1.0),
    "kernel": (Choice(("linear", "rbf", "poly")), "rbf"),
    "gamma": (LogUniform(1e-4, 0.1), 0.001),
    "degree": (Int(2, 5), 3),
    "shrinking": (Choice((True, False)), True),
}


def space_of(table: dict[str, tuple[Distribution, object]]) -> SearchSpace:
    return SearchSpace(
        tuple(
            Parameter(name, d, default=default, line=i + 1, conditional=name == "degree")
            for i, (name, (d, default)) in enumerate(table.items())
        )
    )


def info(
    trials: int | None = 40,
    objectives: Sequence[Objective] = (Objective("accuracy", Direction.MAXIMIZE),),
    table: dict[str, tuple[Distribution, object]] | None = None,
    name: str = "svm-digits",
) -> StudyInfo:
    return StudyInfo(
        name=name,
        experiment="digits",
        tuner="bayes",
        tuner_options={},
        trials=trials,
        seed=7,
        objectives=tuple(objectives),
        space=space_of(SVM if table is None else table),
        constants={"test_size": 0.25},
        source="",
        fingerprint="0" * 16,
        start=BEGIN,
        command="%%tune bayes --trials 40",
    )


def _draw(rng: random.Random, origin: Origin, near: dict[str, object] | None) -> dict[str, object]:
    params: dict[str, object] = {}
    for name, (distribution, default) in SVM.items():
        if name == "degree" and params["kernel"] != "poly":
            continue
        if name == "gamma" and params["kernel"] == "linear":
            continue
        if origin is Origin.DEFAULT:
            params[name] = default
        elif near is not None and name in near and rng.random() < 0.7:
            unit = distribution.to_unit(near[name]) + rng.gauss(0, 0.08)
            params[name] = distribution.from_unit(min(max(unit, 0.0), 1.0))
        else:
            params[name] = distribution.from_unit(rng.random())
    return params


def accuracy(params: dict[str, object]) -> float:
    """A made-up but sensible surface: gamma is best at its top, shrinking does nothing."""
    c = math.log10(float(params["C"]))  # type: ignore[arg-type]
    value = 0.972 - 0.006 * (c - 1.2) ** 2
    if params["kernel"] == "linear":
        return max(value - 0.02, 0.1)
    value -= 0.02 * (math.log10(float(params["gamma"])) + 0.95) ** 2  # type: ignore[arg-type]
    return max(value - (0.012 if params["kernel"] == "poly" else -0.012), 0.1)


def _reused(seconds: float) -> dict[str, str]:
    return {"reused": "lines 1-4 ran once (12.4 s)", "from_scratch": f"{seconds + 10:.3f} s"}


def events(
    trials: int = 40,
    *,
    seed: int = 3,
    steps: int = 0,
    failing: float = 0.06,
    pruning: float = 0.0,
    planned: int | None = -1,
    pace: float = 2.0,
    two: bool = False,
    state: str = "complete",
) -> Iterator[Event]:
    """The events of a simulated study, trial by trial, on a clock of their own.

    ``steps`` gives each trial a curve; ``failing`` and ``pruning`` are shares of trials; ``two``
    adds a second objective; ``pace`` is the seconds a trial takes.
    """
    rng = random.Random(seed)
    objectives = [Objective("accuracy", Direction.MAXIMIZE)]
    if two:
        objectives.append(Objective("latency", Direction.MINIMIZE))
    told = info(trials if planned == -1 else planned, objectives)
    yield StudyStarted(told)
    now, best = BEGIN + 0.4, None
    for number in range(trials):
        origin = Origin.TUNER if number else Origin.DEFAULT
        near = best.params if best is not None and number > 10 else None
        params = _draw(rng, origin, dict(near) if near else None)
        value = round(accuracy(params) + rng.gauss(0, 0.0015), 4)
        begun, ended = now, now + pace * rng.uniform(0.6, 1.6)
        yield TrialStarted(number, origin, begun)
        fate = rng.random() if number else 1.0
        failed, pruned = fate < failing, fate >= failing and fate < failing + pruning
        curve: list[tuple[int, float]] = []
        for step in range(steps // 3 if pruned else steps):
            reached = value * (1 - math.exp(-4 * (step + 1) / steps)) + rng.gauss(0, 0.003)
            curve.append((step, reached))
            at = begun + (ended - begun) * (step + 1) / steps
            yield MetricReported(number, Report("accuracy", reached, step, at))
        values: tuple[float, ...] | None = (value,)
        if two:
            values = (value, round(3 + 2 * abs(math.log10(float(params["C"]))) + rng.random(), 2))
        trial = Trial(
            number=number,
            state=TrialState.COMPLETE,
            params=params,
            distributions={name: SVM[name][0] for name in params},
            values=values,
            metrics={"accuracy": value},
            curves={"accuracy": tuple(curve)} if curve else {},
            origin=origin,
            start=begun,
            duration=ended - begun,
            run_id=f"{number:032x}",
            notes=_reused(ended - begun) if number else {},
        )
        if failed:
            trial = replace(
                trial,
                state=TrialState.FAILED,
                values=None,
                metrics={},
                reason="ValueError: array must not contain infs or NaNs",
                output=Output(traceback="Traceback (most recent call last):\n  ...\nValueError"),
            )
        elif pruned:
            last = curve[-1][1] if curve else value - 0.1
            trial = replace(
                trial,
                state=TrialState.PRUNED,
                values=(last,) if not two else None,
                reason="worse than the median at step 5",
            )
        elif best is None or value > best.value:
            best = trial
        now = ended
        yield TrialFinished(trial)
    reason = f"all {trials} trials have run"
    if state == "interrupted":
        reason = f"stopped by hand after {trials} trials"
    yield StudyFinished(state, reason, now, best.number if best else None)


def record(trials: int = 40, **options: object) -> StudyRecord:
    """The record of a simulated study."""
    return record_of(list(events(trials, **options)))  # type: ignore[arg-type]


def record_of(stream: Sequence[Event]) -> StudyRecord:
    told = next(e.info for e in stream if isinstance(e, StudyStarted))
    ended = next((e for e in stream if isinstance(e, StudyFinished)), None)
    done = tuple(e.trial for e in stream if isinstance(e, TrialFinished))
    return StudyRecord(told, done, ended, run_id="f" * 32, experiment_id="1")


def trial_of(number: int, value: float | None, **changes: object) -> Trial:
    """One complete trial without hyperparameters, to be changed as a test needs."""
    made = Trial(
        number=number,
        state=TrialState.COMPLETE if value is not None else TrialState.FAILED,
        params={},
        distributions={},
        values=None if value is None else (value,),
        metrics={} if value is None else {"accuracy": value},
        curves={},
        origin=Origin.DEFAULT if number == 0 else Origin.TUNER,
        start=BEGIN + number,
        duration=1.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
