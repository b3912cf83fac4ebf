"""From MLflow's runs back to the facts of a study: the inverse of `runs`.

What a store holds was written by anybody: it is parsed, never evaluated, and what does not parse is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hpmagic.distributions import Distribution, distribution_from_json
from hpmagic.records import (
    Direction,
    Objective,
    Origin,
    Repeat,
    StudyFinished,
    StudyInfo,
    Trial,
    TrialState,
)
from hpmagic.space import SearchSpace
from hpmagic.tracking import schema
from hpmagic.tracking.codec import info_from_json, repeats_from_json, unpack
from hpmagic.tracking.runs import OWN_PARAMS
from hpmagic.tracking.schema import Tag, key

__all__ = ["curve_names", "info_of", "is_cut", "number_of", "state_of", "trial_of"]

_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def is_cut(text: str) -> bool:
    """Whether a tag holds only the beginning of a text."""
    return len(text) == schema.MOST_TAG and "... sha256:" in text[-40:]


def info_of(run: Any, whole: Mapping[str, Any] | None, experiment: str) -> StudyInfo:
    """The study of a parent run.

    Args:
        run: MLflow's run.
        whole: the study's facts from its artifact, where they did not fit into tags.
        experiment: the experiment's name.

    Raises:
        ValueError: the run does not say what it was.
    """
    tags = run.data.tags
    try:
        if whole is not None:
            facts = dict(whole)
        else:
            facts = dict(json.loads(tags[Tag.INFO]))
            facts |= {"space": json.loads(tags[Tag.SPACE]), "source": ""}
    except _BROKEN as error:
        raise ValueError(f"its tags cannot be read ({error!r})") from error
    return info_from_json({**facts, "name": run.info.run_name or "", "experiment": experiment})


def info_from_params(run: Any, experiment: str) -> StudyInfo:
    """What the plain params of a parent run tell, when its other tags are gone."""
    params, tags = run.data.params, run.data.tags
    words = [part.split() for part in params.get("direction", "maximize").split(",")]
    names = [name.strip() for name in params.get("objective", "objective").split(",")]
    objectives = tuple(
        Objective(name, Direction.MINIMIZE if word[:1] == ["minimize"] else Direction.MAXIMIZE)
        for name, word in zip(names, words, strict=False)
    )
    trials = params.get("trials", "")
    seed = params.get("seed", "")
    return StudyInfo(
        name=run.info.run_name or "",
        experiment=experiment,
        tuner=params.get("tuner", "?"),
        tuner_options={},
        trials=int(trials) if trials.isdecimal() else None,
        seed=int(seed) if seed.isdecimal() else 0,
        objectives=objectives,
        space=SearchSpace(),
        constants={n: t for n, t in params.items() if n not in OWN_PARAMS},
        source="",
        fingerprint=tags.get(Tag.FINGERPRINT, ""),
        start=run.info.start_time / 1000,
        pruner=params.get("pruner", "none"),
        command=tags.get(Tag.COMMAND, ""),
    )


def finished_of(run: Any) -> StudyFinished | None:
    """How a study ended; None while it runs."""
    tags = run.data.tags
    state = tags.get(Tag.STATE, schema.RUNNING)
    if state == schema.RUNNING or run.info.end_time is None:
        return None
    best = tags.get(Tag.BEST_TRIAL, "")
    return StudyFinished(
        state,
        tags.get(Tag.REASON, ""),
        run.info.end_time / 1000,
        int(best) if best.isdecimal() else None,
    )


def number_of(run: Any) -> int | None:
    """The number of the trial of a child run; None when it is none."""
    text = run.data.tags.get(Tag.NUMBER, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None


def state_of(run: Any) -> TrialState | None:
    """How the trial of a child run ended; None while it runs."""
    try:
        return TrialState(run.data.tags.get(Tag.STATE, ""))
    except ValueError:
        return None


def record_of(run: Any, long: Mapping[str, str]) -> dict[str, Any]:
    """What the tag `Tag.RECORD` says, or its whole text from ``long`` when it is cut."""
    text = run.data.tags.get(Tag.RECORD, "{}")
    try:
        record = json.loads(long.get(Tag.RECORD, text) if is_cut(text) else text)
    except _BROKEN:
        return {}
    return record if isinstance(record, dict) else {}


def curve_names(record: Mapping[str, Any]) -> dict[str, int]:
    """The metrics of which a trial has a curve, with the number of points."""
    curves = record.get("curves")
    if not isinstance(curves, dict):
        return {}
    return {str(n): c for n, c in curves.items() if isinstance(c, int)}


def trial_of(
    run: Any,
    record: Mapping[str, Any],
    *,
    known: Mapping[str, Distribution],
    columns: Mapping[str, list[str]],
    long: Mapping[str, str],
    curves: Mapping[str, tuple[tuple[int, float], ...]],
) -> Trial | None:
    """The trial of a child run that has ended; None when it is none.

    Args:
        run: MLflow's run.
        record: its `Tag.RECORD`, parsed.
        known: the distributions of the study's space.
        columns: the study's params and metrics in order; empty when it has not ended.
        long: values that are cut in the record, by key.
        curves: its curves.
    """
    number, state = number_of(run), state_of(run)
    if number is None or state is None:
        return None
    tags, true_names = run.data.tags, schema.names_in(run.data.tags)
    distributions = _distributions(record, known)
    params = _params(run, record, distributions, long)
    drawn = record.get("drawn")
    order = [*map(str, drawn)] if isinstance(drawn, list) else list(known)
    params = {n: params[n] for n in _ordered(params, order)}
    metrics = _metrics(run, record, true_names, columns.get("metrics"))
    values = record.get("values")
    notes = {
        true_names.get(tag.removeprefix(Tag.NOTE), tag.removeprefix(Tag.NOTE)): text
        for tag, text in tags.items()
        if tag.startswith(Tag.NOTE)
    }
    start, duration = _number(record.get("start")), _number(record.get("duration"))
    begun = run.info.start_time / 1000
    ended = (run.info.end_time or run.info.start_time) / 1000
    return Trial(
        number=number,
        state=state,
        params=params,
        distributions={name: distributions[name] for name in params},
        values=_numbers(values),
        metrics=metrics,
        curves=curves,
        origin=_origin(tags.get(Tag.ORIGIN, "")),
        start=begun if start is None else start,
        duration=ended - begun if duration is None else duration,
        reason=tags.get(Tag.REASON, ""),
        run_id=run.info.run_id,
        notes=notes,
        repeats=_repeats(record),
    )


def _repeats(record: Mapping[str, Any]) -> tuple[Repeat, ...]:
    try:
        return repeats_from_json(record.get("repeats", []))
    except ValueError:
        return ()


def columns_of(run: Any) -> dict[str, list[str]]:
    """The params and metrics of a study in the order in which they were first seen."""
    try:
        columns = json.loads(run.data.tags.get(Tag.COLUMNS, "{}"))
        return {kind: [str(n) for n in columns[kind]] for kind in ("params", "metrics")}
    except _BROKEN:
        return {}


def _distributions(
    record: Mapping[str, Any], known: Mapping[str, Distribution]
) -> dict[str, Distribution]:
    distributions = dict(known)
    others = record.get("distributions")
    for name, data in others.items() if isinstance(others, dict) else ():
        try:
            distributions[str(name)] = distribution_from_json(data)
        except (*_BROKEN, SyntaxError):
            continue
    return distributions


def _params(
    run: Any,
    record: Mapping[str, Any],
    distributions: Mapping[str, Distribution],
    long: Mapping[str, str],
) -> dict[str, Any]:
    """The values that were drawn: what the record says where it does, else what MLflow shows."""
    params: dict[str, Any] = {}
    exact = record.get("params")
    for name, packed in exact.items() if isinstance(exact, dict) else ():
        try:
            params[name] = unpack(packed)
        except ValueError:
            continue
    shown = {} if record.get("exact") else run.data.params
    for name, distribution in distributions.items():
        label = shown.get(key(name))
        if label is not None and name not in params:
            params[name] = distribution.parse(long.get(key(name), label))
    known = {name: value for name, value in params.items() if name in distributions}
    return {name: distributions[name].used(value) for name, value in known.items()}


def _metrics(
    run: Any, record: Mapping[str, Any], true_names: Mapping[str, str], columns: list[str] | None
) -> dict[str, float]:
    given = record.get("metrics")
    exact = _floats(given) if isinstance(given, dict) else {}
    if record.get("exact"):
        found = exact
    else:
        shown = {true_names.get(k, k): v for k, v in run.data.metrics.items()}
        found = {n: schema.from_store(v) for n, v in shown.items()} | exact
        hidden = record.get("hidden")
        for name in hidden if isinstance(hidden, list) else ():
            found.pop(str(name), None)
    names = found if columns is None else [name for name in columns if name in found]
    return {name: found[name] for name in names}


def _ordered(names: Mapping[str, Any], order: list[str]) -> list[str]:
    first = [name for name in dict.fromkeys(order) if name in names]
    return first + [name for name in names if name not in first]


def _floats(given: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name, as far as they are some."""
    found: dict[str, float] = {}
    for name, value in given.items():
        with suppress(TypeError, ValueError, OverflowError):
            found[name] = float(value)
    return found


def _numbers(values: object) -> tuple[float, ...] | None:
    if not isinstance(values, list):
        return None
    numbers = [number for value in values if (number := _number(value)) is not None]
    return tuple(numbers) if len(numbers) == len(values) else None


def _number(value: object) -> float | None:
    """A JSON number; None for anything else, and for what no float can hold."""
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _origin(text: str) -> Origin:
    return Origin(text) if text in set(Origin) else Origin.TUNER
