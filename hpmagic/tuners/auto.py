"""The default tuner: chooses one of the others, says why, and may change its mind.

The choice depends on what is known before the first trial (`Situation`, `RULES`). What trials show
may call for another tuner (`Course`, `SWITCHES`): that one is told everything and goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from hpmagic.distributions import MISSING
from hpmagic.records import Origin, Trial
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal, Tuner, TunerContext
from hpmagic.tuners.lattice import index_of
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.turns import settle

__all__ = ["AutoTuner", "Situation", "choose"]

Facts = TypeVar("Facts")

FEW = 8
"""With fewer trials there is too little to learn from: spread them."""
MANY = 200
"""After so many trials Parzen estimators are as good as a Gaussian process, and quicker."""
WIDE = 40
"""With more hyperparameters, those met on the way among them, a Gaussian process is lost."""
GENERATIONS = 300
"""So many trials let a genetic algorithm come into its own."""


@dataclass(frozen=True)
class Situation:
    """What the choice depends on.

    ``combinations`` is the size of the space, an upper bound where there are branches, None when it
    is a continuum or unknown; ``trials`` the budget, None when it is open; ``objectives`` how many
    there are; ``earlier`` how many studies there are to learn from; ``besides`` how many trials
    are no combinations, since the values written or tried are none of the space, at most.
    """

    combinations: int | None
    trials: int | None
    objectives: int
    earlier: int = 0
    besides: int = 0

    @classmethod
    def of(cls, context: TunerContext) -> Situation:
        """The situation at the start of a study."""
        return cls(
            _combinations(context.space),
            context.trials,
            len(context.objectives),
            len(context.earlier),
            _besides(context),
        )

    @property
    def fits(self) -> bool:
        """Whether all combinations can run."""
        if self.combinations is None:
            return False
        return self.combinations + self.besides <= (self.trials or 0)

    @property
    def budget(self) -> float:
        """The number of trials; infinite when it is open."""
        return math.inf if self.trials is None else self.trials


@dataclass(frozen=True)
class Rule(Generic[Facts]):
    """``tuner`` is for facts to which ``when`` applies; ``why`` is filled in from them."""

    tuner: str
    when: Callable[[Facts], bool]
    why: str


RULES: tuple[Rule[Situation], ...] = (
    Rule(
        "grid",
        lambda s: s.fits,
        "all {combinations} combinations fit in {budget:g} trials",
    ),
    Rule(
        "nsga2",
        lambda s: s.objectives > 1 and s.budget >= GENERATIONS,
        "there are {objectives} objectives and {budget:g} trials",
    ),
    Rule("tpe", lambda s: s.objectives > 1, "there are {objectives} objectives"),
    Rule(
        "bayes",
        lambda s: s.earlier > 0,
        "it can learn from earlier studies",
    ),
    Rule(
        "qmc",
        lambda s: s.budget < FEW,
        "{budget:g} trials are too few to learn from and had better be spread",
    ),
    Rule(
        "bayes",
        lambda s: s.budget > MANY,
        "the first {many} trials are best chosen one by one with a surrogate",
    ),
    Rule("bayes", lambda _: True, "{budget:g} trials are best chosen one by one with a surrogate"),
)
"""The first that applies decides. The last always does."""


def choose(situation: Situation) -> tuple[str, str]:
    """The name of a tuner, and the reason in a few words.

    >>> choose(Situation(combinations=12, trials=30, objectives=1))
    ('grid', 'all 12 combinations fit in 30 trials')
    >>> choose(Situation(combinations=None, trials=30, objectives=1))[0]
    'bayes'
    """
    rule = next(rule for rule in RULES if rule.when(situation))
    facts = vars(situation) | {"budget": situation.budget, "many": MANY}
    return rule.tuner, rule.why.format(**facts)


@dataclass(frozen=True)
class Course:
    """What is known on the way: who chooses, how many trials ended, of how many dimensions."""

    tuner: str
    ended: int
    dimensions: int


SWITCHES: tuple[Rule[Course], ...] = (
    Rule(
        "tpe",
        lambda c: c.tuner == "bayes" and c.dimensions > WIDE,
        "the trials have {dimensions} hyperparameters in all",
    ),
    Rule(
        "tpe",
        lambda c: c.tuner == "bayes" and c.ended >= MANY,
        "{ended} trials are as well modelled by densities, and quicker",
    ),
)
"""The first that applies decides; mostly none does."""


def successor(course: Course) -> tuple[str, str] | None:
    """The tuner that is to take over, and the reason; None when all is well.

    >>> successor(Course("bayes", ended=200, dimensions=5))[0]
    'tpe'
    >>> successor(Course("bayes", ended=60, dimensions=5)) is None
    True
    """
    switch = next((switch for switch in SWITCHES if switch.when(course)), None)
    return None if switch is None else (switch.tuner, switch.why.format(**vars(course)))


class _Proposal:
    """One of ``tuner``'s, which remembers what was drawn from it."""

    def __init__(self, tuner: Tuner, proposal: Proposal) -> None:
        self.tuner = tuner
        self.values: dict[str, Any] = {}
        self._proposal = proposal

    def suggest(self, parameter: Parameter) -> Any:
        """The tuner's value."""
        value = self.values[parameter.name] = self._proposal.suggest(parameter)
        return value


class AutoTuner:
    """Hands over to the tuner that `choose` names, and to another when `successor` names one.

    When to change depends on the trials told alone, so a resumed study changes where the
    uninterrupted one does. ``remark`` is a new one then. ``uses_earlier`` says whether the tuner
    chosen first makes use of earlier studies.
    """

    remark: str
    size: int | None

    def __init__(self, context: TunerContext) -> None:
        self._context = context
        self._name, why = choose(Situation.of(context))
        self._tuner = get_tuner(self._name).make(context)
        self._told: list[Trial] = []
        self._met: set[str] = set()
        self._open: list[_Proposal] = []
        self._next: tuple[str, str] | None = None
        """The tuner that is to take over, and what is said of it."""
        self.size = getattr(self._tuner, "size", None)
        self.uses_earlier = get_tuner(self._name).learns_from_earlier
        self.remark = f"auto: {self._name}, because {why}" if context.space else ""

    def ask(self) -> Proposal | None:
        """The next trial's values."""
        if self._next is not None:
            self._hand_over(*self._next)
        asked = self._tuner.ask()
        if asked is None:
            return None
        proposal = _Proposal(self._tuner, asked)
        self._open.append(proposal)
        return proposal

    def tell(self, trial: Trial) -> None:
        """Learn from a trial."""
        self._told.append(trial)
        self._met.update(trial.params)
        proposal = settle(self._open, trial)
        if proposal is not None and proposal.tuner is not self._tuner:
            # It ran when another took over, who would take it for one of its own proposals.
            trial = replace(trial, origin=Origin.TRY)
        self._tuner.tell(trial)
        if self._next is None:
            # Here, not when asked: the trials of a resumed study are all told before that.
            self._next = self._following()

    def _following(self) -> tuple[str, str] | None:
        ended = len(self._told)
        found = successor(Course(self._name, ended, len(self._met)))
        if found is None:
            return None
        name, why = found
        return name, f"auto: {name} after {ended} trials of {self._name}, because {why}"

    def _hand_over(self, name: str, remark: str) -> None:
        self.remark = remark
        self._name, self._next = name, None
        self._tuner = get_tuner(name).make(self._context)
        for trial in self._told:
            self._tuner.tell(trial)


def _besides(context: TunerContext) -> int:
    """How many of the written values and the tries are no combinations of the space.

    Whether the written ones are tried is not known here, nor what those are that are no literals:
    they count.
    """
    written = context.space.defaults
    points = [{**written, **values} for values in ({}, *context.tries)]
    return sum(any(_is_outside(p, point) for p in context.space.parameters) for point in points)


def _is_outside(parameter: Parameter, values: Mapping[str, object]) -> bool:
    if parameter.distribution is None:
        return False
    return index_of(parameter.distribution, values.get(parameter.name, MISSING)) is None


def _combinations(space: SearchSpace) -> int | None:
    sizes = [_size(parameter) for parameter in space.parameters]
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _size(parameter: Parameter) -> int | None:
    """How many values there are; None also where a grid would leave some of them out."""
    if parameter.distribution is None or "{" in parameter.name:
        return None
    size = parameter.distribution.size
    points = parameter.grid_points
    return None if size is None or (points is not None and points < size) else size
