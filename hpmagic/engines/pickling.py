"""Objects between the kernel and its workers, with one namespace standing for the other.

A function of the person's namespace is sent by value, and in the worker its globals are the
worker's namespace: a helper that reads a global sees the trial's value, as in the kernel. An object
that both sides have is sent by name.
"""

from __future__ import annotations

import io
import pickle
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import cloudpickle

__all__ = ["Pickled", "Pickling"]

Pickled = bytes

_Buffers = Iterable[Any]
_current: ContextVar[Pickling] = ContextVar("_current")
_ATOMS: Final = (int, float, complex, str, bytes, bool, type(None), types.ModuleType)


class Pickling:
    """Pickles for, and reads from, the other side's namespace.

    Args:
        namespace: this side's.
        shared: the names whose objects the other side has too; by themselves, not their contents.
    """

    def __init__(self, namespace: dict[str, Any], shared: Iterable[str] = ()) -> None:
        self.namespace = namespace
        self.shared: Mapping[str, Any] = {
            name: namespace[name]
            for name in shared
            if name in namespace and not isinstance(namespace[name], _ATOMS)
        }
        self._names = {id(value): name for name, value in self.shared.items()}

    def dumps(
        self,
        value: object,
        *,
        follow: bool = False,
        buffers: Callable[[pickle.PickleBuffer], Any] | None = None,
        seen: set[str] | None = None,
    ) -> Pickled:
        """``value`` as bytes.

        Args:
            value: anything.
            follow: send what functions of the namespace read from it along with them.
            buffers: takes large buffers out of band, as `pickle.Pickler` does.
            seen: gets the names in the code of functions sent by value.

        Raises:
            Exception: whatever the objects raise when they cannot be pickled.
        """
        with io.BytesIO() as file:
            _Pickler(file, self, follow, buffers, seen).dump(value)
            return file.getvalue()

    def failing(self, variables: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of those that cannot be pickled."""
        return tuple(name for name, value in variables.items() if not self._can_be_pickled(value))

    def loads(
        self,
        data: bytes | memoryview,
        buffers: _Buffers = (),
        load: Callable[..., Any] = pickle.loads,
    ) -> Any:
        """The inverse of the other side's `dumps`; ``load`` reads the bytes."""
        token = _current.set(self)
        try:
            with self._builtins_kept():
                return load(data, buffers=buffers)
        finally:
            _current.reset(token)

    def name_of(self, value: object) -> str | None:
        """The name under which the other side has ``value`` too."""
        name = self._names.get(id(value))
        return name if name is not None and self.shared[name] is value else None

    def _can_be_pickled(self, value: object) -> bool:
        try:
            self.dumps(value)
        except Exception:  # noqa: BLE001 - objects refuse in their own ways
            return False
        return True

    @contextmanager
    def _builtins_kept(self) -> Iterator[None]:
        """Cloudpickle sets ``__builtins__`` in the globals of each function it makes."""
        before = self.namespace.get("__builtins__")
        try:
            yield
        finally:
            if before is not None:
                self.namespace["__builtins__"] = before
            else:
                self.namespace.pop("__builtins__", None)


def _namespace() -> dict[str, Any]:
    return _current.get().namespace


def _named(name: str) -> Any:
    return _current.get().shared[name]


class _Globals:
    """Stands for the namespace as the globals of a function."""

    def __reduce__(self) -> tuple[Callable[[], dict[str, Any]], tuple[()]]:
        return _namespace, ()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self,
        file: io.BytesIO,
        pickling: Pickling,
        follow: bool,
        buffers: Callable[[pickle.PickleBuffer], Any] | None,
        seen: set[str] | None,
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers)
        self._pickling = pickling
        self._follow = follow
        self._seen = seen
        self.globals_ref[id(pickling.namespace)] = _Globals()

    def reducer_override(self, obj: Any) -> Any:
        name = self._pickling.name_of(obj)
        if name is not None:
            return _named, (name,)
        if isinstance(obj, types.FunctionType):
            if self._seen is not None:
                self._seen |= set(obj.__code__.co_names)
            if obj.__globals__ is self._pickling.namespace:
                return self._function(obj)
        return super().reducer_override(obj)

    def _function(self, function: types.FunctionType) -> Any:
        """By value, whatever module it says it is from: its globals are the namespace."""
        reduced = self._dynamic_function_reduce(function)
        if not self._follow:
            _, slots = reduced[2]
            slots["__globals__"] = {}
        return reduced
