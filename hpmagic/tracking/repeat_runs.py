"""The repeats of a trial as runs under the trial's own, each once however often it is tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpmagic.records import Repeat, Trial, TrialState
from hpmagic.tracking import schema
from hpmagic.tracking.schema import Kind, MlflowTag, Tag, key
from hpmagic.tracking.store import Point, Store

__all__ = ["deliver_repeats"]


def deliver_repeats(
    store: Store, trial: Trial, run_id: str, common: Mapping[str, str], *, doubted: bool
) -> None:
    """Make the runs of a trial's repeats, or what of them is missing.

    They carry no `Tag.STUDY`: whoever asks for the study's trials does not meet them.

    Args:
        store: where the trial is.
        trial: it has ended.
        run_id: the trial's run.
        common: tags that every run of the study has.
        doubted: whether the store may have some of them.
    """
    if not trial.repeats:
        return
    there: dict[str, Any] = {}
    if doubted:
        there = {r.data.tags.get(Tag.SEED, ""): r for r in store.runs(MlflowTag.PARENT, run_id)}
    for repeat in trial.repeats:
        run = there.get(str(repeat.seed))
        if run is None or run.info.status == "RUNNING":
            last = repeat is trial.repeats[-1]
            state = trial.state if last else TrialState.COMPLETE
            _deliver(store, repeat, run, run_id, {**common, Tag.STATE: state.value})


def _deliver(
    store: Store, repeat: Repeat, run: Any, parent_id: str, tags: Mapping[str, str]
) -> None:
    start = schema.milliseconds(repeat.start)
    end = schema.milliseconds(repeat.start + repeat.duration)
    own = {
        **tags,
        MlflowTag.PARENT: parent_id,
        Tag.KIND: Kind.REPEAT,
        Tag.SEED: str(repeat.seed),
    }
    made = store.create_run(f"seed {repeat.seed}", start, own) if run is None else run.info.run_id
    finals = {**repeat.metrics, **repeat.values}
    points = [Point(key(name), schema.to_store(v), end, 0) for name, v in finals.items()]
    store.log(made, points, {"seed": str(repeat.seed)}, schema.name_tags(finals))
    store.end_run(made, schema.STATUS[TrialState(tags[Tag.STATE])], end)
