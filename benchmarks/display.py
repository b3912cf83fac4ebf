"""What watching a long study costs: share of the loop's time, bytes a second, bytes saved.

    python benchmarks/display.py [--trials 2000] [--pace 0.01]

A study's events come at a steady pace; the live view sends its pictures to a publisher that counts
them as a front end would receive them. The same events are first sent to nobody: the difference is
what the view takes from the loop. The view's own processor time is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from hpmagic.display.view import LiveView, NotebookPainter
from hpmagic.distributions import Distribution, Int, LogUniform, Uniform
from hpmagic.records import (
    Direction,
    Event,
    MetricReported,
    Objective,
    Origin,
    Report,
    StudyFinished,
    StudyInfo,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
)
from hpmagic.space import Parameter, SearchSpace

STEPS = 5
TABLE: dict[str, Distribution] = {
    "lr": LogUniform(1e-5, 1e-1),
    "dropout": Uniform(0, 0.5),
    "units": Int(16, 256, log=True),
    "layers": Int(1, 4),
    "l2": LogUniform(1e-6, 1e-1),
}


class Counter:
    """A display publisher that counts what it is given and how long the making of it took."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def publish(self, data: dict[str, str], *_: Any, **__: Any) -> None:
        self.sizes.append(len(json.dumps(data)))


class TimedPainter(NotebookPainter):
    """Notes the processor time of each picture."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.seconds: list[float] = []

    def paint(self, progress: Any, now: float) -> None:
        begin = time.thread_time()
        super().paint(progress, now)
        self.seconds.append(time.thread_time() - begin)


def events(trials: int) -> Iterator[Event]:
    rng = random.Random(0)
    space = SearchSpace(tuple(Parameter(n, d, default=d.from_unit(0.5)) for n, d in TABLE.items()))
    info = StudyInfo(
        name="loss-bayes-long", experiment="bench", tuner="bayes", tuner_options={}, trials=trials,
        seed=0, objectives=(Objective("loss", Direction.MINIMIZE),), space=space, constants={},
        source="", fingerprint="", start=time.time(),
    )  # fmt: skip
    yield StudyStarted(info)
    for number in range(trials):
        start = time.time()
        origin = Origin.TUNER if number else Origin.DEFAULT
        yield TrialStarted(number, origin, start)
        params = {name: d.from_unit(rng.random()) for name, d in TABLE.items()}
        value = 1 / (1 + math.log1p(number)) + rng.random()
        curve = tuple((step, value * (2 - step / STEPS)) for step in range(STEPS))
        for step, loss in curve:
            yield MetricReported(number, Report("loss", loss, step, start))
        yield TrialFinished(
            Trial(
                number=number, state=TrialState.COMPLETE, params=params, distributions=TABLE,
                values=(value,), metrics={"loss": value}, curves={"loss": curve}, origin=origin,
                start=start, duration=time.time() - start,
            )
        )  # fmt: skip
    yield StudyFinished("complete", f"all {trials} trials have run", time.time(), 0)


def spin(seconds: float) -> None:
    """Work for so much of this thread's own processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def loop(trials: int, pace: float, listen: Callable[[Event], None]) -> float:
    begin = time.perf_counter()
    for event in events(trials):
        listen(event)
        if isinstance(event, TrialStarted):
            spin(pace)
        if isinstance(event, StudyFinished):
            break
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--pace", type=float, default=0.01, help="processor seconds a trial takes")
    asked = parser.parse_args()

    def nobody(_: Event) -> None:
        return None

    loop(50, asked.pace, LiveView(NotebookPainter(_Shell(Counter()))))  # imports, first pictures
    alone = loop(asked.trials, asked.pace, nobody)
    counter = Counter()
    painter = TimedPainter(_Shell(counter))
    watched = loop(asked.trials, asked.pace, LiveView(painter))

    *live, final = counter.sizes
    print(f"{asked.trials} trials of {asked.pace * 1000:.0f} ms of processor time")
    print(f"loop alone              {alone:8.2f} s")
    print(f"loop watched            {watched:8.2f} s   ({watched / alone - 1:+.1%})")
    print(f"the view's own time     {sum(painter.seconds):8.2f} s   "
          f"({sum(painter.seconds) / alone:.2%} of the loop)")  # fmt: skip
    print(f"pictures                {len(live):8d}     ({len(live) / watched:.1f} a second)")
    print(f"time a picture          {1e3 * sum(painter.seconds) / len(painter.seconds):8.2f} ms")
    print(f"sent to the front end   {sum(live) / watched / 1024:8.1f} KB a second, "
          f"the largest {max(live) / 1024:.1f} KB")  # fmt: skip
    print(f"saved in the notebook   {final / 1024:8.1f} KB")


class _Shell:
    def __init__(self, publisher: Counter) -> None:
        self.display_pub = publisher


if __name__ == "__main__":
    main()
