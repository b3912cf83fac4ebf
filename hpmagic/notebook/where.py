"""Which notebook or script this is, as far as anybody knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["source_name"]


def source_name(namespace: Mapping[str, Any]) -> str:
    """The path of the notebook or script; empty when nobody knows.

    VS Code puts it into the namespace, Jupyter into the environment, Python into ``__file__``.
    """
    for found in (
        namespace.get("__vsc_ipynb_file__"),
        os.environ.get("JPY_SESSION_NAME"),
        namespace.get("__file__"),
    ):
        if isinstance(found, str) and found and Path(found).suffix in (".ipynb", ".py"):
            return found
    return ""
