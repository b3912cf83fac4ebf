"""One configuration run with several seeds: what the runs say together, and when they are enough.

A repeat runs the cell with the trial's values and another seed. The seeds are 0, 1, 2 and so on,
the same for every configuration, so that all are compared on the same luck.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from hpmagic.execution.outcome import TrialOutcome
from hpmagic.ranking import beats, best_trial
from hpmagic.records import Objective, Origin, Repeat, Report, Trial, TrialState

__all__ = ["Race", "indistinguishable", "joined", "standard_error"]

SURE: Final = 0.99
"""How sure it must be that a configuration is worse than the best before its repeats end."""
APART: Final = 0.95
"""How sure it must be that two configurations differ before one is called better."""


class Race:
    """Decides whether a configuration is worth another repeat.

    The person's own default and whatever may yet be the best run all their repeats. A configuration
    ends early once a one-sided t-test, with the spread pooled over the configurations that have
    been repeated, is 99% sure that its mean is worse than that of the best of those. What ran once
    is no measure: the best of many single runs was lucky. Racing: Maron and Moore, *Hoeffding
    races* (1994); Birattari et al., *A racing algorithm for configuring metaheuristics* (2002).

    Args:
        most: repeats of a configuration, at most; 1 or more.
        objective: what is compared, the study's first.
    """

    def __init__(self, most: int, objective: Objective) -> None:
        self.most = most
        self._objective = objective
        self._spread = _Spread()
        self._best: Trial | None = None

    def goes_on(self, origin: Origin, outcomes: Sequence[TrialOutcome]) -> bool:
        """Whether a configuration with these outcomes, in order, is to run once more."""
        if len(outcomes) >= self.most or outcomes[-1].state is not TrialState.COMPLETE:
            return False
        values = [o.values.get(self._objective.name, math.nan) for o in outcomes]
        if not all(map(math.isfinite, values)):
            return False
        return origin is Origin.DEFAULT or not self._is_worse(values)

    def learn(self, trial: Trial) -> None:
        """A configuration has ended."""
        if self.most == 1:
            return
        values = _values(trial, self._objective)
        self._spread.add(values)
        if len(values) >= 2 and beats(trial, self._best, self._objective):
            self._best = trial

    def _is_worse(self, values: Sequence[float]) -> bool:
        best = [] if self._best is None else _values(self._best, self._objective)
        if not best or not self._spread.degrees:
            return False
        behind = self._objective.direction.sign * (_mean(values) - _mean(best))
        return behind > self._spread.margin(len(values), len(best), SURE)


class _Spread:
    """The standard deviation between repeats, pooled over configurations."""

    def __init__(self) -> None:
        self.degrees = 0
        self._squares = 0.0

    def add(self, values: Sequence[float]) -> None:
        if len(values) >= 2 and all(map(math.isfinite, values)):
            self.degrees += len(values) - 1
            self._squares += float(np.var(values)) * len(values)

    def margin(self, one: int, other: int | None, sure: float) -> float:
        """What two means of so many values differ by chance, at most, with this certainty.

        With one mean alone: how far it is from its expectation.
        """
        from scipy.special import stdtrit  # not scipy.stats: that takes half a second to import

        deviation = math.sqrt(self._squares / self.degrees)
        share = 1 / one + (0.0 if other is None else 1 / other)
        return float(stdtrit(self.degrees, sure)) * deviation * math.sqrt(share)


def joined(outcomes: Sequence[TrialOutcome], objectives: Iterable[Objective]) -> TrialOutcome:
    """The outcome of a configuration: that of its last repeat, with means for the metrics.

    Values and curves are means over the repeats; a repeat whose curve ends early counts on with its
    last value. ``NAME.std`` is the standard deviation between repeats (``ddof=1``) and
    ``NAME.repeats`` their number, for each objective. A repeat that did not run to its end makes
    the whole configuration what it was.

    Args:
        outcomes: one for each repeat, in order; one or more.
        objectives: the study's.
    """
    last = outcomes[-1]
    repeats = tuple(
        Repeat(
            seed=seed,
            metrics={report.name: report.value for report in outcome.reports},
            values={o.name: outcome.values[o.name] for o in objectives if o.name in outcome.values},
            start=outcome.start,
            duration=outcome.duration,
        )
        for seed, outcome in enumerate(outcomes)
    )
    whole = replace(
        last,
        repeats=repeats,
        start=outcomes[0].start,
        duration=sum(outcome.duration for outcome in outcomes),
        notes=_notes(outcomes),
    )
    if last.state is not TrialState.COMPLETE:
        where = f"repeat {len(outcomes)} (seed {len(outcomes) - 1})"
        return replace(whole, reason=f"{where}: {last.reason}" if last.reason else where)
    names = last.values
    values = {name: _mean([o.values.get(name, math.nan) for o in outcomes]) for name in names}
    end = last.start + last.duration
    spread = [
        report
        for objective in objectives
        if objective.name in names
        for report in _spread_of(objective.name, [r.values for r in repeats], end)
    ]
    return replace(whole, values=values, reports=(*_mean_reports(outcomes), *spread))


def _notes(outcomes: Sequence[TrialOutcome]) -> dict[str, str]:
    """Those of the last repeat; what all would have taken from scratch."""
    notes = {name: text for outcome in outcomes for name, text in outcome.notes.items()}
    if "from_scratch" in notes:
        notes = {**outcomes[-1].notes, "reused": notes["reused"]}
        times = [o.notes.get("from_scratch", f"{o.duration} s") for o in outcomes]
        notes["from_scratch"] = f"{sum(float(time.partition(' ')[0]) for time in times):.3f} s"
        return notes
    return dict(outcomes[-1].notes)


def _spread_of(name: str, values: Sequence[Mapping[str, float]], end: float) -> list[Report]:
    found = [repeat.get(name, math.nan) for repeat in values]
    count = Report(f"{name}.repeats", float(len(found)), None, end)
    if len(found) < 2:
        return [count]
    return [Report(f"{name}.std", float(np.std(found, ddof=1)), None, end), count]


def _mean_reports(outcomes: Sequence[TrialOutcome]) -> list[Report]:
    """The reports of the longest repeat of each metric, with means in them."""
    lines: list[dict[str, dict[int | None, Report]]] = []
    for outcome in outcomes:
        line: dict[str, dict[int | None, Report]] = {}
        for report in outcome.reports:
            line.setdefault(report.name, {})[report.step] = report
        lines.append(line)
    means = []
    for name in dict.fromkeys(name for line in lines for name in line):
        have = [line[name] for line in lines if name in line]
        steps = max(have, key=len)
        now = [math.nan] * len(have)
        for step, report in steps.items():
            now = [
                one[step].value if step in one else before
                for one, before in zip(have, now, strict=True)
            ]
            means.append(replace(report, value=_mean([v for v in now if not math.isnan(v)] or now)))
    return means


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def standard_error(trial: Trial, objective: Objective) -> float | None:
    """The standard error of a trial's mean, in the objective's unit; None below two repeats."""
    values = _values(trial, objective)
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def indistinguishable(trials: Iterable[Trial], objective: Objective) -> tuple[Trial, ...]:
    """The trials whose means may be as good as the best one's, for all that the repeats say.

    Those that a one-sided t-test is not 95% sure to be worse; by number, the best left out. The
    test is a paired one over the seeds that both ran; where one of the two ran once, the spread is
    that pooled over all trials. Empty where nothing was repeated.
    """
    known = [t for t in trials if t.state is TrialState.COMPLETE and t.value is not None]
    best = best_trial(known, [objective])
    spread = _Spread()
    for trial in known:
        spread.add(_values(trial, objective))
    if best is None or not spread.degrees:
        return ()
    sign, most = objective.direction.sign, _values(best, objective)
    close = []
    for trial in known:
        values = _values(trial, objective)
        if trial.number == best.number or not all(map(math.isfinite, values)):
            continue
        behind = [sign * (one - other) for one, other in zip(values, most, strict=False)]
        if len(behind) >= 2:
            paired = _Spread()
            paired.add(behind)
            margin = paired.margin(len(behind), None, APART)
        else:
            behind = [sign * (_mean(values) - _mean(most))]
            margin = spread.margin(len(values), len(most), APART)
        if _mean(behind) <= margin:
            close.append(trial)
    return tuple(sorted(close, key=lambda trial: trial.number))


def _values(trial: Trial, objective: Objective) -> list[float]:
    """What each run of a complete trial gave, for the study's first objective."""
    if trial.state is not TrialState.COMPLETE or trial.value is None:
        return []
    several = [r.values[objective.name] for r in trial.repeats if objective.name in r.values]
    # A resumed study also has trials from when nothing was repeated: those ran once.
    return several or [trial.value]
