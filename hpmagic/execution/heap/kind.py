"""What a snapshot knows of one sort of object."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

__all__ = [
    "Keeper",
    "Kind",
    "NotRestorable",
    "OpaqueKind",
    "Original",
    "Replace",
    "named",
    "swapped",
    "taken",
]


class NotRestorable(Exception):
    """The object's state cannot be put back; the message says what is missing."""


class Replace(Exception):
    """The object itself cannot go back, but ``substitute`` can stand in its place."""

    def __init__(self, substitute: object) -> None:
        super().__init__()
        self.substitute = substitute


class Original(NamedTuple):
    """Memory that objects stand in from ``address`` on, and the same bytes where none can change.

    Where there is one, contents need not be copied.
    """

    address: int
    memory: memoryview


class Keeper:
    """Decides which contents are copied, within ``limit`` bytes in all and ``largest`` for one.

    Args:
        limit: bytes in all.
        largest: bytes of one content.
        original: memory of which there is a second view, unchanged.
    """

    def __init__(
        self, limit: int, largest: int | None = None, original: Original | None = None
    ) -> None:
        self.original = original
        self.limit = limit
        self.kept = 0
        self.refused = 0
        self._largest = limit if largest is None else largest

    def wants(self, size: int) -> bool:
        """Whether a content of ``size`` bytes is to be copied; counts it when so."""
        if size > self._largest or self.kept + size > self.limit:
            self.refused += size
            return False
        self.kept += size
        return True


class Kind:
    """How to take, compare and put back the state of one sort of object.

    ``blind`` is empty, or says what objects of this kind are when their state cannot be relied on
    to be seen whole: code that touched one has to run again. This base class is for objects without
    a state.
    """

    blind = ""
    last = False
    """Whether it is put back after the others, as it may share what they hold."""

    def take(self, thing: Any, keeper: Keeper) -> Any:
        """The state now. Objects that it refers to are kept as they are, not copied."""
        return None

    def size(self, thing: Any) -> int:
        """About how many bytes the object takes, without those it refers to."""
        return 200

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        """The objects that can be reached from this one."""
        return ()

    def same(self, thing: Any, content: Any) -> bool:
        """Whether the state is still ``content``."""
        return True

    def put_back(self, thing: Any, content: Any) -> None:
        """Make the state ``content`` again.

        Raises:
            NotRestorable: it cannot be done.
            Replace: another object has to take its place.
        """
        raise NotRestorable(f"a {type(thing).__qualname__} cannot be put back")

    def suffices(self, thing: Any, content: Any) -> bool:
        """Whether ``content`` is enough to give the object that state again."""
        return not self.unseen(thing, content)

    def lasting(self, content: Any) -> bool:
        """Whether a change of this very object would be seen, and could not be undone."""
        return False

    def swapped(self, content: Any, swaps: Mapping[int, object]) -> Any:
        """``content`` with references replaced, by identity; itself where that is impossible."""
        return content

    def unseen(self, thing: Any, content: Any) -> str:
        """What this very object is, when its state cannot be seen whole; else nothing."""
        return self.blind


class OpaqueKind(Kind):
    """An object that cannot be taken: left alone, and looked at for what it leads to."""

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        return gc.get_referents(thing)

    def unseen(self, thing: Any, content: Any) -> str:
        return named(thing)


_OPAQUE: Final = OpaqueKind()


def taken(kind: Kind, thing: Any, keeper: Keeper) -> tuple[Kind, Any]:
    """The state of an object, and its kind: another one where the state cannot be taken."""
    try:
        return kind, kind.take(thing, keeper)
    except Exception:  # noqa: BLE001 - a stranger's class may raise anything
        return _OPAQUE, None


def named(thing: object) -> str:
    """What an object is, by its class and package."""
    kind = type(thing)
    module = str(kind.__module__).partition(".")[0].lstrip("_")
    name = kind.__qualname__
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def swapped(items: tuple[Any, ...], swaps: Mapping[int, object]) -> tuple[Any, ...]:
    """A tuple with references replaced, by identity."""
    return tuple(swaps.get(id(item), item) for item in items)
