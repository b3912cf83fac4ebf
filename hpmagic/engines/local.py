"""Trials in the kernel, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from hpmagic.engines.base import Conversation
from hpmagic.execution.deadline import deadline
from hpmagic.execution.outcome import Runner, TrialOutcome
from hpmagic.space import Parameter

__all__ = ["LocalEngine"]


class _TunerFault(BaseException):
    """Carries an error of the tuner out through the cell, past the cell's own ``except``."""


class _Draw:
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __call__(self, parameter: Parameter) -> Any:
        try:
            return self._conversation.draw(parameter)
        except Exception as error:
            raise _TunerFault from error


class LocalEngine:
    """Runs the cell where the person's variables are.

    Args:
        runner: runs the cell once.
        seconds: how long a trial may take; see `deadline` for when this has no effect.
        around_trial: a context for each trial, by its number.
    """

    capacity = 1

    def __init__(
        self,
        runner: Runner,
        *,
        seconds: float | None = None,
        around_trial: Callable[[int], AbstractContextManager[object]] = lambda _: nullcontext(),
    ) -> None:
        self._runner = runner
        self._seconds = seconds
        self._around = around_trial
        self._next: Conversation | None = None

    def start(self, conversation: Conversation) -> None:
        """The trial runs when the loop waits for it."""
        self._next = conversation

    def wait(self) -> tuple[int, TrialOutcome]:
        """Run the trial."""
        conversation, self._next = self._next, None
        assert conversation is not None
        with self._around(conversation.number), deadline(self._seconds):
            outcome = self._runner.run(_Draw(conversation), conversation.report, conversation.seed)
        if isinstance(outcome.error, _TunerFault):
            assert outcome.error.__cause__ is not None
            raise outcome.error.__cause__
        return conversation.number, outcome

    def keep(self, number: int) -> None:
        """An outcome of this process holds its variables itself."""

    def publish(self, number: int, outcome: TrialOutcome) -> None:  # noqa: ARG002 - the protocol's
        """See `Runner.publish`."""
        self._runner.publish(outcome)

    def close(self) -> None:
        """Leave the process as the study found it."""
        self._runner.close()
