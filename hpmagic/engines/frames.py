"""Messages of any length over a pipe: eight bytes of length, then the message."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

__all__ = ["receive", "send"]

_LENGTH: Final = struct.Struct("!Q")


def send(pipe: BinaryIO, data: bytes) -> None:
    """Write one message.

    Raises:
        OSError: the other side is gone.
    """
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> bytes | None:
    """Read one message; None when there are no more.

    >>> import io
    >>> pipe = io.BytesIO()
    >>> send(pipe, b"a message")
    >>> _ = pipe.seek(0)
    >>> receive(pipe), receive(pipe)
    (b'a message', None)
    """
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    return data if len(data) == length else None
