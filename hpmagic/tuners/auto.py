"""The default tuner: chooses one of the others, says why, and may change its mind.

The choice depends on what is known before the first trial (`Situation`, `RULES`). What trials show
may call for another tuner (`Course`, `SWITCHES`): that one is told everything and goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hpmagic.records import Trial
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal, TunerContext
from hpmagic.tuners.registry import get_tuner

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
    there are; ``earlier`` how many studies there are to learn from.
    """

    combinations: int | None
    trials: int | None
    objectives: int
    earlier: int = 0

    @classmethod
    def of(cls, context: TunerContext) -> Situation:
        """The situation at the start of a study."""
        return cls(
            _combinations(context.space),
            context.trials,
            len(context.objectives),
            len(context.earlier),
        )

    @property
    def fits(self) -> bool:
        """Whether all combinations can run."""
        return self.combinations is not None and self.combinations <= (self.trials or 0)

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
        self.size = getattr(self._tuner, "size", None)
        self.uses_earlier = get_tuner(self._name).learns_from_earlier
        self.remark = f"auto: {self._name}, because {why}" if context.space else ""

    def ask(self) -> Proposal | None:
        """The next trial's values."""
        following = successor(Course(self._name, len(self._told), len(self._met)))
        if following is not None:
            self._hand_over(*following)
        return self._tuner.ask()

    def tell(self, trial: Trial) -> None:
        """Learn from a trial."""
        self._told.append(trial)
        self._met.update(trial.params)
        self._tuner.tell(trial)

    def _hand_over(self, name: str, why: str) -> None:
        self.remark = f"auto: {name} after {len(self._told)} trials of {self._name}, because {why}"
        self._name = name
        self._tuner = get_tuner(name).make(self._context)
        for trial in self._told:
            self._tuner.tell(trial)


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
