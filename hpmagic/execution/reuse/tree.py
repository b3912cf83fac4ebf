"""Checkpoints, found by the values that were read on the way to them."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hpmagic.execution.ground import Ground
from hpmagic.execution.hooks import DrawMade
from hpmagic.execution.isolation import Surroundings
from hpmagic.execution.reuse.effects import FileState, file_state
from hpmagic.records import Report

__all__ = ["Checkpoint", "Node", "Tree"]

Key = str | int | None


@dataclass(eq=False)
class Checkpoint:
    """A run as it stood before one of its parts.

    ``part`` is the number of the part to go on with, ``events`` what had been drawn and reported,
    ``pending`` the hyperparameters whose variables were still unbound, by variable. ``seconds`` is
    what it took to come this far, ``files`` what had been read.
    """

    part: int
    ground: Ground
    events: tuple[DrawMade | Report, ...]
    pending: dict[str, str]
    memory: tuple[Any, ...]
    surroundings: Surroundings
    context: contextvars.Context
    files: dict[str, FileState]
    seconds: float
    node: Node
    gain: float
    """Seconds that it saves over the checkpoint before it."""
    reads: tuple[str, ...] = ()
    """The hyperparameters whose values led here."""
    uses: int = 0
    last: int = 0

    @property
    def kept(self) -> bool:
        """Whether it is still in its tree."""
        return self.node.checkpoint is self

    @property
    def current(self) -> bool:
        """Whether the files that were read are still the same."""
        return all(file_state(path) == state for path, state in self.files.items())


@dataclass(eq=False)
class Node:
    """A place in the runs of a cell: after some draws and reads, before the next.

    ``event`` is what comes next: ("draw", name) or ("read", name); the ways on go by value.
    """

    parent: Node | None = None
    event: tuple[str, str] | None = None
    made: DrawMade | None = None
    ways: dict[Key, Node] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    kept: list[Any] = field(default_factory=list)
    """Objects whose identity is a key."""

    def leads_on(self) -> bool:
        """Whether there is a checkpoint here or further on."""
        return next(self.checkpoints(), None) is not None

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Those here and further on. A run of many draws is a deep tree: no recursion."""
        stack = [self]
        while stack:
            node = stack.pop()
            if node.checkpoint is not None:
                yield node.checkpoint
            stack.extend(node.ways.values())


class Tree:
    """All checkpoints of a study, within ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._root = Node()
        self.limit = limit
        self._clock = 0

    def start(self, seed: int | None) -> Node:
        """Where runs with a seed begin; None is the random state of the study's start."""
        return self._root.ways.setdefault(f"seed {seed}", Node(self._root))

    def checkpoints(self) -> Iterator[Checkpoint]:
        return self._root.checkpoints()

    @property
    def size(self) -> int:
        """Bytes held by all checkpoints, about."""
        return sum(c.ground.snapshot.size for c in self.checkpoints())

    def use(self, checkpoint: Checkpoint) -> None:
        self._clock += 1
        checkpoint.uses += 1
        checkpoint.last = self._clock

    def keep(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint; the least valuable give way where memory runs short."""
        self._clock += 1
        checkpoint.last = self._clock
        checkpoint.node.checkpoint = checkpoint
        while self.size > self.limit:
            worst = min(self.checkpoints(), key=self._value)
            self.drop(worst)
            if worst is checkpoint:
                break

    def drop(self, checkpoint: Checkpoint) -> None:
        checkpoint.node.checkpoint = None

    def _value(self, checkpoint: Checkpoint) -> float:
        age = 1 + self._clock - checkpoint.last
        size = max(checkpoint.ground.snapshot.size, 1)
        return checkpoint.gain * (1 + checkpoint.uses) / (size * age)
