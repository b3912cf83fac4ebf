"""What code can reach when it runs: variables by name, through functions and objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from hpmagic.execution.heap.arrays import ArrayKind, TensorKind
from hpmagic.execution.heap.facts import all_codes, facts_of
from hpmagic.execution.heap.kind import Keeper, taken
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.outside import outside_of_thing
from hpmagic.execution.heap.world import World

__all__ = ["Reach", "Reached"]

_MOST: Final = 50_000
"""Objects looked at before anything is taken to be possible."""
_HEAVY: Final = (ArrayKind, TensorKind)


@dataclass(frozen=True)
class Reached:
    """``names`` are the variables that may be read or written.

    ``reflective``, ``outside`` and ``unseen`` are empty, or say how the code may reach variables
    it does not name, what it reads that differs from run to run, and which object it touches whose
    state cannot be seen.
    """

    names: frozenset[str]
    reflective: str = ""
    outside: str = ""
    unseen: str = ""

    def mentions(self, name: str) -> bool:
        return bool(self.reflective) or name in self.names


class Reach:
    """Follows code into functions, and objects into the functions they hold."""

    def __init__(self, world: World, kinds: Kinds) -> None:
        self._world = world
        self._kinds = kinds

    def of(self, codes: Iterable[CodeType]) -> Reached:
        """What running these codes may reach, in the namespace as it is now."""
        walk = _Walk(self._world, self._kinds)
        for code in codes:
            walk.code(code)
        return walk.done()


class _Walk:
    def __init__(self, world: World, kinds: Kinds) -> None:
        self._world = world
        self._kinds = kinds
        self._names: set[str] = set()
        self._seen: set[int] = {id(world.namespace)}
        self._stack: list[object] = []
        self._alive: list[object] = []
        self._facts: dict[str, str] = {"reflective": "", "outside": "", "unseen": ""}

    def code(self, code: CodeType, variables: dict[str, Any] | None = None) -> None:
        facts = facts_of(code)
        if facts.reflective:
            self._facts["reflective"] = facts.reflective
        if facts.outside:
            self._facts["outside"] = facts.outside
        namespace = self._world.namespace
        variables = namespace if variables is None else variables
        for name in facts.reads:
            outside = outside_of_thing(variables.get(name), timed=name in facts.timed)
            if outside:
                self._facts["outside"] = outside
        if variables is namespace:
            for name in facts.names:
                if name not in self._names:
                    self._names.add(name)
                    if name in namespace:
                        self._stack.append(namespace[name])

    def done(self) -> Reached:
        looked = 0
        while self._stack:
            looked += 1
            if looked > _MOST:
                self._facts["reflective"] = "too many objects to look through"
                break
            self._look(self._stack.pop())
        return Reached(frozenset(self._names), **self._facts)

    def _look(self, thing: object) -> None:
        if isinstance(thing, ModuleType) and vars(thing) is self._world.namespace:
            self._facts["reflective"] = "__main__"
        kind = self._kinds.of(thing)
        if kind is None or id(thing) in self._seen:
            return
        self._seen.add(id(thing))
        self._alive.append(thing)
        # A library's function is looked at only for what a closure of it may hold.
        if isinstance(thing, FunctionType) and self._world.owns_function(thing):
            for code in all_codes(thing.__code__):
                self.code(code, thing.__globals__)
        if isinstance(kind, _HEAVY) and not (
            isinstance(thing, np.ndarray) and thing.dtype == object
        ):
            return
        kind, content = taken(kind, thing, _NOTHING)
        unseen = kind.unseen(thing, content)
        if unseen:
            self._facts["unseen"] = unseen
        self._stack.extend(kind.children(thing, content))


_NOTHING: Final = Keeper(0)
