"""Whether running the rest of a cell again is harmless, and whether it gave the same."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable

from hpmagic.execution.reuse.run import Run
from hpmagic.execution.reuse.tree import Checkpoint
from hpmagic.records import Report

__all__ = ["can_be_checked", "same_reports"]


def can_be_checked(run: Run, checkpoint: Checkpoint) -> bool:
    """Whether the parts after the checkpoint did nothing that would show if done twice."""
    if run.logs or _autologging():
        return False
    return not any(number >= checkpoint.part for number in run.acts)


def same_reports(one: Iterable[Report], other: Iterable[Report]) -> bool:
    """Whether two runs reported the same, to the last bit."""
    return [_bits(report) for report in one] == [_bits(report) for report in other]


def _bits(report: Report) -> tuple[str, bytes, int | None]:
    return report.name, struct.pack("<d", report.value), report.step


def _autologging() -> bool:
    """Whether MLflow writes down what libraries do."""
    utils = sys.modules.get("mlflow.utils.autologging_utils")
    settings = getattr(utils, "AUTOLOGGING_INTEGRATIONS", {})
    # One that was only imported has no settings yet.
    return any(not values.get("disable", True) for values in settings.values())
