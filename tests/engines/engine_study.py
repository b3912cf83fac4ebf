"""Whole studies of a cell on any engine, with the engine's own way of being made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import dedent
from typing import Any

from hpmagic.engines.base import Engine
from hpmagic.engines.local import LocalEngine
from hpmagic.engines.parcel import RunnerSpec, pack
from hpmagic.engines.processes import ProcessEngine
from hpmagic.execution.ranges import known_space
from hpmagic.language import parse_cell
from hpmagic.records import Event, MetricReported, Origin, StudyInfo, Trial, TrialFinished
from hpmagic.space import SearchSpace
from hpmagic.study import Limits, Planned, StudyResult, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.random import RandomTuner
from hpmagic.tuners.tree import ExecutionTree


@dataclass(frozen=True)
class Kind:
    """An engine under test. ``workers`` says that the cell runs outside this process."""

    name: str
    make: Callable[..., Engine]
    workers: bool = True


def _local(spec, namespace, space, jobs, seconds):
    return LocalEngine(spec.make(namespace), seconds=seconds)


def _processes(spec, namespace, space, jobs, seconds):
    return ProcessEngine(pack(spec, namespace), namespace, jobs, space=space, seconds=seconds)


LOCAL = Kind("local", _local, workers=False)
PROCESSES = Kind("processes", _processes)


@dataclass
class Ran:
    """What a study left."""

    result: StudyResult
    events: list[Event] = field(default_factory=list)

    @property
    def trials(self) -> tuple[Trial, ...]:
        return self.result.record.trials

    @property
    def trial(self) -> Trial:
        """The only one."""
        (trial,) = self.trials
        return trial

    def steps(self, number: int) -> list[int | None]:
        return [
            e.report.step
            for e in self.events
            if isinstance(e, MetricReported) and e.number == number
        ]


def study(
    kind: Kind,
    text: str,
    namespace: dict[str, Any] | None = None,
    *,
    plan: Sequence[Mapping[str, Any]] = (),
    trials: int | None = None,
    jobs: int = 2,
    seconds: float | None = None,
    judge: Any = None,
    tuner: Any = None,
    repeats: int = 1,
    listener: Callable[[Event, Engine], None] = lambda *_: None,
) -> Ran:
    """Run ``plan``, then random trials up to ``trials``; publish the best; close."""
    namespace = {"__name__": "__main__"} if namespace is None else namespace
    cell = parse_cell(dedent(text).lstrip("\n"))
    space = known_space(cell, namespace)
    info = replace(info_of(cell, space), repeats=repeats)
    tree = ExecutionTree()
    planned = [Planned(Origin.TRY, values) for values in plan]
    tuner = tuner or RandomTuner(TunerContext(space, info.objectives, None, 0, tree))
    events: list[Event] = []
    spec = RunnerSpec(cell, cell.objectives)
    engine = kind.make(spec, namespace, space, jobs, seconds)

    def hear(event: Event) -> None:
        events.append(event)
        listener(event, engine)

    try:
        result = run_study(
            info,
            engine,
            tuner,
            tree,
            plan=planned,
            limits=Limits(len(planned) if trials is None else trials),
            listeners=[hear],
            judge=judge,
        )
        if result.best is not None:
            engine.publish(result.record.finished.best, result.best)
    finally:
        engine.close()
    return Ran(result, events)


def info_of(cell: Any, space: SearchSpace) -> StudyInfo:
    return StudyInfo(
        name="s",
        experiment="",
        tuner="random",
        tuner_options={},
        trials=None,
        seed=0,
        objectives=cell.objectives,
        space=space,
        constants={},
        source=cell.text,
        fingerprint=cell.fingerprint,
        start=0.0,
    )


def ended(events: Sequence[Event]) -> list[int]:
    """The trials' numbers in the order in which they ended."""
    return [e.trial.number for e in events if isinstance(e, TrialFinished)]


def ray_kind(address: str | None = None) -> Kind:
    """Ray, on a cluster that runs already or on one of its own."""

    def make(spec, namespace, space, jobs, seconds):
        from hpmagic.engines.cluster import ClusterEngine, Needs
        from hpmagic.engines.ray import RayTransport

        def connect(parcel, needs):
            return RayTransport(parcel, needs, address, jobs)

        return ClusterEngine(spec, namespace, connect, Needs(seconds=seconds), space=space)

    return Kind("ray", make)


def dask_kind(address: str | None = None) -> Kind:
    """Dask, on a cluster that runs already or on one of its own."""

    def make(spec, namespace, space, jobs, seconds):
        from hpmagic.engines.cluster import ClusterEngine, Needs
        from hpmagic.engines.dask import DaskTransport

        def connect(parcel, needs):
            return DaskTransport(parcel, needs, address, jobs)

        return ClusterEngine(spec, namespace, connect, Needs(seconds=seconds), space=space)

    return Kind("dask", make)
