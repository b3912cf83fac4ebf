"""A cluster's side of a trial: a worker process on the node, and the way from it to the study.

The cell never runs in the cluster's own processes: it has a process for itself, as on one machine.
So a trial that dies of its own doing is told from one that was lost with its node, a trial can be
killed when its time is over, and several trials on one node do not share streams or signals.
"""

from __future__ import annotations

import pickle
import queue
import time
from typing import Final, Protocol

from hpmagic.engines.child import Child, Letter, environment
from hpmagic.engines.memory import Buffers
from hpmagic.engines.messages import ASKS, TELLS, Broken, Died, Ended, Kept, Ready
from hpmagic.engines.parcel import Parcel

__all__ = ["BEGIN", "DIED", "STOP", "Host", "Relay"]

BEGIN: Final = b"s"
"""A host asks with this whether and how its trial is to run."""
DIED: Final = b"d"
"""A host tells with this, and a pickled `Died`, that its worker has died."""
STOP: Final = b""
"""The answer that ends what a host does."""
_GRACE: Final = 1.0
"""Seconds that a trial has beyond its limit to end by itself."""


class Relay(Protocol):
    """A host's way to the study, by the cluster's own means."""

    def ask(self, data: bytes) -> bytes:
        """Send a message and wait for the answer."""
        ...

    def tell(self, data: bytes) -> None:
        """Send a message."""
        ...


class Host:
    """Runs trials in one worker process of this node, which it replaces when it dies.

    Args:
        contents: of the parcel.
        data: the large buffers.
        threads: for each native thread pool.
        seconds: how long a trial may take.
    """

    def __init__(
        self, contents: bytes, data: memoryview, threads: int, seconds: float | None
    ) -> None:
        self._parcel = Parcel(contents, Buffers.of(data), ())
        self._env = environment(threads)
        self._seconds = seconds
        self._letters: queue.SimpleQueue[Letter] = queue.SimpleQueue()
        self._child: Child | None = None

    def serve(self, relay: Relay) -> bytes | None:
        """Run one trial as the study at the other end says.

        Returns:
            The trial's variables as `Kept` in bytes, if the study wants them.
        """
        run = relay.ask(BEGIN)
        if run == STOP:
            return None
        child = self._child or Child(self._parcel, self._env, self._letters.put)
        self._child = child
        child.send(run)
        until = None
        overdue = False
        if child.ready and self._seconds is not None:
            until = time.monotonic() + self._seconds + _GRACE
        while True:
            letter = self._next(until)
            if letter is None:
                until, overdue = None, True
                child.kill()
            elif letter.died is not None:
                self.close_child()
                died = Died(letter.died.status, letter.died.last_words, overdue, child.ready)
                relay.ask(DIED + pickle.dumps(died))
                return None
            elif letter.data is not None:
                kind = letter.data[:1]
                if kind == Ready.kind:
                    child.ready = True
                    if self._seconds is not None:
                        until = time.monotonic() + self._seconds + _GRACE
                elif kind == TELLS:
                    relay.tell(letter.data)
                elif kind == Kept.kind:
                    return letter.data
                else:
                    answer = relay.ask(letter.data)
                    if kind == Ended.kind and answer == STOP:
                        return None
                    if answer == STOP or kind == Broken.kind:
                        self.close_child()
                        return None
                    assert kind in (ASKS, Ended.kind)
                    until = until if kind == ASKS else None
                    child.send(answer)

    def kill(self) -> None:
        """End the trial that runs, from another thread."""
        child = self._child
        if child is not None:
            child.kill()

    def close_child(self) -> None:
        """End the worker process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.close(0)

    def close(self) -> None:
        """End the worker process and give the memory back."""
        self.close_child()
        self._parcel.close()

    def _next(self, until: float | None) -> Letter | None:
        """The next letter of the present worker; None when the trial's time is over."""
        while True:
            try:
                wait = None if until is None else max(0.0, until - time.monotonic())
                letter = self._letters.get(timeout=wait)
            except queue.Empty:
                return None
            if letter.child is self._child:
                return letter
