"""What training has found: the learned parameters among a cell's variables, counted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

__all__ = ["learned_parameters"]

# Fitted attributes of scikit-learn that a prediction or a transformation computes with. What is
# left out describes the fit (``loss_curve_``, ``n_iter_``) or the data (``classes_``).
_FITTED: Final = (
    *("coef_", "intercept_", "coefs_", "intercepts_", "dual_coef_", "support_vectors_"),
    *("cluster_centers_", "components_", "mean_", "scale_", "center_", "min_", "statistics_"),
    *("theta_", "var_", "class_prior_", "class_log_prior_", "feature_log_prob_"),
    *("weights_", "means_", "covariances_", "idf_"),
)
_PARTS: Final = ("steps", "transformers_", "estimators_", "best_estimator_", "estimator_")


def learned_parameters(variables: Mapping[str, Any]) -> dict[str, int]:
    """How many numbers training found, by variable and attribute.

    Counted are fitted scikit-learn estimators, those inside of others too (of a tree: its nodes),
    and the ``parameters()`` of PyTorch modules that require gradients, by their last name
    (``weight``, ``bias``). An object that several variables share counts once. Plain arrays that a
    loop updates are not guessed at.

    >>> from sklearn.linear_model import LinearRegression
    >>> model = LinearRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0])
    >>> learned_parameters({"model": model, "accuracy": 0.5})
    {'model.coef_': 2, 'model.intercept_': 1}
    """
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    seen: set[int] = set()
    counts: Counter[str] = Counter()
    for name, value in variables.items():
        if name.startswith("_"):
            continue
        with suppress(Exception):  # a stranger's object may be anything
            found: Iterator[tuple[str, int]] = iter(())
            if base is not None and isinstance(value, base):
                found = _of_estimator(value, base, seen)
            elif module is not None and isinstance(value, module):
                found = _of_module(value, seen)
            for attribute, many in found:
                counts[f"{name}.{attribute}"] += many
    return {name: many for name, many in counts.items() if many}


def _of_estimator(estimator: Any, base: type, seen: set[int]) -> Iterator[tuple[str, int]]:
    if id(estimator) in seen:
        return
    seen.add(id(estimator))
    inside = vars(estimator)
    for name in _FITTED:
        if name in inside and not (name == "var_" and "scale_" in inside):  # its square root
            yield name, _numbers(inside[name])
    yield "nodes", _nodes(inside)
    for name in _PARTS:
        for part in _estimators(inside.get(name), base):
            yield from _of_estimator(part, base, seen)


def _numbers(value: Any) -> int:
    """The elements of an array, a number, or lists of these."""
    if isinstance(value, list | tuple):
        return sum(_numbers(item) for item in value)
    if isinstance(value, bool | str) or value is None:
        return 0
    if isinstance(value, int | float):
        return 1
    size = getattr(value, "size", 0)
    return size if isinstance(size, int) and not _of_objects(value) else 0


def _nodes(inside: Mapping[str, Any]) -> int:
    """The nodes of a decision tree, or of the trees of histogram-based boosting."""
    own = getattr(inside.get("tree_"), "node_count", 0)
    stages = inside.get("_predictors") or ()
    return int(own) + sum(len(getattr(tree, "nodes", ())) for stage in stages for tree in stage)


def _estimators(value: Any, base: type) -> Iterator[Any]:
    """The estimators in lists, tuples and arrays of objects."""
    if isinstance(value, base):
        yield value
    elif isinstance(value, list | tuple) or _of_objects(value):
        for item in value:
            yield from _estimators(item, base)


def _of_objects(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "O"


def _of_module(network: Any, seen: set[int]) -> Iterator[tuple[str, int]]:
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and id(parameter) not in seen:
            seen.add(id(parameter))
            yield name.rpartition(".")[2], parameter.numel()
