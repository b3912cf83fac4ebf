"""A tuner's own proposals: which number the next one has, and which of them a trial carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from hpmagic.records import Origin, Trial

__all__ = ["Remembers", "Turns", "carried_out", "settle"]


class Turns:
    """Numbers a tuner's proposals from 0, the same whether a study runs through or is resumed.

    A tuner whose proposal depends on its number and the seed only neither repeats a point after a
    resumption nor differs from a study that was never interrupted.
    """

    def __init__(self) -> None:
        self._ended = 0
        self._open = 0

    def next(self) -> int:
        """The number of the proposal that is being asked for."""
        number = self._ended + self._open
        self._open += 1
        return number

    def tell(self, trial: Trial) -> None:
        """Count a trial that ended."""
        if trial.origin is Origin.TUNER:
            self._ended += 1
            self._open = max(self._open - 1, 0)


class Remembers(Protocol):
    """A proposal that knows what it suggested."""

    @property
    def values(self) -> Mapping[str, Any]: ...


P = TypeVar("P", bound=Remembers)


def settle(open_proposals: list[P], trial: Trial) -> P | None:
    """Take out the proposal that ``trial`` carried out: the one whose values agree best.

    The study may have replaced a value that would have repeated a trial, so agreement need not be
    complete; but what was drawn from the proposal, the trial has. None when the values are
    another's, or a trial of an earlier session is told.

    Proposals from which the same was drawn so far cannot be told apart: the one taken out may go on
    to be drawn from, while the trial of another ended.
    """
    if trial.origin is not Origin.TUNER or not open_proposals:
        return None
    proposal = max(open_proposals, key=lambda p: _likeness(p.values, trial))
    open_proposals.remove(proposal)
    return proposal


def carried_out(proposal: Remembers, trial: Trial) -> bool:
    """Whether the trial ran with exactly the proposal's values."""
    wanted = len(trial.params)
    return len(proposal.values) == wanted == _agreement(proposal.values, trial)


def _likeness(values: Mapping[str, Any], trial: Trial) -> tuple[bool, int, int]:
    """Larger where a trial is likelier to have carried out a proposal with these values."""
    return values.keys() <= trial.params.keys(), _agreement(values, trial), len(values)


def _agreement(values: Mapping[str, Any], trial: Trial) -> int:
    return sum(
        distribution.key(values[name]) == distribution.key(trial.params[name])
        for name, distribution in trial.distributions.items()
        if name in values and name in trial.params
    )
