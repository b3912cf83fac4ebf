"""Statements that their author vouches for: they run once, whatever they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpmagic.execution.ground import Ground
from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import take_snapshot
from hpmagic.execution.heap.world import World
from hpmagic.execution.namespace import Namespace
from hpmagic.execution.reuse.effects import Effects, FileState, file_state
from hpmagic.execution.reuse.run import Run
from hpmagic.records import Report

__all__ = ["Vouched"]


@dataclass(eq=False)
class _Once:
    """The only run of a statement."""

    bound: dict[str, Any]
    deleted: frozenset[str]
    reports: tuple[Report, ...]
    ground: Ground
    seconds: float
    files: dict[str, FileState]

    @property
    def current(self) -> bool:
        """Whether the files that it read are still the same."""
        return all(file_state(path) == state for path, state in self.files.items())


class Vouched:
    """What vouched statements bound, kept as it was then as far as that can be seen.

    Args:
        namespace: the person's variables.
        world: tells what is the person's.
        kinds: the kinds of objects.
        limit: bytes that may be copied for each statement.
    """

    def __init__(self, namespace: Namespace, world: World, kinds: Kinds, limit: int) -> None:
        self._namespace = namespace
        self._world = world
        self._kinds = kinds
        self._limit = limit
        self._known: dict[int, _Once] = {}

    @property
    def grounds(self) -> list[Ground]:
        """The objects, which outlive a trial."""
        return [once.ground for once in self._known.values()]

    @property
    def names(self) -> set[str]:
        """The variables that were bound."""
        return {name for once in self._known.values() for name in once.bound}

    def run(self, run: Run, number: int, execute: Callable[[], Effects]) -> None:
        """Execute a statement the first time, and afterwards only bind what it bound."""
        known, variables, hooks = self._known.get(number), self._namespace.variables, run.hooks
        if known is not None and known.current and self._unchanged(known):
            variables.update(known.bound)
            for name in known.deleted:
                variables.pop(name, None)
            for report in known.reports:
                hooks.record(report.name, report.value, report.step)
            run.spared += known.seconds
            return
        before, events = self._namespace.bindings(), len(hooks.events)
        effects = execute()
        now = self._namespace.bindings()
        bound = {n: v for n, v in now.items() if not (n in before and before[n] is v)}
        snapshot = take_snapshot(self._world, bound, Keeper(self._limit), kinds=self._kinds)
        self._known[number] = _Once(
            bound,
            frozenset(before.keys() - now.keys()),
            tuple(e for e in hooks.events[events:] if isinstance(e, Report)),
            Ground(snapshot, bound),
            run.seconds[number],
            effects.reads,
        )

    def lend(self, run: Run, number: int, read: list[str], execute: Callable[[], Effects]) -> None:
        """Run a statement that may read unbound variables, without depending on their values."""
        variables = self._namespace.variables
        lent = {variable: run.hooks.value_of(run.pending[variable]) for variable in read}
        variables.update(lent)
        self.run(run, number, execute)
        for variable, value in lent.items():
            if variables.get(variable) is value:
                del variables[variable]
            else:
                del run.pending[variable]

    def _unchanged(self, once: _Once) -> bool:
        snapshot = once.ground.snapshot
        lost, _ = snapshot.put_back(snapshot.changed())
        return not lost
