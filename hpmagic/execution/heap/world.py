"""The person's own code: their variables, and the modules they wrote."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from hpmagic.execution.heap.facts import all_codes, facts_of
from hpmagic.execution.heap.folders import installed, library_folders, own_folders

__all__ = ["World"]

_HEAP_TYPE: Final = 1 << 9
_NEVER: Final = frozenset({"hpmagic", "conftest", "pyspark"})
"""Never the person's, wherever they lie."""
_SHELL: Final = frozenset(
    {
        "In",
        "Out",
        "_",
        "__",
        "___",
        "_i",
        "_ii",
        "_iii",
        "_ih",
        "_oh",
        "_dh",
        "exit",
        "quit",
        "open",
    }
)


class World:
    """Tells the person's code from that of libraries.

    Args:
        namespace: their variables.
        folders: where they work, the working directory when empty; see `own_folders`.
    """

    def __init__(self, namespace: dict[str, Any], folders: Iterable[Path] = ()) -> None:
        self.namespace = namespace
        self._work = tuple(folders) or (Path.cwd(),)
        self._path = [*sys.path]
        self._folders = own_folders(self._work)
        self._libraries = library_folders()
        self._names = {"__main__", "builtins", namespace.get("__name__", "__main__")}
        self._known: dict[str, bool] = {}
        self._own: list[str] = []
        self._newest: tuple[int, str | None] = (0, None)
        self.reflective = ""
        """How code that was walked may reach any variable; empty when none can."""

    def variables(self) -> Iterator[str]:
        """The names of the person's variables: not those that IPython keeps for itself."""
        for name in list(self.namespace):
            if not (name.startswith("__") or name in _SHELL or _numbered(name)):
                yield name

    def owns_module(self, module: ModuleType) -> bool:
        """Whether the person wrote the module: its file lies in their folders."""
        name = getattr(module, "__name__", "")
        known = self._known.get(name)
        if known is None:
            self._known[name] = known = self._looks_owned(name, module)
        return known

    def _looks_owned(self, name: str, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        # There are thousands of modules, and most are a library's; resolving each would be slow.
        if not isinstance(file, str) or file.startswith(self._libraries):
            return False
        if name == "__main__" or name.partition(".")[0] in _NEVER:
            return False
        return self.owns_file(file)

    def owns_file(self, file: str) -> bool:
        """Whether a module of this file is the person's: it lies in their folders."""
        if not file.endswith(".py"):
            return False
        if not Path(file).is_absolute():  # a made-up one, such as that of `torch.ops`
            return False
        path = str(Path(file).resolve())
        if path.startswith(self._libraries):
            return False
        if sys.path != self._path:
            self._path = [*sys.path]
            self._folders = tuple({*self._folders, *own_folders(self._work)})
        return any(path.startswith(f) and not installed(path[len(f) :]) for f in self._folders)

    def owns_class(self, cls: type) -> bool:
        """Whether the person wrote the class."""
        if not cls.__flags__ & _HEAP_TYPE:
            return False
        name = getattr(cls, "__module__", None)
        if name in self._names:
            return True
        module = sys.modules.get(name) if isinstance(name, str) else None
        return module is not None and self.owns_module(module)

    def module_of(self, function: FunctionType) -> ModuleType | None:
        """The person's own module in which a function was defined."""
        variables = function.__globals__
        if variables is self.namespace:
            return None
        module = sys.modules.get(variables.get("__name__", ""))
        if module is None or vars(module) is not variables or not self.owns_module(module):
            return None
        return module

    def owns_function(self, function: FunctionType) -> bool:
        """Whether the person wrote the function."""
        variables = function.__globals__
        return (
            variables is self.namespace
            or self.module_of(function) is not None
            or self._stands_alone(variables)
        )

    def own_modules(self) -> dict[str, ModuleType]:
        """The person's modules among those imported, by name."""
        # There are thousands of modules, and few are new from one trial to the next.
        newest = len(sys.modules), next(reversed(sys.modules), None)
        if newest != self._newest:
            self._newest = newest
            for name in sys.modules.keys() - self._known.keys():
                module = sys.modules.get(name)
                if isinstance(module, ModuleType):
                    self._known[name] = self._looks_owned(name, module)
            self._own = [name for name, yes in self._known.items() if yes]
        return {name: sys.modules[name] for name in self._own if name in sys.modules}

    def globals_of(self, function: FunctionType) -> Iterator[object]:
        """What a function reaches by name when it runs."""
        variables = function.__globals__
        if variables is self.namespace:
            yield from self.named_by(function.__code__)
        elif (module := self.module_of(function)) is not None:
            yield module
        elif self._stands_alone(variables):
            for part in all_codes(function.__code__):
                yield from _values(variables, facts_of(part).names)
        else:
            return
        yield from self._imported_by(function)

    def named_by(self, code: CodeType) -> Iterator[object]:
        """The values of the variables that code names; notes when it may reach others."""
        for part in all_codes(code):
            facts = facts_of(part)
            if facts.reflective:
                self.reflective = facts.reflective
            yield from _values(self.namespace, facts.names)

    def _stands_alone(self, variables: dict[str, Any]) -> bool:
        """Whether a function's globals are no module's: those of `exec`, `%run` or a loader."""
        module = sys.modules.get(variables.get("__name__", ""))
        if module is not None and vars(module) is variables:
            return False
        file = variables.get("__file__")  # a library may have loaded its module anew
        return not isinstance(file, str) or not file.startswith(self._libraries)

    def _imported_by(self, function: FunctionType) -> Iterator[ModuleType]:
        """The person's modules that a function imports when it runs."""
        own = self.own_modules()
        if not own:
            return
        package = function.__globals__.get("__package__")
        for part in all_codes(function.__code__):
            for name in part.co_names:
                for full in (name, f"{package}.{name}"):
                    if full in own:
                        yield own[full]


def _values(variables: dict[str, Any], names: Iterable[str]) -> Iterator[object]:
    for name in names:
        if name in variables:
            value = variables[name]
            yield value
            if isinstance(value, ContextVar):
                yield value.get(None)


def _numbered(name: str) -> bool:
    return name[:1] == "_" and (name[1:].isdigit() or (name[1:2] == "i" and name[2:].isdigit()))
