"""Code that runs as a trial, with what it reports."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import hpmagic
from hpmagic.distributions import MISSING
from hpmagic.execution.outcome import WRITTEN, Pruned, TrialOutcome
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import Direction, Objective, Report
from hpmagic.space import Parameter


def as_written(parameter: Parameter) -> Any:
    return WRITTEN if parameter.default is MISSING else parameter.default


def trial(
    text: str,
    minimize: str,
    report: Callable[[Report], None] = lambda _: None,
    **namespace: Any,
) -> TrialOutcome:
    """One trial of a cell whose objective no line of it assigns."""
    cell = parse_cell(dedent(text).lstrip("\n"))
    objective = Objective(minimize, Direction.MINIMIZE)
    runner = KernelRunner(
        cell,
        {"hpmagic": hpmagic, **namespace},
        objectives=(objective,),
        extra_metrics=(minimize,),
    )
    return runner.run(as_written, report)


def curve(outcome: TrialOutcome, name: str) -> list[tuple[int | None, float]]:
    return [(report.step, report.value) for report in outcome.reports if report.name == name]


def steps(outcome: TrialOutcome, name: str) -> list[int | None]:
    return [step for step, _ in curve(outcome, name)]


def prune_at(step: int) -> Callable[[Report], None]:
    def report(report: Report) -> None:
        if report.step == step:
            raise Pruned

    return report
