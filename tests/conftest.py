"""Fixtures for all rooms: a folder to begin in, an MLflow store of one's own from a template."""

import os
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(items):
    """Of a test's cases, those beyond its ``few`` are slow ones."""
    counts = Counter()
    for item in items:
        if few := item.get_closest_marker("few"):
            test = item.nodeid.partition("[")[0]
            counts[test] += 1
            if counts[test] > few.args[0]:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def nothing_here(tmp_path_factory):
    """Tests begin in an empty folder: modules below the working directory count as the person's.

    Each trial would look through every test module that is loaded.
    """
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("nothing"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def store_template(tmp_path_factory) -> Path:
    """A sqlite store with MLflow's tables in it, to be copied: making one takes a second."""
    from hpmagic.tracking.store import connect

    folder = tmp_path_factory.mktemp("template")
    path = folder / "mlflow.db"
    connect(f"sqlite:///{path}").search_experiments()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def store_in(store_template):
    """Puts an empty store into a folder, where it is MLflow's default; gives its URI."""

    def put(folder: Path) -> str:
        path = folder / "mlflow.db"
        shutil.copy(store_template, path)
        with closing(sqlite3.connect(path)) as database:
            where = (str(store_template.parent), str(folder))
            database.execute(
                "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", where
            )
            database.commit()
        return f"sqlite:///{path}"

    return put


@pytest.fixture
def pictures() -> None:
    """The study's pictures are drawn."""


@pytest.fixture
def unless_asked_no_pictures(request, monkeypatch):
    """Drawing takes half a second a study: only tests that ask for ``pictures`` have them."""
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr("hpmagic.tracking.closing._plots", lambda _: {})


@pytest.fixture
def store(store_in, tmp_path, monkeypatch, unless_asked_no_pictures) -> str:
    """The URI of an empty store in ``tmp_path``, which becomes the working directory.

    MLflow's settings and hpmagic's own folder point there too.
    """
    uri = store_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("HPMAGIC_HOME", str(tmp_path / "hpmagic-home"))
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    if "mlflow" in sys.modules:
        from mlflow.tracking import fluent
        from mlflow.tracking._tracking_service import utils

        monkeypatch.setattr(utils, "_tracking_uri", None)
        monkeypatch.setattr(fluent, "_active_experiment_id", None)
    return uri
