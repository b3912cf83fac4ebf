"""What every engine with workers does with their messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hpmagic.engines.base import Conversation
from hpmagic.engines.messages import (
    Asked,
    Broken,
    GoOn,
    Keep,
    Kept,
    Options,
    Prune,
    Reported,
)
from hpmagic.engines.pickling import Pickling
from hpmagic.engines.salvage import salvage
from hpmagic.errors import EngineError, warn
from hpmagic.execution.outcome import Pruned, TrialOutcome
from hpmagic.records import Output
from hpmagic.space import SearchSpace

__all__ = ["Exchange", "lost"]


class Exchange:
    """Reads and answers workers' messages, and holds the best trial's variables.

    Args:
        namespace: the person's variables.
        names: those that were sent to the workers.
        space: the study's.
    """

    def __init__(self, namespace: dict[str, Any], names: Iterable[str], space: SearchSpace) -> None:
        self._namespace = namespace
        self._pickling = Pickling(namespace, names)
        self._options = Options.of(space)
        self._wanted: int | None = None
        self._kept: Kept | None = None

    def pack(self, message: object) -> bytes:
        """A message to a worker as bytes."""
        return self._pickling.dumps(message)

    def unpack(self, data: bytes) -> object:
        """A worker's message, behind the byte that says its kind."""
        return self._pickling.loads(memoryview(data)[1:])

    def answer(self, message: object, conversation: Conversation | None) -> bytes | None:
        """What to reply to a worker, if anything.

        Raises:
            EngineError: the worker says that it cannot run trials.
            Exception: the tuner has no value.
        """
        match message:
            case Asked(parameter=parameter):
                assert conversation is not None
                parameter = self._options.own(parameter)
                value = conversation.draw(parameter)
                return self.pack(self._options.answer(parameter, value))
            case Reported(report=report, waits=waits):
                assert conversation is not None
                try:
                    conversation.report(report)
                except Pruned as verdict:
                    return self.pack(Prune(verdict.args)) if waits else None
                return self.pack(GoOn()) if waits else None
            case Broken(reason=reason):
                raise EngineError(f"a worker cannot begin: {reason}")
        return None

    def keep(self, number: int) -> bytes:
        """The message that asks for a trial's variables."""
        self._wanted, self._kept = number, None
        return self.pack(Keep(number))

    def take(self, kept: Kept) -> None:
        """The variables have come; those of a trial that is no longer the best are dropped."""
        if kept.number == self._wanted:
            self._kept = kept

    def awaits(self, number: int) -> bool:
        """Whether the variables of this trial have been asked for and have not come."""
        return self._wanted == number and self._kept is None

    def publish(self, number: int, deleted: frozenset[str]) -> None:
        """Put the variables into the namespace; warn of those that cannot be."""
        kept = self._kept
        if kept is None or kept.number != number:
            _warn(f"the variables of trial {number} were lost with its worker")
            return
        unread = self._read(kept.variables)
        for name in deleted:
            self._namespace.pop(name, None)
        if kept.left_out:
            names = _quoted(kept.left_out)
            _warn(f"{names} of trial {number} cannot be pickled and stayed in its worker")
        if unread:
            _warn(f"{_quoted(unread)} of trial {number} cannot be read here")

    def _read(self, variables: bytes) -> tuple[str, ...]:
        """Put the variables into the namespace, as far as they can be read; the names of others."""
        try:
            self._namespace.update(self._pickling.loads(variables))
        except Exception:  # noqa: BLE001 - whatever a reduction raises
            self._salvage(variables)
            return self._salvage(variables)  # a ``__setstate__`` finds what the first has bound
        return ()

    def _salvage(self, variables: bytes) -> tuple[str, ...]:
        found: dict[str, Any] = self._pickling.loads(variables, load=salvage)
        lost = self._pickling.failing(found)
        self._namespace.update({n: value for n, value in found.items() if n not in lost})
        return lost


def lost(conversation: Conversation, reason: str, last_words: str) -> TrialOutcome:
    """The outcome of a trial whose worker is dead."""
    outcome = conversation.lost(EngineError(reason))
    return replace(outcome, output=Output(stderr=last_words))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _warn(text: str) -> None:
    warn(f"{text}; run the cell with the best values to have them")
