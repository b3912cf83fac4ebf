"""hyperopt's tree-structured Parzen estimator as a tuner.

Bergstra, Yamins and Cox, "Making a science of model search", ICML 2013. Twenty random trials come
first, then each hyperparameter is modelled for itself. hyperopt sees ranges as their unit interval,
which keeps logarithms and priors, and values that were not reached as not drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpmagic.distributions import Distribution
from hpmagic.records import Trial
from hpmagic.space import Parameter
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.bayes.encoding import UNKNOWN, Column
from hpmagic.tuners.bayes.observations import Observation
from hpmagic.tuners.turns import settle

__all__ = ["HyperoptTuner"]

_DONE, _RUNNING = 2, 1
"""hyperopt's states of a job."""


class HyperoptTuner:
    """Asks ``hyperopt.tpe.suggest`` anew for each trial, with all trials told so far.

    A hyperparameter that turns up on the way is drawn at random once and modelled from then on. A
    failed trial is one that failed to hyperopt, too; a pruned one has its last value.
    """

    def __init__(self, context: TunerContext) -> None:
        self._seed = context.seed
        self._sign = context.objectives[0].direction.sign
        self._columns: dict[str, Column] = {}
        self._trials: list[Trial] = []
        self._open: list[_Proposal] = []
        for parameter in context.space.parameters:
            if parameter.distribution is not None and "{" not in parameter.name:
                self.column(parameter.name, parameter.distribution)

    def column(self, name: str, distribution: Distribution) -> Column:
        """The column of a hyperparameter, as its distribution is now."""
        known = self._columns.get(name)
        if known is None or known.distribution != distribution:
            known = self._columns[name] = Column.of(name, distribution)
        return known

    def ask(self) -> _Proposal:
        """The next trial's values."""
        number = len(self._trials) + len(self._open)
        rng = np.random.default_rng([self._seed, number])
        units = self._suggested(number, int(rng.integers(2**31))) if self._columns else {}
        proposal = _Proposal(self, units, rng)
        self._open.append(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Learn from a trial that ended."""
        for name, distribution in trial.distributions.items():
            self.column(name, distribution)
        settle(self._open, trial)
        self._trials.append(trial)

    def _suggested(self, number: int, seed: int) -> dict[str, float]:
        """Units by name."""
        from hyperopt import Trials, tpe
        from hyperopt.base import Domain

        space = {name: _variable(column) for name, column in self._columns.items()}
        domain = Domain(lambda _: 0.0, space)
        history = Trials()
        told = [Observation.of(trial, self._columns, self._sign) for trial in self._trials]
        documents = [_document(i, o.units, self._columns, o.cost) for i, o in enumerate(told)]
        documents += [
            _document(len(told) + i, proposal.units, self._columns, None, _RUNNING)
            for i, proposal in enumerate(self._open)
        ]
        history.insert_trial_docs(documents)
        history.refresh()
        (found,) = tpe.suggest([number], domain, history, seed, verbose=False)
        drawn = found["misc"]["vals"]
        return {n: _unit(c, drawn[n][0]) for n, c in self._columns.items() if drawn[n]}


class _Proposal:
    """Values that are drawn as the cell's lines execute."""

    def __init__(
        self, tuner: HyperoptTuner, units: dict[str, float], rng: np.random.Generator
    ) -> None:
        self.values: dict[str, Any] = {}
        self.units = dict(units)
        self._tuner = tuner
        self._rng = rng

    def suggest(self, parameter: Parameter) -> Any:
        """Hyperopt's value."""
        assert parameter.distribution is not None
        column = self._tuner.column(parameter.name, parameter.distribution)
        unit = self.units.setdefault(parameter.name, float(self._rng.random()))
        value = self.values[parameter.name] = column.value(unit)
        return value


def _variable(column: Column) -> Any:
    """What hyperopt draws: the place of a value among few, else a number from 0 to 1."""
    from hyperopt import hp

    if column.levels is None:
        return hp.uniform(column.name, 0.0, 1.0)
    if column.ordered:
        return hp.uniformint(column.name, 0, max(len(column.levels) - 1, 1))
    return hp.choice(column.name, list(range(len(column.levels))))


def _place(column: Column, unit: float) -> Any:
    """A unit as hyperopt has it."""
    if column.levels is None:
        return unit
    return int(np.abs(column.levels - unit).argmin())


def _unit(column: Column, place: Any) -> float:
    if column.levels is None:
        return float(place)
    return float(column.levels[min(int(place), len(column.levels) - 1)])


def _document(
    number: int,
    units: dict[str, float] | Any,
    columns: dict[str, Column],
    cost: float | None,
    state: int = _DONE,
) -> dict[str, Any]:
    """A trial as hyperopt keeps it."""
    known = {n: u for n, u in units.items() if n in columns and u != UNKNOWN}
    values = {n: [_place(c, known[n])] if n in known else [] for n, c in columns.items()}
    result: dict[str, Any] = {"status": "new"}
    if state == _DONE:
        result = {"status": "fail"} if cost is None else {"status": "ok", "loss": cost}
    return {
        "state": state,
        "tid": number,
        "spec": None,
        "result": result,
        "misc": {
            "tid": number,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {name: [number] if drawn else [] for name, drawn in values.items()},
            "vals": values,
        },
        "exp_key": None,
        "owner": None,
        "version": 0,
        "book_time": None,
        "refresh_time": None,
    }
