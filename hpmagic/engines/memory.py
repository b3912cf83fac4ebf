"""One copy of the data for all workers of a machine.

Arrays are pickled with their buffers out of band (PEP 574). The buffers stand in one file without a
name that all workers map privately: they share its pages until one writes to them, and what one
writes the others do not see.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hpmagic.execution.heap.kind import Original

__all__ = ["SMALLEST", "Buffers", "Span"]

SMALLEST: Final = 4096
"""Buffers of fewer bytes travel with the pickle."""
_ALIGNMENT: Final = 4096

Span = tuple[int, int, bool]
"""Where a buffer stands: offset and length in bytes, and whether it is read-only."""


@dataclass(frozen=True)
class Buffers:
    """Buffers in a file that is gone when the last process closes it. ``size`` is in bytes."""

    descriptor: int
    size: int
    spans: tuple[Span, ...]

    @classmethod
    def write(cls, buffers: Sequence[pickle.PickleBuffer]) -> Buffers:
        """Copy buffers into a new file in memory, or on disk where there is no such thing.

        Raises:
            OSError: there is no room.
        """
        descriptor = _nameless_file()
        spans: list[Span] = []
        end = 0
        try:
            for buffer in buffers:
                with buffer.raw() as raw:
                    spans.append((end, raw.nbytes, raw.readonly))
                    _write_all(descriptor, raw, end)
                    end += -(-raw.nbytes // _ALIGNMENT) * _ALIGNMENT
            os.ftruncate(descriptor, end)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, end, tuple(spans))

    def contents(self) -> memoryview:
        """The whole file, to be sent to another machine."""
        if not self.size:
            return memoryview(b"")
        return memoryview(mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ))

    @classmethod
    def of(cls, contents: memoryview) -> Buffers:
        """A file with the `contents` of another; where buffers stand in it, others know."""
        descriptor = _nameless_file()
        _write_all(descriptor, contents, 0)
        return cls(descriptor, contents.nbytes, ())

    def map(self) -> tuple[list[memoryview], Original | None]:
        """The buffers; those that may be written to are this process's own once they are.

        With them, the same memory as it stays whatever is written to them.
        """
        if not self.size:
            return [], None
        shared = self._mapping(mmap.ACCESS_COPY)
        views = [shared[offset : offset + length] for offset, length, _ in self.spans]
        address = ctypes.addressof(ctypes.c_char.from_buffer(shared))
        original = Original(address, self._mapping(mmap.ACCESS_READ))
        return [
            view.toreadonly() if readonly else view
            for view, (_, _, readonly) in zip(views, self.spans, strict=True)
        ], original

    def _mapping(self, access: int) -> memoryview:
        return memoryview(mmap.mmap(self.descriptor, self.size, access=access))

    def close(self) -> None:
        """Close this process's hold on the file."""
        os.close(self.descriptor)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("hpmagic")
    with tempfile.TemporaryFile(prefix="hpmagic-") as file:
        return os.dup(file.fileno())


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    done = 0
    while done < data.nbytes:
        done += os.pwrite(descriptor, data[done : done + (1 << 30)], offset + done)
