"""What is known of a trial that has begun and not ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hpmagic.distributions import Distribution
from hpmagic.records import Origin, Report, Trial, TrialState
from hpmagic.tracking.codec import curves_of, draw_from_json

__all__ = ["Unfinished"]


@dataclass
class Unfinished:
    """A trial whose end has not been told."""

    origin: Origin
    start: float
    reports: list[Report] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    """What it has drawn, as plain values."""
    distributions: dict[str, Distribution] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    """The distributions that the study's space does not have, as JSON."""
    sent: int = 0
    """How many of the reports are in the store."""
    shown: int = 0
    """How many of the params are in the store."""
    looked: float = 0.0
    """When it was last looked at, in seconds since the epoch."""
    refused: str = ""
    """Why the store would not have its end."""

    def drew(self, data: Mapping[str, Any], known: Mapping[str, Distribution]) -> None:
        """Take in a record of a value; ``known`` are the distributions of the study's space.

        Raises:
            ValueError: it is no such record.
        """
        name, distribution, value = draw_from_json(data, known)
        self.params[name], self.distributions[name] = value, distribution
        if "distribution" in data:
            self.others[name] = data["distribution"]

    def as_drawn(self, number: int) -> Trial:
        """A trial that says nothing but what was drawn."""
        return Trial(
            number=number,
            state=TrialState.INTERRUPTED,
            params=dict(self.params),
            distributions=dict(self.distributions),
            values=None,
            metrics={},
            curves={},
            origin=self.origin,
            start=self.start,
            duration=0.0,
        )

    def interrupted(self, number: int, end: float, reason: str) -> Trial:
        """The trial as one that was cut short, as far as it was heard of.

        Args:
            number: the trial's.
            end: when it ended, unless it was heard of later; seconds since the epoch.
            reason: why, in one line.
        """
        end = max([self.start, end, *(report.time for report in self.reports)])
        return replace(
            self.as_drawn(number),
            metrics={report.name: report.value for report in self.reports},
            curves=curves_of(self.reports),
            duration=end - self.start,
            reason=self.refused or reason,
        )
