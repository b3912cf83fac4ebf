"""pandas: tables are blocks of arrays under labels."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from typing import Any, Final

from hpmagic.execution.heap.instances import BothKind, InstanceKind
from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable

__all__ = ["pandas_kind"]

_DERIVED: Final = frozenset({"_cache", "_id", "_references", "_item_cache", "_cacher"})


def pandas_kind(cls: type) -> Kind | None:
    """The kind of a pandas class; None for those without anything of their own to know."""
    bases = {base.__name__ for base in cls.__mro__ if base.__module__.startswith("pandas")}
    if bases & {"ExtensionDtype", "BaseOffset", "BlockPlacement", "BlockValuesRefs", "_NaT"}:
        return Kind()
    if bases & {"_Timestamp", "_Timedelta", "_Period", "Interval", "NAType"}:
        return Kind()
    if "BaseBlockManager" in bases:
        return _ManagerKind()
    if "Block" in bases:
        return _FieldsKind(("values", "_mgr_locs"), settable=True)
    if "NDArrayBacked" in bases:
        fields = _FieldsKind(("_ndarray", "_dtype"), settable=False)
        return BothKind(fields, InstanceKind(_DERIVED))
    if bases & {"NDFrame", "Index", "ExtensionArray", "Flags"}:
        return InstanceKind(_DERIVED)
    return None


class _ManagerKind(Kind):
    """The blocks of a table and its axes."""

    def take(self, thing: Any, keeper: Keeper) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(thing.blocks), tuple(thing.axes)

    def children(
        self, thing: Any, content: tuple[tuple[Any, ...], tuple[Any, ...]]
    ) -> Iterable[object]:
        return (*content[0], *content[1])

    def same(self, thing: Any, content: tuple[tuple[Any, ...], tuple[Any, ...]]) -> bool:
        blocks, axes = thing.blocks, thing.axes
        return (
            len(blocks) == len(content[0])
            and all(map(is_, blocks, content[0]))
            and all(map(is_, axes, content[1]))
        )

    def put_back(self, thing: Any, content: tuple[tuple[Any, ...], tuple[Any, ...]]) -> None:
        blocks, axes = content
        thing.blocks = blocks
        thing.axes = list(axes)
        if hasattr(thing, "_known_consolidated"):
            thing._known_consolidated = thing._is_consolidated = False
        if hasattr(thing, "_blknos"):  # made anew when needed: the blocks come back after this
            thing._blknos = thing._blklocs = None


class _FieldsKind(Kind):
    """An object of a class in C with a few known fields."""

    def __init__(self, fields: tuple[str, ...], *, settable: bool) -> None:
        self._fields = fields
        self._settable = settable

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        return tuple([getattr(thing, field) for field in self._fields])

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterable[object]:
        return content

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        return all(getattr(thing, f) is was for f, was in zip(self._fields, content, strict=True))

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        for field, was in zip(self._fields, content, strict=True):
            if getattr(thing, field) is not was:
                if not self._settable:
                    raise NotRestorable(f"a {type(thing).__name__} cannot be put back")
                setattr(thing, field, was)
        cache = getattr(thing, "_cache", None)
        if isinstance(cache, dict):
            cache.clear()
