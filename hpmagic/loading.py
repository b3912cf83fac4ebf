"""Libraries imported without a word."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["load_optuna"]


def load_optuna() -> Any:
    """Optuna; its progress bars, never used here, warn where ipywidgets is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna
    return optuna
