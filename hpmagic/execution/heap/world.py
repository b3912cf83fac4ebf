"""The person's own code: their variables, and the modules they wrote."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from hpmagic.execution.heap.facts import all_codes, facts_of

__all__ = ["World"]

_HEAP_TYPE: Final = 1 << 9
_OURS: Final = "hpmagic"
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
        folders: where modules count as theirs; the working directory when empty.
    """

    def __init__(self, namespace: dict[str, Any], folders: Iterable[Path] = ()) -> None:
        self.namespace = namespace
        chosen = [path.resolve() for path in folders] or [Path.cwd()]
        self._folders = tuple(f"{path}{os.sep}" for path in chosen)
        self._libraries = _library_folders()
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
        if not file.endswith(".py") or name == "__main__":
            return False
        if not Path(file).is_absolute():  # a made-up one, such as that of `torch.ops`
            return False
        if name.partition(".")[0] in (_OURS, "conftest"):
            return False
        path = str(Path(file).resolve())
        return path.startswith(self._folders) and not path.startswith(self._libraries)

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
        return function.__globals__ is self.namespace or self.module_of(function) is not None

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
        if function.__globals__ is self.namespace:
            yield from self.named_by(function.__code__)
        elif (module := self.module_of(function)) is not None:
            yield module

    def named_by(self, code: CodeType) -> Iterator[object]:
        """The values of the variables that code names; notes when it may reach others."""
        for part in all_codes(code):
            facts = facts_of(part)
            if facts.reflective:
                self.reflective = facts.reflective
            for name in facts.names:
                if name in self.namespace:
                    yield self.namespace[name]


def _numbered(name: str) -> bool:
    return name[:1] == "_" and (name[1:].isdigit() or (name[1:2] == "i" and name[2:].isdigit()))


@cache
def _library_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= set(site.getsitepackages())
    found = [Path(path) for path in paths if path]
    return tuple({f"{form}{os.sep}" for path in found for form in (path, path.resolve())})
