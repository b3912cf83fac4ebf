"""Studies of small cells, trial by trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpmagic.distributions import MISSING
from hpmagic.execution.outcome import WRITTEN, TrialOutcome
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import Report


class Study:
    """Runs trials with given values; what is not given is as written."""

    def __init__(self, text: str, namespace: dict[str, Any] | None = None, **options: Any) -> None:
        self.namespace = {} if namespace is None else namespace
        self.said: list[str] = []
        self.asked: list[list[str]] = []
        self.outcomes: list[TrialOutcome] = []
        self.runner = KernelRunner(
            parse_cell(text), self.namespace, say=self.said.append, **options
        )

    def run(
        self,
        values: dict[str, Any],
        report: Callable[[Report], None] = lambda _: None,
        seed: int | None = None,
    ) -> TrialOutcome:
        asked: list[str] = []

        def draw(parameter: Any) -> Any:
            asked.append(parameter.name)
            if parameter.name in values:
                return values[parameter.name]
            return WRITTEN if parameter.default is MISSING else parameter.default

        outcome = self.runner.run(draw, report, seed)
        self.asked.append(asked)
        self.outcomes.append(outcome)
        return outcome


def outputs(study: Study, *trials: dict[str, Any]) -> list[str]:
    """What each trial printed."""
    return [study.run(values).output.stdout for values in trials]
