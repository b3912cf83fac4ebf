"""Where the person's own modules lie."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["installed", "library_folders", "own_folders"]

_PACKAGES: Final = frozenset({"site-packages", "dist-packages"})
_MARKS: Final = (".git", "pyproject.toml", "setup.py")


def own_folders(work: Iterable[Path]) -> tuple[str, ...]:
    """Where modules are the person's: in ``work``, its project, and where they lead `sys.path` to.

    Entries such as ``../src`` are theirs; absolute ones may be an editor's, or the platform's.
    """
    chosen = {path.resolve() for path in work}
    chosen |= {project for path in chosen if (project := _project(path)) is not None}
    chosen |= {Path(entry).resolve() for entry in sys.path if _may_be_own(entry)}
    return tuple(f"{path}{os.sep}" for path in chosen)


def installed(path: str) -> bool:
    """Whether a path below a folder leads through installed packages or hidden folders."""
    parts = Path(path).parts
    return not _PACKAGES.isdisjoint(parts) or any(part[:1] == "." for part in parts)


@cache
def library_folders() -> tuple[str, ...]:
    """Where Python and its packages are installed."""
    paths = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {*site.getsitepackages(), site.getusersitepackages()}
    found = [Path(path) for path in paths if path]
    return tuple({f"{form}{os.sep}" for path in found for form in (path, path.resolve())})


def _project(folder: Path) -> Path | None:
    """What a folder is part of: an editable install has its modules beside the notebooks."""
    home = Path.home()
    for place in (folder, *folder.parents):
        if place == home or place in home.parents:
            break
        if any((place / mark).exists() for mark in _MARKS):
            return place
    return None


def _may_be_own(entry: str) -> bool:
    if not entry or Path(entry).is_absolute():
        return False
    path = Path(entry).resolve()
    return path.is_dir() and not f"{path}{os.sep}".startswith(library_folders())
