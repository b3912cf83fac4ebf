"""The state of objects that trials start from and are brought back to."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.snapshot import Change, Lost, Snapshot
from hpmagic.execution.interrupt import held
from hpmagic.execution.namespace import Namespace

__all__ = ["Carry", "Ground", "Grounds"]

_CARRIED = 64 << 20
"""Bytes of changed arrays that are copied for a trial that may turn out the best."""
_FIRST = 3
_QUICK = 0.001
_SHARE = 0.03
"""Looks at far objects take this share of the trials' time, but for the first and the quick."""


class _Far:
    """When to look at the objects of a ground that code cannot reach by name."""

    def __init__(self) -> None:
        self._cost = math.inf
        self._looks = 0
        self._since = 0.0
        self._missed = 0
        self._spell = -1

    def due(self, seconds: float) -> bool:
        """Whether to look after another trial, which took so long."""
        self._since += seconds
        due = self._looks < _FIRST or self._cost < _QUICK or self._cost < _SHARE * self._since
        self._missed += not due
        return due

    def looked(self, seconds: float, spell: int) -> bool:
        """A look took so long; whether trials of the same spell before it were not looked at."""
        missed = self._missed if spell == self._spell else 0
        self._missed, self._spell = 0, spell
        self._looks += 1
        self._since = 0.0
        self._cost = min(self._cost, seconds)
        return missed > 0


@dataclass(eq=False)
class Ground:
    """Objects as they stood at one moment, and the variables that were bound then.

    ``spoiled`` says that some of them have changed for good.
    """

    snapshot: Snapshot
    bindings: dict[str, Any] = field(default_factory=dict)
    spoiled: bool = False
    far: _Far = field(default_factory=_Far)


@dataclass(frozen=True)
class Carry:
    """What a trial left in the objects of a ground, and the modules it imported.

    ``whole`` is False when that was too much to keep, or was not looked at; ``seed`` is that of the
    run.
    """

    ground: Ground
    changes: tuple[Change, ...]
    whole: bool
    modules: Mapping[str, ModuleType] = field(default_factory=dict)
    seed: int | None = None


class Grounds:
    """Brings objects back to a ground, and knows on which they stand now.

    Near objects, those that the rest of the cell can reach by name, are looked at for every trial.
    So are far ones as long as that is quick; else now and then, since nothing should change them.

    ``checking`` is the least time in seconds that a look at near objects took, ``overlooked`` the
    number of trials since the last, ``surprised`` whether far objects were found changed though
    only trials from the same ground had run, some without a look at them.
    """

    def __init__(self, start: Ground, namespace: Namespace) -> None:
        self.start = start
        self.checking = math.inf
        self.overlooked = 0
        self.surprised = False
        self._namespace = namespace
        self._current: Ground | None = start
        self._whole = True
        self._last = start
        self._spell = 0

    def leave(self) -> None:
        """From here on the objects may be in any state."""
        self._current = None

    def stand_on(self, ground: Ground, *, whole: bool = True) -> list[Lost]:
        """Bring objects to their state of that time; says what cannot be.

        Without ``whole``, far objects may stay as they are.
        """
        if self._current is ground and (self._whole or not whole):
            return []
        with held():
            self._enter(ground)
            known, self._current = self._current, None
            changed = [] if known is ground else self._near(ground)
            far = whole or ground.far.due(0.0)
            if far:
                changed += self._far(ground)
            lost = self._put_back(ground, changed)
            self._current, self._whole = ground, far
        return lost

    def settle(
        self,
        ground: Ground,
        modules: Mapping[str, ModuleType],
        seconds: float,
        companions: Iterable[Ground] = (),
    ) -> tuple[Carry, list[Lost]]:
        """After a trial: keep what it left in the objects, and undo it.

        ``seconds`` is how long the trial took; ``companions`` are objects that outlive it beside
        those of the ground.
        """
        self._enter(ground)
        changed = self._near(ground)
        far = ground.far.due(seconds)
        if far:
            changed += self._far(ground)
        changes, whole = ground.snapshot.changes(changed, Keeper(_CARRIED))
        lost = self._put_back(ground, changed)
        for other in companions:
            if numbers := other.snapshot.changed():
                whole = False
                other.snapshot.put_back(numbers)
        self._current, self._whole = ground, far
        return Carry(ground, changes, whole, modules), lost

    def skip(self, modules: Mapping[str, ModuleType]) -> Carry:
        """After a trial from the start whose doings are not looked at: they are taken for none."""
        self._current, self._whole = self.start, True
        self.overlooked += 1
        return Carry(self.start, (), False, modules)

    def restore(self, carry: Carry) -> bool:
        """Make the objects what the trial left; False when that cannot be done."""
        if not carry.whole or (carry.ground.spoiled and carry.ground is not self.start):
            return False
        if self.stand_on(carry.ground) and carry.ground is not self.start:
            return False
        self._current = None
        swaps = carry.ground.snapshot.replay(carry.changes)
        if swaps:
            self._namespace.swap(swaps)
        return True

    def _enter(self, ground: Ground) -> None:
        """Trials from one ground are a spell: work for another may change what is far from it."""
        if ground is not self._last:
            self._last = ground
            self._spell += 1

    def _near(self, ground: Ground) -> list[int]:
        begun = time.perf_counter()
        changed = ground.snapshot.changed(far=False)
        # The least: what else the machine does is no reason to look less often.
        self.checking = min(self.checking, time.perf_counter() - begun)
        self.overlooked = 0
        return changed

    def _far(self, ground: Ground) -> list[int]:
        begun = time.perf_counter()
        changed = ground.snapshot.changed(near=False)
        late = ground.far.looked(time.perf_counter() - begun, self._spell)
        self.surprised = self.surprised or (late and bool(changed))
        return changed

    def _put_back(self, ground: Ground, numbers: list[int]) -> list[Lost]:
        if not numbers:
            return []
        lost, swaps = ground.snapshot.put_back(numbers)
        if swaps:
            self._namespace.swap(swaps)
            for name, value in ground.bindings.items():
                ground.bindings[name] = swaps.get(id(value), value)
        if lost:
            ground.spoiled = True
            ground.snapshot.forget([item.number for item in lost])
        return lost
