"""The study's side of one running trial: it answers draws and hears reports."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hpmagic.distributions import MISSING, Choice, Distribution, label_of
from hpmagic.execution.outcome import WRITTEN, Pruned, TrialOutcome
from hpmagic.records import Objective, Origin, Report, Trial, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import Proposal
from hpmagic.tuners.tree import OPEN, Walk, end_as

__all__ = [
    "OPEN",
    "Planned",
    "TrialConversation",
    "given_value",
    "option_of",
    "planned_value",
    "trial_of",
]


@dataclass(frozen=True)
class Planned:
    """A trial whose values are given: the person's, or those of a trial that was cut short.

    What is not in ``values`` is as written in the code, unless the trial is the tuner's: then it is
    for the tuner to choose.
    """

    origin: Origin
    values: Mapping[str, Any] = field(default_factory=dict)


class TrialConversation:
    """See `engines.base.Conversation`.

    Args:
        number: the trial's.
        chosen: the person's plan for it, or the tuner's proposal.
        space: the study's.
        walk: the trial's way through the tree of what has been executed.
        seed: of what chooses another value where one would run a trial twice.
        hear: takes each report; may raise `Pruned` for those of ``heeded`` metrics.
        note: takes each value when it is drawn, with the trial's number.
        ask: gives the proposal for what a plan leaves to the tuner.
        heeded: the metrics that are judged.
        repeats: whether the trial runs with several seeds. Only the first repeat is heard and
            judged; all have its values.
    """

    def __init__(
        self,
        number: int,
        chosen: Planned | Proposal,
        *,
        space: SearchSpace,
        walk: Walk,
        seed: Sequence[int],
        hear: Callable[[int, Report], None],
        note: Callable[[int, str, Distribution, object], None] = lambda *_: None,
        ask: Callable[[], Proposal | None] = lambda: None,
        heeded: frozenset[str] = frozenset(),
        repeats: bool = False,
    ) -> None:
        self.number = number
        self.outcomes: list[TrialOutcome] = []
        """Those of the repeats that have ended."""
        self._repeats = repeats
        self._heeded = heeded
        self.planned = chosen if isinstance(chosen, Planned) else None
        self.origin = self.planned.origin if self.planned else Origin.TUNER
        self._proposal = None if isinstance(chosen, Planned) else chosen
        self._space = space
        self._walk = walk
        self._seed = seed
        self._rng: np.random.Generator | None = None
        self._hear = hear
        self._note = note
        self._ask = ask
        self._start = time.time()
        self._drawn: dict[str, tuple[Distribution, Any]] = {}
        self._followed: set[str] = set()
        self._unknown = False
        self._reports: list[Report] = []
        self._heard = 0

    @property
    def seed(self) -> int | None:
        """The number of the repeat; None where nothing is repeated."""
        return len(self.outcomes) if self._repeats else None

    @property
    def heeded(self) -> frozenset[str]:
        """The metrics that are judged."""
        return frozenset() if self.outcomes else self._heeded

    def draw(self, parameter: Parameter) -> Any:
        """The planned value, or the tuner's; where that would repeat a trial, another."""
        if parameter.name in self._drawn:
            return self._drawn[parameter.name][1]
        assert parameter.distribution is not None
        value = OPEN
        if self.planned is not None:
            planned = planned_value(self.planned, parameter, self._space)
            value = option_of(planned, parameter.distribution)
        if value is OPEN and self._proposal is None:
            self._proposal = self._ask()
        if value is OPEN and self._proposal is not None:
            value = self._walk.draw(parameter, self._proposal.suggest, self._generator)
            self._followed.add(parameter.name)
        else:
            value = _as_written(parameter) if value is OPEN else value
            self._fix(parameter, value)
        self._drawn[parameter.name] = parameter.distribution, value
        if value is not WRITTEN:
            self._note(self.number, parameter.name, parameter.distribution, value)
        return value

    def report(self, report: Report) -> None:
        """Pass on a report, unless an earlier attempt at this trial has made it."""
        self._reports.append(report)
        if len(self._reports) > self._heard and not self.outcomes:
            self._heard += 1
            self._hear(self.number, report)

    def again(self) -> None:
        """The trial begins anew."""
        self._reports = []

    def finished(self, outcome: TrialOutcome, order: tuple[str, ...]) -> TrialOutcome:
        """See `engines.base.Conversation.finished`."""
        for report in outcome.reports[len(self._reports) :]:  # they may come by a slower way
            with contextlib.suppress(Pruned):
                self.report(report)
        params, distributions = {}, {}
        for name in order:
            distribution, value = self._drawn.get(name, (None, WRITTEN))
            if value is WRITTEN or distribution is None:
                params[name] = outcome.params[name]
                distributions[name] = distribution or outcome.distributions[name]
            else:
                params[name], distributions[name] = value, distribution
        return replace(outcome, params=params, distributions=distributions)

    def lost(self, error: Exception) -> TrialOutcome:
        """A failed trial, as far as it was heard of."""
        return self._cut_short(TrialState.FAILED, str(error), error)

    def interrupted(self, reason: str) -> TrialOutcome:
        """A trial that was given up, as far as it was heard of."""
        return self._cut_short(TrialState.INTERRUPTED, reason, None)

    def end(self, outcome: TrialOutcome) -> None:
        """The trial is over."""
        self._unknown = False
        for name, value in outcome.params.items():
            self._fix(Parameter(name, outcome.distributions[name]), value)
        end_as(self._walk, outcome.state, outcome.params, self._space)

    def _generator(self) -> np.random.Generator:
        """Made when it is needed: few trials are, and making one takes a while."""
        if self._rng is None:
            self._rng = np.random.default_rng(self._seed)
        return self._rng

    def _fix(self, parameter: Parameter, value: object) -> None:
        """Record a value in the tree, in the order of execution and once a name."""
        if parameter.name in self._followed:
            return
        if value is WRITTEN or self._unknown:
            self._unknown = True  # what follows in the tree has to wait for the value
            return
        self._walk.fix(parameter, value)
        self._followed.add(parameter.name)

    def _cut_short(self, state: TrialState, reason: str, error: Exception | None) -> TrialOutcome:
        known = {n: pair for n, pair in self._drawn.items() if pair[1] is not WRITTEN}
        return TrialOutcome(
            state=state,
            params={name: value for name, (_, value) in known.items()},
            distributions={name: distribution for name, (distribution, _) in known.items()},
            reports=tuple(self._reports),
            start=self._start,
            duration=time.time() - self._start,
            error=error,
            reason=reason,
        )


def trial_of(
    number: int, origin: Origin, outcome: TrialOutcome, objectives: Sequence[Objective]
) -> Trial:
    """The record of an outcome."""
    curves: dict[str, list[tuple[int, float]]] = {}
    metrics: dict[str, float] = {}
    for report in outcome.reports:
        metrics[report.name] = report.value
        if report.step is not None:
            curves.setdefault(report.name, []).append((report.step, report.value))
    finals = metrics | dict(outcome.values)
    known = [finals[o.name] for o in objectives if o.name in finals]
    usable = outcome.state in (TrialState.COMPLETE, TrialState.PRUNED)
    usable = usable and all(map(math.isfinite, known))
    return Trial(
        number=number,
        state=outcome.state,
        params=outcome.params,
        distributions=outcome.distributions,
        values=tuple(known) if usable and len(known) == len(objectives) else None,
        metrics=metrics,
        curves={name: tuple(points) for name, points in curves.items()},
        origin=origin,
        start=outcome.start,
        duration=outcome.duration,
        reason=outcome.reason,
        output=outcome.output,
        notes=outcome.notes,
        repeats=outcome.repeats,
    )


def planned_value(planned: Planned, parameter: Parameter, space: SearchSpace) -> Any:
    """The value planned for a name, or for all that fill in the same braces.

    Else as written, or `OPEN`.
    """
    found = space.find(parameter.name)
    for name in (parameter.name, found.name if found else parameter.name):
        if name in planned.values:
            return planned.values[name]
    return OPEN if planned.origin is Origin.TUNER else _as_written(parameter)


def given_value(planned: Planned, name: str, space: SearchSpace) -> Any:
    """The value that the planned trial will draw, `OPEN` while that is not known."""
    parameter = space.find(name)
    if parameter is None:
        return OPEN
    value = planned_value(planned, replace(parameter, name=name), space)
    return OPEN if value is WRITTEN else value


def option_of(value: Any, distribution: Distribution, before: Distribution | None = None) -> Any:
    """The value itself, or the option of a choice that has its label, as it was ``before``.

    MLflow keeps the labels of options that are objects, and a person names them so.
    """
    if not isinstance(distribution, Choice) or distribution.contains(value):
        return value
    label = label_of(value) if before is None else before.label(value)
    if label not in distribution.labels:
        return value
    return distribution.options[distribution.labels.index(label)]


def _as_written(parameter: Parameter) -> Any:
    return WRITTEN if parameter.default is MISSING else parameter.default
