"""The study that is to go on, found in MLflow and made ready."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpmagic.errors import OptionError, StoreError, StudyNotFound, nearest
from hpmagic.records import StudyRecord, TrialState
from hpmagic.tracking import reader, schema
from hpmagic.tracking.delivery import ABANDONED
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.place import Place, redacted, study_environment
from hpmagic.tracking.schema import MlflowTag, Tag
from hpmagic.tracking.spool import Spool, SpoolBusy
from hpmagic.tracking.store import connect, hushed, search

__all__ = ["Resumable", "find_resumable"]


@dataclass(frozen=True)
class Resumable:
    """A study that can go on.

    ``session`` is the last time that it was started or resumed; ``remarks`` say what was delivered
    and closed before, a sentence each.
    """

    record: StudyRecord
    study_id: str
    session: str
    place: Place
    remarks: tuple[str, ...] = ()


def find_resumable(
    place: Place,
    name: str | None,
    fingerprint: str,
    *,
    experiment: str | None = None,
    look: bool = False,
) -> Resumable:
    """The study of that name, or the newest of this cell, as MLflow has it.

    What earlier studies left on this machine is delivered first, and runs that a dead kernel left
    RUNNING are closed as interrupted.

    Args:
        place: the store.
        name: the study's name or its run's id; the newest with this fingerprint when None.
        fingerprint: the cell's.
        experiment: the experiment's name; all of them are searched when None.
        look: deliver and close nothing.

    Raises:
        OptionError: there is no such study, or it runs now.
        StoreError: the store cannot be read, or does not take what the study left on this machine.
    """
    delivered = [] if look else deliver_pending(uri=place.uri)
    remarks = [str(each) for each in delivered]
    with study_environment(place.uri, own_retries=False):
        run, experiment_name = _parent(place, name, fingerprint, experiment)
        study_id = run.data.tags.get(Tag.STUDY, "")
        if not study_id or set(study_id) - set("0123456789abcdef"):
            raise OptionError(f"study {run.info.run_name} does not say what it is; --fresh is left")
        if look:
            remarks += _to_be_delivered(study_id)
            closed = 0
        else:
            problem = next((d.problem for d in delivered if d.study == run.info.run_name), "")
            _see_that_it_rests(run.info.run_name, study_id, problem)
            closed = _close_children(connect(place.uri), run)
        record = reader.read_study(run.info.run_id, tracking_uri=place.uri)
    if closed:
        runs = "1 trial" if closed == 1 else f"{closed} trials"
        remarks.append(f"{runs} that a kernel left running ended as interrupted")
    session = run.data.tags.get(Tag.SESSION, "")
    where = replace(place, experiment=experiment_name, experiment_id=run.info.experiment_id)
    return Resumable(record, study_id, session, where, tuple(remarks))


def _parent(
    place: Place, name: str | None, fingerprint: str, experiment: str | None
) -> tuple[Any, str]:
    """The parent run, and the name of its experiment."""
    try:
        runs, experiments = reader.parent_runs(experiment=experiment, tracking_uri=place.uri)
    except StudyNotFound as error:
        raise OptionError(f"there is nothing to resume: {error}") from None
    if name is not None:
        fitting = [run for run in runs if reader.is_called(run, name)]
    else:
        fitting = [run for run in runs if run.data.tags.get(Tag.FINGERPRINT) == fingerprint]
    if fitting:
        return fitting[0], experiments[fitting[0].info.experiment_id]
    names = list(dict.fromkeys(run.info.run_name or "" for run in runs))
    raise OptionError(_nothing(name, names, redacted(place.uri)))


def _nothing(name: str | None, names: Sequence[str], uri: str) -> str:
    there = f"; there are {', '.join(names[:10])}" if names else "; there are no studies yet"
    if name is not None:
        return f"there is no study `{name}` to resume in {uri}{nearest(name, names) or there}"
    hint = f"{there}; --study NAME says which" if names else there
    return f"there is no study of this cell to resume in {uri}{hint}"


def _see_that_it_rests(name: str, study_id: str, problem: str) -> None:
    """A study that runs in another process of this machine holds its spool.

    One that nobody holds has trials that MLflow does not know yet: they would be run again.
    """
    for path in spool_directory().glob(f"{study_id}*.spool"):
        try:
            Spool.open(path).close()
        except SpoolBusy:
            raise OptionError(f"study {name} is running now, so it cannot be resumed") from None
        except OSError:
            continue
        why = problem or "it was to be delivered to another address"
        raise StoreError(
            f"study {name} has trials on this machine that are not in MLflow yet ({why}), so it "
            "cannot go on; try again when MLflow takes them, or deliver them with `hpmagic deliver`"
        )


def _to_be_delivered(study_id: str) -> list[str]:
    """What the study has on this machine: it would be delivered first, and counts then."""
    there = any(spool_directory().glob(f"{study_id}*.spool"))
    return ["trials of it on this machine are not in MLflow yet and not counted here"] * there


def _close_children(client: Any, parent: Any) -> int:
    """Close the trials that still look as if they ran; how many there were."""
    condition = (
        f"tags.`{MlflowTag.PARENT}` = '{parent.info.run_id}' "
        f"AND tags.`{Tag.STATE}` = '{schema.RUNNING}'"
    )
    closed = 0
    for run in list(search(client, [parent.info.experiment_id], condition)):
        with hushed():
            client.set_tag(run.info.run_id, Tag.STATE, TrialState.INTERRUPTED.value)
            client.set_tag(run.info.run_id, Tag.REASON, ABANDONED)
            status = schema.STATUS[TrialState.INTERRUPTED]
            client.set_terminated(run.info.run_id, status, round(time.time() * 1000))
        closed += 1
    return closed
