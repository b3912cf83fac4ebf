"""What a trial's metrics come to, and whether its objectives can be used."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from typing import Any

from hpmagic.errors import ObjectiveError, nearest
from hpmagic.execution.hooks import TrialHooks
from hpmagic.execution.numeric import as_float
from hpmagic.language.cell import TunableCell
from hpmagic.records import Direction, Objective, Report

__all__ = ["Metrics"]


class Metrics:
    """The metrics of a cell: those it marks, and those that only the study's options name."""

    def __init__(
        self, cell: TunableCell, objectives: tuple[Objective, ...], extra: tuple[str, ...]
    ) -> None:
        self._objectives = objectives
        self._extra = extra
        self._lines = {m.name: m.statement.lineno for m in cell.marks}
        self._assigned = _assigned(cell.tree)
        directions = {o.name: o.direction for o in objectives}
        self._best: dict[str, Direction] = {
            m.name: directions.get(m.name, m.objective.direction)
            for m in cell.marks
            if m.best and m.objective is not None
        }

    def finish(
        self, hooks: TrialHooks, bindings: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> None:
        """Report the metrics without annotation, check the objectives, and report the best values.

        The curve of a metric that asks for its best keeps its name; ``NAME.best`` is what counts.

        Raises:
            ObjectiveError: an objective is missing, not a number, or not finite.
        """
        for name in self._extra:
            if not any(report.name == name for report in hooks.reports):
                hooks.record(name, self._read(name, bindings, variables), None)
        values = self.values(hooks.reports)
        for objective in self._objectives:
            name = objective.name
            if name not in values:
                raise ObjectiveError(self._missing(name, bindings))
            if not math.isfinite(values[name]):
                line = self._line(name)
                raise ObjectiveError(f"{name} is {values[name]}{f' at line {line}' * bool(line)}")
        for name in self._best:
            if name in values:
                hooks.record(f"{name}.best", values[name], None)

    def values(self, reports: Iterable[Report]) -> dict[str, float]:
        """What counts of each metric: its last report, or its best finite one where so marked."""
        values: dict[str, float] = {}
        for report in reports:
            direction, known = self._best.get(report.name), values.get(report.name)
            if (
                direction is None
                or known is None
                or not math.isfinite(known)
                or direction.better(report.value, known)
            ):
                values[report.name] = report.value
        return values

    def notes(self, reports: Iterable[Report]) -> dict[str, str]:
        """At which step each metric that asks for its best had it."""
        found: dict[str, str] = {}
        kept = list(reports)
        values = self.values(kept)
        for name in self._best:
            first = next((r for r in kept if r.name == name and r.value == values[name]), None)
            if first is not None and first.step is not None:
                found[name] = f"{name} {first.value:.6g} at step {first.step}"
        return {"best": "; ".join(found.values())} if found else {}

    def _read(self, name: str, bindings: Mapping[str, Any], variables: Mapping[str, Any]) -> float:
        # An unchanged variable counts only if the cell assigns it: it may be an earlier cell's.
        known = name in bindings or (name in variables and name in self._assigned)
        if not known:
            raise ObjectiveError(self._missing(name, bindings))
        value = as_float(variables[name])
        if value is None:
            raise ObjectiveError(
                f"{name} must be a number, but is of type {type(variables[name]).__qualname__}"
            )
        return value

    def _missing(self, name: str, bindings: Mapping[str, Any]) -> str:
        if name in self._lines:
            return (
                f"the objective `{name}` was never assigned: line {self._lines[name]} did not run"
            )
        numbers = [n for n, v in bindings.items() if n[:1] != "_" and as_float(v) is not None]
        return f"the objective `{name}` was never assigned{nearest(name, numbers)}"

    def _line(self, name: str) -> int | None:
        return self._lines.get(name, self._assigned.get(name))


def _assigned(tree: ast.Module) -> dict[str, int]:
    """The names that the cell assigns anywhere, with the line of the last assignment."""
    return {
        node.id: node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
