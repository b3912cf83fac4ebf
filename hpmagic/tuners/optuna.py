"""Optuna's samplers as tuners: TPE, CMA-ES and NSGA-II.

- TPE: Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; in its
  multivariate form as described by Watanabe, "Tree-structured Parzen estimator", arXiv:2304.11127.
- CMA-ES: Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772.
- NSGA-II: Deb et al., IEEE Transactions on Evolutionary Computation 6 (2002).

Trials whose values another chose (the written default, the person's hunches, those of an earlier
session) are entered as if the sampler had proposed them, so that populations count them too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hpmagic.loading import load_optuna
from hpmagic.records import Origin, Trial, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.optuna_space import Dimension, Dimensions
from hpmagic.tuners.turns import carried_out, settle

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

__all__ = ["CmaesTuner", "Nsga2Tuner", "OptunaTuner", "TpeTuner"]


class OptunaTuner:
    """Asks an Optuna sampler, and tells it of every trial.

    Args:
        context: the study.
        sampler: makes the sampler from a seed.
        always: hyperparameters of which every proposal has a value, whether or not the cell comes
            to draw it.
    """

    remark: str = ""

    def __init__(
        self,
        context: TunerContext,
        sampler: Callable[[int], BaseSampler],
        always: Sequence[Parameter] = (),
    ) -> None:
        import optuna

        self._seed = context.seed
        self._objective = context.objectives[0].name
        self._sampler = sampler
        self._dimensions = Dimensions()
        self._always = [self._dimensions.of(parameter) for parameter in always]
        self._open: list[_Proposal] = []
        self._foreign = 0
        self._asked = False
        with _quiet():
            self._study = optuna.create_study(
                directions=[objective.direction.value for objective in context.objectives],
                sampler=sampler(context.seed),
            )

    def ask(self) -> _Proposal:
        """The next trial's values."""
        if self._foreign and not self._asked:
            # A resumed study: the same seed would draw the same numbers again.
            with _quiet():
                self._study.sampler = self._sampler(_derived(self._seed, self._foreign))
        self._asked = True
        proposal = _Proposal(self, self._begin())
        self._open.append(proposal)
        return proposal

    def draw(self, proposal: _Proposal, parameter: Parameter) -> Any:
        """The sampler's value of a hyperparameter, for a proposal that is being carried out."""
        if proposal.ended is not None:
            self._go_on(proposal, proposal.ended)
        return self._dimensions.of(parameter).suggest(proposal.trial)

    def tell(self, trial: Trial) -> None:
        """Learn from a trial. Optuna has no use for one that failed."""
        import optuna

        proposal = settle(self._open, trial)
        if proposal is not None:
            proposal.ended = trial
        elif trial.origin is Origin.TUNER:
            self._foreign += 1
        if _is_useful(trial, len(self._study.directions)):
            if proposal is None or not carried_out(proposal, trial):
                entered = self._enter(trial)
            else:
                entered, proposal = proposal.trial, None
            if entered is not None:
                self._end(entered, trial)
        if proposal is not None:
            self._study.tell(proposal.trial, state=optuna.trial.TrialState.FAIL)

    def _go_on(self, proposal: _Proposal, ended: Trial) -> None:
        """Begin anew with what was drawn: the trial that ended was that of another proposal."""
        import optuna

        proposal.ended = None
        other = settle(self._open, ended)
        if other is not None:
            other.ended = ended
            self._study.tell(other.trial, state=optuna.trial.TrialState.FAIL)
        self._study.enqueue_trial(proposal.trial.params)
        proposal.trial = self._begin(proposal.trial.distributions)
        self._open.append(proposal)

    def _begin(self, drawn: Mapping[str, BaseDistribution] | None = None) -> optuna.Trial:
        fixed = {dimension.name: dimension.theirs for dimension in self._always}
        return self._study.ask(fixed_distributions={**fixed, **(drawn or {})})

    def _enter(self, trial: Trial) -> optuna.Trial | None:
        """A trial of Optuna's with these values; None when they mean nothing to it."""
        values: dict[str, Any] = {}
        dimensions: list[Dimension] = []
        for name, value in trial.params.items():
            dimension = self._dimensions.of(Parameter(name, trial.distributions[name]))
            values[dimension.name] = dimension.from_ours(value)
            dimensions.append(dimension)
        if any(value is None for value in values.values()):
            return None
        self._study.enqueue_trial(values)
        entered = self._begin()
        for dimension in dimensions:
            dimension.suggest(entered)
        return entered

    def _end(self, entered: optuna.Trial, trial: Trial) -> None:
        import optuna

        if trial.state is TrialState.COMPLETE:
            self._study.tell(entered, list(trial.values or ()))
            return
        # What counts for a sampler is how far a pruned trial came, and with what.
        for step, value in trial.curves.get(self._objective, ())[-1:]:
            entered.report(value, max(step, 0))
        self._study.tell(entered, state=optuna.trial.TrialState.PRUNED)


class _Proposal:
    """One trial of Optuna's, whose values are drawn as the cell's lines execute."""

    def __init__(self, tuner: OptunaTuner, trial: optuna.Trial) -> None:
        self.trial = trial
        self.values: dict[str, Any] = {}
        self.ended: Trial | None = None
        """What seems to have carried it out. That was another's if it is drawn from once more."""
        self._tuner = tuner

    def suggest(self, parameter: Parameter) -> Any:
        """The sampler's value."""
        value = self._tuner.draw(self, parameter)
        self.values[parameter.name] = value
        return value


class TpeTuner(OptunaTuner):
    """Tree-structured Parzen estimator: densities of the good and of the other trials.

    With one objective hyperparameters are modelled together, those of a branch apart from the
    others; with several, each for itself.
    """

    def __init__(self, context: TunerContext) -> None:
        samplers = load_optuna().samplers
        one = len(context.objectives) == 1
        branches = one and any(
            p.conditional or p.distribution is None or "{" in p.name
            for p in context.space.parameters
        )
        super().__init__(
            context,
            lambda seed: samplers.TPESampler(
                seed=seed, multivariate=one, group=branches, constant_liar=True
            ),
        )


class CmaesTuner(OptunaTuner):
    """Covariance matrix adaptation: a normal distribution that moves and takes shape.

    It adapts ranges and ordered values, also those of branches that are not taken. Choices, and
    what is not known beforehand, are proposed by TPE, each for itself.
    """

    def __init__(self, context: TunerContext) -> None:
        samplers = load_optuna().samplers
        adapted, others = _adaptable(context.space)
        super().__init__(
            context,
            lambda seed: samplers.CmaEsSampler(
                seed=seed,
                warn_independent_sampling=False,
                independent_sampler=samplers.TPESampler(seed=seed, multivariate=False),
            ),
            always=adapted,
        )
        if others:
            left = f"cmaes adapts {len(adapted)} of {len(context.space)} hyperparameters"
            self.remark = (
                f"{left}: choices and unknown ranges ({', '.join(others)}) are left to tpe"
            )
            if len(adapted) < 2:
                self.remark += "; this space is not for cmaes, take bayes or tpe"


class Nsga2Tuner(OptunaTuner):
    """A genetic algorithm that keeps a front of trials which no other beats in every objective.

    The population is a sixth of the trials, from 8 to 50, so that there is time for generations.
    """

    def __init__(self, context: TunerContext) -> None:
        samplers = load_optuna().samplers
        population = min(max((context.trials or 300) // 6, 8), 50)
        super().__init__(
            context, lambda seed: samplers.NSGAIISampler(seed=seed, population_size=population)
        )


def _adaptable(space: SearchSpace) -> tuple[list[Parameter], list[str]]:
    """What CMA-ES can adapt, and the names of what it cannot."""
    adapted: list[Parameter] = []
    others: list[str] = []
    for parameter in space.parameters:
        distribution = parameter.distribution
        if distribution is None or not distribution.ordered or "{" in parameter.name:
            others.append(parameter.name)
        elif distribution.size != 1:
            adapted.append(parameter)
    return adapted, others


def _is_useful(trial: Trial, objectives: int) -> bool:
    """Whether Optuna can learn from the trial: it knows no pruned ones with several objectives."""
    if trial.state is TrialState.COMPLETE:
        return trial.values is not None
    return trial.state is TrialState.PRUNED and objectives == 1


def _derived(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Make a study or a sampler without Optuna's log lines and its warnings about experiments."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
