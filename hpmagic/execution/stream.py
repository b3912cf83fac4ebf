"""A stream that keeps the beginning and the end of what is written to it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TextIO

__all__ = ["LIMIT", "BoundedText", "CapturedStream"]

LIMIT = 262_144
"""Characters kept of each stream of a trial."""


class BoundedText:
    """Text up to ``limit`` characters: the first half of them and the last.

    >>> kept = BoundedText(limit=8)
    >>> kept.add("0123456789abcdef")
    >>> print(kept)
    0123
    ... [8 characters left out] ...
    cdef
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._half = limit // 2
        self._head: list[str] = []
        self._tail: list[str] = []
        self._room = self._half
        self._tail_size = 0
        self._dropped = 0

    def add(self, text: str) -> None:
        if self._room:
            self._head.append(text[: self._room])
            text, self._room = text[self._room :], max(0, self._room - len(text))
        if text:
            self._tail.append(text)
            self._tail_size += len(text)
            if self._tail_size > 2 * self._half:
                self._trim()

    def _trim(self) -> None:
        tail = "".join(self._tail)
        kept = tail[len(tail) - self._half :] if len(tail) > self._half else tail
        self._dropped += len(tail) - len(kept)
        self._tail, self._tail_size = [kept], len(kept)

    def __str__(self) -> str:
        self._trim()
        head, tail = "".join(self._head), "".join(self._tail)
        if not self._dropped:
            return head + tail
        return f"{head}\n... [{self._dropped:,} characters left out] ...\n{tail}"


class CapturedStream(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr`` while trials run.

    There is one for all trials of a study, since a logging handler made in one trial may be used in
    the next. Between trials it writes to ``fallback()``. Closing it does nothing.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, fallback: Callable[[], TextIO]) -> None:
        self.kept: BoundedText | None = None
        self._fallback = fallback

    @property
    def buffer(self) -> _Bytes:
        """Takes bytes, as ``sys.stdout.buffer`` does."""
        return _Bytes(self)

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.kept is not None:
            self.kept.add(text)
        else:
            self._fallback().write(text)
        return len(text)

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None


class _Bytes(io.RawIOBase):
    def __init__(self, stream: CapturedStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)
