"""What must not be lost, on disk before anything else happens: one append-only file a study."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from hpmagic.errors import HpmagicError
from hpmagic.tracking.frames import HEAD, Damage, Record, read_frames
from hpmagic.tracking.locks import forget_in_children, try_lock

__all__ = ["Spool", "SpoolBusy", "SpoolReader", "waiting"]

SUFFIX: Final = ".spool"
ROOM: Final = 64 * 1024
"""Bytes by which the file grows at a time: zeros, which records then overwrite. To change bytes in
place costs the disk less than to make a file longer, and waits for no other file's changes."""
_sync = getattr(os, "fdatasync", os.fsync)


class SpoolBusy(HpmagicError):
    """Another process, or another study of this one, holds the spool."""


class Spool:
    """A file of records, held by one owner at a time.

    One thread appends, one other may read. When the disk takes no more, records are kept in memory
    and `failure` says why: nothing is lost as long as the process lives.
    """

    def __init__(self, path: Path, descriptor: int, end: int, *, mine: bool) -> None:
        self.path = path
        self.mine = mine
        """Whether this process wrote all of it."""
        self._size = end
        self.end = end
        """The offset behind the last whole record on disk."""
        self.failure: OSError | None = None
        self.in_memory: list[bytes] = []
        """Frames that the disk did not take, in order, behind those on disk."""
        self._descriptor: int | None = descriptor
        forget_in_children(self)

    @classmethod
    def create(cls, directory: Path, name: str) -> Self:
        """A new spool.

        Raises:
            OSError: it cannot be made.
        """
        path = directory / f"{name}{SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            _claim(descriptor, path)
            os.lseek(descriptor, 0, os.SEEK_SET)
            _write_all(descriptor, HEAD)
        except BaseException:
            os.close(descriptor)
            raise
        _sync_directory(directory)
        return cls(path, descriptor, len(HEAD), mine=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """A spool that another process left.

        Raises:
            SpoolBusy: its owner is alive, or somebody else is delivering it.
            OSError: it cannot be read.
        """
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            _claim(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, os.fstat(descriptor).st_size, mine=False)

    def append(self, frame: bytes, *, durable: bool = False) -> None:
        """Add one frame (see `encode`); when ``durable``, return once it is on the medium."""
        if self._descriptor is None:
            raise ValueError("the spool is closed")
        if self.failure is None:
            try:
                self._put(self._descriptor, frame)
                if durable:
                    _sync(self._descriptor)
            except OSError as error:
                self.failure = error
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self.end)
            else:
                self.end += len(frame)
                return
        self.in_memory.append(frame)

    def _put(self, descriptor: int, frame: bytes) -> None:
        os.lseek(descriptor, self.end, os.SEEK_SET)
        if self.end + len(frame) > self._size:
            self._size = self.end + len(frame) + ROOM
            frame += bytes(ROOM)
        _write_all(descriptor, frame)

    def reader(self) -> SpoolReader:
        """Reads from the first record on, as far as it has come."""
        return SpoolReader(self)

    def set_aside(self, damage: Sequence[Damage]) -> Path:
        """Keep bytes that are no record in a file of their own, for whoever wants to look."""
        aside = self.path.with_suffix(".damaged")
        with self.path.open("rb") as source, aside.open("wb") as target:
            for stretch in damage:
                source.seek(stretch.start)
                target.write(source.read(stretch.end - stretch.start).rstrip(b"\0"))
        return aside

    def retire(self, suffix: str) -> Path:
        """Let go of the file and rename it, so that it is never delivered again."""
        retired = self.path.with_suffix(suffix)
        self.close()
        self.path.replace(retired)
        return retired

    def close(self) -> None:
        """Let go of the file, cut to what it holds."""
        if self._descriptor is not None:
            if self._size > self.end:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self.end)
            self.forget()

    def remove(self) -> None:
        """Let go of the file, which has done its duty, and delete it."""
        if os.name == "nt":  # where an open file cannot be deleted
            self.close()
        self.path.unlink(missing_ok=True)
        self.close()

    def forget(self) -> None:
        """Let go of the file as it is; in a forked child too, since the parent owns it."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


class SpoolReader:
    """Reads a spool's records in order; goes on where it stopped when there are more."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._at = 0
        self._taken = 0
        self._file: io.FileIO | None = None
        self.damage: list[Damage] = []
        """The stretches that held no whole record."""

    def __iter__(self) -> Iterator[Record]:
        """The records that are there and have not been read.

        Raises:
            OSError: a spool of this process does not hold what was written to it.
        """
        if self._file is None:
            # Unbuffered: the room behind the records is overwritten while it is read.
            self._file = self._spool.path.open("rb", buffering=0)
            self._at = len(HEAD) if self._file.read(len(HEAD)) == HEAD else 0
        while self._at < (end := self._spool.end):
            for found in read_frames(self._file, self._at, end):
                self._at = found.end
                if isinstance(found, Record):
                    yield found
                elif self._spool.mine:
                    raise OSError(f"{self._spool.path} cannot be read back at byte {found.start}")
                elif any(self._bytes(found)):
                    self.damage.append(found)
        while self._taken < len(self._spool.in_memory):
            frame = self._spool.in_memory[self._taken]
            self._taken += 1
            for found in read_frames(io.BytesIO(frame), 0, len(frame)):
                if isinstance(found, Record):
                    yield found

    def _bytes(self, damage: Damage) -> bytes:
        """Zeros are room that no record has taken."""
        assert self._file is not None
        self._file.seek(damage.start)
        return self._file.read(damage.end - damage.start)

    @property
    def behind(self) -> bool:
        """Whether there is something to read."""
        return self._at < self._spool.end or self._taken < len(self._spool.in_memory)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def waiting(directory: Path) -> list[Path]:
    """The spools in a directory, oldest first."""
    found: list[tuple[float, Path]] = []
    for path in directory.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]


def _claim(descriptor: int, path: Path) -> None:
    if not try_lock(descriptor):
        raise SpoolBusy(f"{path} is in use")
    # Its owner may have finished and removed it in the meantime.
    if os.fstat(descriptor).st_nlink == 0:
        raise FileNotFoundError(f"{path} has been delivered")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    """So that the new file's name survives a power cut, where directories can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
