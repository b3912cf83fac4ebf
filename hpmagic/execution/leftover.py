"""Threads that an earlier trial has left running."""

from __future__ import annotations

import sys
import threading
from types import FrameType

__all__ = ["threads_within"]


def threads_within(filename: str) -> frozenset[threading.Thread]:
    """The other threads that are in the midst of code from this file.

    Not all that an earlier trial began: an idle thread of a library's pool may work for the next.
    """
    stacks = sys._current_frames()
    del stacks[threading.get_ident()]
    within = {ident for ident, frame in stacks.items() if _is_within(frame, filename)}
    return frozenset(t for t in threading.enumerate() if t.ident in within) if within else _NONE


_NONE: frozenset[threading.Thread] = frozenset()


def _is_within(frame: FrameType | None, filename: str) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == filename:
            return True
        frame = frame.f_back
    return False
