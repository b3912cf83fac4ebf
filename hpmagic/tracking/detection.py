"""Whether a cell may log to MLflow by itself, found out before it runs."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

__all__ = ["cell_uses_mlflow"]

_NOT_ASKED: Final = frozenset((*sys.stdlib_module_names, "mlflow", "hpmagic", "optuna"))
"""Packages that have MLflow, or not, whatever the cell does."""
_MOST_FILES: Final = 500


def cell_uses_mlflow(code: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a cell may log to MLflow by itself: so it says, or something it may call does.

    That MLflow has been imported means nothing: hpmagic imports it.
    """
    values = list(namespace.values())
    if "mlflow" in code or any(map(_imports_mlflow, values)):
        return True
    packages = _imported(code)
    if any(map(_says_mlflow, packages - sys.modules.keys() - _NOT_ASKED)):
        return True
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return False
    if mlflow.active_run() is not None or any(_has(value, mlflow) for value in values):
        return True
    packages |= set(map(_package, values))
    return any(_gets(module, mlflow) for module in _modules_behind(packages))


def _imports_mlflow(value: Any) -> bool:
    return isinstance(value, FunctionType) and "mlflow" in value.__code__.co_names


def _has(value: Any, mlflow: ModuleType) -> bool:
    if isinstance(value, ModuleType):
        top = _package(value)
        return top == "mlflow" or (top not in _NOT_ASKED and _holds(vars(value), mlflow))
    if isinstance(value, FunctionType) and _holds(value.__globals__, mlflow):
        return True
    return isinstance(value, FunctionType | type) and _package(value) == "mlflow"


def _gets(module: ModuleType, mlflow: ModuleType) -> bool:
    names = vars(module)
    return names.get("mlflow") is mlflow or (_is_own(module) and _holds(names, mlflow))


def _holds(names: Mapping[str, Any], mlflow: ModuleType) -> bool:
    """Whether a module's names are MLflow or functions of it."""
    return any(
        value is mlflow or (isinstance(value, FunctionType) and _package(value) == "mlflow")
        for value in list(names.values())
    )


def _package(value: Any) -> str:
    """The top-level package in which a module, a function, a class or an object's class is."""
    if isinstance(value, ModuleType):
        name: object = value.__name__
    elif isinstance(value, FunctionType | type):
        name = value.__module__
    else:
        name = type(value).__module__
    return name.partition(".")[0] if isinstance(name, str) else ""


def _modules_behind(packages: Iterable[str]) -> Iterator[ModuleType]:
    """The loaded modules of packages, and of those that the person's own ones get things from."""
    loaded: dict[str, list[ModuleType]] = defaultdict(list)
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            loaded[name.partition(".")[0]].append(module)
    waiting, seen = set(packages), set(_NOT_ASKED)
    while waiting := waiting - seen:
        package = waiting.pop()
        seen.add(package)
        for module in loaded[package]:
            yield module
            if _is_own(module):
                waiting |= set(map(_package, list(vars(module).values())))


def _is_own(module: ModuleType) -> bool:
    """Whether a module is the person's own: no library's, whose names are many."""
    file = vars(module).get("__file__")
    return isinstance(file, str) and not _is_installed(file)


def _is_installed(file: str) -> bool:
    return "-packages" in file


def _imported(code: str) -> set[str]:
    """The top-level names of what a cell imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _says_mlflow(package: str) -> bool:
    """Whether the text of the person's own module or package, not loaded yet, names MLflow."""
    try:
        spec = find_spec(package)
        if spec is None or _is_installed(spec.origin or ""):
            return False
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
        files = [Path(spec.origin)] if spec.has_location and spec.origin else []
        files += [file for folder in folders for file in islice(folder.rglob("*.py"), _MOST_FILES)]
        return any(b"mlflow" in file.read_bytes() for file in files)
    except (ImportError, ValueError, OSError):
        return False
