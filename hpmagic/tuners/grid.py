"""Grid search: every combination, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from hpmagic.distributions import Distribution, Ordinal
from hpmagic.errors import SpaceError, TunerError
from hpmagic.records import Trial, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.lattice import value_at
from hpmagic.tuners.sobol import SobolPoints
from hpmagic.tuners.tree import ExecutionTree, Walk, end_as
from hpmagic.tuners.turns import Turns, settle

__all__ = ["LARGEST", "GridTuner"]

LARGEST = 10_000
"""A grid with more combinations than this wants a number of trials."""


class GridTuner:
    """Visits every combination of the values of a grid, each once.

    The hyperparameter that the cell reads first changes slowest, so that trials which begin alike
    come together and share that work; with branches it is the one that is drawn first. Branches are
    followed as they are found: what the cell does not draw is not a combination. With fewer trials
    than combinations, the trials are spread over the grid by Sobol points instead of filling one
    corner of it.

    Raises:
        SpaceError: a continuum without ``n=``; the message names the hyperparameter.
        TunerError: more than `LARGEST` combinations and no number of trials.

    >>> from hpmagic.distributions import Choice, Int
    >>> from hpmagic.records import Direction, Objective
    >>> space = SearchSpace(
    ...     (
    ...         Parameter("kernel", Choice(("linear", "rbf", "poly"))),
    ...         Parameter("degree", Int(2, 5), conditional=True),
    ...     )
    ... )
    >>> aims = (Objective("accuracy", Direction.MAXIMIZE),)
    >>> GridTuner(TunerContext(space, aims, None, 0, ExecutionTree())).remark
    'grid: kernel 3 x degree 4 = at most 12 combinations'
    """

    size: int | None
    """How many combinations there are, at most; None while that is unknown."""
    remark: str

    def __init__(self, context: TunerContext) -> None:
        sizes = grid_sizes(context.space)
        count = math.prod(sizes.values())
        arithmetic = _arithmetic(context.space, sizes)
        if count > LARGEST and context.trials is None:
            raise TunerError(
                f"{arithmetic}, more than {LARGEST:,}: say how many to run with `--trials N` (it "
                "ends when there are no more), make the grid coarser with n=, or take another "
                "tuner, such as `bayes`"
            )
        spread = context.trials is not None and count > context.trials
        self.size = count if len(sizes) == len(context.space) else None
        self.remark = arithmetic
        if spread:
            self.remark += f"; --trials {context.trials} are spread evenly over them"
        order = () if spread else _order_of_use(context, sizes)
        if order:
            self.remark += (
                f"; {', '.join(order)} in this order of use, the last one changing fastest"
            )
        self._space = context.space
        self._seed = context.seed
        self._executed = context.tree
        self._points = SobolPoints(context.space, context.seed) if spread else None
        self._turns = Turns()
        self._tree = ExecutionTree()
        # The grid's own tree, in which a range has the values of the grid and no others.
        self._gridded: dict[str, tuple[Distribution, Distribution]] = {}
        self._open: list[_Proposal] = []
        self._combinations = self._in(order)

    def ask(self) -> _Proposal | None:
        """The next combination; None when all have run, or may be running."""
        if self._tree.exhausted or self._tree.crowded:
            return None
        number = self._turns.next()
        rng = np.random.default_rng([self._seed, number])
        proposal = _Proposal(self._tree.walk(), self._on_grid, self._wish(number), rng)
        self._open.append(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Cross out the combination that ran, if it is one of the grid's."""
        self._turns.tell(trial)
        proposal = settle(self._open, trial)
        if trial.state is TrialState.INTERRUPTED:
            if proposal is not None:
                proposal.walk.end(complete=False)
            return
        walk = self._tree.walk()
        for name, value in trial.params.items():
            written = self._space.find(name)
            points = None if written is None else written.grid_points
            drawn = Parameter(name, trial.distributions[name], grid_points=points)
            try:
                gridded = self._on_grid(drawn)
                walk.fix(gridded, _spelled_as_in(gridded, drawn, value))
            except SpaceError:
                walk.end(complete=False)
                return
        end_as(walk, trial.state, trial.params, self._space)
        if proposal is not None:
            # Where the study ran something else, the proposal is done only if it ran another time.
            _, ended = self._executed.path(proposal.values)
            proposal.walk.end(complete=ended or not self._executed.explored)

    def _in(self, order: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Every combination, the last name changing fastest; none where there is no order."""
        values = [_values(self._on_grid(self._space[name])) for name in order]
        combinations = product(*values) if order else ()
        return (dict(zip(order, combination, strict=True)) for combination in combinations)

    def _wish(self, number: int) -> _Wish | None:
        """The values to come next, where it is not the first ones left as they are drawn."""
        if self._points is not None:
            point = self._points.point(number)
            return lambda parameter: _drawn(parameter).from_unit(point(parameter.name))
        for combination in self._combinations:
            if not self._tree.path(combination)[1]:
                return lambda parameter: combination[parameter.name]
        return None

    def _on_grid(self, parameter: Parameter) -> Parameter:
        """The same hyperparameter with a finite distribution: the values of the grid."""
        distribution = _drawn(parameter)
        if parameter.grid_points is None and distribution.size is not None:
            return parameter
        known = self._gridded.get(parameter.name)
        if known is None or known[0] is not distribution:
            known = distribution, Ordinal(parameter.grid())
            self._gridded[parameter.name] = known
        return replace(parameter, distribution=known[1])


_Wish = Callable[[Parameter], Any]


class _Proposal:
    """One combination, chosen as the cell's lines execute."""

    def __init__(
        self,
        walk: Walk,
        on_grid: Callable[[Parameter], Parameter],
        wish: _Wish | None,
        rng: np.random.Generator,
    ) -> None:
        self.values: dict[str, Any] = {}
        self.walk = walk
        self._on_grid = on_grid
        self._wish = wish
        self._rng = rng

    def suggest(self, parameter: Parameter) -> Any:
        """The value wished for, or one near it, else the first, of those that have not all run."""
        parameter = self._on_grid(parameter)
        if self._wish is None:
            value = self.walk.first_free(parameter)
            self.walk.fix(parameter, value)
        else:
            value = self.walk.draw(parameter, self._wish, lambda: self._rng)
        self.values[parameter.name] = value
        return value


def grid_sizes(space: SearchSpace) -> dict[str, int]:
    """How many values a grid has of each hyperparameter that is known before the cell runs.

    Raises:
        SpaceError: a continuum without ``n=``, or an ``n`` that its distribution refuses; the
            message names every such hyperparameter.
    """
    sizes: dict[str, int] = {}
    errors: list[str] = []
    for parameter in space.parameters:
        distribution = parameter.distribution
        if distribution is None:
            continue
        size = distribution.size if parameter.grid_points is None else None
        try:
            size = len(parameter.grid()) if size is None else size
        except SpaceError as error:
            errors.append(str(error))
        else:
            if "{" not in parameter.name:
                sizes[parameter.name] = size
    if errors:
        raise SpaceError("; ".join(errors))
    return sizes


def _order_of_use(context: TunerContext, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The names in the order of use; empty where that is how they are drawn, or not known."""
    space = context.space
    if len(sizes) < len(space) or any(p.conditional for p in space.parameters):
        return ()
    used = [name for name in context.reading_order() if name in space]
    order = (*(name for name in space if name not in used), *used)
    return () if order == tuple(space) else order


def _values(parameter: Parameter) -> list[Any]:
    distribution = _drawn(parameter)
    assert distribution.size is not None
    return [value_at(distribution, index) for index in range(distribution.size)]


def _drawn(parameter: Parameter) -> Distribution:
    assert parameter.distribution is not None
    return parameter.distribution


def _spelled_as_in(gridded: Parameter, drawn: Parameter, value: object) -> object:
    """The grid's own value that is the same to what is drawn, as 1.0 is for 1 in a float range."""
    if gridded is drawn:
        return value
    key = _drawn(drawn).key
    return next((option for option in _values(gridded) if key(option) == key(value)), value)


def _arithmetic(space: SearchSpace, sizes: Mapping[str, int]) -> str:
    if not space:
        return "grid: nothing is tuned"
    count = math.prod(sizes.values())
    most = "at most " if any(space[name].conditional for name in sizes) else ""
    factors = " x ".join(f"{name} {size:,}" for name, size in sizes.items())
    text = f"{factors} = {most}{count:,} combination{'' if count == 1 else 's'}"
    later = [name for name in space if name not in sizes]
    if not sizes:
        return f"grid: the values of {', '.join(later)}, known once drawn"
    more = f", times those of {', '.join(later)}, known once drawn" if later else ""
    return f"grid: {text}{more}"
