"""Where hpmagic keeps its own files on this machine."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

__all__ = ["home", "spool_directory"]


def home() -> Path:
    """``HPMAGIC_HOME``, or the place for a program's data that the platform prescribes."""
    if given := os.environ.get("HPMAGIC_HOME"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "hpmagic"


def spool_directory() -> Path:
    """The directory of the spools, made if need be, for the person's eyes only.

    Where `home` cannot be written to (a container without a home, a full quota) it is a directory
    of the person's own among the temporary files.

    Raises:
        OSError: neither can be made.
    """
    try:
        return _private(home() / "spool")
    except OSError:
        owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
        return _private(Path(tempfile.gettempdir()) / f"hpmagic-{owner}" / "spool")


def _private(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.mkdir(exist_ok=True, mode=0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written to")
    if hasattr(os, "getuid"):
        owners = {path.stat().st_uid, path.parent.stat().st_uid}
        if owners - {os.getuid(), 0}:
            raise PermissionError(f"{path} belongs to somebody else")
    return path
