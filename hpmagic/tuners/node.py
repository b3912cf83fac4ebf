"""A place in the tree of what a study has executed, see `tree`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpmagic.distributions import Distribution
from hpmagic.space import Parameter
from hpmagic.tuners.lattice import Free, index_of

if TYPE_CHECKING:
    from hpmagic.tuners.tree import Walk

__all__ = ["Node", "key_of", "same"]


@dataclass(slots=True, eq=False)
class Node:
    """A place after some draws: the children go by the value that is drawn here."""

    parent: Node | None = None
    index: int | None = None
    """The number of this node's value among those of its parent, if it is one of them."""
    name: str | None = None
    """What the cell draws here; None while that is unknown, or when it ends here."""
    distribution: Distribution | None = None
    free: Free | None = None
    """The values that are not exhausted, where there are finitely many."""
    busy: set[int] = field(default_factory=set)
    """The numbers of those whose nodes are full."""
    standing: int = 0
    """How many executions stand here."""
    inside: int = 0
    """How many stand here or below."""
    given: dict[Walk, None] = field(default_factory=dict)
    """Those that stand here, whose next value may be given once it is known which that is."""
    full: bool = False
    children: dict[Hashable, Node] = field(default_factory=dict)
    passed: int = 0
    """How many executions went on from here and are over."""
    failed: int = 0
    """How many failed here, though they had more to draw."""
    ended: bool = False
    exhausted: bool = False
    erratic: bool = False
    """The cell drew something else here another time, so nothing can be counted."""

    def visit(self, parameter: Parameter) -> None:
        distribution = parameter.distribution
        assert distribution is not None
        if self.name is None:
            self.name, self.distribution = parameter.name, distribution
            self.free = None if distribution.size is None else Free(distribution.size)
            given, self.given = self.given, {}
            for walk in given:
                walk.look_ahead(self)
        elif self.name != parameter.name or not same(self.distribution, distribution):
            self.erratic = True

    def child(self, parameter: Parameter, value: object) -> Node | None:
        return self.children.get(key_of(parameter, value))

    def grow(self, parameter: Parameter, value: object) -> Node:
        key = key_of(parameter, value)
        if key not in self.children:
            assert parameter.distribution is not None
            counted = parameter.name == self.name and same(
                self.distribution, parameter.distribution
            )
            index = index_of(parameter.distribution, value) if counted else None
            self.children[key] = Node(parent=self, index=index)
        return self.children[key]

    def close(self) -> None:
        """Mark this node exhausted, and those above it that are so now."""
        node = self
        while not node.exhausted:
            node.exhausted, node.full = True, False
            parent = node.parent
            if parent is None or parent.free is None or node.index is None:
                return
            parent.free.close(node.index)
            parent.busy.discard(node.index)
            if parent.erratic or parent.free.closed < parent.free.size:
                parent.count(0)
                return
            node = parent

    def count(self, change: int) -> None:
        """So many more executions stand here; see whether this node and those above are full."""
        self.standing += change
        node = self
        while node.full is not node.fills():
            node.full = not node.full
            parent = node.parent
            if parent is None or node.index is None:
                return
            if node.full:
                parent.busy.add(node.index)
            else:
                parent.busy.discard(node.index)
            node = parent

    def least_crowded(self) -> int:
        """The number of a full child with the fewest executions, of those that may have room."""
        children = [c for c in self.children.values() if c.index in self.busy]
        best = min(children, key=lambda child: (not child.hopeful(), child.inside, child.index))
        assert best.index is not None
        return best.index

    def hopeful(self) -> bool:
        """Whether it is unknown what comes here or in a full place below, so there may be room."""
        if self.name is None:
            return not self.exhausted
        return any(c.hopeful() for c in self.children.values() if c.index in self.busy)

    def fills(self) -> bool:
        """Whether there is no room for one more execution, though there was for those now here."""
        if self.exhausted:
            return False
        if self.name is None:
            return self.standing > 0 and self.parent is not None
        if self.free is None or self.erratic:
            return False
        return self.free.size - self.free.closed - len(self.busy) <= self.standing


def key_of(parameter: Parameter, value: object) -> Hashable:
    assert parameter.distribution is not None
    return parameter.name, parameter.distribution.key(value)


def same(one: Distribution | None, other: Distribution) -> bool:
    """Whether two distributions number the same values; options may be objects made anew."""
    return one is other or (one is not None and one.size == other.size and str(one) == str(other))
