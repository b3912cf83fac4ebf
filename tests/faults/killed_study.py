"""A study to be killed, which says through a pipe which trials have ended.

As a process: python killed_study.py PIPE TRIALS SEED [resume]. In a kernel: `in_kernel` gives the
cells of a notebook that does the same.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

CELL = """\
import time
lr = 0.1  # tune: loguniform(1e-3, 1)
depth = 3  # tune: int(1, 8)
for step in range(3):
    time.sleep(0.01)
    loss = lr * depth / (1 + step)  # tune: minimize
"""


class Announcer:
    """The last of the listeners: what it hears has been written down."""

    def __init__(self, pipe: str) -> None:
        self._pipe = os.open(pipe, os.O_WRONLY)

    def say(self, word: object) -> None:
        """Past every capture, in one write."""
        os.write(self._pipe, f"{word}\n".encode())

    def __call__(self, event: Any) -> None:
        from hpmagic.records import StudyStarted, TrialFinished, TrialState

        if isinstance(event, StudyStarted):
            self.say("begun")
        elif isinstance(event, TrialFinished) and event.trial.state is not TrialState.INTERRUPTED:
            self.say(event.trial.number)


def line(trials: int, seed: int, *, resume: bool) -> str:
    """The words of the tune line."""
    how = "--resume" if resume else "--fresh"
    return f"random --trials {trials} --seed {seed} --study victim {how}"


def in_kernel(pipe: Path, trials: int, seed: int, *, resume: bool) -> list[str]:
    """The cells of a notebook: the magic itself, with an announcer behind its writer."""
    folder = str(Path(__file__).parent)
    setup = (
        f"import sys; sys.path.insert(0, {folder!r})\n"
        "import killed_study\n"
        f"announce = killed_study.Announcer({str(pipe)!r})\n"
        "killed_study.listen(announce)\n"
        "%load_ext hpmagic"
    )
    study = f"%%tune {line(trials, seed, resume=resume)} --quiet\n{CELL}"
    return [setup, study, "announce.say('done')"]


def listen(announce: Announcer) -> None:
    """Let the announcer hear what MLflow's writer has heard."""
    from hpmagic.tracking.writer import MlflowWriter

    heard = MlflowWriter.__call__

    def hear(self: MlflowWriter, event: Any) -> None:
        heard(self, event)
        announce(event)

    MlflowWriter.__call__ = hear  # type: ignore[method-assign]


def main(pipe: str, trials: int, seed: int, *words: str) -> None:
    from hpmagic.language import parse_cell
    from hpmagic.launch import Setting, launch
    from hpmagic.options import parse_line

    announce = Announcer(pipe)
    config = parse_line(line(trials, seed, resume=bool(words)), ["random"])
    setting = Setting({"__name__": "__main__"}, view=lambda _: announce)
    launch(parse_cell(CELL), config, setting)
    announce.say("done")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
