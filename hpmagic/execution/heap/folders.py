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
    """Where modules are the person's: in ``work``, its project, and what they put on `sys.path`."""
    chosen = {path.resolve() for path in work}
    chosen |= {project for path in chosen if (project := _project(path)) is not None}
    chosen |= {Path(entry).resolve() for entry in {*sys.path} - _given() if _may_be_own(entry)}
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
    path = os.path.abspath(entry)  # noqa: PTH100 - most are a library's, and soon dismissed
    if not entry or f"{path}{os.sep}".startswith(library_folders()) or installed(path):
        return False
    return Path(path).is_dir()


@cache
def _given() -> frozenset[str]:
    """Entries of `sys.path` that are there from the start: the environment's and packages' own."""
    given = {*os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    for folder in library_folders():
        for file in Path(folder).glob("*.pth"):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            given |= {line.strip() for line in lines if not line.startswith("import")}
    return frozenset(given)
