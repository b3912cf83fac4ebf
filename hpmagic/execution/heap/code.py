"""Functions, classes, modules and what stands between them."""

from __future__ import annotations

import functools
import gc
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from operator import is_
from types import BuiltinFunctionType, CellType, MappingProxyType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable
from hpmagic.execution.heap.world import World

__all__ = [
    "CellKind",
    "ClassKind",
    "FunctionKind",
    "LinkKind",
    "ModuleKind",
    "link_kinds",
    "lru_type",
]

_EMPTY: Final = object()
_Class = tuple[bool, dict[str, Any], tuple[type, ...]]
_CONSTANTS: Final = (bool, int, float, str)
_UNSTABLE: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__doc__",
        "_abc_impl",
        "__abstractmethods__",
        "__annotations__",
        "__annotations_cache__",
        "__annotate_func__",
        "__builtins__",
        "__warningregistry__",
        "__cached__",
        "__signature__",
    }
)


class FunctionKind(Kind):
    """The person's functions in full; of a library's only what the person may have put into it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        return (
            thing.__code__,
            thing.__defaults__,
            thing.__kwdefaults__,
            dict(thing.__dict__) or None,
            (thing.__name__, thing.__qualname__, thing.__doc__),
        )

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterator[object]:
        _, defaults, keyword_defaults, attributes, _ = content
        yield from thing.__closure__ or ()
        yield from defaults or ()
        yield keyword_defaults
        yield from (attributes or {}).values()
        yield from self._world.globals_of(thing)

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        code, defaults, keyword_defaults, attributes, names = content
        return (
            thing.__code__ is code
            and thing.__defaults__ is defaults
            and thing.__kwdefaults__ is keyword_defaults
            and (thing.__name__, thing.__qualname__, thing.__doc__) == names
            and _same_dict(thing.__dict__, attributes or {})
        )

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        thing.__code__, thing.__defaults__, thing.__kwdefaults__ = content[:3]
        thing.__dict__.clear()
        thing.__dict__.update(content[3] or {})
        thing.__name__, thing.__qualname__, thing.__doc__ = content[4]


class CellKind(Kind):
    """A variable that a closure shares with its function."""

    def take(self, thing: Any, keeper: Keeper) -> Any:
        try:
            return thing.cell_contents
        except ValueError:
            return _EMPTY

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        return () if content is _EMPTY else (content,)

    def same(self, thing: Any, content: Any) -> bool:
        return self.take(thing, _NO_KEEPER) is content

    def put_back(self, thing: Any, content: Any) -> None:
        if content is _EMPTY:
            del thing.cell_contents
        else:
            thing.cell_contents = content

    def swapped(self, content: Any, swaps: Mapping[int, object]) -> Any:
        return swaps.get(id(content), content)


class ClassKind(Kind):
    """The attributes of a class: all of the person's own, and functions replaced in others."""

    def __init__(self, world: World) -> None:
        self._world = world

    def take(self, thing: Any, keeper: Keeper) -> _Class:
        owned = self._world.owns_class(thing)
        attributes = {
            name: value
            for name, value in vars(thing).items()
            if name not in _UNSTABLE and (owned or _patched(value))
        }
        return owned, attributes, _bases(thing)

    def children(self, thing: Any, content: _Class) -> Iterable[object]:
        owned, attributes, bases = content
        return (*attributes.values(), *bases, type(thing)) if owned else ()

    def same(self, thing: Any, content: _Class) -> bool:
        owned, attributes, bases = content
        now = vars(thing)
        if _bases(thing) is not bases:
            return False
        if not all(map(is_, map(now.get, attributes), attributes.values())):
            return False
        return not owned or not any(
            name not in attributes and name not in _UNSTABLE for name in now
        )

    def put_back(self, thing: Any, content: _Class) -> None:
        owned, attributes, bases = content
        now = dict(vars(thing))
        try:
            if _bases(thing) is not bases:
                thing.__bases__ = bases
            for name, value in attributes.items():
                if now.get(name, _EMPTY) is not value:
                    type.__setattr__(thing, name, value)
            if owned:
                for name in now.keys() - attributes.keys() - _UNSTABLE:
                    type.__delattr__(thing, name)
        except (TypeError, AttributeError) as error:
            raise NotRestorable(str(error)) from None

    def swapped(self, content: _Class, swaps: Mapping[int, object]) -> _Class:
        owned, attributes, bases = content
        attributes = {name: swaps.get(id(value), value) for name, value in attributes.items()}
        return owned, attributes, bases


class ModuleKind(Kind):
    """The variables of the person's own modules; in others, functions and public constants."""

    def __init__(self, world: World) -> None:
        self._world = world

    def take(self, thing: Any, keeper: Keeper) -> tuple[bool, dict[str, Any]]:
        owned = self._world.owns_module(thing)
        return owned, {
            name: value
            for name, value in vars(thing).items()
            if name not in _UNSTABLE and (owned or (name[:1] != "_" and _patched(value)))
        }

    def children(self, thing: Any, content: tuple[bool, dict[str, Any]]) -> Iterable[object]:
        return content[1].values() if content[0] else ()

    def same(self, thing: Any, content: tuple[bool, dict[str, Any]]) -> bool:
        owned, attributes = content
        now = vars(thing)
        if not all(map(is_, map(now.get, attributes), attributes.values())):
            return False
        return not owned or not (now.keys() - attributes.keys() - _UNSTABLE)

    def put_back(self, thing: Any, content: tuple[bool, dict[str, Any]]) -> None:
        owned, attributes = content
        now = vars(thing)
        now.update(attributes)
        if owned:
            for name in now.keys() - attributes.keys() - _UNSTABLE:
                del now[name]

    def swapped(
        self, content: tuple[bool, dict[str, Any]], swaps: Mapping[int, object]
    ) -> tuple[bool, dict[str, Any]]:
        owned, attributes = content
        return owned, {name: swaps.get(id(value), value) for name, value in attributes.items()}


class LinkKind(Kind):
    """Something immutable that leads to others, through the attributes named."""

    def __init__(self, *attributes: str) -> None:
        self._attributes = attributes

    def children(self, thing: Any, content: Any) -> Iterator[object]:
        for attribute in self._attributes:
            yield getattr(thing, attribute, None)


class BuiltinKind(Kind):
    """A function written in C; bound to an object, such as ``items.append``, it leads there."""

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        owner = thing.__self__
        return () if owner is None or isinstance(owner, ModuleType) else (owner,)


class ProxyKind(Kind):
    """A read-only view or the like: it leads to what it shows."""

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        return gc.get_referents(thing)


class WeakKind(Kind):
    def children(self, thing: Any, content: Any) -> Iterable[object]:
        return (thing(),)


class PartialKind(Kind):
    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        return thing.func, thing.args, thing.keywords, thing.__dict__

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterable[object]:
        return content

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        return all(map(is_, self.take(thing, _NO_KEEPER), content))

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        thing.__setstate__(content)


class CacheKind(Kind):
    """``functools.lru_cache``. Without a bound its entries are in a dict, seen like any other.

    With a bound they are known by their counts, and can only be emptied.
    """

    def take(self, thing: Any, keeper: Keeper) -> tuple[int, int] | None:
        info = thing.cache_info()
        return None if info.maxsize is None else (info.currsize, info.misses)

    def children(self, thing: Any, content: tuple[int, int] | None) -> Iterable[object]:
        return gc.get_referents(thing)

    def same(self, thing: Any, content: tuple[int, int] | None) -> bool:
        if content is None:
            return True
        now = thing.cache_info()
        size, misses = content
        return now.currsize == size and (size == 0 or now.misses == misses)

    def put_back(self, thing: Any, content: tuple[int, int] | None) -> None:
        if content is not None and content[0]:
            raise NotRestorable("what its lru_cache held is gone")
        thing.cache_clear()


def lru_type() -> type:
    """The type of functions wrapped in ``lru_cache``."""
    return type(functools.cache(lambda: None))


def link_kinds() -> dict[type, Kind]:
    """Kinds of the small things between functions and objects, by type."""
    return {
        MethodType: LinkKind("__self__", "__func__"),
        types.MethodWrapperType: LinkKind("__self__"),
        BuiltinFunctionType: BuiltinKind(),
        staticmethod: LinkKind("__func__"),
        classmethod: LinkKind("__func__"),
        property: LinkKind("fget", "fset", "fdel"),
        functools.partial: PartialKind(),
        functools.partialmethod: LinkKind("func", "args", "keywords"),
        weakref.ref: WeakKind(),
        MappingProxyType: ProxyKind(),
        np.ufunc: ProxyKind(),  # to the function it was made of
        memoryview: LinkKind("obj"),
        super: LinkKind("__self__"),
        CellType: CellKind(),
        lru_type(): CacheKind(),
    }


def _bases(cls: Any) -> tuple[type, ...]:
    return type.__dict__["__bases__"].__get__(cls)  # type: ignore[no-any-return]


def _patched(value: object) -> bool:
    return callable(value) or isinstance(value, _CONSTANTS)


def _same_dict(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return now.keys() == before.keys() and all(map(is_, map(now.get, before), before.values()))


_NO_KEEPER: Final = Keeper(0)
