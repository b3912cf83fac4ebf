"""Libraries imported without a word."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

__all__ = ["load_optuna", "load_progress_bars"]


def load_progress_bars() -> None:
    """The progress bars of MLflow and Optuna, never used here, warn where ipywidgets is missing.

    To be called before a thread imports them: warnings are turned off for the whole process.
    """
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore")
        import tqdm.auto  # noqa: F401


def load_optuna() -> Any:
    """Optuna."""
    load_progress_bars()
    import optuna

    return optuna
