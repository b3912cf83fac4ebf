"""Python's own containers, compared by the identity of what they hold."""

from __future__ import annotations

from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from operator import is_
from typing import Any, Final

from hpmagic.execution.heap.kind import Keeper, Kind, swapped

__all__ = ["CONTAINERS", "PLAIN", "interesting"]

PLAIN: Final = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range}
)
"""Types without a state and without references."""

Content = tuple[Any, ...]


def interesting(items: Content) -> Iterable[object]:
    """The items that may have a state; a long run of numbers or texts costs next to nothing."""
    if len(items) > 8 and PLAIN.issuperset(map(type, items)):
        return ()
    return items


def same_items(now: Iterable[object], before: Content) -> bool:
    return all(map(is_, now, before))


class ListKind(Kind):
    def take(self, thing: Any, keeper: Keeper) -> Content:
        return tuple(list.__iter__(thing))

    def children(self, thing: Any, content: Content) -> Iterable[object]:
        return interesting(content)

    def same(self, thing: Any, content: Content) -> bool:
        return list.__len__(thing) == len(content) and same_items(list.__iter__(thing), content)

    def put_back(self, thing: Any, content: Content) -> None:
        list.__setitem__(thing, slice(None), content)

    def swapped(self, content: Content, swaps: Mapping[int, object]) -> Content:
        return swapped(content, swaps)


class TupleKind(Kind):
    """Tuples do not change, but what they hold may."""

    def children(self, thing: Any, content: Content) -> Iterable[object]:
        return interesting(tuple.__getitem__(thing, slice(None)))


class FrozenSetKind(Kind):
    def children(self, thing: Any, content: Content) -> Iterable[object]:
        return interesting(tuple(thing))


class DictKind(Kind):
    """Dicts, their order included; ``base`` is the class whose methods are used."""

    def __init__(self, base: type[dict[Any, Any]] = dict) -> None:
        self._base = base

    def take(self, thing: Any, keeper: Keeper) -> Content:
        values = tuple(self._base.values(thing))
        factory = thing.default_factory if isinstance(thing, defaultdict) else None
        return tuple(self._base.keys(thing)), values, factory

    def children(self, thing: Any, content: Content) -> Iterable[object]:
        keys, values, factory = content
        yield from interesting(keys)
        yield from interesting(values)
        yield factory

    def same(self, thing: Any, content: Content) -> bool:
        keys, values, factory = content
        return (
            dict.__len__(thing) == len(keys)
            and same_items(self._base.keys(thing), keys)
            and same_items(self._base.values(thing), values)
            and (not isinstance(thing, defaultdict) or thing.default_factory is factory)
        )

    def put_back(self, thing: Any, content: Content) -> None:
        keys, values, factory = content
        self._base.clear(thing)
        for key, value in zip(keys, values, strict=True):
            self._base.__setitem__(thing, key, value)
        if isinstance(thing, defaultdict):
            thing.default_factory = factory

    def swapped(self, content: Content, swaps: Mapping[int, object]) -> Content:
        keys, values, factory = content
        return keys, swapped(values, swaps), factory


class SetKind(Kind):
    def take(self, thing: Any, keeper: Keeper) -> Content:
        return tuple(set.__iter__(thing))

    def children(self, thing: Any, content: Content) -> Iterable[object]:
        return interesting(content)

    def same(self, thing: Any, content: Content) -> bool:
        return set.__len__(thing) == len(content) and same_items(set.__iter__(thing), content)

    def put_back(self, thing: Any, content: Content) -> None:
        set.clear(thing)
        set.update(thing, content)


class DequeKind(Kind):
    def take(self, thing: Any, keeper: Keeper) -> Content:
        return tuple(deque.__iter__(thing))

    def children(self, thing: Any, content: Content) -> Iterable[object]:
        return interesting(content)

    def same(self, thing: Any, content: Content) -> bool:
        return deque.__len__(thing) == len(content) and same_items(deque.__iter__(thing), content)

    def put_back(self, thing: Any, content: Content) -> None:
        deque.clear(thing)
        deque.extend(thing, content)

    def swapped(self, content: Content, swaps: Mapping[int, object]) -> Content:
        return swapped(content, swaps)


class BytesKind(Kind):
    """Mutable runs of bytes or numbers, kept whole: they are small in practice."""

    def take(self, thing: Any, keeper: Keeper) -> bytes:
        return bytes(thing)

    def same(self, thing: Any, content: bytes) -> bool:
        return bytes(thing) == content

    def put_back(self, thing: Any, content: bytes) -> None:
        thing[:] = array(thing.typecode, content) if isinstance(thing, array) else content


_LIST, _DICT, _SET, _BYTES = ListKind(), DictKind(), SetKind(), BytesKind()

CONTAINERS: Final[dict[type, Kind]] = {
    list: _LIST,
    tuple: TupleKind(),
    dict: _DICT,
    defaultdict: _DICT,
    OrderedDict: DictKind(OrderedDict),
    set: _SET,
    frozenset: FrozenSetKind(),
    deque: DequeKind(),
    bytearray: _BYTES,
    array: _BYTES,
}
"""By the type itself; subclasses add their attributes."""
