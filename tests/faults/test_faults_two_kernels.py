"""Two kernels at once on one store, in one experiment, with one name for their studies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hpmagic
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.store import connect, search

TRIALS = 12
WHO = """\
import os, sys
import hpmagic
who = int(sys.argv[1])
os.write(1, b"ready\\n")
os.read(0, 1)
cell = "x = 0.5  # tune: uniform(0, 1)\\ncode = WHO\\nloss = x + code  # tune: minimize\\n"
study = hpmagic.tune(cell.replace("WHO", str(who)), "random", trials=TRIALS, seed=who, quiet=True,
                     study="same", experiment="shared", fresh=True)
print(study.name, len(study), study.record.run_id)
""".replace("TRIALS", str(TRIALS))


@pytest.mark.slow
@pytest.mark.parametrize("homes", ["one", "two"])
def test_neither_loses_or_doubles_a_trial(homes: str, store: str, tmp_path: Path) -> None:
    """Two processes begin in the same moment: each has its trials, and a name of its own."""
    kernels = [begin(who, tmp_path / f"home{who if homes == 'two' else 0}") for who in (1, 2)]
    for kernel in kernels:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("!")
        kernel.stdin.flush()
    told = [kernel.communicate(timeout=240)[0].split() for kernel in kernels]
    assert {name for name, _, _ in told} == {"same", "same-2"}
    assert [count for _, count, _ in told] == [str(TRIALS)] * 2
    client = connect(store)
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = list(search(client, experiments, "tags.`hpmagic.kind` = 'trial'"))
    parents = Counter(run.data.tags["mlflow.parentRunId"] for run in runs)
    assert parents == {run_id: TRIALS for _, _, run_id in told}
    for who, (name, _, _) in enumerate(told, start=1):
        trials = hpmagic.load(name, experiment="shared").record.trials
        assert [trial.number for trial in trials] == list(range(TRIALS))
        assert all(trial.value is not None and who <= trial.value <= who + 1 for trial in trials)
    assert all(run.info.status == "FINISHED" for run in search(client, experiments, ""))
    assert list(spool_directory().iterdir()) == []


def begin(who: int, home: Path) -> subprocess.Popen[str]:
    """One of the two, which waits for a word."""
    return subprocess.Popen(
        [sys.executable, "-c", WHO, str(who)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HPMAGIC_HOME": str(home)},
    )
