"""Trials on a cluster: what Ray and Dask have in common.

Each trial is a task of the cluster that hosts a worker process. What the trial asks and reports
comes to the study, and the answers go back, by the cluster's own means: that is a `Transport`.
A trial that is lost with its node is begun anew by the transport, up to `ATTEMPTS` times; it gets
the values it had, and what it reported before is not heard twice.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hpmagic.engines.base import Conversation
from hpmagic.engines.child import description
from hpmagic.engines.exchange import Exchange, lost
from hpmagic.engines.host import BEGIN, DIED, STOP
from hpmagic.engines.messages import ASKS, TELLS, Died, Ended, Kept, MlflowRun, Run
from hpmagic.engines.parcel import Parcel, RunnerSpec, pack
from hpmagic.errors import EngineError
from hpmagic.execution.interrupt import exposed
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.space import SearchSpace

__all__ = ["ATTEMPTS", "ClusterEngine", "Lost", "Mail", "Needs", "Transport"]

ATTEMPTS: Final = 3
"""How often a trial is begun that is lost with its node."""


@dataclass(frozen=True)
class Needs:
    """What a trial takes of the cluster, and for how long at most."""

    cpus: float | None = None
    gpus: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A message of a host. ``attempt`` tells a trial that was begun anew from its forerunner."""

    ticket: int
    attempt: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A trial was lost as often as it may be, or its host failed."""

    ticket: int
    reason: str


class Transport(Protocol):
    """The cluster's own means."""

    @property
    def capacity(self) -> int:
        """How many trials the cluster has room for."""
        ...

    def submit(self, ticket: int) -> None:
        """Have a host serve this ticket."""
        ...

    def reply(self, mail: Mail, data: bytes) -> None:
        """Answer a host that asked."""
        ...

    def finish(self, mail: Mail, data: bytes) -> None:
        """Answer a host whose trial has ended; it can serve another ticket."""
        ...

    def next(self) -> Mail | Lost | None:
        """Wait for what comes next; None now and then, so that interrupts are seen."""
        ...

    def kept(self, ticket: int) -> bytes | None:
        """What the host of a ticket returned; None when it is lost."""
        ...

    def forget(self, ticket: int) -> None:
        """What the host of this ticket returned is no longer needed."""
        ...

    def close(self) -> None:
        """End everything that was begun on the cluster; and the cluster, if it was begun for us."""
        ...


@dataclass
class _Trial:
    conversation: Conversation
    attempt: str | None = None


class ClusterEngine:
    """Runs trials on a cluster.

    Args:
        spec: how a worker makes its runner.
        namespace: the person's variables; those that the cell reads go to the cluster once.
        connect: makes the transport, given what is to be sent.
        needs: what a trial takes.
        space: the study's, for its own options in place of those that workers send.
        shell: the kernel's, if there is one.
        mlflow_run: the run that a trial's own MLflow calls go to, by the trial's number.

    Raises:
        EngineError: a variable cannot be sent, or the cluster cannot be reached.
        MissingExtra: the cluster's library is not installed.
    """

    def __init__(
        self,
        spec: RunnerSpec,
        namespace: dict[str, Any],
        connect: Callable[[Parcel, Needs], Transport],
        needs: Needs,
        *,
        space: SearchSpace | None = None,
        shell: Any = None,
        mlflow_run: Callable[[int], MlflowRun | None] = lambda _: None,
    ) -> None:
        self._mlflow_run = mlflow_run
        self._seconds = needs.seconds
        self._trials: dict[int, _Trial] = {}
        self._tickets = 0
        self._last: tuple[int, Mail] | None = None
        self._wanted: int | None = None
        self._kept: tuple[int, int] | None = None
        parcel = pack(spec, namespace, shell)
        try:
            self._exchange = Exchange(namespace, parcel.names, space or SearchSpace())
            self._transport = connect(parcel, needs)
        finally:
            parcel.close()

    @property
    def capacity(self) -> int:
        """What the cluster has room for."""
        return self._transport.capacity

    def start(self, conversation: Conversation) -> None:
        """Submit the trial."""
        self._settle()
        self._tickets += 1
        self._trials[self._tickets] = _Trial(conversation)
        self._transport.submit(self._tickets)

    def wait(self) -> tuple[int, TrialOutcome] | None:
        """Answer the hosts until one trial ends, or draws while there is room."""
        self._settle()
        while True:
            with exposed():
                event = self._transport.next()
            if event is None:
                continue
            ended = self._lost(event) if isinstance(event, Lost) else self._read(event)
            if ended is not None:
                return ended
            draws = isinstance(event, Mail) and event.data[:1] == ASKS
            if draws and len(self._trials) < self.capacity:
                return None

    def keep(self, number: int) -> None:
        """The host that has just ended this trial returns its variables to the cluster's store."""
        self._wanted = number

    def publish(self, number: int, outcome: TrialOutcome) -> None:
        """Fetch the best trial's variables and put them into the namespace."""
        self._settle()
        if self._kept is not None and self._kept[0] == number:
            self._exchange.keep(number)
            data = self._transport.kept(self._kept[1])
            message = None if data is None else self._exchange.unpack(data)
            if isinstance(message, Kept):
                self._exchange.take(message)
        self._exchange.publish(number, outcome.deleted)

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()

    def _settle(self) -> None:
        """Tell the host of the trial that ended last whether its variables are wanted."""
        if self._last is None:
            return
        (number, mail), self._last = self._last, None
        if self._wanted != number:
            self._transport.finish(mail, STOP)
            self._transport.forget(mail.ticket)
            return
        if self._kept is not None:
            self._transport.forget(self._kept[1])
        self._kept = number, mail.ticket
        self._transport.finish(mail, self._exchange.keep(number))

    def _read(self, mail: Mail) -> tuple[int, TrialOutcome] | None:
        trial = self._trials.get(mail.ticket)
        kind = mail.data[:1]
        if trial is None:
            if kind != TELLS:
                self._transport.reply(mail, STOP)
            return None
        conversation = trial.conversation
        if kind == BEGIN:
            if trial.attempt is not None:
                conversation.again()
            trial.attempt = mail.attempt
            number = conversation.number
            mlflow = self._mlflow_run(number)
            run = Run(number, conversation.heeded, self._seconds, mlflow, conversation.seed)
            self._transport.reply(mail, self._exchange.pack(run))
            return None
        if mail.attempt != trial.attempt:
            if kind != TELLS:
                self._transport.reply(mail, STOP)
            return None
        if kind == DIED:
            self._transport.finish(mail, STOP)
            return self._died(mail.ticket, pickle.loads(mail.data[1:]))  # noqa: S301
        message = self._exchange.unpack(mail.data)
        if isinstance(message, Ended):
            del self._trials[mail.ticket]
            self._last = conversation.number, mail
            return conversation.number, conversation.finished(message.outcome, message.order)
        answer = self._exchange.answer(message, conversation)
        if answer is not None:
            self._transport.reply(mail, answer)
        return None

    def _died(self, ticket: int, died: Died) -> tuple[int, TrialOutcome]:
        if not died.ready:
            words = f":\n{died.last_words}" if died.last_words else ""
            raise EngineError(f"a worker {description(died)} before it could run a trial{words}")
        trial = self._trials.pop(ticket)
        reason = f"its worker {description(died)}"
        if died.overdue:
            reason = f"the trial took longer than {self._seconds:g} s; its worker was killed"
        return trial.conversation.number, lost(trial.conversation, reason, died.last_words)

    def _lost(self, event: Lost) -> tuple[int, TrialOutcome] | None:
        trial = self._trials.pop(event.ticket, None)
        if trial is None:
            return None
        return trial.conversation.number, lost(trial.conversation, event.reason, "")
