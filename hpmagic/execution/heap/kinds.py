"""Which kind an object is of."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import io
import logging
import pathlib
import random
import re
import sqlite3
import threading
import types
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from hpmagic.execution.heap.arrays import ArrayKind, TensorKind
from hpmagic.execution.heap.code import ClassKind, FunctionKind, LinkKind, ModuleKind, link_kinds
from hpmagic.execution.heap.containers import CONTAINERS, PLAIN
from hpmagic.execution.heap.instances import BothKind, InstanceKind, solid_base
from hpmagic.execution.heap.kind import Kind
from hpmagic.execution.heap.native import (
    BitGeneratorKind,
    DatabaseKind,
    DecimalKind,
    ExceptionKind,
    FileKind,
    GeneratorKind,
    HandleKind,
    IteratorKind,
    MemoryFileKind,
    NativeKind,
    RandomKind,
    ServiceKind,
)
from hpmagic.execution.heap.tables import pandas_kind
from hpmagic.execution.heap.world import World

__all__ = ["Kinds"]

_STILL: Final[tuple[Any, ...]] = (
    *PLAIN,
    slice,
    object,
    types.CodeType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GenericAlias,
    types.UnionType,
    dt.date,
    dt.time,
    dt.datetime,
    dt.timedelta,
    dt.timezone,
    re.Pattern,
    uuid.UUID,
    decimal.Decimal,
    fractions.Fraction,
    sqlite3.Row,
    type(np.dtype),
    type(threading.Lock()),
    type(threading.RLock()),
)
"""Exact types that do not change."""
_STILL_BASES: Final = (
    np.dtype,
    np.generic,
    enum.Enum,
    pathlib.PurePath,
    logging.Handler,
    threading.Condition,
    threading.Event,
    threading.Semaphore,
)
"""Classes whose objects do not change, but for those of the person's own subclasses."""
_STILL_MODULES: Final = frozenset(
    {
        "typing",
        "pyarrow",
        "numba",
        "abc",
        "ast",
        "_json",
        "_thread",
        "contextvars",
        "_contextvars",
        "zoneinfo",
        "hpmagic",
    }
)
_SERVICES: Final = frozenset(
    {
        "IPython",
        "aiohttp",
        "asyncio",
        "concurrent",
        "dask",
        "distributed",
        "http",
        "httpx",
        "ipykernel",
        "jax",
        "matplotlib",
        "mlflow",
        "multiprocessing",
        "psycopg",
        "psycopg2",
        "pymongo",
        "pyspark",
        "ray",
        "redis",
        "requests",
        "selectors",
        "socket",
        "sqlalchemy",
        "ssl",
        "subprocess",
        "tensorflow",
        "threading",
        "tornado",
        "traitlets",
        "urllib3",
        "wandb",
        "zmq",
    }
)
"""Packages whose objects stand for something outside: changing them back would break them."""
_ITERATORS: Final = frozenset({"builtins", "itertools", "collections"})
_PLAIN_C: Final = (types.SimpleNamespace, threading.local)
"""Classes in C that hold nothing but attributes."""


class Kinds:
    """Looks up the kind of an object by its type; each type is judged once."""

    def __init__(self, world: World) -> None:
        service = ServiceKind()
        self._world = world
        self._service = service
        self._instance = InstanceKind()
        self._native = NativeKind()
        self._handle = HandleKind()
        self._class = ClassKind(world)
        self._module = ModuleKind(world)
        self._by_type: dict[type, Kind | None] = dict.fromkeys(_STILL)
        self._by_type |= CONTAINERS
        self._by_type |= link_kinds()
        self._by_type |= {
            types.FunctionType: FunctionKind(world),
            types.ModuleType: self._module,
            types.GeneratorType: GeneratorKind(),
            types.CoroutineType: GeneratorKind(),
            types.AsyncGeneratorType: service,
            threading.local: self._instance,
            decimal.Context: DecimalKind(),
            type: self._class,
        }
        self._bases: list[tuple[type, Callable[[], Kind]]] = [
            (np.ndarray, ArrayKind),
            (random.Random, RandomKind),
            (np.random.RandomState, RandomKind),
            (np.random.Generator, BitGeneratorKind),
            (np.random.BitGenerator, BitGeneratorKind),
            (sqlite3.Connection, DatabaseKind),
            (io.StringIO, MemoryFileKind),
            (io.BytesIO, MemoryFileKind),
            (io.IOBase, FileKind),
            (logging.Logger, partial(LinkKind, "handlers")),
            (BaseException, ExceptionKind),
        ]

    def of(self, thing: object) -> Kind | None:
        """The kind of ``thing``, None when it neither changes nor leads anywhere."""
        cls = type(thing)
        try:
            return self._by_type[cls]
        except KeyError:
            self._by_type[cls] = kind = self._judge(cls, thing)
            return kind

    def _judge(self, cls: type, thing: object) -> Kind | None:
        package = getattr(cls, "__module__", None) or ""
        package = package.partition(".")[0] if isinstance(package, str) else ""
        if issubclass(cls, type):
            return self._class
        if issubclass(cls, types.ModuleType):
            return self._module
        if package in _STILL_MODULES:
            return None
        if issubclass(cls, _STILL_BASES) and not self._world.owns_class(cls):
            return None
        if cls.__name__ == "_lru_list_elem":  # the cache itself leads to what it holds
            return None
        if package == "pandas" and (known := pandas_kind(cls)) is not None:
            return None if type(known) is Kind else known
        if package in _SERVICES:
            return self._service
        if any(b.__name__ == "Tensor" and b.__module__.startswith("torch") for b in cls.__mro__):
            return TensorKind()
        if issubclass(cls, np.memmap):  # what its mapping holds is what the array holds
            return BothKind(ArrayKind(), InstanceKind(frozenset({"_mmap"})))
        for base, make in self._bases:
            if issubclass(cls, base):
                return self._with_attributes(cls, make())
        return self._by_hierarchy(cls, thing, package)

    def _by_hierarchy(self, cls: type, thing: object, package: str) -> Kind | None:
        solid = solid_base(cls)
        if solid is object or solid in _PLAIN_C:
            return self._handle if _holds_handle(thing) else self._instance
        if solid in self._by_type and solid is not cls:
            base = self._by_type[solid]
            return self._with_attributes(cls, Kind() if base is None else base)
        if hasattr(cls, "__next__") and package in _ITERATORS:
            return IteratorKind()
        return self._with_attributes(cls, self._native) if solid is not cls else self._native

    def _with_attributes(self, cls: type, base: Kind) -> Kind:
        return BothKind(base, self._instance) if cls.__dictoffset__ or _has_slots(cls) else base


def _has_slots(cls: type) -> bool:
    return any(vars(base).get("__slots__") for base in cls.__mro__)


def _holds_handle(thing: object) -> bool:
    """Whether an attribute is a pointer into a library: the state is not in the attributes then."""
    attributes = getattr(thing, "__dict__", None)
    if not isinstance(attributes, dict):
        return False
    return any(
        type(value).__module__ in ("ctypes", "_ctypes", "_cffi_backend")
        or type(value).__name__ == "PyCapsule"
        for value in attributes.values()
    )
