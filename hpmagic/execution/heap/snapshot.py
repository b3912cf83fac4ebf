"""What is reachable from some variables, as it stood at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final, NamedTuple

from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable, Replace, taken
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.world import World

__all__ = ["Change", "Lost", "Snapshot", "Unseen", "take_snapshot"]


class _Node(NamedTuple):
    thing: Any
    kind: Kind
    content: Any
    root: str


@dataclass(frozen=True)
class Unseen:
    """An object whose state cannot be seen whole, and the variable that leads to it."""

    root: str
    what: str
    identity: int


@dataclass(frozen=True)
class Lost:
    """An object that has changed and cannot be put back, and why."""

    root: str
    why: str
    number: int


class Change(NamedTuple):
    """The number of an object and a state it had, which `Snapshot.replay` can give it again."""

    number: int
    content: Any


class Snapshot:
    """The state of a set of objects; made by `take_snapshot`.

    ``unseen`` are those that cannot be seen whole, ``functions`` the functions met on the way.
    ``size`` is about how many bytes the objects hold that no earlier snapshot has, and the copies
    of them; ``missing`` are the bytes of which no copy was kept. The first ``near`` objects are
    those that were reached from the roots said to be near.
    """

    def __init__(
        self,
        nodes: list[_Node],
        unseen: tuple[Unseen, ...],
        functions: tuple[FunctionType, ...],
        *,
        size: int,
        missing: int,
        near: int,
    ) -> None:
        self._nodes = nodes
        self.unseen = unseen
        self.functions = functions
        self.size = size
        self.missing = missing
        self.near = near

    def __len__(self) -> int:
        return len(self._nodes)

    def holds(self) -> Iterable[object]:
        """The objects whose state is known."""
        return (node.thing for node in self._nodes)

    def content_of(self) -> dict[int, _Node]:
        """The states by the identity of their objects."""
        return {id(node.thing): node for node in self._nodes}

    def lasting(self) -> bool:
        """Whether some object is known well enough to see a change, and not to undo it."""
        return any(node.kind.lasting(node.content) for node in self._nodes)

    def changed(self, near: bool = True, far: bool = True) -> list[int]:
        """The numbers of the objects that are not as they were, among the near ones and the far."""
        first = 0 if near else self.near
        last = len(self._nodes) if far else self.near
        return [n for n in range(first, last) if not _same(self._nodes[n])]

    def roots(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The variables that led to the objects of these numbers, each once."""
        return tuple(dict.fromkeys(self._nodes[n].root for n in numbers))

    def forget(self, numbers: Iterable[int]) -> None:
        """Look no more at the objects of these numbers."""
        for number in numbers:
            self._nodes[number] = self._nodes[number]._replace(kind=_FORGOTTEN)

    def changes(self, numbers: Iterable[int], keeper: Keeper) -> tuple[tuple[Change, ...], bool]:
        """The present states of these objects, and whether that is enough to give them again."""
        changes, enough = [], True
        for number in numbers:
            node = self._nodes[number]
            kind, content = taken(node.kind, node.thing, keeper)
            if kind is node.kind:
                changes.append(Change(number, content))
            enough = enough and kind.suffices(node.thing, content)
        return tuple(changes), enough and not keeper.refused

    def replay(self, changes: Iterable[Change]) -> dict[int, Any]:
        """Give objects states they had, as far as that is possible; gives what `put_back` swaps."""
        swaps: dict[int, Any] = {}
        for number, content in changes:
            thing, kind = self._nodes[number].thing, self._nodes[number].kind
            try:
                if not kind.same(thing, content):
                    kind.put_back(thing, content)
            except Replace as replace:
                swaps[id(thing)] = replace.substitute
            except Exception:  # noqa: BLE001, S112 - a stranger's class may raise anything
                continue
        if swaps:
            self._swap(swaps)
        return swaps

    def put_back(self, numbers: Iterable[int]) -> tuple[list[Lost], dict[int, Any]]:
        """Give the objects of these numbers their states again.

        Returns:
            What was lost, and objects that have to take the place of others, by identity.
        """
        lost: list[Lost] = []
        swaps: dict[int, Any] = {}
        for number in sorted(numbers, key=lambda n: self._nodes[n].kind.last):
            node = self._nodes[number]
            if node.kind.last and _same(node):
                continue
            try:
                node.kind.put_back(node.thing, node.content)
                if not _same(node):
                    kind = type(node.thing).__qualname__
                    lost.append(Lost(node.root, f"a {kind} stays changed", number))
            except Replace as replace:
                swaps[id(node.thing)] = replace.substitute
            except NotRestorable as error:
                lost.append(Lost(node.root, str(error), number))
            except Exception as error:  # noqa: BLE001 - a stranger's class may raise anything
                lost.append(Lost(node.root, f"{type(error).__name__}: {error}", number))
        if swaps:
            lost += self._swap(swaps)
        return lost, swaps

    def _swap(self, swaps: Mapping[int, Any]) -> list[Lost]:
        """Let the substitutes take their places in the objects that can be told so."""
        old = [(n, node) for n, node in enumerate(self._nodes) if id(node.thing) in swaps]
        for at, node in enumerate(list(self._nodes)):
            if (substitute := swaps.get(id(node.thing))) is not None:
                content = node.kind.take(substitute, Keeper(0))
                self._nodes[at] = node._replace(thing=substitute, content=content)
                continue
            content = node.kind.swapped(node.content, swaps)
            if content is not node.content:
                self._nodes[at] = node._replace(content=content)
                if not _same(self._nodes[at]):
                    node.kind.put_back(node.thing, content)
        held = {id(c) for node in self._nodes for c in node.kind.children(node.thing, node.content)}
        return [
            Lost(node.root, f"a used {type(node.thing).__qualname__} is held elsewhere too", n)
            for n, node in old
            if id(node.thing) in held
        ]


def take_snapshot(
    world: World,
    roots: Mapping[str, object],
    keeper: Keeper,
    *,
    kinds: Kinds,
    before: Snapshot | None = None,
    near: Callable[[str], bool] | None = None,
) -> Snapshot:
    """Walk everything that can be reached from ``roots``, by name.

    Args:
        world: tells what is the person's.
        roots: where to begin.
        keeper: decides what is copied.
        kinds: the kinds of objects.
        before: an earlier snapshot; its objects are walked too, and copies are shared with it
            where nothing has changed.
        near: which roots, by name, are walked first and lead to the near objects; all objects are
            near when None, or when code on the way may reach any variable.
    """
    earlier = before.content_of() if before is not None else {}
    walk = _Walk(world, kinds, keeper, earlier)
    world.reflective = ""
    for name, thing in roots.items():
        if near is None or near(name):
            walk.go(name, thing)
    first = len(walk.nodes)
    everywhere = near is None or bool(world.reflective)
    for name, thing in roots.items():
        walk.go(name, thing)
    if before is not None:
        for node in before._nodes:
            walk.go(node.root, node.thing)
    return Snapshot(
        walk.nodes,
        tuple(walk.unseen),
        tuple(walk.functions),
        size=walk.size + keeper.kept,
        missing=keeper.refused,
        near=len(walk.nodes) if everywhere else first,
    )


class _Walk:
    def __init__(
        self, world: World, kinds: Kinds, keeper: Keeper, earlier: Mapping[int, _Node]
    ) -> None:
        self.nodes: list[_Node] = []
        self.unseen: list[Unseen] = []
        self.functions: list[FunctionType] = []
        self._world = world
        self._kind_of = kinds.of
        self._keeper = keeper
        self._earlier = earlier
        self._seen: set[int] = {id(world.namespace)}
        self.size = 0

    def go(self, root: str, start: object) -> None:
        stack = [start]
        seen, kind_of, earlier = self._seen, self._kind_of, self._earlier
        while stack:
            thing = stack.pop()
            kind = kind_of(thing)
            if kind is None:
                continue
            key = id(thing)
            if key in seen:
                if thing is self._world.namespace:
                    self._world.reflective = "globals()"
                continue
            seen.add(key)
            known = earlier.get(key)
            if known is not None and _same(known):
                content = known.content
            else:
                kind, content = taken(kind, thing, self._keeper)
                self.size += kind.size(thing)
            what = kind.unseen(thing, content)
            if what:
                self.unseen.append(Unseen(root, what, id(thing)))
            self.nodes.append(_Node(thing, kind, content, root))
            if type(thing) is FunctionType:
                self.functions.append(thing)
            stack.extend(kind.children(thing, content))


_FORGOTTEN: Final = Kind()


def _same(node: _Node) -> bool:
    try:
        return node.kind.same(node.thing, node.content)
    except Exception:  # noqa: BLE001 - a stranger's class may raise anything
        return False
