"""Arrays and tensors: where they lie, and a fingerprint of what they hold."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterable, Mapping
from operator import is_
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from hpmagic.execution.heap.containers import interesting
from hpmagic.execution.heap.digest import array_digest, object_digest
from hpmagic.execution.heap.kind import Keeper, Kind, NotRestorable, swapped

__all__ = ["ArrayKind", "TensorKind"]

Array = np.ndarray[Any, Any]

_HOOKS: Final = ("_backward_hooks", "_post_accumulate_grad_hooks")
"""Dicts of what is called with a tensor's gradient; None until there is any."""


class _Layout(NamedTuple):
    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Any
    fields: tuple[str, ...] | None
    writeable: bool


class _Content(NamedTuple):
    """``digest`` is None where the memory belongs to another array, or cannot change.

    ``file`` says that the memory is a file that is written to: its contents are outside.
    """

    layout: _Layout
    digest: bytes | None = None
    saved: Array | None = None
    items: tuple[Any, ...] | None = None
    file: bool = False


class ArrayKind(Kind):
    """numpy arrays. A view leads to the array that owns the memory, which is looked at once."""

    def take(self, thing: Any, keeper: Keeper) -> _Content:
        layout = _layout(thing)
        owner = _owner(thing)
        if owner is not thing or (owner.base is not None and not layout.writeable):
            return _Content(layout)
        if thing.dtype == object:
            return _Content(layout, items=tuple(_flat(thing).tolist()))
        if owner.base is not None and _mapped(thing):
            return _Content(layout, file=True)
        digest = _digest(thing)
        if (original := _original(thing, keeper, digest)) is not None:
            return _Content(layout, digest, original)
        wanted = not thing.dtype.hasobject and keeper.wants(thing.nbytes)
        return _Content(layout, digest, thing.copy(order="K") if wanted else None)

    def size(self, thing: Any) -> int:
        return int(thing.nbytes) if _owner(thing) is thing else 200

    def children(self, thing: Any, content: _Content) -> Iterable[object]:
        if content.items is not None:
            return interesting(content.items)
        owner = _owner(thing)
        if owner is not thing:
            return (owner,)
        base = owner.base
        held = base.obj if isinstance(base, memoryview) else base
        # What a mapping holds is what the array holds.
        return () if held is None or isinstance(held, mmap.mmap) else (base,)

    def same(self, thing: Any, content: _Content) -> bool:
        if _layout(thing) != content.layout:
            return False
        if content.items is not None:
            now = _flat(thing).tolist()
            return len(now) == len(content.items) and all(map(is_, now, content.items))
        return content.digest is None or _digest(thing) == content.digest

    def put_back(self, thing: Any, content: _Content) -> None:
        if content.digest is not None and content.saved is None:
            raise NotRestorable(f"no copy was kept of an array of {thing.nbytes:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # setting an array's layout is going out of use
            _reshape(thing, content.layout)
        if content.items is not None:
            flat = _flat(thing)
            for at, item in enumerate(content.items):
                flat[at] = item
        elif content.saved is not None:
            np.copyto(thing, content.saved, casting="no")
        if thing.flags.writeable != content.layout.writeable:
            thing.flags.writeable = content.layout.writeable

    def lasting(self, content: _Content) -> bool:
        return content.digest is not None and content.saved is None

    def unseen(self, thing: Any, content: _Content) -> str:
        return "a memory-mapped file" if content.file else ""

    def swapped(self, content: _Content, swaps: Mapping[int, object]) -> _Content:
        if content.items is None:
            return content
        return content._replace(items=swapped(content.items, swaps))


class TensorKind(Kind):
    """torch tensors that are variables: parameters and data, not steps of a computation."""

    def take(self, thing: Any, keeper: Keeper) -> tuple[Any, ...]:
        alias = thing.detach()
        kept = keeper.wants(alias.nelement() * alias.element_size())
        return (
            thing.data_ptr(),
            tuple(thing.shape),
            tuple(thing.stride()),
            thing.dtype,
            thing.requires_grad,
            thing.grad if thing.is_leaf else None,
            _tensor_digest(thing),
            alias,
            alias.clone() if kept else None,
            *_hooks(thing),
        )

    def size(self, thing: Any) -> int:
        return int(thing.nelement() * thing.element_size())

    def children(self, thing: Any, content: tuple[Any, ...]) -> Iterable[object]:
        return (content[5], *content[9:], getattr(thing, "__dict__", None))

    def same(self, thing: Any, content: tuple[Any, ...]) -> bool:
        now = (
            thing.data_ptr(),
            tuple(thing.shape),
            tuple(thing.stride()),
            thing.dtype,
            thing.requires_grad,
        )
        if now != content[:5] or (thing.is_leaf and thing.grad is not content[5]):
            return False
        if not all(map(is_, _hooks(thing), content[9:])):
            return False
        return bool(_tensor_digest(thing) == content[6])

    def put_back(self, thing: Any, content: tuple[Any, ...]) -> None:
        saved = content[8]
        if saved is None:
            raise NotRestorable("no copy was kept of a tensor")
        if not thing.is_leaf:
            raise NotRestorable("a tensor that was computed from others cannot be put back")
        thing.data = content[7]
        thing.data.copy_(saved)
        thing.requires_grad_(content[4])
        thing.grad = content[5]
        for name, hooks in zip(_HOOKS, content[9:], strict=True):
            now = getattr(thing, name, None)
            if now is not hooks:
                if now is not None:
                    now.clear()  # torch may go on calling them
                setattr(thing, name, hooks)

    def lasting(self, content: tuple[Any, ...]) -> bool:
        return content[8] is None

    def unseen(self, thing: Any, content: Any) -> str:
        return "" if thing.device.type == "cpu" and not thing.is_sparse else "device memory"


def _hooks(tensor: Any) -> tuple[Any, ...]:
    return tuple([getattr(tensor, name, None) for name in _HOOKS])


def _layout(array: Array) -> _Layout:
    return _Layout(
        array.__array_interface__["data"][0],
        array.shape,
        array.strides,
        array.dtype,
        array.dtype.names,
        array.flags.writeable,
    )


def _owner(array: Array) -> Array:
    """The array whose memory this one looks at; itself when that is nobody's array."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner


def _mapped(array: Array) -> bool:
    """Whether what is written to the array is written to a file."""
    mode = getattr(array, "mode", None)  # of a numpy.memmap
    return isinstance(array, np.memmap) and mode != "c"


def _original(array: Array, keeper: Keeper, digest: bytes) -> Array | None:
    """The contents of an array where nothing changes them, when there is such a place."""
    if keeper.original is None or array.dtype.hasobject or not array.nbytes:
        return None
    order: Literal["C", "F"] = "C" if array.flags.c_contiguous else "F"
    first = array.__array_interface__["data"][0] - keeper.original.address
    inside = first >= 0 and first + array.nbytes <= keeper.original.memory.nbytes
    if not inside or not array.flags.forc:
        return None
    flat = np.frombuffer(keeper.original.memory, array.dtype, array.size, first)
    found = flat.reshape(array.shape, order=order)
    return found if _digest(found) == digest else None


def _flat(array: Array) -> Array:
    return array.ravel(order="K")


def _digest(array: Array) -> bytes:
    return object_digest(array) if array.dtype.hasobject else array_digest(array)


def _reshape(array: Array, layout: _Layout) -> None:
    if layout.dtype.names != layout.fields:
        layout.dtype.names = layout.fields
    now = _layout(array)
    if now[:4] == layout[:4]:
        if layout.writeable or not now.writeable:
            _unlock(array)
        return
    try:
        if now.pointer != layout.pointer:
            array.resize(layout.shape, refcheck=False)
        array.dtype = layout.dtype  # type: ignore[misc]
        array.shape = layout.shape
        array.strides = layout.strides
    except (ValueError, AttributeError, TypeError) as error:
        raise NotRestorable(str(error)) from None


def _unlock(array: Array) -> None:
    try:
        array.flags.writeable = True
    except ValueError as error:
        raise NotRestorable(str(error)) from None


def _tensor_digest(tensor: Any) -> bytes:
    import torch

    with torch.no_grad():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        if flat.numel() == 0:
            return b""
        return array_digest(flat.view(torch.uint8).numpy())
