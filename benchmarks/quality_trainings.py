"""The spaces with branches for `quality_tasks.py`: what a person would tune of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpmagic.distributions import Choice, Distribution, Int, LogUniform, Uniform

__all__ = ["SPACES", "Space", "cost", "data"]

Config = Mapping[str, Any]
Rows = tuple[np.ndarray, np.ndarray]
When = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Space:
    """``knobs`` are name, distribution, default, and under which earlier value it is reached."""

    knobs: tuple[tuple[str, Distribution, Any, When | None], ...]
    build: Callable[[Config, bool], Any]


def data(name: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """At most 300 rows of a bundled data set, and whether it is a regression."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)  # noqa: N806
    order = np.random.default_rng(0).permutation(len(y))[:300]
    X, y = X[order], y[order]  # noqa: N806
    regression = name == "diabetes"
    return X, (y - y.mean()) / y.std() if regression else y, regression


def cost(model: Any, X: np.ndarray, y: np.ndarray, split: int, *, regression: bool) -> float:  # noqa: N803
    """Held-out log loss; squared error of a regression; error rate of what gives no probabilities.

    At most 5: a model that did not converge is bad, not infinite.
    """
    from sklearn.metrics import log_loss, mean_squared_error
    from sklearn.model_selection import train_test_split

    X_train, X_val, y_train, y_val = train_test_split(  # noqa: N806
        X, y, test_size=1 / 3, random_state=split, stratify=None if regression else y
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            model.fit(X_train, y_train)
            if regression:
                loss = mean_squared_error(y_val, model.predict(X_val))
            elif hasattr(model, "predict_proba"):
                loss = log_loss(y_val, model.predict_proba(X_val), labels=np.unique(y))
            else:
                loss = 1.0 - model.score(X_val, y_val)
        except ValueError as error:
            if isinstance(error, TypeError):  # scikit-learn's InvalidParameterError: a bug here
                raise
            return 5.0
    return float(min(loss, 5.0)) if np.isfinite(loss) else 5.0


def _scaled(config: Config, *steps: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    scalers = {"none": (), "standard": (StandardScaler(),), "minmax": (MinMaxScaler(),)}
    return make_pipeline(*scalers[config["scale"]], *steps)


def _svm(config: Config, regression: bool) -> Any:
    from sklearn.svm import SVC, SVR

    settings = {k: v for k, v in config.items() if k != "scale"}
    return _scaled(config, (SVR if regression else SVC)(max_iter=5000, cache_size=20, **settings))


def _models(config: Config, regression: bool) -> Any:
    from sklearn import ensemble, linear_model, neighbors, svm

    kind = config["model"]
    if kind == "linear":
        strength = config["strength"]
        model = (
            linear_model.Ridge(1 / strength)
            if regression
            else linear_model.LogisticRegression(C=strength, max_iter=300)
        )
    elif kind == "neighbours":
        base = neighbors.KNeighborsRegressor if regression else neighbors.KNeighborsClassifier
        model = base(config["k"], weights=config["weights"])
    elif kind == "forest":
        base = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
        model = base(
            config["trees"],
            max_features=config["features"],
            min_samples_leaf=config["leaf"],
            random_state=0,
        )
    elif regression:
        model = svm.SVR(C=config["C"], gamma=config["gamma"], max_iter=5000)
    else:
        model = ensemble.AdaBoostClassifier(
            n_estimators=config["stumps"], learning_rate=config["rate"], random_state=0
        )
    return _scaled(config, model)


def _network(config: Config, regression: bool) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    units = [config[f"units_{i}"] for i in range(config["layers"])]
    return _scaled(
        {"scale": "standard"},
        (MLPRegressor if regression else MLPClassifier)(
            hidden_layer_sizes=units,
            activation=config["activation"],
            alpha=config["alpha"],
            learning_rate_init=config["rate"],
            solver=config["solver"],
            momentum=config.get("momentum", 0.9),
            batch_size=config["batch"],
            max_iter=15,
            random_state=0,
        ),
    )


def _pipeline(config: Config, regression: bool) -> Any:
    from sklearn import decomposition, feature_selection, linear_model, neighbors

    assert not regression
    steps: list[Any] = []
    if config["reduce"] == "pca":
        components = config["components"]
        steps.append(decomposition.PCA(components, whiten=config["whiten"], random_state=0))
    elif config["reduce"] == "select":
        steps.append(feature_selection.SelectKBest(k=config["kept"]))
    if config["model"] == "linear":
        steps.append(linear_model.LogisticRegression(C=config["C"], max_iter=100))
    else:
        steps.append(neighbors.KNeighborsClassifier(config["k"], weights=config["weights"]))
    return _scaled(config, *steps)


_SCALE = ("scale", Choice(("none", "standard", "minmax")), "standard", None)
_CURVED = ("kernel", ("rbf", "poly", "sigmoid"))
_FOREST, _NEIGHBOURS = ("model", ("forest",)), ("model", ("neighbours",))
_COMMON = (
    ("strength", LogUniform(1e-4, 1e4), 1.0, ("model", ("linear",))),
    ("k", Int(1, 60, log=True), 5, _NEIGHBOURS),
    ("weights", Choice(("uniform", "distance")), "uniform", _NEIGHBOURS),
    ("trees", Int(5, 40), 20, _FOREST),
    ("features", Uniform(0.1, 1.0), 0.5, _FOREST),
    ("leaf", Int(1, 20, log=True), 1, _FOREST),
)

SPACES = {
    "svm": Space(
        (
            _SCALE,
            ("kernel", Choice(("linear", "rbf", "poly", "sigmoid")), "rbf", None),
            ("C", LogUniform(1e-3, 1e3), 1.0, None),
            ("gamma", LogUniform(1e-5, 10.0), 0.05, _CURVED),
            ("coef0", Uniform(-1, 1), 0.0, ("kernel", ("poly", "sigmoid"))),
            ("degree", Int(2, 5), 3, ("kernel", ("poly",))),
        ),
        _svm,
    ),
    "models": Space(
        (
            _SCALE,
            ("model", Choice(("linear", "neighbours", "forest", "stumps")), "forest", None),
            *_COMMON,
            ("stumps", Int(5, 60, log=True), 50, ("model", ("stumps",))),
            ("rate", LogUniform(0.01, 3.0), 1.0, ("model", ("stumps",))),
        ),
        _models,
    ),
    "regressors": Space(
        (
            _SCALE,
            ("model", Choice(("linear", "neighbours", "forest", "svm")), "forest", None),
            *_COMMON,
            ("C", LogUniform(1e-3, 1e3), 1.0, ("model", ("svm",))),
            ("gamma", LogUniform(1e-5, 10.0), 0.1, ("model", ("svm",))),
        ),
        _models,
    ),
    "network": Space(
        (
            ("layers", Int(1, 3), 1, None),
            ("units_0", Int(4, 64, log=True), 32, None),
            ("units_1", Int(4, 64, log=True), 32, ("layers", (2, 3))),
            ("units_2", Int(4, 64, log=True), 32, ("layers", (3,))),
            ("activation", Choice(("relu", "tanh", "logistic")), "relu", None),
            ("alpha", LogUniform(1e-6, 10.0), 1e-4, None),
            ("rate", LogUniform(1e-4, 0.3), 1e-3, None),
            ("batch", Choice((8, 16, 32, 64, 128)), 32, None),
            ("solver", Choice(("adam", "sgd")), "adam", None),
            ("momentum", Uniform(0.0, 0.99), 0.9, ("solver", ("sgd",))),
        ),
        _network,
    ),
    "pipeline": Space(
        (
            _SCALE,
            ("reduce", Choice(("none", "pca", "select")), "none", None),
            ("components", Int(2, 40, log=True), 20, ("reduce", ("pca",))),
            ("whiten", Choice((False, True)), False, ("reduce", ("pca",))),
            ("kept", Int(4, 60, log=True), 30, ("reduce", ("select",))),
            ("model", Choice(("linear", "neighbours")), "linear", None),
            ("C", LogUniform(1e-4, 1e4), 1.0, ("model", ("linear",))),
            ("k", Int(1, 60, log=True), 5, _NEIGHBOURS),
            ("weights", Choice(("uniform", "distance")), "uniform", _NEIGHBOURS),
        ),
        _pipeline,
    ),
}
