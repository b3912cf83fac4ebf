"""nevergrad as a tuner: it chooses an algorithm by the space and the number of trials.

Rapin and Teytaud, "Nevergrad: a gradient-free optimization platform", 2018; Meunier et al.,
"Black-box optimization revisited", IEEE Transactions on Evolutionary Computation 26 (2022). Of its
wizards NgIohTuned is taken: NGOpt's metamodels fail with numpy 2.4.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hpmagic.records import Trial
from hpmagic.space import Parameter
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.bayes.encoding import UNKNOWN, Column
from hpmagic.tuners.bayes.observations import Observation
from hpmagic.tuners.turns import carried_out, settle

__all__ = ["NevergradTuner"]

_BUDGET = 100
"""Trials that it plans for when the number is open."""
_WORKERS = 2
"""With one, it takes algorithms that wait for ever when a value was replaced or a trial runs."""


class NevergradTuner:
    """Asks one optimizer for candidates, and tells it what they cost.

    It has a value for every hyperparameter whose range is known beforehand, reached or not; others
    are drawn at random. A trial that failed costs as much as the worst so far. Trials whose values
    another chose are told as well, where the algorithm can make use of them.
    """

    remark: str = ""

    def __init__(self, context: TunerContext) -> None:
        import nevergrad as ng

        self._seed = context.seed
        self._sign = context.objectives[0].direction.sign
        self._columns = {
            p.name: Column.of(p.name, p.distribution)
            for p in context.space.parameters
            if p.distribution is not None and p.distribution.size != 1 and "{" not in p.name
        }
        self._asked = self._told = 0
        self._worst: float | None = None
        self._open: list[_Proposal] = []
        self._optimizer: Any = None
        if self._columns:
            with _quiet():
                space = ng.p.Dict(**{n: _variable(c) for n, c in self._columns.items()})
                space.random_state = np.random.RandomState(context.seed)
                budget = context.trials or _BUDGET
                self._optimizer = ng.optimizers.NgIohTuned(
                    space, budget=budget, num_workers=_WORKERS
                )
        others = [name for name in context.space if name not in self._columns]
        if others:
            self.remark = f"nevergrad leaves what is not known beforehand to chance: {others[0]}"
            self.remark += f" and {len(others) - 1} more" if len(others) > 1 else ""

    def ask(self) -> _Proposal:
        """The next trial's values."""
        rng = np.random.default_rng([self._seed, self._asked, self._told])
        self._asked += 1
        candidate = None
        if self._optimizer is not None:
            with _quiet():
                candidate = self._optimizer.ask()
        proposal = _Proposal(self._columns, candidate, rng)
        self._open.append(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Learn from a trial that ended."""
        self._told += 1
        proposal = settle(self._open, trial)
        if self._optimizer is None:
            return
        observation = Observation.of(trial, self._columns, self._sign)
        cost = observation.cost
        if cost is not None:
            self._worst = cost if self._worst is None else max(self._worst, cost)
        cost = self._worst if cost is None else cost
        if cost is None:
            return
        candidate = None if proposal is None else proposal.candidate
        if proposal is None or not carried_out(proposal, trial):
            candidate = self._candidate_at(observation, candidate)
        with _quiet():
            self._enter(candidate, cost)

    def _candidate_at(self, observation: Observation, like: Any) -> Any:
        """A candidate with a trial's values; what the trial did not reach is as in ``like``."""
        parametrization = self._optimizer.parametrization
        values = dict((parametrization if like is None else like).value)
        for name, unit in observation.units.items():
            if unit != UNKNOWN:
                values[name] = _place(self._columns[name], unit)
        with _quiet():
            return parametrization.spawn_child(new_value=values)

    def _enter(self, candidate: Any, cost: float) -> None:
        from nevergrad.common.errors import TellNotAskedNotSupportedError

        try:
            self._optimizer.tell(candidate, cost)
        except TellNotAskedNotSupportedError:
            self._optimizer.suggest(dict(candidate.value))


class _Proposal:
    """One candidate, whose values are drawn as the cell's lines execute."""

    def __init__(
        self, columns: dict[str, Column], candidate: Any, rng: np.random.Generator
    ) -> None:
        self.values: dict[str, Any] = {}
        self.candidate = candidate
        self._columns = columns
        self._rng = rng

    def suggest(self, parameter: Parameter) -> Any:
        """Nevergrad's value."""
        assert parameter.distribution is not None
        column = self._columns.get(parameter.name)
        if column is None or column.distribution != parameter.distribution:
            value = parameter.distribution.from_unit(float(self._rng.random()))
        else:
            value = column.value(_unit(column, self.candidate.value[parameter.name]))
        self.values[parameter.name] = value
        return value


def _variable(column: Column) -> Any:
    """What nevergrad varies: an option of a choice, else a number from 0 to 1."""
    import nevergrad as ng

    if column.ordered or column.levels is None:
        return ng.p.Scalar(lower=0.0, upper=1.0)
    return ng.p.Choice(list(range(len(column.levels))))


def _place(column: Column, unit: float) -> Any:
    """A unit as nevergrad has it."""
    if column.ordered or column.levels is None:
        return float(unit)
    return int(np.abs(column.levels - unit).argmin())


def _unit(column: Column, place: Any) -> float:
    if column.ordered or column.levels is None:
        return float(column.snap(np.array([place]))[0])
    return float(column.levels[int(place)])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without nevergrad's advice on how it could be used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
