"""Which earlier studies a new one may learn from: ``--warm-start``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hpmagic.errors import OptionError, StudyNotFound
from hpmagic.records import Objective, StudyRecord, Trial, TrialState
from hpmagic.space import SearchSpace
from hpmagic.tuners.base import EarlierStudy

__all__ = ["AUTO", "WarmStart", "earlier_studies"]

AUTO = "auto"

_MOST_STUDIES = 3
_MOST_TRIALS = 250
_LOOKED_AT = 200
_FEWEST = 4
_ALIKE = 0.5


@dataclass(frozen=True)
class WarmStart:
    """The studies, the most alike first, and a sentence that says what was taken of them."""

    studies: tuple[EarlierStudy, ...] = ()
    remark: str = ""


def earlier_studies(
    wanted: str,
    *,
    fingerprint: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    without: str | None = None,
) -> WarmStart:
    """Studies out of MLflow that know something of this space.

    Args:
        wanted: a study's name or its run's id, or ``auto``: up to three, those of the same cell
            first, then those that share the objective and at least half of the hyperparameters.
        fingerprint: the cell's.
        space: its search space.
        objectives: what it optimises; an earlier study counts for the first.
        without: the run of the study that is resumed: its trials count as its own, and once.

    Raises:
        OptionError: there is no study of that name, or it shares no hyperparameter.
        StoreError: the store cannot be read.
    """
    from hpmagic.tracking.reader import read_study

    if wanted != AUTO:
        try:
            record = read_study(wanted)
        except StudyNotFound as error:
            raise OptionError(f"--warm-start: {error}") from None
        if record.run_id == without:
            said = f"study {record.info.name} is this one, which has its own trials anyway"
            return WarmStart(remark=f"warm start: {said}")
        if not _as_earlier(record, objectives[0]).trials:
            said = f"study {record.info.name} has no complete trial to learn from"
            return WarmStart(remark=f"warm start: {said}")
        shared = _shared(record, space)
        if not shared:
            names = ", ".join(dict.fromkeys(n for t in record.trials for n in t.params))
            raise OptionError(
                f"--warm-start: study {record.info.name} shares no hyperparameter with this cell; "
                f"it has {names or 'none'}"
            )
        return _taken([(record, fingerprint == record.info.fingerprint)], space, objectives[0])
    found: list[tuple[StudyRecord, bool]] = []
    for run_id, same in _candidates(fingerprint, space, objectives[0], without):
        record = read_study(run_id)
        complete = [t for t in record.trials if t.state is TrialState.COMPLETE and t.values]
        if len(complete) >= _FEWEST and (same or _shared(record, space)):
            found.append((record, same))
        if len(found) == _MOST_STUDIES:
            break
    if not found:
        return WarmStart(remark="warm start: there is no earlier study with a space like this one")
    return _taken(found, space, objectives[0])


def _candidates(
    fingerprint: str, space: SearchSpace, objective: Objective, without: str | None
) -> Iterator[tuple[str, bool]]:
    """Runs of studies by how alike they are, and whether they are of the same cell."""
    from hpmagic.tracking.reader import parent_runs
    from hpmagic.tracking.schema import Tag

    runs, _ = parent_runs()
    ranked = []
    for age, run in enumerate(islice(runs, _LOOKED_AT)):
        if run.info.run_id == without or not _same_aim(run, objective):
            continue
        same = run.data.tags.get(Tag.FINGERPRINT) == fingerprint
        share = _likeness(run.data.tags.get(Tag.SPACE, ""), space)
        if same or share >= _ALIKE:
            ranked.append((not same, -share, age, run.info.run_id))
    for other, _, _, run_id in sorted(ranked):
        yield run_id, not other


def _same_aim(run: Any, objective: Objective) -> bool:
    """Whether the first objective of a study has that name and direction."""
    params = run.data.params
    name = params.get("objective", "").partition(",")[0].strip()
    direction = params.get("direction", "").partition(",")[0].split()[:1]
    return name == objective.name and direction in ([], [objective.direction.value])


def _likeness(space_tag: str, space: SearchSpace) -> float:
    """The part of this space's hyperparameters that the other has too."""
    try:
        names = {str(item["name"]) for item in json.loads(space_tag)}
    except (ValueError, TypeError, KeyError):
        return 0.0
    return len(names & set(space)) / max(len(space), 1)


def _shared(record: StudyRecord, space: SearchSpace) -> list[str]:
    """The hyperparameters that an earlier study's trials drew and this space has."""
    drawn = dict.fromkeys(name for trial in record.trials for name in trial.params)
    return [name for name in drawn if space.find(name) is not None]


def _taken(
    records: Sequence[tuple[StudyRecord, bool]], space: SearchSpace, objective: Objective
) -> WarmStart:
    studies, said = [], []
    for record, same in records:
        study = _as_earlier(record, objective)
        studies.append(study)
        shared, every = len(_shared(record, space)), len(space)
        like = "the same cell" if same else f"{shared} of {every} hyperparameters"
        count = f"{len(study.trials)} trials" if len(study.trials) != 1 else "1 trial"
        said.append(f"{count} of {study.name} ({like})")
    return WarmStart(
        tuple(studies), f"warm start: {', '.join(said)}, believed as far as they agree"
    )


def _as_earlier(record: StudyRecord, objective: Objective) -> EarlierStudy:
    """Its trials with a value: that of the objective of the same name, else that of the first.

    Which values of a metric of the same name are good is for this study to say.
    """
    objectives = record.info.objectives or (objective,)
    place = next((i for i, o in enumerate(objectives) if o.name == objective.name), 0)
    trials = [_with_value(trial, place) for trial in record.trials[-_MOST_TRIALS:]]
    same = objectives[place].name == objective.name
    return EarlierStudy(
        record.info.name,
        tuple(t for t in trials if t is not None),
        objective if same else objectives[place],
    )


def _with_value(trial: Trial, place: int) -> Trial | None:
    if trial.state is not TrialState.COMPLETE or not trial.values or len(trial.values) <= place:
        return None
    return replace(trial, values=(trial.values[place],))
