"""Who ran a study, from which file, at which commit: what a careful person tells MLflow."""

from __future__ import annotations

import contextlib
import getpass
import subprocess
from pathlib import Path

from hpmagic.tracking.schema import MlflowTag

__all__ = ["git_tags", "person_tags"]


def person_tags(source_name: str) -> dict[str, str]:
    """The user, and the notebook or script as far as it is known."""
    tags = {
        MlflowTag.SOURCE_NAME: source_name or "<console>",
        MlflowTag.SOURCE_TYPE: "NOTEBOOK" if source_name.endswith(".ipynb") else "LOCAL",
    }
    with contextlib.suppress(OSError, KeyError, ImportError):
        tags[MlflowTag.USER] = getpass.getuser()
    return tags


def git_tags(source_name: str) -> dict[str, str]:
    """The commit that is checked out where the source is, if that is a repository."""
    folder = Path(source_name or ".").absolute()
    folder = folder if folder.is_dir() else folder.parent
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return {}
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the person uses
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=3,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    commit = answer.stdout.decode("ascii", "replace").strip()
    return {MlflowTag.COMMIT: commit} if answer.returncode == 0 and commit else {}
