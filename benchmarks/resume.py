"""How long it takes to open and to resume a study of thousands of trials.

    python benchmarks/resume.py [--trials 5000]

The study is made first (that takes longer, and is not counted): its trials are delivered as those
of a study that ran. Opening is `hpmagic.load`; resuming is from the call to the start of the first
new trial, in a process that has loaded MLflow. On a busy machine the processor's seconds say more.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

CELL = """\
lr = 0.1  # tune: loguniform(1e-3, 1)
depth = 3  # tune: int(1, 8)
began.append((time.time(), time.process_time()))
loss = lr * depth  # tune: minimize
"""


def main() -> None:
    """Print seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--tuner", default="random")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resume-") as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ["HPMAGIC_HOME"] = str(Path(folder) / "home")
        os.chdir(folder)
        measure(asked.tuner, asked.trials, Path(folder))


def measure(tuner: str, trials: int, folder: Path) -> None:
    import hpmagic
    from hpmagic.tracking.store import connect

    connect(os.environ["MLFLOW_TRACKING_URI"]).search_experiments()
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
    names: dict[str, Any] = {"began": [], "time": time}
    given: dict[str, Any] = {"study": "long", "seed": 0, "quiet": True, "namespace": names}
    begin = time.perf_counter()
    hpmagic.tune(CELL, "random", trials=trials, **given)
    print(f"made {trials} trials in {time.perf_counter() - begin:.1f} s")
    begin, worked = time.perf_counter(), time.process_time()
    assert len(hpmagic.load("long")) == trials
    worked = time.process_time() - worked
    print(f"opened in {time.perf_counter() - begin:.2f} s ({worked:.2f} s of the processor)")
    names["began"].clear()
    begun, worked = time.time(), time.process_time()
    hpmagic.tune(CELL, tuner, trials=trials + 1, resume=True, **given)
    first, busy = names["began"][0]
    print(
        f"first new trial after {first - begun:.2f} s ({busy - worked:.2f} s of it work, {tuner})"
    )
    print(f"resumed, run and closed in {time.time() - begun:.2f} s")


if __name__ == "__main__":
    main()
