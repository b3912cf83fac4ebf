"""Small programs that stand in for cells, and studies of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from hpmagic.distributions import MISSING, Choice, Int, LogUniform, Uniform
from hpmagic.engines.local import LocalEngine
from hpmagic.execution.outcome import WRITTEN, DrawValue, Pruned, TrialOutcome
from hpmagic.records import (
    Direction,
    Event,
    Objective,
    Origin,
    Report,
    StudyInfo,
    Trial,
    TrialState,
)
from hpmagic.space import Parameter, SearchSpace
from hpmagic.study import Limits, Planned, StudyResult, run_study
from hpmagic.tuners.base import Tuner, TunerContext
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree, end_as

LOSS = (Objective("loss", Direction.MINIMIZE),)


class Cell:
    """What a program does while it runs: draw values by name, report metrics."""

    def __init__(
        self, space: SearchSpace, draw: DrawValue, report: Callable[[Report], None]
    ) -> None:
        self.space = space
        self.params: dict[str, Any] = {}
        self.parameters: dict[str, Parameter] = {}
        self.reports: list[Report] = []
        self._draw = draw
        self._report = report

    def __call__(self, name: str, written: Any = MISSING) -> Any:
        """Draw; ``written`` is what the code has when its value is not a literal."""
        if name not in self.params:
            found = self.space.find(name)
            assert found is not None
            parameter = replace(found, name=name)
            value = self._draw(parameter)
            if value is WRITTEN:
                value = written if parameter.default is MISSING else parameter.default
            self.params[name] = value
            self.parameters[name] = parameter
        return self.params[name]

    def report(self, name: str, value: float, step: int | None = None) -> None:
        report = Report(name, value, step, 0.0)
        self.reports.append(report)
        self._report(report)


@dataclass(frozen=True)
class Program:
    """A space and what is done with it; ``body`` gives the objectives' values."""

    space: SearchSpace
    body: Callable[[Cell], float | tuple[float, ...]]
    objectives: tuple[Objective, ...] = LOSS


class ProgramRunner:
    """Runs a program as `KernelRunner` runs a cell."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.published: list[TrialOutcome] = []
        self.runs = 0

    def run(
        self, draw: DrawValue, report: Callable[[Report], None], seed: int | None = None
    ) -> TrialOutcome:
        cell = Cell(self.program.space, draw, report)
        state, error, finals = TrialState.COMPLETE, None, {}
        self.runs += 1
        try:
            got = self.program.body(cell)
            got = got if isinstance(got, tuple) else (got,)
            for objective, value in zip(self.program.objectives, got, strict=True):
                finals[objective.name] = value
                cell.report(objective.name, value)
                if not math.isfinite(value):
                    raise ValueError(f"{objective.name} is {value}")
        except KeyboardInterrupt:
            state = TrialState.INTERRUPTED
        except Pruned:
            state = TrialState.PRUNED
        except BaseException as raised:
            state, error = TrialState.FAILED, raised
        return TrialOutcome(
            state=state,
            params=cell.params,
            distributions={n: p.distribution for n, p in cell.parameters.items()},
            reports=tuple(cell.reports),
            start=float(self.runs),
            duration=1.0,
            values={} if error else finals,
            bindings=dict(cell.params),
            error=error,
            reason="" if error is None else str(error),
        )

    def publish(self, outcome: TrialOutcome) -> None:
        self.published.append(outcome)


def space_of(*parameters: Parameter) -> SearchSpace:
    return SearchSpace(parameters)


def info_of(program: Program, trials: int | None = None, seed: int = 0) -> StudyInfo:
    return StudyInfo(
        name="study",
        experiment="",
        tuner="test",
        tuner_options={},
        trials=trials,
        seed=seed,
        objectives=program.objectives,
        space=program.space,
        constants={},
        source="",
        fingerprint="",
        start=0.0,
    )


def tuner_of(
    name: str,
    program: Program,
    trials: int | None = None,
    seed: int = 0,
    tries: Sequence[Mapping[str, Any]] = (),
) -> tuple[Tuner, ExecutionTree]:
    tree = ExecutionTree()
    context = TunerContext(program.space, program.objectives, trials, seed, tree, tries)
    return get_tuner(name).make(context), tree


def study_of(
    program: Program,
    name: str = "random",
    trials: int | None = None,
    *,
    seed: int = 0,
    default: bool = True,
    tries: Sequence[Mapping[str, Any]] = (),
    before: Sequence[Trial] = (),
    limit: int | None = None,
    tuner: Tuner | None = None,
    listeners: Sequence[Callable[[Event], None]] = (),
    around_trial: Callable[[int], AbstractContextManager[object]] = lambda _: nullcontext(),
    **options: Any,
) -> StudyResult:
    """A study of a program; ``before`` are trials of an earlier session, ``limit`` new ones."""
    made, tree = tuner_of(name, program, trials, seed, tries)
    made = tuner or made
    for trial in before:
        walk = tree.walk()
        for drawn, value in trial.params.items():
            walk.fix(Parameter(drawn, trial.distributions[drawn]), value)
        end_as(walk, trial.state, trial.params, program.space)
        made.tell(trial)
    plan = [Planned(Origin.DEFAULT)] if default and not before else []
    plan += [Planned(Origin.TRY, dict(values)) for values in tries]
    plan += [Planned(Origin.TRY, dict(v)) for v in getattr(made, "combinations", ())]
    return run_study(
        info_of(program, trials, seed),
        LocalEngine(ProgramRunner(program), around_trial=around_trial),
        made,
        tree,
        plan=plan,
        limits=Limits(limit or trials),
        listeners=listeners,
        **options,
    )


def params_of(result: StudyResult) -> list[dict[str, Any]]:
    return [dict(trial.params) for trial in result.record.trials]


def identities(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    """What each trial ran, in a form that can be compared and counted."""
    return [
        tuple((name, trial.distributions[name].key(value)) for name, value in trial.params.items())
        for trial in trials
    ]


# Programs


def _svm(cell: Cell) -> float:
    cost = math.log10(cell("C")) - 1
    kernel = cell("kernel")
    if kernel == "poly":
        return cost**2 + 0.3 + 0.1 * cell("degree")
    if kernel == "rbf":
        return cost**2 + (math.log10(cell("gamma")) + 2) ** 2
    return cost**2 + 1.0


SVM = Program(
    space_of(
        Parameter("C", LogUniform(1e-3, 1e3), default=1.0),
        Parameter("kernel", Choice(("linear", "rbf", "poly")), default="rbf"),
        Parameter("degree", Int(2, 5), default=3, conditional=True),
        Parameter("gamma", LogUniform(1e-4, 1.0), default=0.1, conditional=True),
    ),
    _svm,
)
"""Mixed, with branches."""

GRID = Program(
    space_of(
        Parameter("kernel", Choice(("linear", "rbf", "poly")), default="rbf"),
        Parameter("degree", Int(2, 5), default=3, conditional=True),
        Parameter("shrink", Choice((False, True)), default=True),
    ),
    lambda cell: (cell("degree") if cell("kernel") == "poly" else 0) + 0.5 * bool(cell("shrink")),
)
"""Finite, with a branch: 2 + 2 + 4 x 2 = 12 combinations."""

PLANE = Program(
    space_of(
        Parameter("x", Uniform(-1, 1), default=0.5),
        Parameter("y", Uniform(-1, 1), default=-0.5),
    ),
    lambda cell: (cell("x") - 0.2) ** 2 + cell("y") ** 2,
)
