"""The kernel's hold on one worker process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from hpmagic.engines import frames
from hpmagic.engines.messages import Died
from hpmagic.engines.parcel import Parcel
from hpmagic.errors import EngineError

__all__ = ["Child", "Letter", "description", "environment"]

_BOOT: Final = (
    "import signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "sys.path[:] = {path!r}\n"
    "from hpmagic.engines.worker import main\n"
    "main({descriptor})\n"
)
_LAST_WORDS: Final = 4000
_PATIENCE: Final = 2.0
"""Seconds a worker has to end by itself once it is told to."""

_THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of a child, still pickled; or the news that it has died."""

    child: Child
    data: bytes | None
    died: Died | None = None


def environment(threads: int) -> dict[str, str]:
    """The environment of this process with native thread pools limited to ``threads`` each.

    A limit that the person has set lower stays.
    """
    env = dict(os.environ)
    for name in _THREADS:
        theirs = env.get(name, "")
        env[name] = str(min(threads, int(theirs)) if theirs.isdigit() and int(theirs) else threads)
    env.setdefault("MPLBACKEND", "agg")
    if "inline" in env["MPLBACKEND"]:
        env["MPLBACKEND"] = "agg"
    return env


class Child:
    """A worker process. It begins to read the parcel at once; ``ready`` once it has said so.

    Args:
        parcel: what it works with.
        env: its environment.
        deliver: takes its letters; called on a thread of this object's own.

    Raises:
        EngineError: it cannot be started.
    """

    def __init__(
        self, parcel: Parcel, env: Mapping[str, str], deliver: Callable[[Letter], object]
    ) -> None:
        self.ready = False
        self._log = tempfile.TemporaryFile(prefix="hpmagic-")  # noqa: SIM115 - closed with the child
        boot = _BOOT.format(
            path=[entry or os.getcwd() for entry in sys.path],  # noqa: PTH109
            descriptor=parcel.buffers.descriptor,
        )
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        # An interrupt that comes before the worker can ignore it waits until then.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *flags, "-c", boot],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=env,
                pass_fds=(parcel.buffers.descriptor,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._log.close()
            raise EngineError(f"a worker process could not be started: {error}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._reader = threading.Thread(target=self._read, args=(deliver,), daemon=True)
        self._reader.start()
        self._waiter = threading.Thread(target=self._wait, args=(deliver,), daemon=True)
        self._waiter.start()
        self.send(parcel.contents)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, data: bytes) -> None:
        """Send a message; one to a worker that has died is lost, and a `Letter` says so."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            frames.send(cast("BinaryIO", self._process.stdin), data)

    def kill(self) -> None:
        """End the process and whatever it has started, now."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Tell the process that there is no more; see `close`."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()

    def close(self, until: float) -> None:
        """Wait for the end until `time.monotonic` is ``until``, then kill; leave nothing."""
        try:
            self.hang_up()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
        finally:
            self.kill()
            self._process.wait()
            self._waiter.join()
            self._log.close()

    def _read(self, deliver: Callable[[Letter], object]) -> None:
        pipe = cast("BinaryIO", self._process.stdout)
        while (data := frames.receive(pipe)) is not None:
            deliver(Letter(self, data))
        pipe.close()

    def _wait(self, deliver: Callable[[Letter], object]) -> None:
        """Tell of the process's end, also where what it has started holds its pipe open."""
        status = self._process.wait()
        self.kill()
        self._reader.join(_PATIENCE)
        deliver(Letter(self, None, Died(status, self._last_words())))

    def _last_words(self) -> str:
        try:
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - _LAST_WORDS))
            return self._log.read().decode("utf-8", "replace").strip()
        except (OSError, ValueError):
            return ""


def description(died: Died) -> str:
    """How a worker ended, in words.

    >>> description(Died(-9, ""))
    'was killed by SIGKILL, perhaps for want of memory'
    >>> description(Died(3, ""))
    'ended by itself with exit status 3'
    """
    if died.status is None:
        return "is gone"
    if died.status >= 0:
        return f"ended by itself with exit status {died.status}"
    try:
        name = signal.Signals(-died.status).name
    except ValueError:
        name = f"signal {-died.status}"
    memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"
