"""When a training loop no longer improves."""

from __future__ import annotations

from dataclasses import dataclass

from hpmagic.records import Direction

__all__ = ["Patience"]


@dataclass
class Patience:
    """Counts the reports since the last improvement of more than ``min_delta`` over the best.

    The rule is that of Keras' ``EarlyStopping``; a NaN is no improvement.

    >>> watch = Patience(Direction.MINIMIZE, patience=2)
    >>> [watch.exhausted(loss) for loss in (0.9, 0.5, 0.6, 0.5)]
    [False, False, False, True]
    """

    direction: Direction
    patience: int
    min_delta: float = 0.0
    best: float | None = None
    waited: int = 0

    def exhausted(self, value: float) -> bool:
        """Take one report; True when it is time to stop."""
        if self._improves(value):
            self.best, self.waited = value, 0
            return False
        self.waited += 1
        return self.waited >= self.patience

    def _improves(self, value: float) -> bool:
        if value != value:  # noqa: PLR0124 - NaN
            return False
        margin = self.min_delta * self.direction.sign
        return self.best is None or self.direction.better(value + margin, self.best)
