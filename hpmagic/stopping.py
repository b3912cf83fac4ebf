"""When a study is done although trials are left: further ones are not expected to help.

Two rules, both off unless asked for. `Patience` counts trials without improvement. `RegretBound`
asks a surrogate how much better than the best any trial could still be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hpmagic.errors import OptionError
from hpmagic.options import StudyConfig
from hpmagic.ranking import beats, front_with
from hpmagic.records import Objective, Trial, TrialState

__all__ = ["NOISE", "Enough", "Patience", "RegretBound", "enough_rule"]

NOISE = "noise"
"""The tolerance that is the noise of the objective itself, as the surrogate sees it."""

FEWEST = 20
"""Complete trials before the regret bound is believed (as in Makarova et al. 2022)."""

_DELTA = 0.1
_MEMBERS = 6

Enough = Callable[[Sequence[Trial]], str]
"""From the trials in the order in which they ended: why they are enough; empty while they are not.

Each call has those of the call before, and perhaps more.
"""


class Patience:
    """Ends a study after so many trials that did not improve on the best by more than a margin.

    With several objectives a trial improves unless another is as good in each of them, up to the
    margin. Only what improved is compared with, so that small gains add up. Trials that failed or
    were pruned count, interrupted ones do not. What ran before a resumption counts.
    """

    def __init__(
        self, objectives: Sequence[Objective], patience: int, min_delta: float = 0.0
    ) -> None:
        self._objectives = tuple(objectives)
        self._patience = patience
        self._min_delta = min_delta
        self._heard = 0
        self._waited = 0
        self._front: list[Trial] = []
        """Of the trials that improved; with one objective the last of them."""

    def __call__(self, trials: Sequence[Trial]) -> str:
        for trial in trials[self._heard :]:
            if trial.state is TrialState.INTERRUPTED:
                continue
            self._waited = 0 if self._improves(trial) else self._waited + 1
        self._heard = len(trials)
        if self._waited < self._patience:
            return ""
        beyond = f" of more than {self._min_delta:g}" if self._min_delta else ""
        return f"no improvement{beyond} in {self._waited} trials (--patience {self._patience})"

    def _improves(self, trial: Trial) -> bool:
        if not beats(trial, None, self._objectives[0]):
            return False
        if any(self._as_good(other, trial) for other in self._front):
            return False
        self._front = front_with(self._front, trial, self._objectives)
        return True

    def _as_good(self, other: Trial, trial: Trial) -> bool:
        """Whether one trial is at least as good as another in every objective, up to the margin."""
        triples = zip(self._objectives, other.values or (), trial.values or (), strict=True)
        return not any(
            objective.direction.better(value + self._min_delta * objective.direction.sign, known)
            for objective, known, value in triples
        )


class RegretBound:
    """Ends a study when no trial is expected to beat the best by more than a tolerance.

    The regret is at most the upper confidence bound of the best trial minus the lowest lower bound
    anywhere in the space (Makarova et al., "Automatic termination for hyperparameter optimization",
    AutoML 2022), with their width of the bounds. It is asked of a Gaussian process fitted to the
    trials, whichever tuner chose them. Where trials are known to fail nothing is hoped for.
    """

    def __init__(self, objective: Objective, tolerance: float | str) -> None:
        """``tolerance`` is in the objective's unit, or `NOISE`."""
        self._objective = objective
        self._tolerance = tolerance
        self._heard = -1
        self._said = ""

    def __call__(self, trials: Sequence[Trial]) -> str:
        if len(trials) != self._heard:
            self._heard = len(trials)
            self._said = self._judged(trials)
        return self._said

    def _judged(self, trials: Sequence[Trial]) -> str:
        complete = sum(t.state is TrialState.COMPLETE for t in trials)
        if complete < FEWEST:
            return ""
        bound, noise = regret_bound(trials, self._objective)
        tolerance = noise if isinstance(self._tolerance, str) else self._tolerance
        if not bound <= tolerance < math.inf:
            return ""
        if isinstance(self._tolerance, str):
            amount = f"its noise, {noise:.3g} (--tolerance {NOISE})"
        else:
            amount = f"{tolerance:g} (--tolerance {tolerance:g})"
        name = self._objective.name
        return f"no trial is expected to better {name} by more than {amount}: at most {bound:.3g}"


def regret_bound(trials: Sequence[Trial], objective: Objective) -> tuple[float, float]:
    """How much better than the best a trial could be at most, and the noise of one trial.

    Both in the objective's unit; the bound holds with a probability of about 0.9 and is infinite
    where the trials say too little.
    """
    import numpy as np

    from hpmagic.tuners.bayes.encoding import Array, Points
    from hpmagic.tuners.bayes.feasibility import Feasibility
    from hpmagic.tuners.bayes.search import best_point
    from hpmagic.tuners.bayes.surrogate import Surrogate, one_thread

    surrogate = Surrogate.of_trials(trials, objective, others=_MEMBERS)
    if surrogate is None or not surrogate.scale.spread:
        return math.inf, 0.0
    seen, dimensions = surrogate.points, len(surrogate.columns)
    steps = len(seen)
    beta = 0.4 * math.log(dimensions * steps**2 * math.pi**2 / (6 * _DELTA))
    width = math.sqrt(beta)
    with one_thread():
        feasibility = Feasibility.of(surrogate)

        def worth(points: Points) -> Array:
            mean, deviation = surrogate.predict(points)
            lower = mean - width * deviation
            if feasibility is None:
                return -lower
            likely = feasibility.log_probability(surrogate.inputs(points)) > math.log(0.5)
            return np.where(likely, -lower, -np.inf)

        mean, deviation = surrogate.predict(seen)
        parents = seen.units[np.argsort(mean, kind="stable")[:5]]
        rng = np.random.default_rng(steps)
        found = best_point(
            worth, surrogate.complete, surrogate.columns, parents=parents, seen=(), rng=rng
        )
        lowest = -float(worth(surrogate.complete(found[None, :]))[0])
    lowest = min(lowest, float((mean - width * deviation).min()))
    best = int(np.argmin(mean + width * deviation))
    upper = float(mean[best] + width * deviation[best])
    spread = math.exp(0.5 * surrogate.likeliest.hyper.noise)
    ends = surrogate.scale.inverse(np.array([upper, lowest, mean[best] + spread, mean[best]]))
    return float(ends[0] - ends[1]), float(ends[2] - ends[3])


def enough_rule(config: StudyConfig, objectives: Sequence[Objective]) -> Enough:
    """The rules that were asked for, as one; the first that applies speaks.

    Raises:
        OptionError: a regret bound for several objectives.
    """
    rules: list[Enough] = []
    if config.patience is not None:
        rules.append(Patience(objectives, config.patience, config.min_delta or 0.0))
    if config.tolerance is not None:
        if len(objectives) > 1:
            names = ", ".join(objective.name for objective in objectives)
            raise OptionError(f"--tolerance is for one objective, but the cell has {names}")
        rules.append(RegretBound(objectives[0], config.tolerance))

    def enough(trials: Sequence[Trial]) -> str:
        return next((said for rule in rules if (said := rule(trials))), "")

    return enough
