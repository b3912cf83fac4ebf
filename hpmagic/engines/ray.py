"""Trials on a Ray cluster.

Each host is an actor with the resources of one trial. Its messages go through one more actor, a
mailbox beside the study. The data is in Ray's object store once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hpmagic.engines.cluster import ATTEMPTS, Lost, Mail, Needs
from hpmagic.engines.host import Host
from hpmagic.engines.parcel import Parcel
from hpmagic.errors import EngineError, MissingExtra

__all__ = ["RayTransport"]

_TICK: Final = 0.5
"""Seconds after which a wait looks for an interrupt."""
_REFRESH: Final = 2.0
"""Seconds for which the cluster's size is taken to stay the same."""


class _Mailbox:
    """An actor: keeps what hosts say until the study reads it, and hosts until it answers."""

    def __init__(self) -> None:
        self._letters: asyncio.Queue[tuple[int, str, bytes]] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def ask(self, ticket: int, attempt: str, data: bytes) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[attempt] = answer
        await self._letters.put((ticket, attempt, data))
        return await answer

    async def tell(self, ticket: int, attempt: str, data: bytes) -> None:
        await self._letters.put((ticket, attempt, data))

    async def reply(self, attempt: str, data: bytes) -> None:
        answer = self._waiting.pop(attempt, None)
        if answer is not None and not answer.done():
            answer.set_result(data)

    async def read(self) -> list[tuple[int, str, bytes]]:
        letters = [await self._letters.get()]
        while not self._letters.empty():
            letters.append(self._letters.get_nowait())
        return letters


class _HostActor:
    """An actor: serves one trial after another."""

    def __init__(
        self, contents: bytes, data: Any, threads: int, seconds: float | None, mailbox: Any
    ) -> None:
        self._host = Host(contents, memoryview(data), threads, seconds)
        self._mailbox = mailbox

    def serve(self, ticket: int) -> tuple[bool, bytes | None]:
        """Two values, so that the study can learn that this is over without what it returned."""
        return True, self._host.serve(_ActorRelay(self._mailbox, ticket))


class _ActorRelay:
    def __init__(self, mailbox: Any, ticket: int) -> None:
        self._mailbox = mailbox
        self._ticket = ticket
        self._attempt = uuid.uuid4().hex

    def ask(self, data: bytes) -> bytes:
        answer: bytes = _library().get(self._mailbox.ask.remote(self._ticket, self._attempt, data))
        return answer

    def tell(self, data: bytes) -> None:
        # Ray may run what it is sent out of order; only the host waits, not the cell.
        _library().get(self._mailbox.tell.remote(self._ticket, self._attempt, data))


class RayTransport:
    """See `Transport`.

    Args:
        parcel: what hosts work with.
        needs: what a trial takes; one CPU unless it says otherwise.
        address: of an existing cluster; None is the one this process is in, or a local one.
        jobs: how many trials at once; None is as many as there is room for.
    """

    def __init__(self, parcel: Parcel, needs: Needs, address: str | None, jobs: int | None) -> None:
        ray = _library()
        self._ray = ray
        self._ours = not ray.is_initialized()
        self._folder: Path | None = None
        if self._ours:
            self._connect(address, jobs, needs)
        import numpy as np

        self._jobs = jobs
        self._cpus = 1.0 if needs.cpus is None else needs.cpus
        self._gpus = needs.gpus or 0.0
        self._checked, self._room = 0.0, 1
        self._contents = ray.put(parcel.contents)
        self._data = ray.put(np.frombuffer(parcel.buffers.contents(), dtype=np.uint8))
        self._mailbox = ray.remote(num_cpus=0, max_concurrency=10_000)(_Mailbox).remote()
        self._reading = self._mailbox.read.remote()
        options = {"num_cpus": self._cpus, "num_gpus": self._gpus, "max_restarts": 0}
        self._actor = ray.remote(**options)(_HostActor)
        self._arguments = (
            self._contents,
            self._data,
            max(1, int(self._cpus)),
            needs.seconds,
            self._mailbox,
        )
        self._free: list[Any] = []
        self._serving: dict[Any, tuple[int, Any]] = {}
        self._results: dict[int, Any] = {}
        self._attempts: dict[int, int] = {}
        self._mail: list[Mail] = []

    @property
    def capacity(self) -> int:
        """``jobs``, or what the cluster's CPUs and GPUs have room for now."""
        if self._jobs is not None:
            return self._jobs
        if time.monotonic() - self._checked > _REFRESH:
            there = self._ray.cluster_resources()
            rooms = [there.get("CPU", 0.0) / self._cpus] if self._cpus else []
            if self._gpus:
                rooms.append(there.get("GPU", 0.0) / self._gpus)
            self._checked, self._room = time.monotonic(), max(1, int(min(rooms, default=1)))
        return self._room

    def submit(self, ticket: int) -> None:
        host = self._free.pop() if self._free else self._actor.remote(*self._arguments)
        over, self._results[ticket] = host.serve.options(num_returns=2).remote(ticket)
        self._attempts[ticket] = self._attempts.get(ticket, 0) + 1
        self._serving[over] = ticket, host

    def reply(self, mail: Mail, data: bytes) -> None:
        self._mailbox.reply.remote(mail.attempt, data)

    def finish(self, mail: Mail, data: bytes) -> None:
        self.reply(mail, data)
        for ticket, host in self._serving.values():
            if ticket == mail.ticket:
                self._free.append(host)
                self._attempts.pop(ticket, None)

    def next(self) -> Mail | Lost | None:
        if not self._mail:
            waiting = [self._reading, *self._serving]
            ready, _ = self._ray.wait(waiting, num_returns=1, timeout=_TICK)
            for reference in ready:
                if reference is self._reading:
                    self._read()
                elif (lost := self._returned(reference)) is not None:
                    return lost
        return self._mail.pop(0) if self._mail else None

    def kept(self, ticket: int) -> bytes | None:
        reference = self._results.get(ticket)
        try:
            data: bytes | None = None if reference is None else self._ray.get(reference)
        except self._ray.exceptions.RayError:
            return None
        return data

    def forget(self, ticket: int) -> None:
        self._results.pop(ticket, None)

    def close(self) -> None:
        if not self._ray.is_initialized():
            return
        hosts = [*self._free, *(host for _, host in self._serving.values())]
        for actor in [*hosts, self._mailbox]:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._ray.kill(actor)
        self._free, self._serving, self._results = [], {}, {}
        del self._contents, self._data, self._arguments, self._mailbox, self._reading
        if self._ours:
            self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            latest = self._folder.parent / "session_latest"
            if latest.is_symlink() and not latest.exists():
                latest.unlink(missing_ok=True)

    def _connect(self, address: str | None, jobs: int | None, needs: Needs) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        try:
            with _settings():
                if address is None and (folder := self._begin(jobs, needs, options)):
                    self._folder = folder
                else:
                    self._ray.init(address=address, **options)
        except Exception as error:
            where = f"at {address}" if address else "on this machine"
            raise EngineError(f"no Ray cluster can be had {where}: {error}") from error

    def _begin(self, jobs: int | None, needs: Needs, options: dict[str, Any]) -> Path | None:
        """Begin a local cluster; its folder, or None if this process is in a cluster."""
        from hpmagic.engines.processes import cores

        cpus = cores() if jobs is None else max(1, round(jobs * (needs.cpus or 1)))
        try:
            begun = self._ray.init(include_dashboard=False, num_cpus=cpus, **options)
        except ValueError:  # the size of an existing cluster is not ours to choose
            return None
        return Path(begun.address_info["session_dir"])

    def _read(self) -> None:
        try:
            letters = self._ray.get(self._reading)
        except self._ray.exceptions.RayError as error:
            raise EngineError(f"the way to Ray's workers is lost: {error}") from error
        self._mail += [Mail(*letter) for letter in letters]
        self._reading = self._mailbox.read.remote()

    def _returned(self, reference: Any) -> Lost | None:
        """A host is free again, or it is gone and its ticket needs another."""
        ticket, host = self._serving.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            if host in self._free:
                self._free.remove(host)
            if ticket not in self._attempts:
                return None  # its trial had ended
            if self._attempts[ticket] >= ATTEMPTS:
                return Lost(ticket, f"its node was lost {ATTEMPTS} times")
            self.submit(ticket)
        except self._ray.exceptions.RayError as error:
            return Lost(ticket, f"its host failed: {error}")
        return None


@contextmanager
def _settings() -> Iterator[None]:
    """No usage statistics, no advice, and time to start on a busy machine.

    What the person set in the environment stays.
    """
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        with _hushed("ray"):
            yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _hushed(name: str) -> Iterator[None]:
    """Nothing but errors from this logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _library() -> Any:
    try:
        with _hushed("ray.widgets.util"):  # misses ipywidgets in a notebook
            import ray
    except ImportError:
        raise MissingExtra(
            "--engine ray needs Ray: install it with `pip install 'hpmagic[ray]'`"
        ) from None
    return ray
