"""One run of a cell: what it began with, what it left, and what was seen of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from hpmagic.execution.figures import open_figures
from hpmagic.execution.ground import Ground
from hpmagic.execution.hooks import TrialHooks
from hpmagic.execution.reuse.effects import Effects, FileState
from hpmagic.execution.reuse.tree import Checkpoint, Node

__all__ = ["Run", "Settled"]


@dataclass(eq=False)
class Run:
    """One run of the cell, while it goes and when it is over.

    ``seconds`` are those of the parts that were run, by number; ``begun`` the checkpoint that it
    began at, ``made`` those that it left, ``passed`` those that other runs had left on its way.
    """

    hooks: TrialHooks
    begun: Checkpoint | None
    node: Node | None
    """Where it is in the tree; None when nothing of it is reused from there on."""
    pending: dict[str, str]
    files: dict[str, FileState]
    ground: Ground
    seconds: dict[int, float] = field(default_factory=dict)
    acts: dict[int, str] = field(default_factory=dict)
    made: list[Checkpoint] = field(default_factory=list)
    passed: list[Checkpoint] = field(default_factory=list)
    read: dict[str, None] = field(default_factory=dict)
    readers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """What each part that was watched read, by its number."""
    watch: bool = False
    """Whether to see what parts do outside, also when nothing can be reused any more."""
    since: float = 0.0
    spared: float = 0.0
    """Seconds that statements took the only time they ran."""
    fan: int = 1
    logs: bool = False
    """Whether the cell talks to a tracking service."""
    waiting: bool = False
    """Whether it ended while a tuned variable was still unbound."""

    @property
    def before(self) -> float:
        """Seconds that the work before the beginning took, once."""
        return self.begun.seconds if self.begun is not None else 0.0

    @property
    def total(self) -> float:
        """Seconds that the run would have taken from the start."""
        return self.before + self.spared + sum(self.seconds.values())


@dataclass(frozen=True)
class Settled:
    """The threads and figures that were there when a run began."""

    threads: tuple[threading.Thread, ...]
    figures: frozenset[int]

    def act(self, effects: Effects) -> str:
        """What a part has done outside, in words; empty when nothing was seen."""
        if effects.acts:
            return effects.acts[0]
        if effects.threads and any(t not in self.threads for t in threading.enumerate()):
            return "leaves a thread running"
        return "leaves a figure open" if open_figures() != self.figures else ""

    @classmethod
    def now(cls) -> Settled:
        return cls(tuple(threading.enumerate()), open_figures())
