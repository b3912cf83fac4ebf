"""Where MLflow's store is, found out without importing MLflow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from hpmagic.errors import StoreError, nearest

__all__ = [
    "Place",
    "absolute",
    "check_store",
    "current_uri",
    "environment",
    "place_of",
    "redacted",
    "scrubbed",
    "sqlite_path",
    "study_environment",
]

_SQLITE: Final = "sqlite:///"
_NO_SCHEME: Final = ("databricks", "databricks-uc", "uc")
_SCHEMES: Final = (
    *("http", "https", "sqlite", "postgresql", "mysql", "mssql", "file"),
    *_NO_SCHEME,
)


@dataclass(frozen=True)
class Place:
    """A store and an experiment in it, as they were when a study began.

    ``uri`` is absolute: a trial may change the working directory. Of ``experiment_id`` and
    ``experiment``, its name, the former counts if both are given.
    """

    uri: str
    experiment: str = ""
    experiment_id: str = ""

    def as_json(self) -> dict[str, str]:
        """A plain form without credentials, for the disk."""
        return {
            "uri": redacted(self.uri),
            "experiment": self.experiment,
            "experiment_id": self.experiment_id,
        }

    @classmethod
    def from_json(cls, data: Any) -> Place:
        """What `as_json` wrote; credentials are taken from the URI in use, if it is the same.

        Raises:
            ValueError: it is not that.
        """
        try:
            place = cls(str(data["uri"]), str(data["experiment"]), str(data["experiment_id"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a place: {error!r}") from error
        current = absolute(current_uri())
        if redacted(current) == place.uri:
            return cls(current, place.experiment, place.experiment_id)
        return place


def place_of(experiment: str | None, fallback: str) -> Place:
    """Where a study that begins now is to be kept.

    The experiment is the one named, else the one that `mlflow.set_experiment` or the environment
    chose, else ``fallback``, else MLflow's default one.
    """
    uri = absolute(current_uri())
    if experiment:
        return Place(uri, experiment)
    fluent = sys.modules.get("mlflow.tracking.fluent")
    chosen = getattr(fluent, "_active_experiment_id", None) or ""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    identity = chosen or ("" if name else os.environ.get("MLFLOW_EXPERIMENT_ID", ""))
    return Place(uri, name or fallback or "Default", identity)


def current_uri() -> str:
    """MLflow's tracking URI as MLflow itself would find it."""
    mlflow = sys.modules.get("mlflow")
    asked = getattr(mlflow, "get_tracking_uri", None)  # missing while it is being imported
    if asked is not None:
        return str(asked())
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    if _has_file_store(Path("mlruns")):
        return Path("mlruns").absolute().as_uri()
    return f"{_SQLITE}mlflow.db"


def _has_file_store(folder: Path) -> bool:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return False
    return any(e.name.isdecimal() and os.path.lexists(Path(e.path) / "meta.yaml") for e in entries)


def absolute(uri: str) -> str:
    """The URI with a relative path of a sqlite file made absolute.

    >>> absolute("http://localhost:5000")
    'http://localhost:5000'
    """
    if not uri.startswith(_SQLITE):
        return uri
    path, question, query = uri.removeprefix(_SQLITE).partition("?")
    if not path or path == ":memory:" or Path(path).is_absolute():
        return uri
    folder = quote(Path.cwd().as_posix(), safe="/:")
    return f"{_SQLITE}{folder}/{path}{question}{query}"


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for other stores."""
    if not uri.startswith(_SQLITE):
        return None
    path = unquote(uri.removeprefix(_SQLITE).partition("?")[0])
    return Path(path) if path and path != ":memory:" else None


def redacted(uri: str) -> str:
    """The URI without user, password and query, which may hold secrets.

    >>> redacted("https://me:secret@host:5000/path?token=1")
    'https://host:5000/path'
    """
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s\"'@]*@")
_QUERY: Final = re.compile(r"\?[\w.~%-]+=[^\s\"')]*")


def scrubbed(text: str) -> str:
    """A message with what `redacted` leaves out taken out of every URI in it.

    >>> scrubbed("request to https://me:secret@host/api?token=1 failed")
    'request to https://host/api failed'
    """
    return _QUERY.sub("", _CREDENTIALS.sub("", text))


def check_store(uri: str | None = None) -> None:
    """See that the store can be used, as far as that costs nothing.

    Args:
        uri: MLflow's tracking URI; the one in use when None.

    Raises:
        StoreError: it cannot; the message names the ways out.
    """
    given = uri is not None
    uri = absolute(current_uri() if uri is None else uri)
    scheme = urlsplit(uri).scheme.partition("+")[0]
    is_path = (scheme in ("", "file") and uri not in _NO_SCHEME) or len(scheme) == 1
    if is_path and _file_store_is_refused():
        _refuse_file_store(uri, chosen=given or bool(os.environ.get("MLFLOW_TRACKING_URI")))
    if not is_path and (scheme or uri) not in _SCHEMES and scheme not in _plugins():
        raise StoreError(
            f"MLflow knows no tracking URI that begins with `{scheme or uri}`"
            f"{nearest(scheme or uri, _SCHEMES)}; got {redacted(uri)}"
        )
    path = sqlite_path(uri)
    if path is not None:
        _check_file(path)


def _refuse_file_store(uri: str, *, chosen: bool) -> None:
    where = "the tracking URI is" if chosen else "here is"
    raise StoreError(
        f"{where} a folder of MLflow's old file store ({redacted(uri)}), which this version of "
        "MLflow no longer writes to. Two ways out: move its runs into a database with "
        "`mlflow migrate-filestore --source ./mlruns --target sqlite:///mlflow.db` (and put the "
        "folder away), or leave it alone and say where new runs go: "
        '`mlflow.set_tracking_uri("sqlite:///mlflow.db")`, before the study'
    )


def _file_store_is_refused() -> bool:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return False
    try:
        numbers = version("mlflow").split(".")[:2]
        return tuple(map(int, numbers)) >= (3, 13)
    except (PackageNotFoundError, ValueError):
        return False


def _plugins() -> set[str]:
    return {point.name for point in entry_points(group="mlflow.tracking_store")}


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"MLflow's store should be a sqlite file, but {path} is a folder")
    there = next((p for p in (path, *path.parents) if p.exists()), None)
    if there is not None and not os.access(there, os.W_OK):
        what = "MLflow's store" if there == path else f"the folder of MLflow's store, {there},"
        raise StoreError(
            f"{what} cannot be written to ({path}); "
            'use another with `mlflow.set_tracking_uri("sqlite:///PATH")`'
        )


@contextmanager
def study_environment(uri: str, *, own_retries: bool) -> Iterator[None]:
    """Settings of MLflow that hold while a study is delivered, and are taken back after it.

    A server's address is not printed after each run. With ``own_retries``, MLflow's client does not
    repeat a request by itself: a repeated request to create a run would create two.
    """
    wanted: dict[str, str] = {}
    if uri.startswith(("http:", "https:")):
        wanted["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        if own_retries:
            wanted |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
    with environment(wanted):
        yield


@contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that hold within, where the person has not set them."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in added.items():
            if os.environ.get(name) == value:
                del os.environ[name]
