"""Trials in worker processes of this machine."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hpmagic.engines.base import Conversation
from hpmagic.engines.child import Child, Letter, description, environment
from hpmagic.engines.exchange import Exchange, lost
from hpmagic.engines.messages import ASKS, Died, Ended, Kept, MlflowRun, Ready, Run
from hpmagic.engines.parcel import Parcel
from hpmagic.errors import EngineError
from hpmagic.execution.interrupt import exposed
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.space import SearchSpace

__all__ = ["ProcessEngine", "cores"]

_GRACE: Final = 1.0
"""Seconds that a trial has beyond its limit to end by itself, before its worker is killed."""
_PATIENCE: Final = 2.0
"""Seconds in which idle workers end by themselves when the study is over."""


@dataclass
class _Work:
    """What a worker does now. ``until`` is when it is killed, on the monotonic clock."""

    conversation: Conversation
    until: float | None = None
    overdue: bool = False


class ProcessEngine:
    """Runs trials in ``jobs`` processes, each with the variables that the cell reads.

    The variables are pickled once; large buffers are one file in memory that all workers map, and
    what a worker writes to them is its own. A worker that dies costs its trial and is replaced; one
    whose trial changed what cannot be put back is replaced, too.
    The variables of the best trial come back pickled.

    Args:
        parcel: the variables, and how a worker makes its runner; closed with the engine.
        namespace: the person's variables.
        jobs: how many workers.
        space: the study's, for its own options in place of those that workers send.
        seconds: how long a trial may take.
        mlflow_run: the run that a trial's own MLflow calls go to, by the trial's number.

    Raises:
        EngineError: there are no worker processes on this system.
    """

    def __init__(
        self,
        parcel: Parcel,
        namespace: dict[str, Any],
        jobs: int,
        *,
        space: SearchSpace | None = None,
        seconds: float | None = None,
        mlflow_run: Callable[[int], MlflowRun | None] = lambda _: None,
    ) -> None:
        if not hasattr(os, "killpg"):
            parcel.close()
            raise EngineError("worker processes need Linux or macOS; run with --jobs 1 here")
        self.capacity = jobs
        self._seconds = seconds
        self._mlflow_run = mlflow_run
        self._env = environment(max(1, cores() // jobs))
        self._inbox: queue.SimpleQueue[Letter] = queue.SimpleQueue()
        self._idle: list[Child] = []
        self._spent: list[Child] = []
        self._busy: dict[Child, _Work] = {}
        self._last: dict[int, Child] = {}
        self._pickling: set[Child] = set()
        self._parcel = parcel
        self._exchange = Exchange(namespace, self._parcel.names, space or SearchSpace())
        try:
            for _ in range(jobs):
                self._idle.append(self._hire())
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [child.pid for child in [*self._idle, *self._busy]]

    def start(self, conversation: Conversation) -> None:
        """Send the trial to a free worker."""
        waited_for = [c for n, c in self._last.items() if self._exchange.awaits(n)]
        for child in self._spent:
            if child not in waited_for:
                child.hang_up()
        alive = [child for child in self._idle if child.alive]
        child = alive[-1] if alive else self._hire()
        if alive:
            self._idle.remove(child)
        self._busy[child] = _Work(conversation)
        self._set_limit(child)
        number = conversation.number
        mlflow = self._mlflow_run(number)
        run = Run(number, conversation.heeded, self._seconds, mlflow, conversation.seed)
        child.send(self._exchange.pack(run))

    def wait(self) -> tuple[int, TrialOutcome] | None:
        """Answer the workers until one trial ends, or draws while there is room."""
        while True:
            with exposed():
                letter = self._receive()
            if letter is None:
                self._end_overdue()
            elif (ended := self._handle(letter)) is not None:
                return ended
            elif (
                letter.data is not None
                and letter.data[:1] == ASKS
                and len(self._busy) < self.capacity
            ):
                return None

    def keep(self, number: int) -> None:
        """Ask the trial's worker for its variables; they come while others run."""
        child = self._last.get(number)
        if child is not None:
            self._pickling.add(child)
            child.send(self._exchange.keep(number))

    def publish(self, number: int, outcome: TrialOutcome) -> None:
        """Put the best trial's variables into the namespace, as far as they can be pickled.

        What cannot be is named in a warning.
        """
        child = self._last.get(number)
        while self._exchange.awaits(number) and child in {*self._idle, *self._spent, *self._busy}:
            letter = self._inbox.get()
            if letter.died is not None and letter.child is child:
                break
            message = None if letter.data is None else self._exchange.unpack(letter.data)
            if isinstance(message, Kept):
                self._exchange.take(message)
        self._exchange.publish(number, outcome.deleted)

    def close(self) -> None:
        """End the workers: at once those that run a trial, the others by themselves."""
        until = time.monotonic() + _PATIENCE
        workers = [*self._busy, *self._idle, *self._spent]
        try:
            for child in self._busy:
                child.kill()
            for child in [*self._idle, *self._spent]:
                child.hang_up()
            for child in workers:
                child.close(until)
        except BaseException:  # an impatient second interrupt
            for child in workers:
                child.kill()
            raise
        finally:
            self._parcel.close()
            self._idle, self._spent, self._busy = [], [], {}

    def _hire(self) -> Child:
        return Child(self._parcel, self._env, self._inbox.put)

    def _set_limit(self, child: Child) -> None:
        """Once the worker is free for the trial: it may have to start, or to pickle variables."""
        if self._seconds is not None and child.ready and child not in self._pickling:
            self._busy[child].until = time.monotonic() + self._seconds + _GRACE

    def _receive(self) -> Letter | None:
        """The next letter; None when a trial's time is over before it comes."""
        limits = [work.until for work in self._busy.values() if work.until is not None]
        if not limits:
            return self._inbox.get()
        try:
            return self._inbox.get(timeout=max(0.0, min(limits) - time.monotonic()))
        except queue.Empty:
            return None

    def _end_overdue(self) -> None:
        """Kill the workers whose trials do not end; they are recorded when they have died."""
        for child, work in self._busy.items():
            if work.until is not None and work.until <= time.monotonic():
                work.until = None
                work.overdue = True
                child.kill()

    def _handle(self, letter: Letter) -> tuple[int, TrialOutcome] | None:
        child = letter.child
        if letter.died is not None:
            return self._bury(child, letter.died)
        assert letter.data is not None
        message = self._exchange.unpack(letter.data)
        work = self._busy.get(child)
        match message:
            case Ready():
                child.ready = True
                if work is not None:
                    self._set_limit(child)
            case Kept():
                self._exchange.take(message)
                self._pickling.discard(child)
                if work is not None:
                    self._set_limit(child)
            case Ended(outcome=outcome, order=order):
                assert work is not None
                del self._busy[child]
                spent = "isolation" in outcome.notes
                (self._spent if spent else self._idle).append(child)
                number = work.conversation.number
                self._last = {n: c for n, c in self._last.items() if c is not child}
                self._last[number] = child
                return number, work.conversation.finished(outcome, order)
            case _:
                answer = self._exchange.answer(message, work.conversation if work else None)
                if answer is not None:
                    child.send(answer)
        return None

    def _bury(self, child: Child, died: Died) -> tuple[int, TrialOutcome] | None:
        """A worker is dead: its trial has failed, and another takes its place."""
        work = self._busy.pop(child, None)
        self._pickling.discard(child)
        for resting in (self._idle, self._spent):
            if child in resting:
                resting.remove(child)
        child.close(0)
        if not child.ready:
            words = f":\n{died.last_words}" if died.last_words else ""
            raise EngineError(
                f"a worker process {description(died)} before it could run a trial{words}"
            )
        if work is None:
            return None
        reason = f"its worker {description(died)}"
        if work.overdue:
            reason = f"the trial took longer than {self._seconds:g} s; its worker was killed"
        return work.conversation.number, lost(work.conversation, reason, died.last_words)


def cores() -> int:
    """The cores this process may use."""
    from joblib import cpu_count

    return int(cpu_count())
