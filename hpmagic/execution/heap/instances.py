"""Objects of Python classes: their attributes, slots, and what a base class written in C holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from operator import is_
from types import MemberDescriptorType
from typing import Any, Final

from hpmagic.execution.heap.containers import interesting
from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable, Replace, swapped

__all__ = ["BothKind", "InstanceKind", "solid_base"]

_MISSING: Final = object()
_HEAP_TYPE: Final = 1 << 9
_MARKS_OF_C: Final = ("__pyx_vtable__", "__reduce_cython__", "__setstate_cython__")


class InstanceKind(Kind):
    """Attributes and slots, whatever the class's own ``__getstate__`` says of them.

    Attributes named in ``derived`` are caches that follow from the others; they are not looked at.
    """

    def __init__(self, derived: frozenset[str] = frozenset()) -> None:
        self._derived = derived

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        attributes = _attributes(thing)
        if attributes is None:
            return type(thing), None, (), (), _slot_values(thing)
        if self._derived:
            kept = {k: v for k, v in attributes.items() if k not in self._derived}
            return type(thing), attributes, tuple(kept), tuple(kept.values()), _slot_values(thing)
        return (
            type(thing),
            attributes,
            tuple(attributes),
            tuple(attributes.values()),
            _slot_values(thing),
        )

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterator[object]:
        cls, _, _, values, slots = content
        yield cls
        yield from interesting(values)
        yield from slots

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        cls, attributes, names, values, slots = content
        now = _attributes(thing)
        if type(thing) is not cls or now is not attributes:
            return False
        if now is not None:
            if self._derived:
                now = {k: v for k, v in now.items() if k not in self._derived}
            if not (
                len(now) == len(names)
                and all(map(is_, now.values(), values))
                and all(map(_equal, now, names))
            ):
                return False
        return not slots or all(map(is_, _slot_values(thing), slots))

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        cls, attributes, names, values, slots = content
        if type(thing) is not cls:
            try:
                object.__setattr__(thing, "__class__", cls)
            except TypeError as error:
                raise NotRestorable(str(error)) from None
        if attributes is not None:
            if _attributes(thing) is not attributes:
                object.__setattr__(thing, "__dict__", attributes)
            derived = {k: attributes[k] for k in self._derived if k in attributes}
            attributes.clear()
            attributes.update(zip(names, values, strict=True))
            attributes.update(derived)
        for slot, value in zip(_slots(cls), slots, strict=True):
            if value is not _MISSING:
                slot.__set__(thing, value)
            elif _slot_value(slot, thing) is not _MISSING:
                slot.__delete__(thing)

    def swapped(self, content: tuple[Any, ...], swaps: Mapping[int, object]) -> tuple[Any, ...]:
        cls, attributes, names, values, slots = content
        return cls, attributes, names, swapped(values, swaps), swapped(slots, swaps)


class BothKind(Kind):
    """A subclass of something with a state of its own: that state and the attributes."""

    def __init__(self, base: Kind, instance: InstanceKind) -> None:
        self._base = base
        self._instance = instance
        self.blind = base.blind
        self.last = base.last

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, Any]:
        return self._base.take(thing, keeper), self._instance.take(thing, keeper)

    def children(self, thing: Any, content: tuple[Any, Any]) -> Iterator[object]:
        yield from self._base.children(thing, content[0])
        yield from self._instance.children(thing, content[1])

    def same(self, thing: Any, content: tuple[Any, Any]) -> bool:
        return self._instance.same(thing, content[1]) and self._base.same(thing, content[0])

    def put_back(self, thing: Any, content: tuple[Any, Any]) -> None:
        if not self._instance.same(thing, content[1]):
            self._instance.put_back(thing, content[1])
        if not self._base.same(thing, content[0]):
            try:
                self._base.put_back(thing, content[0])
            except Replace:
                raise NotRestorable(f"a {type(thing).__qualname__} cannot be put back") from None

    def swapped(self, content: tuple[Any, Any], swaps: Mapping[int, object]) -> tuple[Any, Any]:
        return (
            self._base.swapped(content[0], swaps),
            self._instance.swapped(content[1], swaps),
        )

    def lasting(self, content: tuple[Any, Any]) -> bool:
        return self._base.lasting(content[0])

    def suffices(self, thing: Any, content: tuple[Any, Any]) -> bool:
        return self._base.suffices(thing, content[0])

    def unseen(self, thing: Any, content: tuple[Any, Any]) -> str:
        return self._base.unseen(thing, content[0])


@lru_cache(maxsize=512)  # classes come and go with trials
def solid_base(cls: type) -> type:
    """The nearest class in the hierarchy that is written in C; `object` for plain Python."""
    for base in cls.__mro__:
        if base is object or not _written_in_python(base):
            return base
    return object


def _written_in_python(cls: type) -> bool:
    if not cls.__flags__ & _HEAP_TYPE or any(mark in vars(cls) for mark in _MARKS_OF_C):
        return False
    base, inside = cls.__base__, vars(cls)
    fields = ("__dict__" in inside) + ("__weakref__" in inside)
    if "__slots__" in inside:
        fields += sum(isinstance(value, MemberDescriptorType) for value in inside.values())
    # What takes more room holds something that no attribute shows.
    return base is None or cls.__basicsize__ - base.__basicsize__ <= 8 * fields


@lru_cache(maxsize=512)  # classes come and go with trials
def _slots(cls: type) -> tuple[Any, ...]:
    """The slots of a class and its Python bases."""
    return tuple(
        value
        for base in cls.__mro__
        if "__slots__" in vars(base)
        for value in vars(base).values()
        if isinstance(value, MemberDescriptorType)
    )


def _slot_value(slot: Any, thing: Any) -> object:
    try:
        return slot.__get__(thing)
    except AttributeError:
        return _MISSING


def _slot_values(thing: Any) -> tuple[object, ...]:
    slots = _slots(type(thing))  # type: ignore[arg-type]
    return tuple([_slot_value(slot, thing) for slot in slots]) if slots else ()


def _attributes(thing: Any) -> dict[str, Any] | None:
    try:
        attributes = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        if not isinstance(thing, threading.local):
            return None
        attributes = threading.local.__getattribute__(thing, "__dict__")
    return attributes if isinstance(attributes, dict) else None


def _equal(a: object, b: object) -> bool:
    return a is b or a == b
