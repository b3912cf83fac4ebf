"""The objects of earlier cells that a cell can reach, as they stand when its study begins."""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hpmagic.execution.ground import Ground
from hpmagic.execution.heap.facts import all_codes, facts_of
from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import take_snapshot
from hpmagic.execution.heap.world import World
from hpmagic.execution.parts import Part
from hpmagic.language.cell import TunableCell

__all__ = ["default_limit", "line_of", "start_ground"]

_FALLBACK: Final = 2 << 30


def start_ground(
    cell: TunableCell,
    parts: Iterable[Part],
    world: World,
    kinds: Kinds,
    keeper: Keeper,
) -> Ground:
    """Everything that the cell can reach, with the copies that ``keeper`` wants."""
    roots = dict(_named(parts, world))
    reflective = world.reflective
    roots.update(_imported(cell.tree, world))
    roots.update(_dotted(cell.tree, world.namespace | _changed_imports(cell.tree)))
    snapshot = take_snapshot(world, roots, keeper, kinds=kinds)
    if reflective or world.reflective:  # the cell or a helper may reach any variable
        everything = {name: world.namespace[name] for name in world.variables()}
        snapshot = take_snapshot(world, everything | roots, keeper, kinds=kinds, before=snapshot)
    return Ground(snapshot)


def default_limit() -> int:
    """A quarter of the memory that is free, in bytes."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 // 4
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8
    return _FALLBACK


def line_of(cell: TunableCell, name: str) -> int | None:
    """The first line of the cell that names a variable."""
    lines = [n.lineno for n in ast.walk(cell.tree) if isinstance(n, ast.Name) and n.id == name]
    return min(lines, default=None)


def _named(parts: Iterable[Part], world: World) -> Iterator[tuple[str, Any]]:
    world.reflective = ""
    for part in parts:
        for code in all_codes(part.code):
            facts = facts_of(code)
            world.reflective = world.reflective or facts.reflective
            for name in facts.names:
                if name in world.namespace:
                    thing = world.namespace[name]
                    yield name, thing
                    if isinstance(thing, ContextVar):
                        yield f"the value of {name}", thing.get(None)


def _imported(tree: ast.Module, world: World) -> Iterator[tuple[str, Any]]:
    """The person's own modules that the cell imports, and what it imports in order to change it."""
    changed = _changed_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = (alias.asname or alias.name).partition(".")[0]
                yield from _module(alias.name, world, head in changed)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            changes = any((alias.asname or alias.name) in changed for alias in node.names)
            for name, module in _module(node.module, world, changes):
                yield name, module
                for alias in node.names:
                    if (thing := vars(module).get(alias.name)) is not None:
                        yield alias.name, thing


def _changed_imports(tree: ast.Module) -> dict[str, Any]:
    """What the cell imports in order to change it, by the names that it gives them."""
    changed = _changed_names(tree)
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                found[alias.asname or head] = sys.modules.get(alias.name if alias.asname else head)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                module = sys.modules.get(node.module or "")
                found[alias.asname or alias.name] = getattr(module, alias.name, None)
    return {name: thing for name, thing in found.items() if name in changed}


def _module(name: str, world: World, changes: bool) -> Iterator[tuple[str, ModuleType]]:
    module = sys.modules.get(name)
    if module is None and changes:
        with contextlib.suppress(Exception):  # the cell itself will show it
            module = importlib.import_module(name)
    if module is not None and (changes or world.owns_module(module)):
        yield name, module


def _changed_names(tree: ast.Module) -> set[str]:
    """The names at the head of attributes that the cell sets or deletes."""
    heads = set()
    for node in ast.walk(tree):
        target: ast.expr | None = None
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            target = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("setattr", "delattr")
            and node.args
        ):
            target = node.args[0]
        while isinstance(target, ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name):
            heads.add(target.id)
    return heads


def _dotted(tree: ast.Module, namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Classes and modules that the cell names through a module: ``package.module.Class``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        path: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            path.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            continue
        thing = namespace.get(inner.id)
        for attribute in path:
            if not isinstance(thing, ModuleType):
                break
            thing = vars(thing).get(attribute)
            if isinstance(thing, ModuleType | type):
                yield f"{inner.id}.{'.'.join(path)}", thing
