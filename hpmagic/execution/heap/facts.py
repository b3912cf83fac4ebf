"""What a piece of code mentions, read from its instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

from hpmagic.execution.heap.outside import (
    LOADS,
    SERVICES,
    called,
    outside_of_code,
    steps_of,
    timed_names,
)

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
_FORMULA: Final = re.compile(r"\w\s*~\s*\w|@[A-Za-z_]")
"""Formulas of statistics packages and pandas queries look names up in their caller's variables."""


@dataclass(frozen=True)
class CodeFacts:
    """What one code object does itself, without the functions defined in it.

    ``reads`` and ``writes`` are names of globals (or of the namespace, at the top level).
    ``reflective`` says how it may reach names it does not mention, ``outside`` what it reads that
    differs from run to run, or writes to; both are empty for most code. ``timed`` are globals of
    which an attribute is read that is a clock if they are the module `time`. ``services`` are the
    tracking services that it mentions or imports.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    attributes: frozenset[str]
    reflective: str
    outside: str
    timed: frozenset[str]
    services: frozenset[str]

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
    imports: set[str] = set()
    reflective = ""
    steps = steps_of(code)
    for at, step in enumerate(steps):
        name, value = step.opname, step.argval
        if name.startswith(LOADS):
            reads.add(value)
            if value in _REFLECTIVE:
                reflective = f"{value}()"
        elif name.startswith(("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL")):
            writes.add(value)
        elif name.startswith(("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")):
            attributes.add(value)
            if value in _REFLECTIVE_ATTRIBUTES:
                reflective = f".{value}"
            elif value == "eval" and not called(steps, at, bare=True):
                reflective = ".eval"
        elif name == "IMPORT_NAME":
            imports.add(value.partition(".")[0])
            if value == "__main__":
                reflective = "import __main__"
        elif name in ("IMPORT_STAR", "CALL_INTRINSIC_1") and (
            name == "IMPORT_STAR" or step.arg == 2
        ):
            reflective = "import *"
        elif name.startswith("LOAD_CONST") and isinstance(value, str) and _FORMULA.search(value):
            reflective = "a formula or query"
    return CodeFacts(
        frozenset(reads),
        frozenset(writes),
        frozenset(attributes),
        reflective,
        outside_of_code(code, steps),
        timed_names(steps),
        frozenset((reads | writes | imports) & SERVICES),
    )
