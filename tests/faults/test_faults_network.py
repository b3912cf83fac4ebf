"""Behind a network that spoils requests nothing is lost or doubled, and the study goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from network import kinds_of, spoil
from server import mlflow_server

SEEDS = os.environ.get("HPMAGIC_SPOILED_STUDIES", "4 8").split()
"""Of the studies that `network` knows; the first eight meet one kind of fault each."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for all tests of this file."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.mark.parametrize("seed", map(int, SEEDS))
def test_a_study_behind_a_bad_network_ends_whole(
    seed: int, served: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Announced trials are stored once, none is left open, and the resumed total is right."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    print(f"seed {seed}: {spoil(tmp_path, served, seed, kinds_of(seed))}")
