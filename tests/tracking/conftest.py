"""A folder, a store and a home of hpmagic's own for each test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_pictures(unless_asked_no_pictures: None) -> None:
    """Tests that make their store themselves are spared the pictures, too."""


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
def store(home: Path, store_in: Callable[[Path], str]) -> str:
    """The URI of a store in the working directory, which is also MLflow's default there."""
    return store_in(home)
