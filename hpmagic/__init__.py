"""hpmagic: tune the numbers in a notebook cell, and remember every trial in MLflow.

In a notebook::

    %load_ext hpmagic

    %%tune bayes --trials 40
    C = 1.0  # tune: loguniform(1e-3, 1e3)
    accuracy = SVC(C=C).fit(X_train, y_train).score(X_val, y_val)  # tune: maximize

From Python: `tune`, `load`, `studies`. In a shell: ``hpmagic run FILE``. For a framework whose
``fit`` owns its loop: `callback`. For a cell that draws random numbers: `seed`, another one in each
repeat of ``--repeats K``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpmagic.api import tune as tune
    from hpmagic.callbacks import callback as callback
    from hpmagic.results import Study as Study
    from hpmagic.results import load as load
    from hpmagic.results import studies as studies

    seed: int
    """The seed of the repeat that runs now (``--repeats``); 0 wherever nothing is repeated."""

__all__ = [
    "Study",
    "__version__",
    "callback",
    "load",
    "load_ipython_extension",
    "seed",
    "studies",
    "tune",
]

__version__ = "0.1.0"

_HOMES = {
    "Study": "hpmagic.results",
    "callback": "hpmagic.callbacks",
    "load": "hpmagic.results",
    "studies": "hpmagic.results",
    "tune": "hpmagic.api",
}


def __getattr__(name: str) -> Any:
    """Public names load when first used: the import of hpmagic itself stays light."""
    if name == "seed":
        from hpmagic.execution.seeds import current_seed

        return current_seed()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hpmagic' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext hpmagic``: registers ``%%tune``, ``%tune`` and the comment form."""
    from hpmagic.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext hpmagic``: takes back what `load_ipython_extension` did."""
    from hpmagic.notebook.extension import unload

    unload(shell)
