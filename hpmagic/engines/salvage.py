"""Reads a pickle of which some objects cannot be made here."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable
from typing import Any, Final

__all__ = ["salvage"]

_Step = Callable[[Any], None]


def salvage(data: bytes | memoryview, *, buffers: Iterable[Any] = ()) -> Any:
    """As `pickle.loads`, with a stand-in that cannot be pickled for each object that fails."""
    return _Unpickler(io.BytesIO(data), buffers=buffers).load()


class _Lost:
    """Takes whatever the pickle would have given to the object."""

    def __new__(cls, *_: object, **__: object) -> _Lost:
        return super().__new__(cls)

    def __call__(self, *_: object, **__: object) -> _Lost:
        return self

    def __setitem__(self, _key: object, _value: object) -> None:
        return None

    def __setstate__(self, _: object) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        raise pickle.PicklingError("it was lost")

    append = extend = add = update = __setstate__


# The library's other one is compiled: its steps cannot be overridden.
_InPython: Any = pickle._Unpickler


class _Unpickler(_InPython):  # type: ignore[misc]
    dispatch = dict(_InPython.dispatch)  # noqa: RUF012 - as in the base class

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except Exception:  # noqa: BLE001 - an import may raise anything
            return _Lost()


def _made(unpickler: _Unpickler) -> None:
    unpickler.append(_Lost())


def _called(unpickler: _Unpickler) -> None:
    unpickler.stack[-1] = _Lost()


def _changed(unpickler: _Unpickler) -> None:
    """An object that is half itself is lost, too, for all who refer to it from now on."""
    half, lost = unpickler.stack[-1], _Lost()
    unpickler.stack[-1] = lost
    unpickler.memo.update({at: lost for at, known in unpickler.memo.items() if known is half})


def _guarded(step: _Step, lose: _Step) -> _Step:
    def take(unpickler: _Unpickler) -> None:
        try:
            step(unpickler)
        except Exception:  # noqa: BLE001 - whatever a reduction raises
            lose(unpickler)

    return take


_FAILING: Final = {
    _made: (pickle.NEWOBJ, pickle.NEWOBJ_EX),
    _called: (pickle.REDUCE,),
    _changed: (
        *(pickle.BUILD, pickle.APPEND, pickle.APPENDS),
        *(pickle.SETITEM, pickle.SETITEMS, pickle.ADDITEMS),
    ),
}
for _lose, _opcodes in _FAILING.items():
    for (_code,) in _opcodes:
        _Unpickler.dispatch[_code] = _guarded(_Unpickler.dispatch[_code], _lose)
