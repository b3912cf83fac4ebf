"""Whatever moment a kernel is killed at, nothing that had ended is lost, and the study goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kills import VICTIMS, torture

STUDIES = int(os.environ.get("HPMAGIC_KILLED_STUDIES", "1"))
"""Three kills each; 67 make two hundred."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STUDIES))
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_study_killed_three_times_ends_whole(
    victim: str, seed: int, store: str, tmp_path: Path
) -> None:
    """Announced trials are stored once, none is left open; the total and the values are right."""
    print(f"{victim}, seed {seed}: {torture(tmp_path, seed, VICTIMS[victim])}")
