"""Records as bytes: framed, checksummed, found again behind damage.

A frame is a mark, the length and the CRC-32 of its body, and the body. A body is a JSON head with
the record's kind and data, followed by blobs of bytes. Nothing is evaluated or unpickled.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

__all__ = ["HEAD", "Damage", "Record", "encode", "read_frames"]

HEAD: Final = b"hpmagic spool 1\n"
"""What a file of frames begins with."""

_MARK: Final = b"\xabhp\n"
_FRAME: Final = struct.Struct("<4sII")
_SIZE: Final = struct.Struct("<I")
_MOST: Final = 2**30
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Record:
    """What was written at once. ``end`` is the offset of the byte behind it."""

    kind: str
    data: Mapping[str, Any]
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    end: int = 0


@dataclass(frozen=True)
class Damage:
    """A stretch of bytes that holds no whole record."""

    start: int
    end: int


def encode(kind: str, data: Mapping[str, Any], blobs: Mapping[str, bytes] | None = None) -> bytes:
    """One frame.

    >>> frame = encode("trial", {"number": 3}, {"stdout": b"hello"})
    >>> frame[:4] == _MARK
    True
    """
    blobs = blobs or {}
    sizes = [[name, len(blob)] for name, blob in blobs.items()]
    head = _json.encode([kind, data, sizes]).encode()
    body = b"".join((_SIZE.pack(len(head)), head, *blobs.values()))
    if len(body) >= _MOST:
        raise ValueError(f"a record must be below 1 GiB, but got {len(body):,} bytes")
    return _FRAME.pack(_MARK, len(body), zlib.crc32(body)) + body


def _plain(value: Any) -> Any:
    """Numbers of numpy and its like as Python's own."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


_json: Final = json.JSONEncoder(separators=(",", ":"), default=_plain)


def read_frames(file: BinaryIO, start: int, end: int) -> Iterator[Record | Damage]:
    """The records between two offsets, and the stretches between them that hold none.

    ``start`` is where a frame should begin. Whatever stands there, every whole record is found.
    """
    at = start
    while at < end:
        body = _body_at(file, at, end)
        record = None if body is None else _record(body, at + _FRAME.size + len(body))
        if record is not None:
            yield record
            at = record.end
            continue
        found = _next_frame(file, at + 1, end)
        yield Damage(at, found)
        at = found


def _body_at(file: BinaryIO, at: int, end: int) -> bytes | None:
    file.seek(at)
    head = file.read(min(_FRAME.size, end - at))
    if len(head) < _FRAME.size:
        return None
    mark, length, checksum = _FRAME.unpack(head)
    if mark != _MARK or at + _FRAME.size + length > end:
        return None
    body = file.read(length)
    return body if len(body) == length and zlib.crc32(body) == checksum else None


def _record(body: bytes, end: int) -> Record | None:
    try:
        (length,) = _SIZE.unpack_from(body)
        kind, data, sizes = json.loads(body[_SIZE.size : _SIZE.size + length])
        at, blobs = _SIZE.size + length, {}
        for name, size in sizes:
            blobs[str(name)] = body[at : at + size]
            at += size
    except (ValueError, TypeError, struct.error, RecursionError):
        return None
    if not isinstance(kind, str) or not isinstance(data, dict):
        return None
    return Record(kind, data, blobs, end)


def _next_frame(file: BinaryIO, at: int, end: int) -> int:
    """Where the next whole frame begins at or behind ``at``; ``end`` when there is none."""
    for place in _marks(file, at, end):
        if _body_at(file, place, end) is not None:
            return place
    return end


def _marks(file: BinaryIO, at: int, end: int) -> Iterator[int]:
    while at < end:
        file.seek(at)
        chunk = file.read(min(_CHUNK, end - at))
        found = chunk.find(_MARK)
        while found >= 0:
            yield at + found
            found = chunk.find(_MARK, found + 1)
        if len(chunk) < len(_MARK) or at + len(chunk) >= end:
            return
        at += len(chunk) - len(_MARK) + 1
