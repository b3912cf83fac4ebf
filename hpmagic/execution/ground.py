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


@dataclass(eq=False)
class Ground:
    """Objects as they stood at one moment, and the variables that were bound then.

    ``spoiled`` says that some of them have changed for good.
    """

    snapshot: Snapshot
    bindings: dict[str, Any] = field(default_factory=dict)
    spoiled: bool = False


@dataclass(frozen=True)
class Carry:
    """What a trial left in the objects of a ground, and the modules it imported.

    ``whole`` is False when that was too much to keep, or was not looked at.
    """

    ground: Ground
    changes: tuple[Change, ...]
    whole: bool
    modules: Mapping[str, ModuleType] = field(default_factory=dict)


class Grounds:
    """Brings objects back to a ground, and knows on which they stand now.

    ``checking`` is the least time in seconds that a look at the objects took, ``overlooked`` the
    number of trials since then.
    """

    def __init__(self, start: Ground, namespace: Namespace) -> None:
        self.start = start
        self.checking = math.inf
        self.overlooked = 0
        self._namespace = namespace
        self._current: Ground | None = start

    def leave(self) -> None:
        """From here on the objects may be in any state."""
        self._current = None

    def stand_on(self, ground: Ground) -> list[Lost]:
        """Bring every object to its state of that time; says what cannot be."""
        if self._current is ground:
            return []
        with held():
            self._current = None
            lost = self._put_back(ground, self._changed(ground))
            self._current = ground
        return lost

    def settle(
        self,
        ground: Ground,
        modules: Mapping[str, ModuleType],
        companions: Iterable[Ground] = (),
    ) -> tuple[Carry, list[Lost]]:
        """After a trial: keep what it left in the objects, and undo it.

        ``companions`` are objects that outlive the trial beside those of the ground.
        """
        changed = self._changed(ground)
        changes, whole = ground.snapshot.changes(changed, Keeper(_CARRIED))
        lost = self._put_back(ground, changed)
        for other in companions:
            if numbers := other.snapshot.changed():
                whole = False
                other.snapshot.put_back(numbers)
        self._current = ground
        return Carry(ground, changes, whole, modules), lost

    def skip(self, modules: Mapping[str, ModuleType]) -> Carry:
        """After a trial from the start whose doings are not looked at: they are taken for none."""
        self._current = self.start
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

    def _changed(self, ground: Ground) -> list[int]:
        begun = time.perf_counter()
        changed = ground.snapshot.changed()
        # The least: what else the machine does is no reason to look less often.
        self.checking = min(self.checking, time.perf_counter() - begun)
        self.overlooked = 0
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
