"""MLflow's client in the few words that a study needs: explicit run ids, batches, no active run."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from hpmagic.errors import StoreError
from hpmagic.tracking.place import Place, check_store, redacted, scrubbed, sqlite_path
from hpmagic.tracking.schema import MOST_PARAM, MOST_TAG, cut

__all__ = [
    "Point",
    "Store",
    "check_store",
    "connect",
    "first_line",
    "hushed",
    "is_final",
    "open_store",
]

_NETWORKS: Final = ("nfs", "cifs", "smb", "sshfs", "9p", "afs", "lustre", "gluster", "ceph", "gpfs")
_BATCH: Final = {"metrics": 1000, "params": 100, "tags": 100}
_BATCH_BYTES: Final = 300_000
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric; ``time`` is in milliseconds since the epoch."""

    key: str
    value: float
    time: int
    step: int


def connect(uri: str) -> Any:
    """An ``MlflowClient``; a sqlite file that is not there yet is made, in WAL mode.

    With a write-ahead log a trial costs four waits for the disk instead of sixteen.
    """
    path = sqlite_path(uri)
    if path is not None and not path.exists() and not _on_network(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(sqlite3.Error):
            database = sqlite3.connect(path)
            try:
                database.execute("PRAGMA journal_mode=WAL")
            finally:
                database.close()
    from mlflow import MlflowClient

    with hushed():
        return MlflowClient(tracking_uri=uri)


def _on_network(folder: Path) -> bool:
    """Whether a folder is on a network drive, where a write-ahead log does not work."""
    if str(folder).startswith("\\\\"):
        return True
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    fields = [line.split() for line in mounts.splitlines()]
    points = {Path(f[1].replace("\\040", " ")): f[2] for f in fields if len(f) > 2}
    folder = folder.absolute()
    kind = next((points[p] for p in (folder, *folder.parents) if p in points), "")
    return any(name in kind for name in _NETWORKS)


def open_store(client: Any, place: Place, after: Callable[[], None] = lambda: None) -> Store:
    """The store with its experiment, which is made if it is not there.

    Raises:
        StoreError: the experiment has been deleted.
        Exception: what MLflow raises.
    """
    experiment = None
    with hushed():
        if place.experiment_id:
            experiment = _by_id(client, place.experiment_id)
        if experiment is None:
            name = place.experiment or "Default"
            experiment = client.get_experiment_by_name(name) or _create(client, name)
        if experiment.lifecycle_stage != "active":
            raise StoreError(
                f"the experiment `{experiment.name}` has been deleted; restore it with `mlflow "
                f"experiments restore -x {experiment.experiment_id}`, or name another with "
                "--experiment"
            )
    return Store(client, experiment.experiment_id, redacted(place.uri), after)


def _create(client: Any, name: str) -> Any:
    try:
        return client.get_experiment(client.create_experiment(name))
    except Exception:
        # Another process may have been quicker.
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return experiment


def _by_id(client: Any, experiment_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(experiment_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None  # chosen for another store


class Store:
    """One experiment of one store. ``after`` is called after every request."""

    def __init__(
        self, client: Any, experiment_id: str, uri: str, after: Callable[[], None] = lambda: None
    ) -> None:
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri
        self._after = after

    @property
    def remote(self) -> bool:
        """Whether requests go over a network, where an answer may be lost."""
        return sqlite_path(self.uri) is None

    def create_run(self, name: str, start: int, tags: Mapping[str, str]) -> str:
        """A new run, RUNNING; its id."""
        with self._request():
            run = self.client.create_run(
                self.experiment_id, start_time=start, tags=_clean(tags, MOST_TAG), run_name=name
            )
        return str(run.info.run_id)

    def log(
        self,
        run_id: str,
        metrics: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Metrics, params and tags, in as few requests as MLflow's limits allow.

        It may be repeated: what is there already, with the same value, stays as it is.
        """
        from mlflow.entities import Metric, Param, RunTag

        given: dict[str, list[Any]] = {
            "metrics": [Metric(p.key, p.value, p.time, p.step) for p in metrics],
            "params": [Param(k, v) for k, v in _clean(params or {}, MOST_PARAM).items()],
            "tags": [RunTag(k, v) for k, v in _clean(tags or {}, MOST_TAG).items()],
        }
        while any(given.values()):
            batch = {kind: _take(items, _BATCH[kind]) for kind, items in given.items()}
            # MLflow takes a thousand of all together.
            rest = len(batch["params"]) + len(batch["tags"])
            over = batch["metrics"][1000 - rest :]
            batch["metrics"] = batch["metrics"][: 1000 - rest]
            given["metrics"] = over + given["metrics"]
            with self._request():
                self.client.log_batch(run_id, **batch)

    def end_run(self, run_id: str, status: str, end: int) -> None:
        """Close a run."""
        with self._request():
            self.client.set_terminated(run_id, status, end)

    def reopen_run(self, run_id: str) -> None:
        """An ended run is RUNNING again."""
        with self._request():
            self.client.update_run(run_id, "RUNNING")

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        with self._request():
            self.client.delete_run(run_id)

    def put(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Store files as artifacts, by their relative paths."""
        if not files:
            return
        with tempfile.TemporaryDirectory(prefix="hpmagic-") as folder:
            for name, content in files.items():
                parts = PurePosixPath(name).parts
                if ".." in parts or name.startswith("/"):
                    raise ValueError(f"an artifact must stay in its directory, but got {name!r}")
                path = Path(folder, *parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            with self._request():
                self.client.log_artifacts(run_id, folder)

    def run(self, run_id: str) -> Any:
        """One run."""
        with self._request():
            return self.client.get_run(run_id)

    def runs(self, tag: str, value: str, name_begins: str = "") -> list[Any]:
        """The active runs of the experiment that have a tag of this value, by their names' begin.

        The value must not hold a quote.
        """
        condition = f"tags.`{tag}` = '{value}'"
        if name_begins and not set(name_begins) & set("'\"\\"):
            condition += f" AND attributes.run_name LIKE '{name_begins}%'"
        found = search(self.client, [self.experiment_id], condition)
        return [run for run in found if (run.info.run_name or "").startswith(name_begins)]

    @contextmanager
    def _request(self) -> Iterator[None]:
        with hushed():
            yield
        self._after()


def search(client: Any, experiments: Sequence[str], condition: str) -> Iterator[Any]:
    """All active runs that meet a condition, newest first."""
    token = None
    while True:
        with hushed():
            page = client.search_runs(
                list(experiments), condition, max_results=_PAGE, page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return


_FINAL: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
)


def is_final(error: Exception) -> bool:
    """Whether trying again cannot help, because the record itself is refused."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    return isinstance(error, _FINAL)


def first_line(error: BaseException, limit: int = 300) -> str:
    """An error in one line, without credentials."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    text = scrubbed(text.strip()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _take(items: list[Any], most: int) -> list[Any]:
    """Cut the first items off a list: at most so many, and not too many bytes."""
    size = count = 0
    for item in items[:most]:
        size += 60 + len(item.key) + (len(item.value) if isinstance(item.value, str) else 0)
        if count and size > _BATCH_BYTES:
            break
        count += 1
    taken = items[:count]
    del items[:count]
    return taken


def _clean(texts: Mapping[str, str], limit: int) -> dict[str, str]:
    """Texts that every database takes: no NUL, no half of a surrogate pair, not too long."""
    return {name: cut(_printable(text), limit) for name, text in texts.items()}


def _printable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class _Hush(logging.Filter):
    """Drops what MLflow logs on threads that speak for themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[int, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread not in self.threads


_hush: Final = _Hush()
_LOUD: Final = ("mlflow", "alembic", "sqlalchemy.engine", "urllib3.connectionpool")


@contextmanager
def hushed() -> Iterator[None]:
    """On this thread, MLflow logs nothing: hpmagic says itself what a person should know."""
    me = threading.get_ident()
    for name in _LOUD:
        logger = logging.getLogger(name)
        for target in (logger, *logger.handlers):
            if _hush not in target.filters:
                target.addFilter(_hush)
    _hush.threads[me] = _hush.threads.get(me, 0) + 1
    try:
        yield
    finally:
        _hush.threads[me] -= 1
        if not _hush.threads[me]:
            del _hush.threads[me]
