"""What would run once, line by line, as far as it can be told before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import Any

from hpmagic.execution.heap.facts import all_codes, facts_of
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.world import World
from hpmagic.execution.instrument import compile_cell
from hpmagic.execution.parts import Part, lines_text
from hpmagic.execution.reuse.reach import Reach
from hpmagic.language.cell import TunableCell

__all__ = ["forecast", "reading_order"]

_HIDDEN = "_hpmagic_plan_"


def forecast(cell: TunableCell, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Which lines would run once, which use which tuned value, and what is in the way.

    What statements do outside (files, processes) is seen only when they run.
    """
    program = compile_cell(cell, _HIDDEN)
    if program.awaits:
        return ("the cell awaits, so all of it runs in every trial",)
    reading = _Reading(cell, namespace if isinstance(namespace, dict) else dict(namespace))
    texts: list[str] = []
    shared: list[Part] = []
    open_still = True
    for part in program.parts:
        if part.once:
            texts.append(f"{part.lines} {_verb(part, 'run')} once: you vouch for it")
            reading.see(part)
            continue
        used, obstacle = reading.uses(part), reading.obstacle(part)
        if open_still and not used and not obstacle:
            if part.tuned is None:
                shared.append(part)
        elif used or open_still:
            if open_still:
                texts += _once(shared)
            open_still = False
            texts.append(_reason(part, used, obstacle))
        elif not obstacle and not reading.follows(part):
            texts.append(
                f"{part.lines} {_verb(part, 'need')} no tuned value, but {_verb(part, 'run')} "
                "in every trial, or once for each value above"
            )
        reading.see(part, tainted=not open_still and bool(used))
    if open_still:
        texts += _once(shared)
    return tuple(texts)


def reading_order(cell: TunableCell, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """The hyperparameters in the order in which the cell's statements come to read them.

    Those that nothing reads are left out.
    """
    reading = _Reading(cell, namespace if isinstance(namespace, dict) else dict(namespace))
    order: dict[str, None] = {}
    for part in compile_cell(cell, _HIDDEN).parts:
        order |= dict.fromkeys(reading.uses(part))
        reading.see(part)
    return tuple(order)


class _Reading:
    """Follows the tuned variables, and what the cell's own functions mention."""

    def __init__(self, cell: TunableCell, namespace: dict[str, Any]) -> None:
        # The very namespace: functions are known as the person's by their globals.
        world = World(namespace)
        self._reach = Reach(world, Kinds(world))
        self._cell = cell
        self._tuned: dict[str, str] = {}
        self._tainted: set[str] = set()
        self._defined: dict[str, set[str]] = {}

    def uses(self, part: Part) -> list[str]:
        """The hyperparameters that a part reads or draws."""
        reached = self._reach.of(part.runs)
        names = set(reached.names)
        todo = list(names)
        while todo:
            for name in self._defined.get(todo.pop(), set()) - names:
                names.add(name)
                todo.append(name)
        if reached.reflective:
            return list(self._tuned.values())
        found = [name for variable, name in self._tuned.items() if variable in names]
        if part.tuned is None:
            found += [self._cell.draws[number].parameter.name for number in part.draws]
            if _HIDDEN in names - set(reached.names):
                found.append("a value drawn in a function")
        return list(dict.fromkeys(found))

    def obstacle(self, part: Part) -> str:
        reached = self._reach.of(part.runs)
        return reached.outside or (f"uses {reached.unseen}" if reached.unseen else "")

    def follows(self, part: Part) -> bool:
        """Whether a part uses what came of a tuned value."""
        return bool(_names_of(part) & self._tainted)

    def see(self, part: Part, *, tainted: bool = False) -> None:
        """The part has run: its tuned variable waits, its functions can be called."""
        if part.tuned is not None and part.draw is not None:
            self._tuned[part.tuned] = self._cell.draws[part.draw].parameter.name
        if tainted or self.follows(part):
            self._tainted |= _names_of(part)
        mentions = {name for code in all_codes(part.code) for name in facts_of(code).names}
        if not part.later:
            mentions.discard(_HIDDEN)  # reports are no draws
        for name in facts_of(part.code).writes:
            if any(isinstance(constant, CodeType) for constant in part.code.co_consts):
                self._defined[name] = self._defined.get(name, set()) | mentions


def _names_of(part: Part) -> set[str]:
    return {name for code in part.runs for name in facts_of(code).names} - {_HIDDEN}


def _once(parts: list[Part]) -> list[str]:
    if not parts:
        return []
    first, last = parts[0].first, parts[-1].last
    verb = "runs" if first == last else "run"
    return [f"{lines_text(first, last)} {verb} once: no tuned value is used there"]


def _reason(part: Part, used: list[str], obstacle: str) -> str:
    if used:
        return f"{part.lines} {_verb(part, 'use')} {', '.join(used)}"
    return f"{part.lines} {obstacle}, so it and what follows runs in every trial"


def _verb(part: Part, plain: str) -> str:
    return plain if part.last > part.first else f"{plain}s"
