"""A study in a process of its own, to be killed: says which trials have ended.

python killed_study.py TRIALS SEED [resume]
"""

from __future__ import annotations

import os
import sys
from typing import Any

from hpmagic.language import parse_cell
from hpmagic.launch import Setting, launch
from hpmagic.options import parse_line
from hpmagic.records import Event, StudyStarted, TrialFinished, TrialState

CELL = """\
import time
lr = 0.1  # tune: loguniform(1e-3, 1)
depth = 3  # tune: int(1, 8)
for step in range(3):
    time.sleep(0.01)
    loss = lr * depth / (1 + step)  # tune: minimize
"""


def say(word: object) -> None:
    """Past every capture, in one write."""
    os.write(1, f"{word}\n".encode())


def announce(event: Event) -> None:
    """The last of the listeners: what it hears has been written down."""
    if isinstance(event, StudyStarted):
        say("begun")
    elif isinstance(event, TrialFinished) and event.trial.state is not TrialState.INTERRUPTED:
        say(event.trial.number)


def view(_: Any) -> Any:
    return announce


def main(trials: int, seed: int, *words: str) -> None:
    how = "--resume" if words else "--fresh"
    line = f"random --trials {trials} --seed {seed} --study victim {how}"
    namespace = {"__name__": "__main__"}
    launch(parse_cell(CELL), parse_line(line, ["random"]), Setting(namespace, view=view))
    say("done")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
