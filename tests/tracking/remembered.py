"""Studies that are put into a store and looked at there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from studies import record_of

from hpmagic.records import Event, StudyRecord
from hpmagic.tracking.writer import MlflowWriter


def remember(
    stream: Iterable[Event], *, experiment: str | None = None, **options: Any
) -> tuple[MlflowWriter, StudyRecord]:
    """Write a study and drain; the writer, and the record as the loop would have it."""
    heard = list(stream)
    writer = MlflowWriter(
        experiment=experiment,
        fallback_experiment="notebook",
        uses_mlflow=options.pop("uses_mlflow", False),
        **options,
    )
    for event in heard:
        writer(event)
    writer.drain()
    live = record_of(heard, writer.run_ids)
    name = writer.study_name or live.info.name
    return writer, replace(live, info=replace(live.info, name=name))


def client() -> Any:
    """MLflow's client for the store in use."""
    from hpmagic.tracking.place import absolute, current_uri
    from hpmagic.tracking.store import connect

    return connect(absolute(current_uri()))


def children(writer: MlflowWriter) -> list[Any]:
    """The runs of a study's trials by number, active ones only."""
    found = client().search_runs(
        [writer.experiment_id], f"tags.`mlflow.parentRunId` = '{writer.run_id}'"
    )
    return sorted(found, key=lambda run: int(run.data.tags["hpmagic.trial"]))


def artifacts(run_id: str | None, folder: str = "") -> set[str]:
    """The paths of a run's artifacts."""
    paths: set[str] = set()
    for found in client().list_artifacts(run_id, folder or None):
        paths |= artifacts(run_id, found.path) if found.is_dir else {found.path}
    return paths
