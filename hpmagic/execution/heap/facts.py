"""What a piece of code mentions, read from its instructions."""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

__all__ = ["CodeFacts", "all_codes", "facts_of"]

_REFLECTIVE: Final = frozenset(
    {"eval", "exec", "globals", "locals", "vars", "dir", "get_ipython", "__main__", "__builtins__"}
)
"""Globals through which code reaches variables that it does not name."""
_REFLECTIVE_ATTRIBUTES: Final = frozenset(
    {
        "_getframe",
        "currentframe",
        "stack",
        "f_globals",
        "f_locals",
        "__globals__",
        "__closure__",
        "get_objects",
        "get_referrers",
        "modules",
        "query",
        "run_cell",
        "run_line_magic",
        "user_ns",
    }
)
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
_CHANCE: Final = frozenset({"urandom", "uuid1", "uuid4", "token_bytes", "token_hex", "getrandbits"})
_UNSEEDED: Final = frozenset({"default_rng", "SeedSequence", "SystemRandom", "PCG64", "MT19937"})
_FORMULA: Final = re.compile(r"\w\s*~\s*\w|@[A-Za-z_]")
"""Formulas of statistics packages and pandas queries look names up in their caller's variables."""
_CALLS: Final = frozenset({"CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_KW"})
_BETWEEN: Final = frozenset({"CACHE", "PRECALL", "PUSH_NULL", "RESUME", "KW_NAMES"})


@dataclass(frozen=True)
class CodeFacts:
    """What one code object does itself, without the functions defined in it.

    ``reads`` and ``writes`` are names of globals (or of the namespace, at the top level).
    ``reflective`` says how it may reach names it does not mention, ``outside`` what it reads that
    differs from run to run; both are empty for most code.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    attributes: frozenset[str]
    reflective: str
    outside: str

    @property
    def names(self) -> frozenset[str]:
        return self.reads | self.writes


_known: dict[int, tuple[CodeType, CodeFacts]] = {}


def facts_of(code: CodeType) -> CodeFacts:
    """The facts of one code object; read once."""
    known = _known.get(id(code))
    if known is None:
        # Keyed by identity: comparing code objects is slow, and the code is kept alive beside it.
        if len(_known) > 20_000:
            _known.clear()
        _known[id(code)] = known = (code, _read(code))
    return known[1]


def all_codes(code: CodeType) -> Iterator[CodeType]:
    """The code and that of everything defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_codes(constant)


def _read(code: CodeType) -> CodeFacts:
    reads: set[str] = set()
    writes: set[str] = set()
    attributes: set[str] = set()
    reflective = outside = ""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _BETWEEN]
    for at, step in enumerate(steps):
        name, value = step.opname, step.argval
        if name.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT")):
            reads.add(value)
            if value in _REFLECTIVE:
                reflective = f"{value}()"
            if value in _CLOCKS and _called(steps, at):
                outside = "reads the clock"
            if value in _UNSEEDED and _called(steps, at, bare=True):
                outside = "draws numbers that no seed fixes"
        elif name.startswith(("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL")):
            writes.add(value)
        elif name.startswith(("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")):
            attributes.add(value)
            owner = steps[at - 1] if at else None
            if value in _REFLECTIVE_ATTRIBUTES:
                reflective = f".{value}"
            elif value == "eval" and not _called(steps, at, bare=True):
                reflective = ".eval"
            elif value in _CLOCKS or (
                value in _TIME_MODULE and owner is not None and owner.argval == "time"
            ):
                outside = "reads the clock"
            elif value in _CHANCE or (value in _UNSEEDED and _called(steps, at, bare=True)):
                outside = "draws numbers that no seed fixes"
        elif name in ("IMPORT_STAR", "CALL_INTRINSIC_1") and (
            name == "IMPORT_STAR" or step.arg == 2
        ):
            reflective = "import *"
        elif name.startswith("LOAD_CONST") and isinstance(value, str) and _FORMULA.search(value):
            reflective = "a formula or query"
    return CodeFacts(
        frozenset(reads), frozenset(writes), frozenset(attributes), reflective, outside
    )


def _called(steps: list[dis.Instruction], at: int, bare: bool = False) -> bool:
    """Whether what an instruction loads is called at once; with ``bare``, without arguments."""
    if not bare:
        return any(step.opname in _CALLS for step in steps[at + 1 : at + 12])
    follows = steps[at + 1] if at + 1 < len(steps) else None
    return follows is not None and follows.opname in _CALLS and follows.arg == 0
