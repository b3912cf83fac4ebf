"""What code does to the world outside, as Python's audit events tell."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["Effects", "FileState", "file_state", "watching"]

FileState = tuple[int, int, int] | None
"""Time of the last change in nanoseconds, size in bytes, inode; None for one that is not there."""

_ACTS: Final = {
    "os.remove": "removes files",
    "os.rename": "renames files",
    "os.mkdir": "makes folders",
    "os.rmdir": "removes folders",
    "os.link": "links files",
    "os.symlink": "links files",
    "os.truncate": "writes files",
    "os.chmod": "changes files",
    "os.chown": "changes files",
    "os.utime": "changes files",
    "shutil.rmtree": "removes folders",
    "shutil.move": "moves files",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.kill": "signals a process",
    "socket.connect": "opens a connection",
    "socket.bind": "opens a connection",
    "socket.sendto": "opens a connection",
    "urllib.Request": "opens a connection",
    "signal.pthread_kill": "signals a thread",
    "_thread.start_new_thread": "starts a thread",
}
_DEVICE: Final = re.compile(r"/(dev/(?!shm/)|proc/|sys/)")
"""Files that are none; those in shared memory are."""


@dataclass
class Effects:
    """What was seen: ``acts`` in words, ``reads`` the files read with their state then."""

    acts: list[str] = field(default_factory=list)
    reads: dict[str, FileState] = field(default_factory=dict)
    threads: int = 0

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._opened(*arguments[:3])
        elif event == "sqlite3.connect":
            if arguments and arguments[0] not in (":memory:", ""):
                self.acts.append("opens a database")
        elif event == "_thread.start_new_thread":
            self.threads += 1
        elif _ACTS.get(event) and not _bytecode(arguments):
            self.acts.append(_ACTS[event])

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        name = os.fsdecode(path)
        if "__pycache__" in name or _DEVICE.match(name):
            return
        writes = any(c in mode for c in "wax+") if isinstance(mode, str) else False
        if isinstance(flags, int):
            writes = writes or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        if writes:
            self.acts.append("writes files")
        elif not name.endswith((".py", ".pyc", ".so")):
            full = str(Path(name).absolute())
            self.reads.setdefault(full, file_state(full))


def _bytecode(arguments: tuple[Any, ...]) -> bool:
    """Whether it is Python that keeps the compiled form of a module."""
    path = arguments[0] if arguments else None
    return isinstance(path, str | bytes) and "__pycache__" in os.fsdecode(path)


def file_state(path: str) -> FileState:
    """What tells one version of a file from another."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a plain text is quicker
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def watching() -> Iterator[Effects]:
    """See what happens within, on any thread of this process but those that were there before.

    Other threads belong to the study and to the kernel: what they write is not the cell's doing.
    """
    global _watch  # noqa: PLW0603 - audit hooks belong to the process
    _install()
    outer, effects = _watch, Effects()
    others = frozenset(sys._current_frames()) - {threading.get_ident()}
    _watch = (effects, others)
    try:
        yield effects
    finally:
        _watch = outer


_watch: tuple[Effects, frozenset[int]] | None = None
_installed = False


def _install() -> None:
    global _installed  # noqa: PLW0603 - as above; a hook cannot be taken out again
    if not _installed:
        _installed = True
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch
    if watch is None or (event not in _ACTS and event not in ("open", "sqlite3.connect")):
        return
    effects, others = watch
    if threading.get_ident() not in others:
        effects.note(event, arguments)
