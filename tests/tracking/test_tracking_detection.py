"""A cell that may log to MLflow by itself is told from one that does not."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpmagic.tracking.detection import cell_uses_mlflow

LOGS = "import mlflow\n"
TRAINER = "class Trainer:\n    def fit(self):\n        mlflow.log_metric('loss', 1)\n"


@pytest.fixture
def write(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Makes a module of the person's own, which can be imported; none stays loaded."""
    import mlflow  # noqa: F401 - as in a process where hpmagic has loaded it

    names: set[str] = set()
    monkeypatch.syspath_prepend(str(home))

    def make(name: str, text: str) -> None:
        path = home / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        names.add(name.partition(".")[0])

    yield make
    for loaded in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[loaded]


def helper_module() -> types.ModuleType:
    module = types.ModuleType("helper")
    exec("import mlflow\ndef log(value):\n    mlflow.log_metric('x', value)\n", module.__dict__)
    return module


@pytest.mark.parametrize(
    ("code", "names", "uses"),
    [
        ("import mlflow", (), True),
        ("model.fit(X, y)", (), False),
        ("log_metric('a', 1)", ("log_metric",), True),
        ("m.log_metric('a', 1)", ("mlflow",), True),
        ("helper.log(1)", ("helper",), True),
        ("log(1)", ("log",), True),
        ("fit()", ("optuna", "hpmagic", "number"), False),
    ],
)
def test_a_cell_that_may_use_mlflow_is_told_from_one_that_does_not(
    code: str, names: tuple[str, ...], uses: bool, home: object
) -> None:
    """By its text, or by what the notebook has; that hpmagic has imported MLflow does not count."""
    import mlflow
    import optuna

    import hpmagic.results

    helper = helper_module()
    everything = {
        "mlflow": mlflow,
        "log_metric": mlflow.log_metric,
        "helper": helper,
        "log": helper.log,
        "optuna": optuna,
        "hpmagic": hpmagic.results,
        "number": 3,
    }
    assert cell_uses_mlflow(code, {name: everything[name] for name in names}) is uses


@pytest.mark.parametrize(
    ("modules", "uses"),
    [
        ({"own_trainer": LOGS + TRAINER}, True),
        ({"own_trainer": "from mlflow import log_metric\n" + TRAINER}, True),
        ({"own_trainer": TRAINER}, False),
        ({"own_logging": LOGS, "own_trainer": f"import own_logging\n{TRAINER}"}, True),
        ({"own_package.log": LOGS, "own_trainer": f"from own_package import log\n{TRAINER}"}, True),
    ],
    ids=["module", "by name", "nowhere", "another module", "a package"],
)
def test_a_class_or_an_instance_is_known_by_its_module(
    write: Callable[[str, str], None], modules: dict[str, str], uses: bool
) -> None:
    """Also when the module has MLflow from another of the person's own."""
    for name, text in modules.items():
        write(name, text)
    trainer = importlib.import_module("own_trainer")
    assert cell_uses_mlflow("Trainer().fit()", {"Trainer": trainer.Trainer}) is uses
    assert cell_uses_mlflow("t.fit()", {"t": trainer.Trainer()}) is uses


@pytest.mark.parametrize(
    "cell", ["from own_trainer import Trainer", "def f():\n    import own_trainer as t"]
)
def test_what_the_cell_imports_is_looked_at(write: Callable[[str, str], None], cell: str) -> None:
    """By its text as long as it is not loaded, and by what it has then."""
    write("own_trainer", "class Trainer: ...\n")
    assert not cell_uses_mlflow(cell, {})
    write("own_trainer", LOGS + TRAINER)
    assert cell_uses_mlflow(cell, {})
    assert "own_trainer" not in sys.modules
    importlib.import_module("own_trainer")
    assert cell_uses_mlflow(cell, {})
    assert not cell_uses_mlflow("import a_module_that_is_nowhere, numpy", {})


def test_a_function_that_imports_mlflow_when_called_uses_it(home: Path) -> None:
    """The import is in the function, so that its module does not have it."""
    names: dict[str, object] = {}
    exec("def log(value):\n    import mlflow\n    mlflow.log_metric('x', value)\n", names)
    assert cell_uses_mlflow("log(1)", {"log": names["log"]})


def test_the_libraries_of_a_notebook_are_not_taken_for_it(home: Path) -> None:
    """numpy, pandas and scikit-learn, their classes and objects."""
    import numpy as np
    import pandas as pd
    from sklearn.svm import SVC

    names = {"np": np, "pd": pd, "SVC": SVC, "model": SVC(), "X": np.zeros(3), "rng": np.random}
    assert not cell_uses_mlflow("model.fit(X)", names)
