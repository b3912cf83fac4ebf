"""What a study has executed, as a tree over the order in which hyperparameters are drawn.

A cell draws a hyperparameter when its line executes, and which name comes next may depend on the
values drawn so far. Each node of the tree stands after some draws: it is either a place where the
cell drew one more (the children go by value) or one where it ended. A node is *exhausted* when the
cell ended there, or when its next hyperparameter has finitely many values and all of them lead to
exhausted nodes. Staying out of exhausted nodes is what keeps a study from running twice what it
has run once, without knowing the cell's branches beforehand.

Several executions may be under way at once. Each stands at a node and will end somewhere below it.
A node is *full* when those that stand there or below need all that is left of it: others keep out,
so that no two of them end in one place. Where nothing is known of what comes after a value, one
execution fills the node. An execution whose values are given stands as far ahead as it is known
where they lead, so that others see its place as taken before it gets there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from hpmagic.distributions import Distribution
from hpmagic.records import TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.lattice import Free, index_of, value_at
from hpmagic.tuners.node import Node, key_of

__all__ = ["OPEN", "ExecutionTree", "Walk", "end_as"]

OPEN: Final = object()
"""In place of a value: it is not given, the tuner is to choose it."""
_REDRAWS = 64
"""A continuum that gives nothing new in so many draws has no more values to give."""


class ExecutionTree:
    """What has been executed so far.

    >>> from hpmagic.distributions import Choice
    >>> tree, rng = ExecutionTree(), np.random.default_rng(0)
    >>> kernel = Parameter("kernel", Choice(("linear", "rbf")))
    >>> for _ in range(2):
    ...     walk = tree.walk()
    ...     print(walk.draw(kernel, lambda parameter: "rbf", lambda: rng))
    ...     walk.end(complete=True)
    rbf
    linear
    >>> tree.exhausted, tree.path({"kernel": "rbf"})
    (True, ({'kernel': 'rbf'}, True))
    """

    def __init__(self) -> None:
        self._root = Node()

    @property
    def exhausted(self) -> bool:
        """Whether every configuration has been executed."""
        return self._root.exhausted

    @property
    def explored(self) -> bool:
        """Whether it is known yet what the cell draws first, if anything."""
        return self._root.name is not None or self._root.exhausted

    @property
    def crowded(self) -> bool:
        """Whether the executions under way may be all that are left."""
        return self._root.full

    def walk(self, given: Callable[[str], Any] = lambda _: OPEN) -> Walk:
        """One more execution, from the start; it is under way until its `Walk.end`.

        Args:
            given: the value that it will draw by its name, `OPEN` if that is not settled.
        """
        return Walk(self._root, given)

    def taken(self, values: Mapping[str, object]) -> bool:
        """Whether executions that are under way may need the place where these values lead."""
        node: Node | None = self._reached(values)[1]
        while node is not None and not node.full:
            node = node.parent
        return node is not None

    def path(self, values: Mapping[str, object]) -> tuple[dict[str, object], bool]:
        """What the cell would draw with these values, as far as that is known.

        Args:
            values: the values by name; names that the cell does not reach do not matter.

        Returns:
            The draws in order, and whether the cell was executed to its end with just these.
        """
        drawn, node = self._reached(values)
        return drawn, node.ended

    def _reached(self, values: Mapping[str, object]) -> tuple[dict[str, object], Node]:
        """What is drawn with these values and where that leads, as far as it is known."""
        node: Node = self._root
        drawn: dict[str, object] = {}
        while node.name is not None and node.distribution is not None:
            try:
                value = values[node.name]
            except KeyError:
                break
            drawn[node.name] = value
            following = node.child(Parameter(node.name, node.distribution), value)
            if following is None:
                return drawn, Node(parent=node)
            node = following
        return drawn, node


class Walk:
    """One execution of the cell, draw by draw."""

    def __init__(self, root: Node, given: Callable[[str], Any] = lambda _: OPEN) -> None:
        self._node = root
        self._given = given
        self._ahead: list[tuple[Hashable, Node]] = []
        """What is given and not drawn yet: each value, and the place where it will be drawn."""
        root.inside += 1
        root.count(1)
        self.look_ahead(root)

    def look_ahead(self, node: Node) -> None:
        """Stand where the values that are given lead, as far as that is known. ``node`` is here."""
        while node is self._node and not node.erratic:
            if node.name is None or node.distribution is None:
                node.given[self] = None
                return
            parameter = Parameter(node.name, node.distribution)
            value = self._given(node.name)
            if value is OPEN:
                return
            self._ahead.append((key_of(parameter, value), node))
            self._step(parameter, value)
            node = self._node

    def draw(
        self,
        parameter: Parameter,
        suggest: Callable[[Parameter], Any],
        rng: Callable[[], np.random.Generator],
    ) -> Any:
        """The value that ``suggest`` gives, or another if that one is exhausted.

        Where values have an order the other one is near: the nearest of finitely many, in a
        continuum a step away. In a `Choice` it is any of those left.

        Args:
            parameter: what is drawn; its distribution is known.
            suggest: called once, with ``parameter``.
            rng: gives what chooses another value; called only where one is needed.
        """
        self._go_back()
        self._node.visit(parameter)
        value = suggest(parameter)
        if self._is_taken(parameter, value):
            value = self._another(parameter, value, rng())
        self._step(parameter, value)
        return value

    def fix(self, parameter: Parameter, value: object) -> None:
        """Record a draw whose value is given."""
        if self._is_as_given(parameter, value):
            return
        self._go_back()
        self._node.visit(parameter)
        if self._is_as_given(parameter, value):  # by visiting it has become known where it leads
            return
        self._go_back()
        self._step(parameter, value)
        self.look_ahead(self._node)

    def first_free(self, parameter: Parameter) -> Any:
        """The first value of a finite distribution that is not exhausted; the first if all are.

        One whose node is full is passed over while there are others.
        """
        self._go_back()
        self._node.visit(parameter)
        assert parameter.distribution is not None
        free, busy = self._node.free, self._node.busy
        index = 0 if free is None else free.right(0)
        if free is not None and len(busy) < free.size - free.closed:
            while index in busy:
                index = free.right(index + 1)
        elif busy:
            index = self._node.least_crowded()
        size = parameter.distribution.size
        assert size is not None
        return value_at(parameter.distribution, index if index < size else 0)

    def end(self, *, complete: bool) -> None:
        """The execution is over; unless it was cut short, this configuration is done."""
        self._leave()
        if complete:
            self._node.ended = True
            self._node.close()

    def fail(self) -> None:
        """The execution failed and had more to draw.

        It may have been mishap: this place is given up once more executions have failed here than
        went on, and not by the first, unless nothing has ever been drawn.
        """
        self._leave()
        node = self._node
        node.failed += 1
        if node.failed > node.passed and (node.failed > 1 or node.parent is None):
            node.ended = True
            node.close()

    def _leave(self) -> None:
        self._go_back()
        self._node.given.pop(self, None)
        self._node.inside -= 1
        above = self._node.parent
        while above is not None:
            above.inside -= 1
            above.passed += 1
            above = above.parent
        self._node.count(-1)

    def _is_as_given(self, parameter: Parameter, value: object) -> bool:
        """Whether this is the next of what is given, and so stood on already."""
        if not self._ahead or self._ahead[0][0] != key_of(parameter, value):
            return False
        self._ahead.pop(0)
        return True

    def _step(self, parameter: Parameter, value: object) -> None:
        before, self._node = self._node, self._node.grow(parameter, value)
        before.given.pop(self, None)
        self._node.inside += 1
        self._node.count(1)
        before.count(-1)

    def _go_back(self) -> None:
        """Stand where the execution is, since it does something else than what was given."""
        if not self._ahead:
            return
        before, self._node = self._node, self._ahead[0][1]
        self._ahead = []
        before.given.pop(self, None)
        self._node.count(1)
        before.count(-1)
        while before is not self._node:
            before.inside -= 1
            assert before.parent is not None
            before = before.parent

    def _is_taken(self, parameter: Parameter, value: object) -> bool:
        child = self._node.child(parameter, value)
        return child is not None and (child.exhausted or child.full)

    def _another(self, parameter: Parameter, value: Any, rng: np.random.Generator) -> Any:
        """A value near ``value`` that is not exhausted, or ``value`` itself if there is none.

        Where all that is left is full, the least crowded is taken: others may yet go on from there.
        """
        assert parameter.distribution is not None
        node = self._node
        if node.exhausted:
            return value
        free = None if node.erratic else node.free
        if free is not None:
            if len(node.busy) >= free.size - free.closed:
                return value_at(parameter.distribution, node.least_crowded())
            index = _near(free, node.busy, parameter.distribution, value, rng)
            return value_at(parameter.distribution, index)
        for other in _redraws(parameter.distribution, value, rng):
            if not self._is_taken(parameter, other):
                return other
        child = self._node.child(parameter, value)
        if not self._node.erratic and (child is None or child.exhausted):
            self._node.close()
        return value


def _near(
    free: Free,
    busy: set[int],
    distribution: Distribution,
    value: object,
    rng: np.random.Generator,
) -> int:
    """A free number: the nearest to that of ``value``, or any where there is no order."""
    index = index_of(distribution, value) if distribution.ordered else None
    if index is None:
        return _any(free, busy, rng)
    left, right = free.left(index), free.right(index)
    while left in busy:
        left = free.left(left - 1)
    while right in busy:
        right = free.right(right + 1)
    if left < 0 or right >= free.size:
        return right if left < 0 else left
    if index - left == right - index:
        return left if rng.random() < 0.5 else right
    return left if index - left < right - index else right


def _any(free: Free, busy: set[int], rng: np.random.Generator) -> int:
    for _ in range(8):
        index = int(rng.integers(free.size))
        if index in free and index not in busy:
            return index
    return int(rng.choice([index for index in free if index not in busy]))


def _redraws(distribution: Distribution, value: object, rng: np.random.Generator) -> Iterator[Any]:
    """Values around ``value``, further and further away, until they come from everywhere."""
    known = distribution.contains(value)
    for attempt in range(_REDRAWS):
        spread = 1e-3 * 2.0**attempt
        if known and spread < 1:
            unit = distribution.to_unit(value) + spread * rng.standard_normal()
            yield distribution.from_unit(float(min(max(unit, 0.0), 1.0)))
        else:
            yield distribution.from_unit(float(rng.random()))


def end_as(walk: Walk, state: TrialState, names: Collection[str], space: SearchSpace) -> None:
    """End an execution as its trial ended, which drew these hyperparameters of the space."""
    if state in (TrialState.FAILED, TrialState.PRUNED) and not space.always <= {*names}:
        walk.fail()
    else:
        walk.end(complete=state is not TrialState.INTERRUPTED)
