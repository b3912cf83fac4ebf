"""A study in a process of its own, to be killed: says which trials have ended.

python long_study.py TRIALS SECONDS
"""

from __future__ import annotations

import sys
import time

from studies import events

from hpmagic.records import TrialFinished
from hpmagic.tracking.writer import MlflowWriter


def main(count: int, pause: float) -> None:
    writer = MlflowWriter(experiment="killed", fallback_experiment="", uses_mlflow=False)
    writer.open()
    print("begun", flush=True)
    for event in events(count, "victim"):
        writer(event)
        if isinstance(event, TrialFinished):
            print(event.trial.number, flush=True)
            time.sleep(pause)
    writer.drain()
    print("drained", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
