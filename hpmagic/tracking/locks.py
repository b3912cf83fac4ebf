"""Exclusive locks on open files, which end with the process that holds them."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

__all__ = ["forget_in_children", "try_lock"]

_FAR = 1 << 40
"""Where Windows, whose locks keep others from reading, puts its lock: behind everything."""


def try_lock(descriptor: int) -> bool:
    """Lock an open file, if nobody else has; never waits."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_open: weakref.WeakSet[Any] = weakref.WeakSet()


def forget_in_children(holder: Any) -> None:
    """Call ``holder.forget()`` in forked children, whose copy of a descriptor keeps a lock."""
    _open.add(holder)


def _forget_all() -> None:
    for holder in list(_open):
        holder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
