"""A process killed with SIGKILL in the middle of its study loses no trial that had ended."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal
from remembered import client
from studies import events, record_of

from hpmagic.results import Study
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.reader import read_study

pytestmark = pytest.mark.slow

COUNT = 40


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_process_loses_nothing_it_announced(seed: int, store: str, home: Path) -> None:
    """Killed at a random moment: every trial that was announced is in MLflow once and whole."""
    rng = random.Random(seed)
    script = Path(__file__).with_name("long_study.py")
    victim = subprocess.Popen(
        [sys.executable, str(script), str(COUNT), str(rng.choice([0.0, 0.02]))],
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "begun\n"
    time.sleep(rng.uniform(0.0, 1.2))
    victim.kill()
    said = victim.stdout.read().split()
    victim.wait()
    announced = {int(word) for word in said if word.isdigit()}

    told = deliver_pending()
    assert list(spool_directory().glob("*.spool")) == []
    runs = client().search_runs(
        [client().get_experiment_by_name("killed").experiment_id], "tags.`hpmagic.kind` = 'trial'"
    )
    numbers = [int(run.data.tags["hpmagic.trial"]) for run in runs]
    assert len(numbers) == len(set(numbers))
    assert announced <= set(numbers)
    assert all(run.info.status != "RUNNING" for run in runs)
    if not runs:
        return
    loaded = Study(read_study("victim")).trials.assign(run_id=None)
    live = Study(record_of(events(COUNT))).trials.assign(run_id=None)
    whole = loaded[loaded["state"] != "interrupted"]
    assert len(whole) >= len(announced)
    assert_frame_equal(
        whole.reset_index(drop=True), live[: len(whole)], check_dtype=len(whole) == len(loaded)
    )
    print(f"seed {seed}: {len(announced)} announced, {len(runs)} in the store, {told}")
