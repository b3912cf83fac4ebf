"""A thousand workers and a hundred thousand trials, through the real loop, tuner and writer.

    python benchmarks/scale.py [--trials 5000] [--workers 1000] [--seconds 300] [--steps 5]
                               [--tuner random] [--writer mlflow|spool|none]

Trials take simulated time and the workers' clock does not tick while the study thinks, so what is
measured is the study alone: the time that the loop spends per trial. Workers stay busy as long as
that is below (duration of a trial) / (number of workers). With ``--writer mlflow`` the records go
to a real sqlite store in a temporary folder, and the time until all are there is measured too.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import random
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpmagic.conversation import TrialConversation
from hpmagic.distributions import Choice, Int, LogUniform, Uniform
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import (
    Direction,
    Event,
    Objective,
    Report,
    StudyInfo,
    TrialFinished,
    TrialState,
)
from hpmagic.space import Parameter, SearchSpace
from hpmagic.study import Limits, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree

SPACE = SearchSpace(
    (
        Parameter("lr", LogUniform(1e-5, 1e-1), default=1e-3),
        Parameter("momentum", Uniform(0, 1), default=0.9),
        Parameter("depth", Int(2, 12), default=4),
        Parameter("width", Int(16, 1024), default=64),
        Parameter("dropout", Uniform(0, 0.5), default=0.1),
        Parameter("kind", Choice(("a", "b", "c")), default="a"),
    )
)
LOSS = (Objective("loss", Direction.MINIMIZE),)


@dataclass
class SimulatedEngine:
    """Workers on a clock of their own: trials draw when they begin, and report as time goes by."""

    capacity: int
    seconds: float
    steps: int
    clock: float = 0.0
    busy: float = 0.0
    queue: list[tuple[float, int, int, Any]] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def start(self, conversation: TrialConversation) -> None:
        drawn = {p.name: (p.distribution, conversation.draw(p)) for p in SPACE.values()}
        length = self.seconds * self.rng.lognormvariate(-0.125, 0.5)
        self.busy += length
        run = [conversation, drawn, self.clock, length, []]
        heapq.heappush(self.queue, (self.clock + length / self.steps, conversation.number, 1, run))

    def wait(self) -> tuple[int, TrialOutcome]:
        while True:
            self.clock, number, step, run = heapq.heappop(self.queue)
            conversation, drawn, begun, length, reports = run
            loss = abs(drawn["momentum"][1] - 0.3) + 1 / step
            report = Report("loss", loss, step, begun)
            reports.append(report)
            conversation.report(report)
            if step < self.steps:
                again = begun + length * (step + 1) / self.steps
                heapq.heappush(self.queue, (again, number, step + 1, run))
                continue
            return number, TrialOutcome(
                state=TrialState.COMPLETE,
                params={name: value for name, (_, value) in drawn.items()},
                distributions={name: distribution for name, (distribution, _) in drawn.items()},
                reports=tuple(reports),
                start=begun,
                duration=length,
                values={"loss": loss},
            )

    def keep(self, number: int) -> None:
        pass

    def publish(self, number: int, outcome: TrialOutcome) -> None:
        pass

    def close(self) -> None:
        pass


def memory() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Pace:
    """A listener that takes the time of every so many trials."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.done = 0
        self.last = time.perf_counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialFinished):
            self.done += 1
            if self.done % self.every == 0:
                now = time.perf_counter()
                each = (now - self.last) / self.every * 1000
                print(f"  {self.done:>8,} trials  {each:7.2f} ms each  {memory():6.0f} MB")
                self.last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--tuner", default="random")
    parser.add_argument("--writer", choices=("mlflow", "spool", "none"), default="mlflow")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["HPMAGIC_HOME"] = str(Path(folder) / "home")
        run(asked, Path(folder))


def run(asked: argparse.Namespace, folder: Path) -> None:
    tree = ExecutionTree()
    tuner = get_tuner(asked.tuner).make(TunerContext(SPACE, LOSS, asked.trials, 0, tree))
    info = StudyInfo(
        name="scale",
        experiment="scale",
        tuner=asked.tuner,
        tuner_options={},
        trials=asked.trials,
        seed=0,
        objectives=LOSS,
        space=SPACE,
        constants={},
        source="",
        fingerprint="",
        start=time.time(),
    )
    engine = SimulatedEngine(asked.workers, asked.seconds, asked.steps)
    writer = None
    listeners: list[Any] = [Pace(max(1, asked.trials // 10))]
    if asked.writer != "none":
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        os.environ["MLFLOW_TRACKING_URI"] = uri if asked.writer == "mlflow" else "http://[::1]:9"
        from hpmagic.tracking.writer import MlflowWriter

        writer = MlflowWriter(experiment="scale", fallback_experiment="", uses_mlflow=False)
        if asked.writer == "mlflow":
            writer.open()
        listeners.append(writer)
    begin, before = time.perf_counter(), memory()
    own = time.thread_time()
    limits = Limits(asked.trials)
    result = run_study(info, engine, tuner, tree, limits=limits, listeners=listeners)
    loop = time.perf_counter() - begin
    own = time.thread_time() - own
    count = len(result.record.trials)
    each = loop / count
    print(f"loop: {loop:.1f} s, {each * 1000:.2f} ms a trial, {1 / each:,.0f} trials/s")
    print(f"of that its own CPU time: {own / count * 1000:.2f} ms a trial")
    print(f"reports: {count * asked.steps / loop:,.0f} a second of the loop")
    print(f"memory: {before:.0f} -> {memory():.0f} MB, {(memory() - before) / count * 1024:.1f} KB")
    print(f"simulated: {engine.clock / 3600:.2f} h on {asked.workers} workers")
    busy = engine.busy / (engine.clock * asked.workers)
    print(f"workers busy: {busy:.1%} if the study took no time")
    print(
        f"the loop has room for {asked.seconds / each:,.0f} workers of {asked.seconds:g} s trials"
    )
    if writer is not None and asked.writer == "mlflow":
        writer.drain()
        total = time.perf_counter() - begin
        print(f"until all is in MLflow: {total:.1f} s, {count / total:.0f} trials/s")
        print(f"so MLflow keeps up with {asked.seconds * count / total:,.0f} workers")


if __name__ == "__main__":
    main()
