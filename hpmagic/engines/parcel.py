"""What a worker needs: the cell, the variables it reads, the state it begins with."""

from __future__ import annotations

import ast
import builtins
import os
import pickle
import platform
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hpmagic.engines.memory import SMALLEST, Buffers, Span
from hpmagic.engines.pickling import Pickled, Pickling
from hpmagic.engines.randomness import random_states
from hpmagic.errors import EngineError
from hpmagic.execution.heap.kind import Original
from hpmagic.execution.instrument import instrument
from hpmagic.execution.runner import KernelRunner
from hpmagic.language.cell import TunableCell
from hpmagic.records import Objective

__all__ = ["Contents", "Parcel", "RunnerSpec", "ShellFacts", "pack", "read_names"]

_REFLECTIVE: Final = frozenset(
    {"eval", "exec", "globals", "locals", "vars", "get_ipython", "__main__"}
)
"""A cell that uses one of these may read any variable, so all are sent that can be."""
_SHELLS_OWN: Final = frozenset(
    {"In", "Out", "get_ipython", "exit", "quit", "open", "__builtins__", "__loader__", "__spec__"}
)


@dataclass(frozen=True)
class RunnerSpec:
    """How a runner is made, in the kernel or in a worker.

    ``reuse`` says whether work may be reused, ``memory`` how many bytes that may take (a quarter of
    what is free when None), ``folders`` where modules are the person's own.
    """

    cell: TunableCell
    objectives: tuple[Objective, ...]
    extra_metrics: tuple[str, ...] = ()
    reuse: bool = True
    memory: int | None = None
    folders: tuple[Path, ...] = ()

    def make(
        self, namespace: dict[str, Any], shell: Any = None, original: Original | None = None
    ) -> KernelRunner:
        """A runner for a namespace of this process; ``original`` as `KernelRunner` has it."""
        return KernelRunner(
            self.cell,
            namespace,
            shell,
            objectives=self.objectives,
            extra_metrics=self.extra_metrics,
            reuse=self.reuse,
            memory=self.memory,
            folders=self.folders,
            original=original,
        )


@dataclass(frozen=True)
class ShellFacts:
    """What a worker's own shell must have in common with the kernel's."""

    flags: int
    interactivity: str

    @classmethod
    def of(cls, shell: Any) -> ShellFacts:
        return cls(shell.compile.flags, getattr(shell, "ast_node_interactivity", "last_expr"))


@dataclass(frozen=True)
class Contents:
    """What stands in a parcel, before the variables are read."""

    spec: RunnerSpec
    names: tuple[str, ...]
    variables: Pickled
    size: int
    spans: tuple[Span, ...]
    random: Mapping[str, Any]
    taken: tuple[str, ...]
    """Names of earlier studies' hidden globals, which are not to be used again."""
    shell: ShellFacts | None
    directory: str
    path: tuple[str, ...]
    python: tuple[int, int] = field(default_factory=lambda: sys.version_info[:2])

    def check(self) -> None:
        """Raise `EngineError` if this process cannot read what another one packed."""
        here = sys.version_info[:2]
        if here != self.python:
            raise EngineError(
                f"the study runs on Python {self.python[0]}.{self.python[1]}, but this worker on "
                f"{platform.python_version()}; code can be sent between equal versions only"
            )


@dataclass(frozen=True)
class Parcel:
    """The contents as bytes, and the large buffers of the variables beside them.

    ``names`` are the variables that were sent.
    """

    contents: Pickled
    buffers: Buffers
    names: tuple[str, ...]

    def close(self) -> None:
        self.buffers.close()


def pack(spec: RunnerSpec, namespace: dict[str, Any], shell: Any = None) -> Parcel:
    """Pack what the cell reads from the namespace, directly or through its helpers.

    Raises:
        EngineError: a variable cannot be pickled; the message names it.
    """
    random = random_states()
    pickling = Pickling(namespace)
    names, optional = read_names(spec.cell), set(_assigned(spec.cell))
    seen: set[str] = set()
    variables, buffers, sent = _pickled(pickling, names, optional, seen)
    if (names | seen) & _REFLECTIVE:
        everything = {n for n in namespace if n not in _SHELLS_OWN and not n.startswith("_")}
        variables, buffers, sent = _pickled(pickling, names | everything, everything - names, seen)
    shared = Buffers.write(buffers)
    contents = Contents(
        spec=spec,
        names=tuple(sorted(sent)),
        variables=variables,
        size=shared.size,
        spans=shared.spans,
        random=random,
        taken=tuple(name for name in namespace if name.startswith("_hpmagic_")),
        shell=None if shell is None else ShellFacts.of(shell),
        directory=_directory(),
        path=tuple(entry or _directory() for entry in sys.path),
    )
    try:
        data = pickling.dumps(contents)
    except Exception as error:
        shared.close()
        raise EngineError(f"the cell cannot be sent to workers: {error}") from error
    return Parcel(data, shared, contents.names)


def read_names(cell: TunableCell) -> set[str]:
    """The global names that the cell's own text reads, those in its ranges included."""
    names: set[str] = set()
    for node in ast.walk(instrument(cell, "_")):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names - {"_"}


def _assigned(cell: TunableCell) -> Iterable[str]:
    return (
        node.id
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def _pickled(
    pickling: Pickling, names: set[str], optional: set[str], seen: set[str]
) -> tuple[Pickled, list[pickle.PickleBuffer], set[str]]:
    """The variables, their large buffers, and the names sent; ``optional`` ones need not be."""
    space = pickling.namespace
    chosen = {
        n: space[n] for n in sorted(names) if n in space and n not in _SHELLS_OWN | {"__name__"}
    }
    while True:
        buffers: list[pickle.PickleBuffer] = []

        def take(buffer: pickle.PickleBuffer, buffers: Any = buffers) -> bool:
            """False takes it out of band."""
            with buffer.raw() as raw:
                if raw.nbytes < SMALLEST:
                    return True
            buffers.append(buffer)
            return False

        try:
            return (
                pickling.dumps(chosen, follow=True, buffers=take, seen=seen),
                buffers,
                set(chosen),
            )
        except Exception as error:
            failing = [n for n in chosen if _fails(pickling, chosen[n]) is not None]
            needed = [n for n in failing if n not in optional]
            if needed or not failing:
                raise _unsendable(pickling, needed, error) from error
            for name in failing:
                del chosen[name]


def _fails(pickling: Pickling, value: object) -> Exception | None:
    try:
        pickling.dumps(value, follow=True, buffers=lambda _: False)
    except Exception as error:  # noqa: BLE001 - objects refuse in their own ways
        return error
    return None


def _unsendable(pickling: Pickling, names: list[str], error: Exception) -> EngineError:
    if not names:
        return EngineError(f"the cell's variables cannot be sent to workers: {error}")
    chain = [names[0]]
    value = pickling.namespace[names[0]]
    while isinstance(value, types.FunctionType):
        inner = _failing_global(pickling, value, chain)
        if inner is None:
            break
        chain.append(inner)
        value = pickling.namespace[inner]
    why = _fails(pickling, value) or error
    read = f", which `{chain[-2]}` reads," if len(chain) > 1 else ""
    return EngineError(
        f"`{chain[-1]}`{read} cannot be sent to workers ({type(why).__name__}: {why}); "
        "make it inside the cell, or run with --jobs 1 on the local engine"
    )


def _failing_global(
    pickling: Pickling, function: types.FunctionType, chain: list[str]
) -> str | None:
    space = pickling.namespace
    for name in function.__code__.co_names:
        known = name in space and name not in chain and not hasattr(builtins, name)
        if known and _fails(pickling, space[name]) is not None:
            return name
    return None


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a plain text is what is sent
    except OSError:
        return ""
