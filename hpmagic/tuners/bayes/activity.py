"""Which hyperparameters a point reaches, learned from the trials so far.

A cell's branches are ordinary code: nobody tells the tuner that ``degree`` belongs to
``kernel == "poly"``. For each hyperparameter that some trials reached and others did not, a
decision tree (Breiman et al., *Classification and Regression Trees*, 1984) is fitted to the
hyperparameters drawn before it. Branches usually ask for a category, loops for an integer and few
for a float: the kinds are offered to the tree in this order, until one explains what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpmagic.tuners.bayes.encoding import Array, Column, Flags, Points

__all__ = ["Activity"]

_NOT_REACHED = -1.0
_SAME = 1e-9


@dataclass(frozen=True)
class Activity:
    """Tells which of a point's hyperparameters are reached.

    ``always`` and ``never`` have shape (d,); ``rules`` hold, for each of the others, its index and
    a function from the table of values to flags.
    """

    always: Flags
    never: Flags
    rules: tuple[tuple[int, Callable[[Array], Flags]], ...] = ()

    @property
    def conditional(self) -> Flags:
        """Shape (d,): reached by some trials only."""
        return ~self.always & ~self.never

    @classmethod
    def learn(
        cls, seen: Points, columns: Sequence[Column], failed: Flags | None = None
    ) -> Activity:
        """Rules from trials. What no trial reached is taken to be out of reach.

        What a ``failed`` trial did not reach it might have reached, where another one went on from
        the same values.
        """
        known = np.ones_like(seen.active)
        failed = np.zeros(len(seen), dtype=bool) if failed is None else failed
        others = seen.take(~failed)
        for index in np.flatnonzero(failed):
            drawn = seen.active[index]
            same = others.active & (np.abs(others.units - seen.units[index]) < _SAME)
            if (same | ~drawn).all(axis=1).any():
                known[index] = drawn
        always = (seen.active | ~known).all(axis=0) & seen.active.any(axis=0)
        never = ~seen.active.any(axis=0)
        mixed = map(int, np.flatnonzero(~always & ~never))
        rules = tuple((i, _rule(i, seen.take(known[:, i]), columns)) for i in mixed)
        return cls(np.asarray(always), np.asarray(never), rules)

    def predict(self, units: Array) -> Flags:
        """Flags for rows of units; a hyperparameter depends on earlier ones only."""
        active = np.tile(self.always, (len(units), 1))
        for index, rule in self.rules if len(units) else ():
            active[:, index] = rule(np.where(active, units, _NOT_REACHED))
        return active


def _rule(index: int, seen: Points, columns: Sequence[Column]) -> Callable[[Array], Flags]:
    from sklearn.tree import DecisionTreeClassifier

    table = np.where(seen.active, seen.units, _NOT_REACHED)
    reached = seen.active[:, index]
    before = [i for i in range(len(columns)) if i < index]
    unordered = [i for i in before if not columns[i].ordered]
    finite = [i for i in before if columns[i].levels is not None]
    tree: Any = None
    chosen: list[int] = []
    for chosen in (unordered, finite, before):
        if not chosen:
            continue
        tree = DecisionTreeClassifier(random_state=0)
        tree.fit(_one_hot(table, chosen, columns), reached)
        if tree.score(_one_hot(table, chosen, columns), reached) == 1.0:
            break
    if tree is None:
        share = reached.mean() >= 0.5
        return lambda table: np.full(len(table), share)

    def rule(table: Array) -> Flags:
        inputs = _one_hot(table, chosen, columns)
        return np.asarray(tree.predict(inputs, check_input=False), dtype=bool)

    return rule


def _one_hot(table: Array, chosen: Sequence[int], columns: Sequence[Column]) -> NDArray[np.float32]:
    """The chosen columns as the tree wants them: single precision, a flag a category."""
    parts = []
    for index in chosen:
        column = columns[index]
        if column.ordered:
            parts.append(table[:, [index]])
        else:
            assert column.levels is not None
            parts.append((np.abs(table[:, [index]] - column.levels) < 1e-9).astype(float))
    return np.concatenate(parts, axis=1).astype(np.float32)
