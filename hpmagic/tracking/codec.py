"""The facts of a study as plain JSON, and back.

A value is written as the Python literal a person would type; an object that has none (a class, a
function) as ``{"label": ...}``, and it comes back as that label. Nothing is evaluated but literals.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hpmagic.distributions import (
    Distribution,
    distribution_from_json,
    is_literal,
    label_of,
    literal_text,
)
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    Output,
    Repeat,
    Report,
    StudyInfo,
    Trial,
    TrialState,
    ValueDrawn,
)
from hpmagic.space import SearchSpace

__all__ = [
    "curves_of",
    "draw_from_json",
    "draw_to_json",
    "info_from_json",
    "info_to_json",
    "output_from_blobs",
    "output_to_blobs",
    "pack",
    "repeats_from_json",
    "repeats_to_json",
    "reports_of",
    "trial_from_json",
    "trial_to_json",
    "unpack",
]

Packed = str | dict[str, str]
_BROKEN: Final = (
    KeyError,
    TypeError,
    AttributeError,
    SyntaxError,
    RecursionError,
    OverflowError,
)


def pack(value: object) -> Packed:
    """A value as JSON.

    >>> pack(1.0), pack("rbf"), pack(dict)
    ('1.0', '"rbf"', {'label': 'dict'})
    """
    return literal_text(value) if is_literal(value) else {"label": label_of(value)}


def unpack(packed: object) -> Any:
    """What `pack` wrote.

    Raises:
        ValueError: it is not something that `pack` writes.
    """
    if isinstance(packed, dict) and isinstance(packed.get("label"), str):
        return packed["label"]
    if isinstance(packed, str):
        try:
            value = ast.literal_eval(packed)
        except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValueError(f"{packed[:60]!r} is no literal") from error
        if is_literal(value):
            return value
    raise ValueError(f"{str(packed)[:60]!r} is no literal")


def info_to_json(info: StudyInfo) -> dict[str, Any]:
    """All of a `StudyInfo`."""
    return {
        "name": info.name,
        "experiment": info.experiment,
        "tuner": info.tuner,
        "tuner_options": {name: pack(value) for name, value in info.tuner_options.items()},
        "trials": info.trials,
        "seed": info.seed,
        "objectives": [[o.name, o.direction.value] for o in info.objectives],
        "space": info.space.as_json(),
        "constants": {name: pack(value) for name, value in info.constants.items()},
        "source": info.source,
        "fingerprint": info.fingerprint,
        "start": info.start,
        "pruner": info.pruner,
        "repeats": info.repeats,
        "command": info.command,
        "source_name": info.source_name,
        "remarks": list(info.remarks),
        "head": info.head,
        "expected": info.expected,
    }


def info_from_json(data: Mapping[str, Any]) -> StudyInfo:
    """What `info_to_json` wrote.

    Raises:
        ValueError: it is not that.
    """
    try:
        return StudyInfo(
            name=str(data["name"]),
            experiment=str(data["experiment"]),
            tuner=str(data["tuner"]),
            tuner_options={k: unpack(v) for k, v in data["tuner_options"].items()},
            trials=None if data["trials"] is None else int(data["trials"]),
            seed=int(data["seed"]),
            objectives=tuple(Objective(str(n), Direction(d)) for n, d in data["objectives"]),
            space=SearchSpace.from_json(data["space"]),
            constants={k: unpack(v) for k, v in data["constants"].items()},
            source=str(data["source"]),
            fingerprint=str(data["fingerprint"]),
            start=float(data["start"]),
            pruner=str(data["pruner"]),
            repeats=int(data.get("repeats", 1)),
            command=str(data["command"]),
            source_name=str(data["source_name"]),
            remarks=tuple(map(str, data["remarks"])),
            head=str(data.get("head", "")),
            expected=None if data.get("expected") is None else int(data["expected"]),
        )
    except _BROKEN as error:
        raise ValueError(f"not the facts of a study: {error!r}") from error


def trial_to_json(
    trial: Trial, known: Mapping[str, Distribution], reports: Sequence[Report] = ()
) -> dict[str, Any]:
    """A `Trial` without its output.

    Args:
        trial: the trial.
        known: the distributions that need not be written down, since the study's space has them.
        reports: its reports with their times; what is missing of them is made up from the trial.
    """
    others = {
        name: distribution.as_json()
        for name, distribution in trial.distributions.items()
        if not _same(distribution, known.get(name))
    }
    return {
        "number": trial.number,
        "state": trial.state.value,
        "params": {n: pack(trial.distributions[n].plain(v)) for n, v in trial.params.items()},
        "distributions": others,
        "values": None if trial.values is None else list(trial.values),
        "metrics": dict(trial.metrics),
        "reports": [[r.name, r.value, r.step, r.time] for r in _whole(trial, reports)],
        "origin": trial.origin.value,
        "start": trial.start,
        "duration": trial.duration,
        "reason": trial.reason,
        "notes": dict(trial.notes),
        "repeats": repeats_to_json(trial.repeats),
    }


def trial_from_json(data: Mapping[str, Any], known: Mapping[str, Distribution]) -> Trial:
    """What `trial_to_json` wrote.

    Raises:
        ValueError: it is not that.
    """
    try:
        others = {n: distribution_from_json(d) for n, d in data["distributions"].items()}
        distributions = {n: others[n] if n in others else known[n] for n in data["params"]}
        params = {n: distributions[n].used(unpack(v)) for n, v in data["params"].items()}
        return Trial(
            number=int(data["number"]),
            state=TrialState(data["state"]),
            params=params,
            distributions=distributions,
            values=None if data["values"] is None else tuple(map(float, data["values"])),
            metrics=_floats(data["metrics"]),
            curves=curves_of(reports_of(data)),
            origin=Origin(data["origin"]),
            start=float(data["start"]),
            duration=float(data["duration"]),
            reason=str(data["reason"]),
            notes={str(name): str(text) for name, text in data["notes"].items()},
            repeats=repeats_from_json(data.get("repeats", [])),
        )
    except _BROKEN as error:
        raise ValueError(f"not a trial: {error!r}") from error


def draw_to_json(drawn: ValueDrawn, known: Mapping[str, Distribution]) -> dict[str, Any]:
    """One value of a trial that runs; ``known`` is as for `trial_to_json`."""
    name, distribution = drawn.name, drawn.distribution
    value = pack(distribution.plain(drawn.value))
    data: dict[str, Any] = {"number": drawn.number, "name": name, "value": value}
    if not _same(distribution, known.get(name)):
        data["distribution"] = distribution.as_json()
    return data


def draw_from_json(
    data: Mapping[str, Any], known: Mapping[str, Distribution]
) -> tuple[str, Distribution, Any]:
    """The name, the distribution and the plain value in what `draw_to_json` wrote.

    Raises:
        ValueError: it is not that.
    """
    try:
        name = str(data["name"])
        given = data.get("distribution")
        distribution = known[name] if given is None else distribution_from_json(given)
        return name, distribution, unpack(data["value"])
    except _BROKEN as error:
        raise ValueError(f"not a value that was drawn: {error!r}") from error


def repeats_to_json(repeats: Sequence[Repeat]) -> list[Any]:
    """The repeats of a trial."""
    return [[r.seed, dict(r.metrics), dict(r.values), r.start, r.duration] for r in repeats]


def repeats_from_json(data: Any) -> tuple[Repeat, ...]:
    """What `repeats_to_json` wrote.

    Raises:
        ValueError: it is not that.
    """
    try:
        return tuple(
            Repeat(int(seed), _floats(metrics), _floats(values), float(start), float(duration))
            for seed, metrics, values, start, duration in data
        )
    except _BROKEN as error:
        raise ValueError(f"not the repeats of a trial: {error!r}") from error


def _floats(data: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in data.items()}


def reports_of(data: Mapping[str, Any]) -> list[Report]:
    """The reports in what `trial_to_json` wrote."""
    return [
        Report(str(name), float(value), None if step is None else int(step), float(time))
        for name, value, step, time in data["reports"]
    ]


def curves_of(reports: Sequence[Report]) -> dict[str, tuple[tuple[int, float], ...]]:
    """The reports that have a step, by metric."""
    points: dict[str, list[tuple[int, float]]] = {}
    for report in reports:
        if report.step is not None:
            points.setdefault(report.name, []).append((report.step, report.value))
    return {name: tuple(line) for name, line in points.items()}


def output_from_blobs(blobs: Mapping[str, bytes]) -> Output:
    """What `output_to_blobs` gave."""

    def text(name: str) -> str:
        return blobs.get(name, b"").decode("utf-8", "replace")

    figures = tuple(blob for name, blob in blobs.items() if name.startswith("figure"))
    return Output(text("stdout"), text("stderr"), figures, text("traceback"))


def output_to_blobs(output: Output) -> dict[str, bytes]:
    """What a trial printed and drew, as bytes by name."""
    blobs = {
        name: text.encode("utf-8", "replace")
        for name, text in (
            ("stdout", output.stdout),
            ("stderr", output.stderr),
            ("traceback", output.traceback),
        )
        if text
    }
    return blobs | {f"figure{n}": image for n, image in enumerate(output.figures)}


def _same(one: Distribution, other: Distribution | None) -> bool:
    # By their plain forms: options may be objects whose comparison does anything.
    return one is other or (other is not None and one.as_json() == other.as_json())


def _whole(trial: Trial, reports: Sequence[Report]) -> Sequence[Report]:
    """The reports of a trial, whether or not anybody listened to them as they came."""
    if curves_of(reports) == trial.curves and _last(reports) == trial.metrics:
        return reports
    end = trial.start + trial.duration
    points = [
        Report(name, value, step, end)
        for name, line in trial.curves.items()
        for step, value in line
    ]
    rest = [Report(n, v, None, end) for n, v in trial.metrics.items() if _last(points).get(n) != v]
    return points + rest


def _last(reports: Sequence[Report]) -> dict[str, float]:
    return {report.name: report.value for report in reports}
