"""What code does that differs from run to run: clocks, entropy and tracking services."""

from __future__ import annotations

import dis
import inspect
import time
from itertools import pairwise
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Final

__all__ = [
    "LOADS",
    "SERVICES",
    "called",
    "outside_of_code",
    "outside_of_thing",
    "service_of",
    "steps_of",
    "timed_names",
]

LOADS: Final = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT")
"""The instructions that read a global begin so."""
_CLOCKS: Final = frozenset(
    {
        "perf_counter",
        "perf_counter_ns",
        "monotonic",
        "monotonic_ns",
        "process_time",
        "process_time_ns",
        "thread_time",
        "time_ns",
        "default_timer",
        "now",
        "utcnow",
        "today",
    }
)
_TIME_MODULE: Final = frozenset({"time", "ctime", "localtime", "gmtime", "strftime", "asctime"})
_CHANCE: Final = frozenset(
    {
        "urandom",
        "getrandom",
        "uuid1",
        "uuid4",
        "token_bytes",
        "token_hex",
        "token_urlsafe",
        "randbelow",
        "randbits",
        "getrandbits",
    }
)
_UNSEEDED: Final = frozenset(
    {
        "default_rng",
        "seed",
        "Random",
        "RandomState",
        "SeedSequence",
        "SystemRandom",
        "PCG64",
        "PCG64DXSM",
        "MT19937",
        "Philox",
        "SFC64",
    }
)
"""Without an argument, or with None, they take their seed from the system's entropy."""
SERVICES: Final = frozenset({"mlflow", "wandb", "neptune", "comet_ml", "clearml", "aim"})
"""Packages through which code writes to a tracking service."""
_READS_CLOCK: Final = "reads the clock"
_DRAWS: Final = "draws numbers that no seed fixes"
_CALLS: Final = frozenset({"CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_KW"})
_BETWEEN: Final = frozenset({"CACHE", "PRECALL", "PUSH_NULL", "RESUME", "KW_NAMES"})


def steps_of(code: CodeType) -> list[dis.Instruction]:
    """The instructions of a code, without those that only prepare a call."""
    return [step for step in dis.get_instructions(code) if step.opname not in _BETWEEN]


def service_of(thing: object) -> str:
    """The tracking service to which a module, function or class belongs; empty for others."""
    if isinstance(thing, ModuleType):
        return _service(getattr(thing, "__name__", ""))
    if isinstance(thing, FunctionType | type):
        return _service(getattr(thing, "__module__", ""))
    return ""


def outside_of_thing(thing: object, *, timed: bool) -> str:
    """What code that names this object does outside, whatever the name; empty for most.

    Args:
        thing: the object.
        timed: whether an attribute of it is read that is a clock in the module `time`.
    """
    if service := service_of(thing):
        return _uses(service)
    if isinstance(thing, ModuleType):
        if timed and thing is time:
            return _READS_CLOCK
        return _DRAWS if getattr(thing, "__name__", "") == "secrets" else ""
    if isinstance(thing, FunctionType | BuiltinFunctionType):
        if thing.__module__ == "time" and thing.__name__ in _CLOCKS | _TIME_MODULE:
            return _READS_CLOCK
        if thing.__module__ in ("posix", "nt", "uuid", "secrets") and thing.__name__ in _CHANCE:
            return _DRAWS
    return ""


def _service(module: object) -> str:
    package = module.partition(".")[0] if isinstance(module, str) else ""
    return package if package in SERVICES else ""


def _uses(module: str) -> str:
    service = _service(module)
    return f"uses `{service}`" if service else ""


def outside_of_code(code: CodeType, steps: list[dis.Instruction]) -> str:
    """What a code does outside by itself, as far as its names tell; empty for most."""
    outside = ""
    # What a statement of the cell imports, other statements use: only a function uses its own.
    imports = bool(code.co_flags & inspect.CO_NEWLOCALS)
    clocks, module = {"time"}, ""
    for at, step in enumerate(steps):
        name, value = step.opname, step.argval
        if name.startswith(LOADS):
            outside = _outside(value, steps, at) or _uses(value) or outside
        elif name.startswith(("LOAD_ATTR", "LOAD_METHOD")):
            timed = value in _TIME_MODULE and at and steps[at - 1].argval in clocks
            if timed or value in _CLOCKS:
                outside = _READS_CLOCK
            elif value in _CHANCE or (value in _UNSEEDED and called(steps, at, bare=True)):
                outside = _DRAWS
        elif name == "IMPORT_NAME":
            module = value
            if value == "time":
                clocks.add(steps[at + 1].argval)
            if imports:
                outside = _uses(value) or outside
        elif name == "IMPORT_FROM" and imports:
            if value in _CLOCKS or (module == "time" and value in _TIME_MODULE):
                outside = _READS_CLOCK
            elif value in _CHANCE:
                outside = _DRAWS
    return outside


def timed_names(steps: list[dis.Instruction]) -> frozenset[str]:
    """The globals that read a clock here, should they be the module `time`."""
    return frozenset(
        step.argval
        for step, after in pairwise(steps)
        if step.opname.startswith(LOADS)
        and after.opname.startswith(("LOAD_ATTR", "LOAD_METHOD"))
        and after.argval in _TIME_MODULE
    )


def _outside(name: str, steps: list[dis.Instruction], at: int) -> str:
    """What the call of a global with a telling name reads."""
    if (name in _CLOCKS and called(steps, at)) or (
        name in _TIME_MODULE and called(steps, at, bare=True)
    ):
        return _READS_CLOCK
    if (name in _CHANCE and called(steps, at)) or (
        name in _UNSEEDED and called(steps, at, bare=True)
    ):
        return _DRAWS
    return ""


def called(steps: list[dis.Instruction], at: int, bare: bool = False) -> bool:
    """Whether what an instruction loads is called at once; with ``bare``, without arguments.

    A sole None, by position or by name, is as good as no argument.
    """
    follow = steps[at + 1 : at + 12]
    if not bare:
        return any(step.opname in _CALLS for step in follow)
    arguments = 0
    if follow and follow[0].opname == "LOAD_CONST" and follow[0].argval is None:
        arguments = 1
        names = len(follow) > 1 and isinstance(follow[1].argval, tuple)
        follow = follow[2:] if names else follow[1:]
    return bool(follow) and follow[0].opname in _CALLS and follow[0].arg == arguments
