"""Trials on a Dask cluster.

Each trial is a task, which hosts it in a worker process beside Dask's own. Messages go through
Dask's queues. The data is scattered once, and a Dask worker keeps it between trials. A task that is
lost with its worker is run again by Dask's scheduler, which bounds how often; where the data went
with it, both are sent anew, up to `_ATTEMPTS` times.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any, Final

from hpmagic.engines.cluster import Lost, Mail, Needs
from hpmagic.engines.host import STOP, Host
from hpmagic.engines.messages import TELLS
from hpmagic.engines.parcel import Parcel
from hpmagic.errors import EngineError, MissingExtra

__all__ = ["DaskTransport"]

_TICK: Final = 60.0
"""Seconds after which a host that waits for an answer looks whether anybody is to give it."""
_PATIENCE: Final = 5.0
"""Seconds in which hosts and the reader end when the study is over, or a worker is replaced."""
_ATTEMPTS: Final = 3
"""Times that a trial is sent anew because the data it works with is lost."""
_GLANCE: Final = 0.5
"""Seconds after which a wait for the best trial's variables looks whether they are to come."""


class _Pool:
    """A Dask worker's hosts of one study; as many as it runs trials at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free: list[Host] = []
        self.all: list[Host] = []


_pools: dict[str, _Pool] = {}
_pools_lock = threading.Lock()


def _serve(
    study: str, ticket: int, contents: bytes, data: Any, *, threads: int, seconds: float | None
) -> bytes | None:
    """A task: serve one ticket on a host of this worker."""
    with _pools_lock:
        pool = _pools.setdefault(study, _Pool())
    with pool.lock:
        host = pool.free.pop() if pool.free else None
    if host is None:
        host = Host(contents, memoryview(data), threads, seconds)
        with pool.lock:
            pool.all.append(host)
    relay = _QueueRelay(study, ticket)
    try:
        return host.serve(relay)
    finally:
        relay.close()
        with pool.lock:
            pool.free.append(host)


def _kill(study: str) -> None:
    """On each worker: what runs of the study ends."""
    pool = _pools.get(study)
    for host in pool.all if pool is not None else ():
        host.kill()


def _leave(study: str) -> None:
    """On each worker: nothing of the study stays."""
    with _pools_lock:
        pool = _pools.pop(study, None)
    for host in pool.all if pool is not None else ():
        host.close()


class _QueueRelay:
    def __init__(self, study: str, ticket: int) -> None:
        distributed = _library()
        client = distributed.get_client()
        self._ticket = ticket
        self._attempt = uuid.uuid4().hex
        self._inbox = distributed.Queue(study, client=client)
        self._answers = distributed.Queue(f"{study}-{self._attempt}", client=client)
        self._worker = distributed.get_worker()
        self._key = self._worker.get_current_task()

    def ask(self, data: bytes) -> bytes:
        self.tell(data)
        while not self._cancelled():
            with contextlib.suppress(TimeoutError):
                answer: bytes = self._answers.get(timeout=_TICK)
                return answer
        return STOP

    def tell(self, data: bytes) -> None:
        self._inbox.put((self._ticket, self._attempt, data))

    def close(self) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self._answers.close()

    def _cancelled(self) -> bool:
        """Whether nobody wants this task any more: the study was stopped, or it is gone."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state not in ("executing", "long-running")


class DaskTransport:
    """See `Transport`.

    Args:
        parcel: what hosts work with.
        needs: what a trial takes.
        address: of an existing cluster's scheduler; None is a local cluster.
        jobs: how many trials at once; None is as many as there is room for.
    """

    def __init__(self, parcel: Parcel, needs: Needs, address: str | None, jobs: int | None) -> None:
        import numpy as np

        self._distributed = _library()

        self._cpus = max(1.0, needs.cpus or 1.0)
        self._jobs = jobs
        self._resources = {"GPU": needs.gpus} if needs.gpus else {}
        self._seconds = needs.seconds
        self._study = f"hpmagic-{uuid.uuid4().hex}"
        self._events: queue.SimpleQueue[Mail | Lost | Exception] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._asking: dict[str, Mail] = {}
        self._closed = threading.Event()
        self._cluster: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._connect(address, jobs)
        self._parcel = [parcel.contents, np.frombuffer(parcel.buffers.contents(), dtype=np.uint8)]
        self._scattering = threading.Lock()
        self._contents, self._data = self._scatter()
        self._inbox = self._distributed.Queue(self._study, client=self._client)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def capacity(self) -> int:
        """``jobs``, or what the workers' threads and GPUs have room for now."""
        if self._jobs is not None:
            return self._jobs
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        room = sum(worker["nthreads"] for worker in workers) / self._cpus
        for name, amount in self._resources.items():
            there = sum(worker["resources"].get(name, 0.0) for worker in workers)
            room = min(room, there / amount)
        return max(1, int(room))

    def submit(self, ticket: int) -> None:
        self._send(ticket, _ATTEMPTS)

    def _send(self, ticket: int, left: int) -> None:
        """Send a trial, which may be sent anew ``left`` times."""
        with self._scattering:
            if not {self._contents.status, self._data.status} <= {"finished", "pending"}:
                self._contents, self._data = self._scatter()
        future = self._client.submit(
            _serve,
            self._study,
            ticket,
            self._contents,
            self._data,
            threads=int(self._cpus),
            seconds=self._seconds,
            pure=False,
            key=f"{self._study}-{ticket}-{left}",
            resources=self._resources or None,
        )
        self._futures[ticket] = future
        future.add_done_callback(lambda done: self._done(ticket, done, left))

    def _scatter(self) -> Any:
        """The cell and the data, sent to the cluster."""
        return self._client.scatter(self._parcel, hash=False)

    def reply(self, mail: Mail, data: bytes) -> None:
        self._asking.pop(mail.attempt, None)
        with self._unless_closed():
            self._distributed.Queue(f"{self._study}-{mail.attempt}", client=self._client).put(data)

    @contextlib.contextmanager
    def _unless_closed(self) -> Iterator[None]:
        """Let an error of the cluster be one of the engine, but not once the study is over."""
        try:
            yield
        except Exception as error:
            if not self._closed.is_set():
                raise EngineError(f"Dask's scheduler cannot be reached: {error}") from error

    def finish(self, mail: Mail, data: bytes) -> None:
        self.reply(mail, data)

    def next(self) -> Mail | Lost | None:
        event = self._events.get()
        if isinstance(event, Exception):
            raise EngineError(f"the way to Dask's workers is lost: {event}") from event
        if isinstance(event, Mail) and event.data[:1] != TELLS:
            self._asking[event.attempt] = event
        return event

    def kept(self, ticket: int) -> bytes | None:
        future = self._futures.get(ticket)
        if future is None:
            return None
        alone = time.monotonic()
        while time.monotonic() - alone < _PATIENCE:
            try:
                data: bytes | None = future.result(timeout=_GLANCE)
            except TimeoutError:
                # What was lost with its worker is asked for again: there is no trial any more.
                for mail in self._unread():
                    self.reply(mail, STOP)
                alone = time.monotonic() if self._client.ncores() else alone
            except Exception:  # noqa: BLE001 - lost, cancelled or failed: it is not there
                return None
            else:
                return data
        return None

    def forget(self, ticket: int) -> None:
        self._futures.pop(ticket, None)

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(Exception):  # the cluster may be gone
            # From here on the reader answers every question with STOP.
            for mail in [*self._asking.values(), *self._unread()]:
                self.reply(mail, STOP)
            self._client.run(_kill, self._study, on_error="ignore")
            until = time.monotonic() + _PATIENCE
            for future in self._futures.values():
                with contextlib.suppress(TimeoutError):
                    future.exception(timeout=max(0.1, until - time.monotonic()))
        with contextlib.suppress(Exception):
            self._inbox.put(None)
            self._reader.join(_PATIENCE)
            self._client.cancel(list(self._futures.values()), force=True)
            self._client.run(_leave, self._study, on_error="ignore")
        self._futures = {}
        with contextlib.suppress(Exception):
            self._inbox.close()
        self._contents = self._data = None
        self._client.close()
        self._close_cluster()

    def _close_cluster(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _connect(self, address: str | None, jobs: int | None) -> None:
        if address is None and self._resources:
            raise EngineError(
                "--gpus-per-trial on Dask needs a cluster whose workers declare their GPUs "
                "(dask worker --resources GPU=1): name it with --address"
            )
        try:
            if address is None:
                import dask

                from hpmagic.engines.processes import cores

                workers = jobs or max(1, int(cores() / self._cpus))
                self._folder = tempfile.TemporaryDirectory(
                    prefix="hpmagic-dask-", ignore_cleanup_errors=True
                )
                with dask.config.set({"temporary-directory": self._folder.name}):
                    self._cluster = self._distributed.LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        dashboard_address="127.0.0.1:0",
                        local_directory=self._folder.name,
                        worker_class=_nanny(self._distributed),
                    )
            self._client = self._distributed.Client(self._cluster or address, set_as_default=False)
        except Exception as error:
            self._close_cluster()
            where = f"at {address}" if address else "on this machine"
            raise EngineError(f"no Dask cluster can be had {where}: {error}") from error

    def _read(self) -> None:
        """Pass on what hosts say; on a thread of its own."""
        while True:
            try:
                first = self._inbox.get()
                rest = self._inbox.get(batch=True)
            except Exception as error:  # noqa: BLE001 - the loop is to hear of it
                if not self._closed.is_set():
                    self._events.put(error)
                return
            for letter in (first, *rest):
                if letter is None:
                    return
                mail = Mail(*letter)
                if not self._closed.is_set():
                    self._events.put(mail)
                elif mail.data[:1] != TELLS:
                    self.reply(mail, STOP)

    def _unread(self) -> list[Mail]:
        """Questions that came when the study was over."""
        events: list[Mail | Lost | Exception] = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return [e for e in events if isinstance(e, Mail) and e.data[:1] != TELLS]

    def _done(self, ticket: int, future: Any, left: int) -> None:
        """A task is over; one that failed is a trial lost. Called on a thread of Dask's."""
        if future.status == "finished" or self._closed.is_set():
            return
        error: object = "its data was lost, too"
        if future.status == "error":
            error = future.exception()
        elif left:  # the last worker that held the data is gone
            try:
                self._send(ticket, left - 1)
            except Exception as failed:  # noqa: BLE001 - the loop is to hear of it
                error = failed
            else:
                return
        self._events.put(Lost(ticket, f"it was lost with its worker: {error}"))


def _nanny(distributed: Any) -> Any:
    """What starts a local cluster's workers, and starts them again when they die."""

    class Nanny(distributed.Nanny):  # type: ignore[misc]
        async def instantiate(self) -> Any:
            with _apart:
                return await super().instantiate()

    return Nanny


class _Apart:
    """Within, processes that start have nothing to do with the person's script and terminal.

    By themselves, those of multiprocessing run the file that ``__main__`` was read from once more,
    and those of a terminal die of the interrupt that is meant for the study.
    """

    def __init__(self) -> None:
        self._within = 0
        self._hidden: dict[str, Any] = {}
        self._mask: set[Any] = set()

    def __enter__(self) -> None:
        self._within += 1
        resource_tracker.ensure_running()  # it would let the interrupt through
        main = vars(sys.modules["__main__"])
        for name in ("__file__", "__spec__"):
            if main.get(name) is not None:
                self._hidden[name], main[name] = main[name], None
        if _MASKS:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            self._mask = mask if self._within == 1 else self._mask

    def __exit__(self, *_: object) -> None:
        self._within -= 1
        if not self._within:
            if _MASKS:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            vars(sys.modules["__main__"]).update(self._hidden)
            self._hidden = {}


_MASKS: Final = hasattr(signal, "pthread_sigmask")  # not on Windows
_apart = _Apart()
"""Entered on the thread of the cluster's loop only, there by several nannies at a time."""


def _library() -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingExtra(
            "--engine dask needs Dask: install it with `pip install 'hpmagic[dask]'`"
        ) from None
    return distributed
