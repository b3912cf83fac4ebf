"""Studies out of MLflow, from it alone: in any process, on any machine, by file or over HTTP."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hpmagic.errors import StoreError, StudyNotFound, nearest
from hpmagic.records import StudyInfo, StudyRecord, Trial
from hpmagic.tracking import reading, schema
from hpmagic.tracking.place import (
    absolute,
    check_store,
    current_uri,
    environment,
    redacted,
    sqlite_path,
)
from hpmagic.tracking.runs import known_of
from hpmagic.tracking.schema import Artifact, Kind, MlflowTag, Tag
from hpmagic.tracking.store import connect, first_line, hushed, search

__all__ = ["ListedStudy", "is_called", "list_studies", "parent_runs", "read_study"]

_THREADS = 8
"""Requests at the same time, for what needs one a trial."""
_FIRST_REQUEST: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""A server that is away shows at the first request: MLflow's own patience takes minutes."""

Curves = Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class ListedStudy:
    """A study in a list. ``best`` is the first objective's value; None while there is none."""

    name: str
    experiment: str
    state: str
    trials: int
    tuner: str
    objective: str
    best: float | None
    start: datetime
    run_id: str


def list_studies(
    *, experiment: str | None = None, tracking_uri: str | None = None
) -> list[ListedStudy]:
    """The studies in a store, newest first.

    Args:
        experiment: an experiment's name; all of them when None.
        tracking_uri: MLflow's; the one in use when None.

    Raises:
        StoreError: the store cannot be read.
        StudyNotFound: there is no such experiment.
    """
    client, _ = _client(tracking_uri)
    if client is None:
        return []
    experiments = _experiments(client, experiment)
    return [_listed(run, experiments) for run in _parents(client, experiments)]


def parent_runs(
    *, experiment: str | None = None, tracking_uri: str | None = None
) -> tuple[list[Any], dict[str, str]]:
    """The parent runs of the studies in a store, newest first, and experiments' names by id.

    Args:
        experiment: an experiment's name; all of them when None.
        tracking_uri: MLflow's; the one in use when None.

    Raises:
        StoreError: the store cannot be read.
        StudyNotFound: there is no such experiment.
    """
    client, _ = _client(tracking_uri)
    if client is None:
        return [], {}
    experiments = _experiments(client, experiment)
    return list(_parents(client, experiments)), experiments


def read_study(
    name: str, *, experiment: str | None = None, tracking_uri: str | None = None
) -> StudyRecord:
    """A study with all its trials that have ended, in the order of their numbers.

    What its trials printed is left in MLflow. Options that were objects come back as their labels.

    Args:
        name: its name, or the id of its parent run; of several studies of one name the newest.
        experiment: an experiment's name; all of them are searched when None.
        tracking_uri: MLflow's; the one in use when None.

    Raises:
        StoreError: the store cannot be read.
        StudyNotFound: there is none; the message names the nearest.
    """
    client, uri = _client(tracking_uri)
    if client is None:
        raise StudyNotFound(f"there is no study `{name}`: nothing has been stored in {uri} yet")
    experiments = _experiments(client, experiment)
    parents = list(_parents(client, experiments))
    parent = next((run for run in parents if is_called(run, name)), None)
    if parent is None:
        names = list(dict.fromkeys(run.info.run_name or "" for run in parents))
        hint = nearest(name, names) or (f"; there are {', '.join(names[:10])}" if names else "")
        raise StudyNotFound(f"there is no study `{name}` in {redacted(uri)}{hint}")
    experiment = experiments[parent.info.experiment_id]
    with environment({"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}), _uncollected():
        return _Reading(client, parent, experiment, redacted(uri)).record()


def is_called(run: Any, name: str) -> bool:
    """Whether a study's run has this name, which is cut where it is long, or this id."""
    short = schema.cut(name, schema.MOST_NAME)
    return name in (run.info.run_name, run.info.run_id) or short == run.info.run_name


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: of a large study it takes two thirds of the time, for nothing.

    MLflow makes some thirty objects a trial, all of which are in use until the page is read.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _client(tracking_uri: str | None) -> tuple[Any | None, str]:
    """MLflow's client, or None for a sqlite file that does not exist: reading makes none."""
    uri = absolute(current_uri() if tracking_uri is None else tracking_uri)
    check_store(uri)
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return None, uri
    try:
        return connect(uri), uri
    except Exception as error:  # noqa: BLE001 - MLflow raises all sorts
        raise StoreError(
            f"MLflow's store {redacted(uri)} cannot be opened: {first_line(error)}"
        ) from None


def _experiments(client: Any, name: str | None) -> dict[str, str]:
    """Names of experiments by id."""
    found: dict[str, str] = {}
    try:
        with hushed(), environment(_FIRST_REQUEST):
            if name is not None:
                experiment = client.get_experiment_by_name(name)
                if experiment is not None:
                    return {experiment.experiment_id: experiment.name}
            token = None
            while True:
                page = client.search_experiments(page_token=token)
                found |= {e.experiment_id: e.name for e in page}
                token = page.token
                if not token:
                    break
    except Exception as error:  # noqa: BLE001 - MLflow raises all sorts
        raise StoreError(f"MLflow's store does not answer: {first_line(error)}") from None
    if name is not None:
        hint = nearest(name, found.values())
        raise StudyNotFound(f"there is no experiment `{name}`{hint}")
    return found


def _parents(client: Any, experiments: Mapping[str, str]) -> Iterator[Any]:
    if not experiments:
        return iter(())
    return _search(client, list(experiments), f"tags.`{Tag.KIND}` = '{Kind.STUDY}'")


def _search(client: Any, experiments: Sequence[str], condition: str) -> Iterator[Any]:
    try:
        yield from search(client, experiments, condition)
    except Exception as error:  # noqa: BLE001 - MLflow raises all sorts
        raise StoreError(f"MLflow's store does not answer: {first_line(error)}") from None


def _listed(run: Any, experiments: Mapping[str, str]) -> ListedStudy:
    tags, params = run.data.tags, run.data.params
    objective = params.get("objective", "").partition(",")[0]
    trials = tags.get(Tag.TRIALS, "")
    return ListedStudy(
        name=run.info.run_name or "",
        experiment=experiments.get(run.info.experiment_id, ""),
        state=tags.get(Tag.STATE, ""),
        trials=int(trials) if trials.isdecimal() else 0,
        tuner=params.get("tuner", ""),
        objective=objective,
        best=_best(run, objective),
        start=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        run_id=run.info.run_id,
    )


def _best(run: Any, objective: str) -> float | None:
    """The first objective's best: the tag says it whatever else was logged to the run."""
    try:
        return float(run.data.tags.get(Tag.BEST_VALUE, "").partition(",")[0])
    except ValueError:
        return run.data.metrics.get(schema.key(objective)) if objective else None


class _Reading:
    """One study being read."""

    def __init__(self, client: Any, parent: Any, experiment: str, uri: str) -> None:
        self.client = client
        self.parent = parent
        self.experiment = experiment
        self.uri = uri

    def record(self) -> StudyRecord:
        info = self._info()
        known = known_of(info)
        columns = reading.columns_of(self.parent)
        runs = self._children()
        longs = self._longs(runs)
        records = [reading.record_of(run, longs.get(run.info.run_id, {})) for run in runs]
        curves = self._curves(runs, records)
        trials: list[Trial] = []
        for run, record in zip(runs, records, strict=True):
            run_id = run.info.run_id
            trial = reading.trial_of(
                run,
                record,
                known=known,
                columns=columns,
                long=longs.get(run_id, {}),
                curves=curves.get(run_id, {}),
            )
            if trial is not None:
                trials.append(trial)
        return StudyRecord(
            info,
            tuple(trials),
            reading.finished_of(self.parent),
            self.parent.info.run_id,
            self.parent.info.experiment_id,
            self.uri,
        )

    def _info(self) -> StudyInfo:
        whole = self._json(self.parent.info.run_id, Artifact.INFO)
        for facts in (whole, None):
            if facts is None or isinstance(facts, dict):
                try:
                    return reading.info_of(self.parent, facts, self.experiment)
                except ValueError:
                    continue
        return reading.info_from_params(self.parent, self.experiment)

    def _children(self) -> list[Any]:
        """The children that are trials and have ended, by number, one a number."""
        condition = f"tags.`{MlflowTag.PARENT}` = '{self.parent.info.run_id}'"
        found: dict[int, Any] = {}
        for run in _search(self.client, [self.parent.info.experiment_id], condition):
            number = reading.number_of(run)
            if number is not None and reading.state_of(run) is not None:
                found.setdefault(number, run)
        return [found[number] for number in sorted(found)]

    def _longs(self, runs: Sequence[Any]) -> dict[str, Mapping[str, str]]:
        """Values that are cut, by run, of those runs that have any."""

        def cut(run: Any) -> bool:
            params, record = run.data.params.values(), run.data.tags.get(Tag.RECORD, "")
            longest = schema.MOST_PARAM
            return reading.is_cut(record) or any(len(text) == longest for text in params)

        ids = [run.info.run_id for run in runs if cut(run)]
        found = self._each(ids, lambda run_id: self._json(run_id, Artifact.LONG))
        return {
            run_id: {str(k): str(v) for k, v in long.items()}
            for run_id, long in found.items()
            if isinstance(long, dict)
        }

    def _curves(self, runs: Sequence[Any], records: Sequence[Any]) -> dict[str, Curves]:
        """Curves by run: from the study's artifact, else from MLflow's history of each metric."""
        wanted = {
            run.info.run_id: names
            for run, record in zip(runs, records, strict=True)
            if (names := reading.curve_names(record))
        }
        if not wanted:
            return {}
        found: dict[str, Curves] = {}
        kept = self._json(self.parent.info.run_id, Artifact.CURVES)
        for run_id, lines in kept.items() if isinstance(kept, dict) else ():
            curves = _as_curves(lines)
            if {n: len(line) for n, line in curves.items()} == wanted.get(run_id):
                found[run_id] = curves
        missing = [run_id for run_id in wanted if run_id not in found]
        return found | self._each(missing, lambda run_id: self._history(run_id, wanted[run_id]))

    def _history(self, run_id: str, names: Mapping[str, int]) -> Curves:
        curves: dict[str, tuple[tuple[int, float], ...]] = {}
        for name in names:
            with hushed():
                points = self.client.get_metric_history(run_id, schema.key(name))
            points.sort(key=lambda p: (p.timestamp, p.step))
            curves[name] = tuple((p.step, schema.from_store(p.value)) for p in points)
        return curves

    def _each(self, ids: Sequence[str], ask: Any) -> dict[str, Any]:
        if len(ids) < 2:
            return {run_id: ask(run_id) for run_id in ids}
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(ids, pool.map(ask, ids), strict=True))

    def _json(self, run_id: str, path: str) -> Any:
        """A JSON artifact; None when it is not there or cannot be read."""
        try:
            with hushed(), tempfile.TemporaryDirectory(prefix="hpmagic-") as folder:
                found = Path(self.client.download_artifacts(run_id, path, folder))
                return json.loads(found.read_text(encoding="utf-8"))
        except Exception:  # noqa: BLE001 - artifacts may be anywhere, and gone
            return None


def _as_curves(lines: Any) -> dict[str, tuple[tuple[int, float], ...]]:
    try:
        return {
            str(name): tuple((int(step), float(value)) for step, value in line)
            for name, line in lines.items()
        }
    except (TypeError, ValueError, AttributeError):
        return {}
