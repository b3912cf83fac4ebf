"""The person's variables: as they were, as a trial left them, and put back."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Changes", "Namespace"]

_OURS: Final = frozenset({"__builtins__", "__warningregistry__"})
"""Names that Python itself puts into a namespace in which code runs."""

Changes = tuple[dict[str, Any], frozenset[str]]
"""The names bound or changed, with their values, and the names deleted."""


class Namespace:
    """A namespace and its bindings at the time this was made.

    Bindings are compared by identity: what a trial did to the objects themselves is not seen here.
    """

    def __init__(self, variables: dict[str, Any], hidden: frozenset[str] = frozenset()) -> None:
        variables.setdefault("__builtins__", builtins)
        self.variables = variables
        self._hidden = hidden | _OURS
        self._before = dict(variables)

    def changes(self) -> Changes:
        """What differs from the beginning."""
        before, now = self._before, self.variables
        bound = {
            name: value
            for name, value in now.copy().items()
            if not (name in before and before[name] is value) and name not in self._hidden
        }
        return bound, frozenset(before.keys() - now.keys() - self._hidden)

    def bindings(self) -> dict[str, Any]:
        """What is bound now, without what is ours."""
        return {n: v for n, v in self.variables.items() if n not in self._hidden}

    def restore(self) -> None:
        """Put every binding back."""
        self._set(self._before)

    def resume(self, bindings: Mapping[str, Any]) -> None:
        """Bind what `bindings` gave at another time, and nothing else."""
        ours = {n: v for n, v in self.variables.items() if n in self._hidden}
        self._set(ours | dict(bindings))

    def _set(self, bindings: Mapping[str, Any]) -> None:
        now = self.variables
        for name in now.keys() - bindings.keys():
            del now[name]
        for name, value in bindings.items():
            if name not in now or now[name] is not value:
                now[name] = value

    def swap(self, swaps: Mapping[int, Any]) -> None:
        """Let other objects take the places of some, by identity, also at the beginning."""
        for bindings in (self._before, self.variables):
            for name, value in bindings.items():
                if id(value) in swaps:
                    bindings[name] = swaps[id(value)]

    def apply(self, bindings: Mapping[str, Any], deleted: frozenset[str]) -> None:
        """Make a trial's changes in the namespace."""
        self.variables.update(bindings)
        for name in deleted:
            self.variables.pop(name, None)
