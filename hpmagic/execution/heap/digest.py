"""Fingerprints of memory: equal when the bytes are equal."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from xxhash import xxh3_128, xxh3_128_digest

__all__ = ["array_digest", "object_digest"]


def array_digest(array: np.ndarray[Any, Any]) -> bytes:
    """The 128-bit fingerprint of the elements of an array without objects, in memory order."""
    flat = array.ravel(order="K")
    if not flat.flags.c_contiguous:
        flat = np.ascontiguousarray(flat)
    return xxh3_128_digest(flat.view(np.uint8).data) if flat.size else b""


def object_digest(thing: object) -> bytes:
    """The fingerprint of what pickling the object gives; its buffers are not copied.

    Raises:
        Exception: the object cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    pickle.Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(thing)
    digest = xxh3_128(stream.getbuffer())
    for buffer in buffers:
        digest.update(buffer.raw())
    return digest.digest()
