"""Objects whose state is held in C: generators of random numbers, files, iterators and the rest."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from hpmagic.execution.heap.containers import PLAIN
from hpmagic.execution.heap.digest import object_digest
from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable, Replace, named

__all__ = [
    "BitGeneratorKind",
    "DatabaseKind",
    "DecimalKind",
    "ExceptionKind",
    "FileKind",
    "GeneratorKind",
    "HandleKind",
    "IteratorKind",
    "MemoryFileKind",
    "NativeKind",
    "RandomKind",
    "ServiceKind",
]


_NO_KEEPER: Final = Keeper(0)
_APART: Final = frozenset({"sklearn", "numpy"})
"""Packages whose objects in C refer to nothing that others change."""


class NativeKind(Kind):
    """An object of a class in C, known by what pickling it gives.

    It can be put back when its class has ``__setstate__`` and it refers to nothing that can change,
    which would be replaced by copies.
    """

    last = True

    def take(self, thing: Any, keeper: Keeper) -> tuple[bytes | None, bytes | None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not hasattr(thing, "__setstate__") or self._stays(thing):
                    return object_digest(thing), None
                state = pickle.dumps(thing.__reduce_ex__(4), 5)
                return object_digest(thing), state if keeper.wants(len(state)) else None
        except Exception:  # noqa: BLE001 - a stranger's __reduce__ may raise anything
            return None, None

    def children(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> Iterable[object]:
        # Its pickle holds what it refers to, but not that others refer to the same.
        return gc.get_referents(thing)

    def same(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> bool:
        if content[0] is None:
            return True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return object_digest(thing) == content[0]
        except Exception:  # noqa: BLE001 - as above
            return False

    def put_back(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> None:
        if content[1] is None:
            raise NotRestorable(f"no copy could be kept of a {type(thing).__qualname__}")
        try:
            state = pickle.loads(content[1])[2]  # noqa: S301 - made by ourselves, above
            thing.__setstate__(state)
        except Exception as error:
            raise NotRestorable(f"a {type(thing).__qualname__} cannot be put back") from error

    def lasting(self, content: tuple[bytes | None, bytes | None]) -> bool:
        return content[0] is not None and content[1] is None

    def suffices(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> bool:
        return content[1] is not None

    def unseen(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> str:
        return named(thing) if content[0] is None else ""

    def _stays(self, thing: Any) -> bool:
        """Whether it must not be put back from a pickle."""
        if type(thing).__module__.partition(".")[0] in _APART:
            return False
        return not all(
            type(item) in PLAIN or isinstance(item, type) for item in gc.get_referents(thing)
        )


class HandleKind(NativeKind):
    """An object that stands for one of a library by a pointer, which only some pickle whole.

    Of others a pickle shows changes, but not all, and from it none can be put back.
    """

    def children(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> Iterable[object]:
        # Not the dict of them: a pointer put back there may have been freed.
        return tuple(vars(thing).values()) if content[1] is None else ()

    def unseen(self, thing: Any, content: tuple[bytes | None, bytes | None]) -> str:
        return super().unseen(thing, content) if _whole_in_pickle(thing) else named(thing)

    def _stays(self, thing: Any) -> bool:
        return not _whole_in_pickle(thing)


class ServiceKind(Kind):
    """A connection, a thread, a client: what stands behind it is outside, and left alone."""

    blind = "something outside"

    def unseen(self, thing: Any, content: Any) -> str:
        return named(thing)


class RandomKind(Kind):
    """``random.Random`` and numpy's ``RandomState``."""

    def take(self, thing: Any, keeper: Keeper) -> Any:
        if hasattr(thing, "getstate"):
            return thing.getstate()
        return pickle.dumps(thing.get_state(legacy=False))

    def same(self, thing: Any, content: Any) -> bool:
        return bool(self.take(thing, _NO_KEEPER) == content)

    def put_back(self, thing: Any, content: Any) -> None:
        if hasattr(thing, "setstate"):
            thing.setstate(content)
        else:
            thing.set_state(pickle.loads(content))  # noqa: S301 - made by ourselves, above


class BitGeneratorKind(Kind):
    """numpy's ``BitGenerator`` and ``Generator``."""

    def take(self, thing: Any, keeper: Keeper) -> bytes:
        return pickle.dumps(_bits(thing).state)

    def same(self, thing: Any, content: bytes) -> bool:
        return pickle.dumps(_bits(thing).state) == content

    def put_back(self, thing: Any, content: bytes) -> None:
        _bits(thing).state = pickle.loads(content)  # noqa: S301 - made by ourselves, above

    def children(self, thing: Any, content: bytes) -> Iterable[object]:
        # It counts the generators that were spawned.
        return (getattr(_bits(thing), "seed_seq", None),)


class FileKind(Kind):
    """A file: whether it is open, and how far it has been read."""

    def take(self, thing: Any, keeper: Keeper) -> tuple[bool, int | None]:
        if thing.closed:
            return True, None
        try:
            return False, thing.tell() if thing.readable() and thing.seekable() else None
        except (OSError, ValueError):
            return False, None

    def same(self, thing: Any, content: tuple[bool, int | None]) -> bool:
        now = self.take(thing, _NO_KEEPER)
        return now == content or (content[1] is None and not content[0] and not now[0])

    def put_back(self, thing: Any, content: tuple[bool, int | None]) -> None:
        closed, place = content
        if closed or thing.closed or place is None:
            raise NotRestorable("a file that was closed or read cannot be put back")
        thing.seek(place)

    def suffices(self, thing: Any, content: tuple[bool, int | None]) -> bool:
        return content[1] is not None

    def unseen(self, thing: Any, content: tuple[bool, int | None]) -> str:
        return "" if content[0] else "an open file"


class MemoryFileKind(Kind):
    """``StringIO`` and ``BytesIO``."""

    def take(self, thing: Any, keeper: Keeper) -> Any:
        return None if thing.closed else thing.__getstate__()[:-1]

    def same(self, thing: Any, content: Any) -> bool:
        return bool(self.take(thing, _NO_KEEPER) == content)

    def put_back(self, thing: Any, content: Any) -> None:
        if content is None or thing.closed:
            raise NotRestorable("a closed file cannot be put back")
        thing.__setstate__((*content, getattr(thing, "__dict__", None)))


class IteratorKind(Kind):
    """Iterators of Python's own: how far they are is known; a copy can stand in for a used one."""

    blind = "an iterator"

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, Any]:
        return _place(thing), _copied(thing)

    def children(self, thing: Any, content: tuple[Any, Any]) -> Iterable[object]:
        return _flattened(content[0])

    def same(self, thing: Any, content: tuple[Any, Any]) -> bool:
        return _alike(_place(thing), content[0])

    def suffices(self, thing: Any, content: tuple[Any, Any]) -> bool:
        return content[1] is not None

    def put_back(self, thing: Any, content: tuple[Any, Any]) -> None:
        if content[1] is None:
            raise NotRestorable(f"a used {type(thing).__qualname__} cannot be put back")
        raise Replace(_copied(content[1]))


class GeneratorKind(Kind):
    """A generator: where it stands and what it holds can be seen, and not put back."""

    blind = "a generator"

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        frame = getattr(thing, "gi_frame", None) or getattr(thing, "cr_frame", None)
        if frame is None:
            return (None,)
        held = [item for item in gc.get_referents(thing) if not isinstance(item, FrameType)]
        places = tuple(_place(item) for item in held if hasattr(type(item), "__next__"))
        return frame.f_lasti, places, tuple(held)

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterable[object]:
        if len(content) == 1:
            return ()
        return [item for item in content[2] if not hasattr(type(item), "__next__")]

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        return _alike(self.take(thing, _NO_KEEPER), content)

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        raise NotRestorable("a generator cannot be wound back; make it inside the cell")


class DatabaseKind(Kind):
    """A sqlite3 connection: a database in memory is seen whole, any other is a service.

    So is one in the middle of a transaction, which an image would not hold.
    """

    def take(self, thing: Any, keeper: Keeper) -> tuple[int, bytes | None] | None:
        try:
            if thing.in_transaction or not _in_memory(thing):
                return None
            image = thing.serialize()
        except Exception:  # noqa: BLE001 - closed, of another thread, or an old SQLite
            return None
        return hash(image), image if keeper.wants(len(image)) else None

    def same(self, thing: Any, content: tuple[int, bytes | None] | None) -> bool:
        if content is None:
            return True
        now = self.take(thing, _NO_KEEPER)
        return now is not None and now[0] == content[0]

    def put_back(self, thing: Any, content: tuple[int, bytes | None] | None) -> None:
        if content is None or content[1] is None:
            raise NotRestorable("no copy was kept of a database")
        try:
            thing.rollback()
            thing.deserialize(content[1])
        except Exception as error:
            raise NotRestorable("a database cannot be put back") from error

    def lasting(self, content: tuple[int, bytes | None] | None) -> bool:
        return content is not None and content[1] is None

    def suffices(self, thing: Any, content: tuple[int, bytes | None] | None) -> bool:
        return content is not None and content[1] is not None

    def unseen(self, thing: Any, content: tuple[int, bytes | None] | None) -> str:
        return named(thing) if content is None else ""


class DecimalKind(Kind):
    """A context of ``decimal``: its settings, and the signals that have been raised."""

    _settings = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")

    def take(self, thing: Any, keeper: Keeper) -> Any:
        return thing.__reduce__()[1]

    def same(self, thing: Any, content: Any) -> bool:
        return bool(self.take(thing, _NO_KEEPER) == content)

    def put_back(self, thing: Any, content: Any) -> None:
        *settings, raised, trapped = content
        for name, value in zip(self._settings, settings, strict=True):
            setattr(thing, name, value)
        for signals, on in ((thing.flags, raised), (thing.traps, trapped)):
            for signal in signals:
                signals[signal] = signal in on


class ExceptionKind(Kind):
    """What an exception was raised with."""

    def take(self, thing: Any, keeper: Keeper) -> Any:
        return thing.args

    def children(self, thing: Any, content: Any) -> Iterable[object]:
        return tuple(content)

    def same(self, thing: Any, content: Any) -> bool:
        return thing.args is content

    def put_back(self, thing: Any, content: Any) -> None:
        thing.args = content


def _whole_in_pickle(thing: Any) -> bool:
    """Whether it is a model that can be made again from its pickle, as the same in all respects."""
    package = type(thing).__module__.partition(".")[0]
    if package == "lightgbm":  # training data is not pickled
        return type(thing).__name__ == "Booster" and vars(thing).get("train_set") is None
    return package == "xgboost"


def _bits(thing: Any) -> Any:
    return getattr(thing, "bit_generator", thing)


def _in_memory(connection: Any) -> bool:
    rows = connection.execute("PRAGMA database_list").fetchall()
    # A database that was put back has a name, but no path.
    return not any(Path(file).is_absolute() for _, _, file in rows)


def _place(thing: Any) -> Any:
    """How far an iterator is, as what would make one like it; itself when it does not tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # copying itertools is going out of use
            recipe = thing.__reduce__()
    except Exception:  # noqa: BLE001 - most iterators do not tell
        return thing
    # Iterators of dicts and sets tell what is left, in a list made for the purpose.
    fresh = type(thing).__name__.startswith(("dict_", "odict_", "set_"))
    return _described(recipe, list if fresh else tuple)


def _described(part: Any, opened: type) -> Any:
    if isinstance(part, tuple | list) and isinstance(part, tuple | opened):
        return tuple([_described(item, opened) for item in part])
    return _place(part) if hasattr(type(part), "__next__") else part


def _flattened(place: Any) -> Iterator[object]:
    if isinstance(place, tuple):
        for part in tuple(place):
            yield from _flattened(part)
    elif not hasattr(type(place), "__next__"):
        yield place


def _alike(a: Any, b: Any) -> bool:
    """Whether two descriptions name the same objects; tuples and numbers by value."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        return len(a) == len(b) and all(map(_alike, a, b))
    # A used-up iterator of a list names an empty list made for the purpose.
    return (type(a) in PLAIN or a == [] == b) and bool(a == b)


def _copied(thing: Any) -> Any:
    """A copy at the same place, over the same objects; None where there cannot be one."""
    shared: dict[int, Any] = {}

    def share(inner: Any) -> None:
        for referent in gc.get_referents(inner):
            if hasattr(type(referent), "__next__"):
                share(referent)
            else:
                shared[id(referent)] = referent

    share(thing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            twin = copy.deepcopy(thing, shared)
    except Exception:  # noqa: BLE001 - as above
        return None
    return None if twin is thing else twin
