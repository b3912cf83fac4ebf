"""A store that cannot be written for a while: locked by another process, or its disk full."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hpmagic
from hpmagic.errors import HpmagicWarning
from hpmagic.tracking import courier
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.store import connect, search

CELL = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize\n"
FULL = """\
import resource, sys, warnings
from pathlib import Path
import hpmagic
from hpmagic.tracking import courier
from hpmagic.tracking.store import connect
courier.GIVE_UP = 0.5
connect(sys.argv[1]).search_experiments()
size = Path("mlflow.db").stat().st_size + 60_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
warnings.simplefilter("ignore")
study = hpmagic.tune(sys.argv[2], "random", trials=40, seed=1, study="mine", quiet=True)
print(len(study))
"""


def whole(store: str, trials: int) -> None:
    """Every trial is there once, and nothing is open or left on disk."""
    client = connect(store)
    runs = list(search(client, [e.experiment_id for e in client.search_experiments()], ""))
    numbers = sorted(int(run.data.tags.get("hpmagic.trial", "-1")) for run in runs)
    assert numbers == [-1, *range(trials)]
    assert all(run.info.status == "FINISHED" for run in runs)
    assert list(spool_directory().iterdir()) == []


@pytest.mark.slow
def test_a_store_that_is_locked_gets_everything_later(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The study runs to its end meanwhile; one warning says where its trials are."""
    monkeypatch.setattr(courier, "GIVE_UP", 0.5)
    other = sqlite3.connect("mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.warns(HpmagicWarning, match="could not take everything.*locked"):
            study = hpmagic.tune(CELL, "random", trials=5, study="mine", quiet=True)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert len(study) == 5
    # The request that was under way when the study gave up may still be carried out.
    for thread in threading.enumerate():
        if thread.name == "hpmagic-courier":
            assert deliver_pending() == []
            thread.join()
    (told,) = deliver_pending()
    assert (told.study, told.trials, told.problem) == ("mine", 5, "")
    whole(store, 5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on files there")
def test_a_store_whose_disk_is_full_gets_everything_later(store: str) -> None:
    """Whatever it took before; what it took half is made whole."""
    words = [sys.executable, "-c", FULL, store, CELL]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.stdout == "40\n", done.stderr
    assert Path("mlflow.db").exists()
    (told,) = deliver_pending()
    assert told.problem == ""
    assert 0 < told.trials <= 40
    whole(store, 40)
