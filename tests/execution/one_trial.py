"""Running a cell in a plain namespace, with values given by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any

from hpmagic.distributions import MISSING
from hpmagic.execution.outcome import WRITTEN, TrialOutcome
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import Report
from hpmagic.space import Parameter


def as_written(parameter: Parameter) -> Any:
    """The answer of a study that runs the defaults."""
    return WRITTEN if parameter.default is MISSING else parameter.default


def runner_of(text: str, namespace: dict[str, Any] | None = None, **options: Any) -> KernelRunner:
    """A runner for a cell, which may be indented."""
    cell = parse_cell(dedent(text).lstrip("\n"), options.pop("filename", "<cell>"))
    return KernelRunner(cell, {} if namespace is None else namespace, **options)


def run(
    runner: KernelRunner,
    values: Mapping[str, Any] | None = None,
    report: Callable[[Report], None] = lambda _: None,
) -> TrialOutcome:
    """One trial; what is not in ``values`` is as written."""
    given = values or {}
    return runner.run(lambda p: given[p.name] if p.name in given else as_written(p), report)


def trial(
    text: str,
    namespace: dict[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    report: Callable[[Report], None] = lambda _: None,
    **options: Any,
) -> TrialOutcome:
    """One trial of a cell."""
    return run(runner_of(text, namespace, **options), values, report)


def steps(outcome: TrialOutcome, name: str) -> list[int | None]:
    """The steps at which a metric was reported."""
    return [report.step for report in outcome.reports if report.name == name]
