"""Which hyperparameters shape the model, and which its training: a small rule by name.

``kind="model"`` or ``kind="training"`` in the annotation overrules it.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["kind_of"]

_TRAINING: Final = frozenset(
    {"lr", "learning", "eta", "epoch", "epochs", "batch", "dropout", "patience", "momentum"}
    | {"schedule", "scheduler", "optimizer", "optimiser", "solver", "iter", "iterations"}
    | {"warmup", "tol", "subsample", "steps"}
)
_MODEL: Final = frozenset(
    {"hidden", "units", "layer", "layers", "width", "depth", "leaf", "leaves", "estimators"}
    | {"alpha", "c", "gamma", "kernel", "degree", "init", "initialisation", "initialization"}
    | {"l1", "l2", "decay", "reg", "regularisation", "regularization", "penalty", "activation"}
    | {"neighbors", "clusters", "components", "heads"}
)


def kind_of(name: str) -> str | None:
    """Say "training", "model", or None where the words of the name say neither.

    The words are those between dots, underscores and changes to upper case, after the last dot. A
    word of training wins over one of the model.

    >>> kind_of("SVC.C"), kind_of("hidden_layers"), kind_of("learning_rate_init"), kind_of("x")
    ('model', 'model', 'training', None)
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.rpartition(".")[2])
    words = set(re.split(r"\W|_", spaced.lower()))
    if words & _TRAINING:
        return "training"
    return "model" if words & _MODEL else None
