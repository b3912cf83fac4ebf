"""A folder, a store and a home of hpmagic's own for each test that asks."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite store that MLflow has set up, to be copied: setting one up takes over a second."""
    from hpmagic.tracking.store import connect

    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        connect(f"sqlite:///{folder}/mlflow.db").search_experiments()
    database = sqlite3.connect(folder / "mlflow.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder / "mlflow.db"


@pytest.fixture(autouse=True)
def _no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes half a second a study: only tests that ask for ``pictures`` have them."""
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr("hpmagic.tracking.closing._plots", lambda _: {})


@pytest.fixture
def pictures() -> None:
    """The study's pictures are drawn."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory of the test's own, hpmagic's files in it, and nothing set for MLflow."""
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.setenv("HPMAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    import mlflow
    from mlflow.tracking import fluent

    fluent._active_experiment_id = None
    mlflow.set_tracking_uri(None)


@pytest.fixture
def store(home: Path, migrated: Path) -> str:
    """The URI of a store in the working directory, which is also MLflow's default there."""
    shutil.copy(migrated, home / "mlflow.db")
    return f"sqlite:///{home}/mlflow.db"
