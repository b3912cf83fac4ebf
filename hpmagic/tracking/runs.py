"""What a study and a trial look like as MLflow runs: facts to names, params, points and tags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpmagic import __version__
from hpmagic.distributions import Distribution, is_literal, label_of, literal_text
from hpmagic.ranking import best_trial
from hpmagic.records import Objective, Output, Report, StudyInfo, Trial, TrialState
from hpmagic.tracking import schema
from hpmagic.tracking.codec import info_to_json, pack, repeats_to_json
from hpmagic.tracking.schema import MOST_PARAM, MOST_TAG, Artifact, Kind, MlflowTag, Tag, key
from hpmagic.tracking.store import Point

__all__ = [
    "BestSoFar",
    "RunFacts",
    "best_points",
    "best_tags",
    "child_facts",
    "known_of",
    "output_files",
    "parent_facts",
]

OWN_PARAMS = ("tuner", "trials", "seed", "direction", "objective", "pruner", "repeats")
"""Params of a parent run that are the study's; a constant of the cell gives way to them."""


@dataclass(frozen=True)
class RunFacts:
    """What is to be logged to one run; ``files`` are artifacts."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def parent_facts(study_id: str, info: StudyInfo, common: Mapping[str, str]) -> RunFacts:
    """The parent run as it begins.

    Args:
        study_id: the study's identity.
        info: the study.
        common: tags that every run of the study has, such as the user.
    """
    facts = info_to_json(info)
    own = {name: value for name, value in facts.items() if name not in ("source", "space")}
    tags = {
        **common,
        Tag.KIND: Kind.STUDY,
        Tag.VERSION: __version__,
        Tag.STUDY: study_id,
        Tag.STATE: schema.RUNNING,
        Tag.FINGERPRINT: info.fingerprint,
        Tag.DIRECTION: direction_text(info.objectives),
        Tag.COMMAND: info.command,
        Tag.TRIALS: "0",
        Tag.INFO: schema.as_json(own),
        Tag.SPACE: schema.as_json(facts["space"]),
    }
    params = _parent_params(info)
    tags |= schema.name_tags(params)
    texts = {key(name): text for name, text in params.items()}
    files = {
        Artifact.SOURCE: info.source.encode("utf-8", "replace"),
        Artifact.SPACE: _pretty(facts["space"]),
        Artifact.INFO: _pretty(facts),
        **_long_file(texts, {}),
    }
    return RunFacts(info.name, tags, texts, files=files)


def _parent_params(info: StudyInfo) -> dict[str, str]:
    own = {
        "tuner": info.tuner,
        "trials": "open" if info.trials is None else str(info.trials),
        "seed": str(info.seed),
        "direction": direction_text(info.objectives),
        "objective": ", ".join(o.name for o in info.objectives),
        "pruner": info.pruner,
    }
    if info.repeats > 1:
        own["repeats"] = str(info.repeats)
    options = {f"tuner.{name}": label_of(value) for name, value in info.tuner_options.items()}
    constants = {
        f"cell.{name}" if name in OWN_PARAMS else name: label_of(value)
        for name, value in info.constants.items()
    }
    return constants | options | own


def direction_text(objectives: Sequence[Objective]) -> str:
    """Which way is better: "maximize", or with the names where there are several."""
    if len(objectives) == 1:
        return str(objectives[0].direction)
    return ", ".join(f"{o.direction} {o.name}" for o in objectives)


def child_facts(
    trial: Trial,
    reports: Sequence[Report],
    *,
    study_id: str,
    parent_id: str,
    common: Mapping[str, str],
    known: Mapping[str, Distribution],
    distributions: Mapping[str, Any],
    exact: bool,
) -> RunFacts:
    """The child run of a trial that has ended.

    Args:
        trial: the trial.
        reports: its reports.
        study_id: the study's identity.
        parent_id: the parent run.
        common: tags that every run of the study has.
        known: the distributions of the study's space, in its order.
        distributions: the JSON of those that it does not have.
        exact: others may log to this run too, so that the record must not rely on what is there.
    """
    labels = {name: trial.distributions[name].label(value) for name, value in trial.params.items()}
    params = {key(name): label for name, label in labels.items()}
    shown = schema.latest(reports)
    record: dict[str, Any] = {
        "start": trial.start,
        "duration": trial.duration,
        "values": None if trial.values is None else list(trial.values),
    }
    if trial.curves:
        record["curves"] = {name: len(points) for name, points in trial.curves.items()}
    plain = {name: trial.distributions[name].plain(value) for name, value in trial.params.items()}
    lost = {n: pack(v) for n, v in plain.items() if exact or not _returns(trial, n, labels)}
    if lost:
        record["params"] = lost
    differing = {n: v for n, v in trial.metrics.items() if exact or not _equal(shown.get(n), v)}
    if differing:
        record["metrics"] = differing
    if hidden := [name for name in shown if name not in trial.metrics]:
        record["hidden"] = hidden
    if distributions:
        record["distributions"] = distributions
    if list(trial.params) != [name for name in known if name in trial.params]:
        record["drawn"] = list(trial.params)
    if trial.repeats:
        record["repeats"] = repeats_to_json(trial.repeats)
    if exact:
        record["exact"] = True
    tags = {
        **common,
        MlflowTag.PARENT: parent_id,
        Tag.KIND: Kind.TRIAL,
        Tag.STUDY: study_id,
        Tag.NUMBER: str(trial.number),
        Tag.STATE: trial.state.value,
        Tag.ORIGIN: trial.origin.value,
        Tag.RECORD: schema.as_json(record),
        **{Tag.NOTE + key(name): text for name, text in trial.notes.items()},
        **schema.name_tags([*trial.params, *trial.metrics, *trial.notes]),
    }
    if trial.reason:
        tags[Tag.REASON] = trial.reason
    points = [point_of(report) for report in reports]
    name = schema.run_name(trial)
    return RunFacts(name, tags, params, points, _long_file(params, tags))


def known_of(info: StudyInfo) -> dict[str, Distribution]:
    """The distributions of the study's space, by name."""
    return {p.name: p.distribution for p in info.space.parameters if p.distribution is not None}


def point_of(report: Report) -> Point:
    """A report as MLflow keeps it."""
    value, time = schema.to_store(report.value), schema.milliseconds(report.time)
    return Point(key(report.name), value, time, report.step or 0)


def output_files(output: Output) -> dict[str, bytes]:
    """What a trial printed and drew, as artifacts; only what there is."""
    texts = {
        Artifact.STDOUT: output.stdout,
        Artifact.STDERR: output.stderr,
        Artifact.TRACEBACK: output.traceback,
    }
    files = {path: text.encode("utf-8", "replace") for path, text in texts.items() if text}
    for number, image in enumerate(output.figures, start=1):
        files[Artifact.FIGURE.format(number)] = image
    return files


def best_tags(trials: Sequence[Trial], objectives: Sequence[Objective]) -> dict[str, str]:
    """The tags of a parent run that tell its best trial; none while there is none."""
    best = best_trial(trials, objectives)
    if best is None or best.values is None:
        return {}
    return {
        Tag.BEST_TRIAL: str(best.number),
        Tag.BEST_VALUE: ", ".join(map(repr, best.values)),
        Tag.BEST_PARAMS: schema.as_json(
            {n: best.distributions[n].label(v) for n, v in best.params.items()}
        ),
    }


class BestSoFar(dict[str, float]):
    """The best value of each objective, and the step and the time of the last point of them."""

    def __init__(self, best: Mapping[str, float]) -> None:
        super().__init__(best)
        self.step: int = best.step if isinstance(best, BestSoFar) else 0
        self.time: int = best.time if isinstance(best, BestSoFar) else 0


def best_points(
    trial: Trial, best: Mapping[str, float], objectives: Sequence[Objective]
) -> tuple[list[Point], BestSoFar]:
    """The best so far of each objective after one more trial: points of the parent's curve.

    MLflow shows the value at the highest step, of those the latest, of those the greatest; so
    neither steps nor times go back where trials end in another order than they began.
    """
    now = BestSoFar(best)
    if trial.state is not TrialState.COMPLETE or not trial.values:
        return [], now
    for objective, value in zip(objectives, trial.values, strict=True):
        if objective.name not in now or objective.direction.better(value, now[objective.name]):
            now[objective.name] = value
    now.step = max(now.step, trial.number)
    now.time = max(now.time + 1, schema.milliseconds(trial.start + trial.duration))
    return [
        Point(key(name), schema.to_store(value), now.time, now.step) for name, value in now.items()
    ], now


def _returns(trial: Trial, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a value can be told from its label alone, type and all."""
    value, label = trial.params[name], labels[name]
    if len(label) > MOST_PARAM or "\0" in label or not label.isprintable():
        return False
    read = trial.distributions[name].parse(label)
    return is_literal(read) and literal_text(read) == literal_text(value)


def _equal(one: float | None, other: float) -> bool:
    return one is not None and (one == other or (math.isnan(one) and math.isnan(other)))


def _long_file(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, bytes]:
    long = {name: text for name, text in params.items() if len(text) > MOST_PARAM}
    long |= {name: text for name, text in tags.items() if len(text) > MOST_TAG}
    return {Artifact.LONG: _pretty(long)} if long else {}


def _pretty(value: Any) -> bytes:
    import json

    return json.dumps(value, indent=1, ensure_ascii=True).encode()
