"""What stops a hopeless trial: Optuna's pruners, asked at each report of the objective."""

from __future__ import annotations

import ast
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hpmagic.errors import OptionError
from hpmagic.execution.outcome import Pruned
from hpmagic.language.cell import TunableCell
from hpmagic.loading import load_optuna
from hpmagic.records import (
    Direction,
    Event,
    Objective,
    Origin,
    Report,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    TrialState,
)

if TYPE_CHECKING:
    import optuna

__all__ = ["PRUNERS", "OptunaPruner", "Pruner", "PrunerChoice", "choose_pruner", "has_curve"]


class Pruner(Protocol):
    """Hears the study's events as a listener, and judges the reports of its objective."""

    @property
    def name(self) -> str:
        """As it is written behind ``--pruner``."""
        ...

    def __call__(self, event: Event) -> None: ...

    def judge(self, number: int, report: Report) -> None:
        """Take a report of trial ``number``.

        Raises:
            Pruned: the trial is hopeless; the message says why, as the end of a sentence.
        """
        ...


@dataclass(frozen=True)
class _Kind:
    """One of Optuna's pruners: how it is made, its trials of warm-up, and its verdict in words."""

    make: Callable[[int | None], optuna.pruners.BasePruner]
    warmup: int
    verdict: str


def _median(min_steps: int | None) -> optuna.pruners.BasePruner:
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=0, n_warmup_steps=min_steps or 0)


def _asha(min_steps: int | None) -> optuna.pruners.BasePruner:
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=min_steps or "auto")


def _hyperband(min_steps: int | None) -> optuna.pruners.BasePruner:
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=min_steps or 1)


_KINDS: Final = {
    "median": _Kind(_median, 5, "behind the median of the others at that step"),
    "asha": _Kind(_asha, 0, "not among the best quarter at that step"),
    "hyperband": _Kind(_hyperband, 0, "not among the best third of its bracket at that step"),
}

PRUNERS: Final = ("none", *_KINDS)
"""What ``--pruner`` takes."""


@dataclass(frozen=True)
class PrunerChoice:
    """The pruner of a study, and what the person should know of a choice made for them."""

    name: str
    remark: str = ""


def choose_pruner(
    asked: str | None,
    objectives: Sequence[Objective],
    *,
    curves: bool,
    plans: bool,
    tuned: bool = False,
) -> PrunerChoice:
    """The pruner for a study whose options say ``asked``, or nothing.

    Without a word from the person it is the median pruner where there is something to judge: one
    objective that is reported step by step (``curves``), under a tuner that learns or samples.
    A tuner that ``plans`` its trials (manual, grid) was asked to show all of them.

    Args:
        asked: one of `PRUNERS`, or None.
        objectives: the study's.
        curves: whether the objective is reported within a loop or a callback.
        plans: whether the tuner has a plan of its own.
        tuned: whether ``--warmup`` or ``--min-steps`` is given.

    Raises:
        OptionError: a pruner is asked for and cannot judge several objectives, or there is none
            for ``--warmup`` and ``--min-steps`` to speak of.
    """
    name, remark = asked or "none", ""
    if asked not in (None, "none") and len(objectives) > 1:
        names = ", ".join(objective.name for objective in objectives)
        raise OptionError(
            f"--pruner {asked} takes one objective, but the cell has {len(objectives)} ({names}); "
            "name one with --minimize or --maximize, or leave the option out"
        )
    if asked is None and len(objectives) == 1 and curves and not plans:
        name = "median"
        remark = (
            f"the median pruner stops a trial whose {objectives[0].name} is behind the median of "
            "the others at the same step; --pruner none runs every trial to its end"
        )
    if tuned and name == "none":
        raise OptionError(
            "--warmup and --min-steps are for a pruner, but this study has none; "
            "add --pruner median, asha or hyperband"
        )
    return PrunerChoice(name, remark)


def has_curve(cell: TunableCell, metric: str) -> bool:
    r"""Whether ``metric`` is reported step by step: in a loop, or by `hpmagic.callback`.

    >>> from hpmagic.language import parse_cell
    >>> loop = "for epoch in range(9):\n    loss = 1 / (epoch + 1)  # tune: minimize"
    >>> has_curve(parse_cell(loop), "loss"), has_curve(parse_cell(loop), "accuracy")
    (True, False)
    """
    if any(mark.name == metric and mark.curve for mark in cell.marks):
        return True
    calls = [node for node in ast.walk(cell.tree) if isinstance(node, ast.Call)]
    return any(
        ast.unparse(call.func) in ("hpmagic.callback", "callback") and _names(call, metric)
        for call in calls
    )


def _names(call: ast.Call, metric: str) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "name"] or call.args
    return any(isinstance(node, ast.Constant) and node.value == metric for node in given)


@dataclass
class _Running:
    """A trial as Optuna knows it. ``step`` is the highest one reported, ``best`` the least cost."""

    trial: optuna.trial.Trial
    spared: bool
    step: int = -1
    best: float = math.nan


class _Field:
    """The costs of complete trials at each step.

    It spares the median pruner questions with a certain answer. To ask Optuna takes up to half a
    millisecond after a training step has emptied the processor's caches; most reports are so good
    that there is no need.
    """

    def __init__(self) -> None:
        self._costs: dict[int, list[float]] = {}

    def add(self, step: int, cost: float) -> None:
        self._costs.setdefault(step, []).append(cost)

    def surely_ahead(self, step: int, best: float) -> bool:
        """Whether more than half of the others are no better: then their median is not either."""
        others = self._costs.get(step, ())
        return 2 * sum(best <= other for other in others) > len(others)  # NaN is never ahead


class OptunaPruner:
    """One of Optuna's pruners, fed with a study's events.

    It decides as ``trial.report(value, step)`` and ``trial.should_prune()`` would in an Optuna
    study of the same direction whose ``study_name`` is the seed's text (Hyperband deals its
    brackets by that name). Reports without a step, with a negative one, or with one that is not
    higher than those before it tell a pruner nothing and are left out.

    Trial 0, the values written in the code, is never pruned: the result is to say "best vs your
    value", and that needs a value.

    Args:
        name: "median", "asha" (successive halving, asynchronous; Li et al. 2020) or "hyperband"
            (Li et al. 2018).
        objective: what is judged.
        seed: the study's.
        warmup: so many trials must be complete before one is pruned; None is 5 for median, else 0.
        min_steps: no trial is pruned before this step, in the loop's own count: Optuna's
            ``n_warmup_steps`` of median, ``min_resource`` of the others; None is Optuna's default.

    >>> pruner = OptunaPruner("median", Objective("loss", Direction.MINIMIZE))
    >>> pruner.name
    'median'
    """

    def __init__(
        self,
        name: str,
        objective: Objective,
        *,
        seed: int = 0,
        warmup: int | None = None,
        min_steps: int | None = None,
    ) -> None:
        load_optuna()
        kind = _KINDS[name]
        self.name = name
        self._objective = objective.name
        self._verdict = kind.verdict
        self._warmup = kind.warmup if warmup is None else warmup
        self._study = _study(kind.make(min_steps), objective.direction, str(seed))
        self._running: dict[int, _Running] = {}
        self._complete = 0
        self._nan_seen = False
        self._sign = objective.direction.sign
        self._field = _Field() if name == "median" else None

    def __call__(self, event: Event) -> None:
        """Learn of trials that begin and end; one that did not begin here is learnt whole."""
        match event:
            case TrialStarted(number=number, origin=origin):
                self._begin(number, origin)
            case TrialFinished(trial=trial):
                self._end(trial)
            case StudyStarted(earlier=earlier):
                for trial in earlier:
                    self._end(trial)

    def judge(self, number: int, report: Report) -> None:
        """See `Pruner.judge`."""
        if self._hopeless(self._running[number], report.value, report.step):
            raise Pruned(self._verdict)

    def _begin(self, number: int, origin: Origin) -> _Running:
        running = _Running(self._study.ask(), spared=origin is Origin.DEFAULT)
        self._running[number] = running
        return running

    def _hopeless(self, running: _Running, value: float, step: int | None) -> bool:
        if step is None or step <= running.step:
            return False
        running.step = step
        cost = self._sign * value
        if cost < running.best or math.isnan(running.best):
            running.best = cost
        running.trial.report(value, step)
        if self._field is not None and self._field.surely_ahead(step, running.best):
            return False
        self._nan_seen = self._nan_seen or math.isnan(value)
        # Asked even where the answer does not count: successive halving notes who came this far.
        with _no_numpy_warnings() if self._nan_seen else nullcontext():
            verdict = running.trial.should_prune()
        return verdict and not running.spared and self._complete >= self._warmup

    def _end(self, trial: Trial) -> None:
        from optuna.trial import TrialState as OptunaState

        running = self._running.pop(trial.number, None)
        if running is None:
            running = self._begin(trial.number, trial.origin)
            del self._running[trial.number]
            for step, value in trial.curves.get(self._objective, ()):
                self._hopeless(running, value, step)
        if trial.state is TrialState.COMPLETE and trial.value is not None:
            self._complete += 1
            told = self._study.tell(running.trial, trial.value)
            if self._field is not None:
                for step, value in told.intermediate_values.items():
                    self._field.add(step, self._sign * value)
        else:
            pruned = trial.state is TrialState.PRUNED
            self._study.tell(
                running.trial, state=OptunaState.PRUNED if pruned else OptunaState.FAIL
            )


def _study(
    pruner: optuna.pruners.BasePruner, direction: Direction, name: str
) -> optuna.study.Study:
    import optuna

    with _silent("optuna"):
        return optuna.create_study(
            study_name=name,
            direction=direction.value,
            pruner=pruner,
            sampler=optuna.samplers.RandomSampler(0),  # chooses nothing: the tuner has chosen
        )


@contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _no_numpy_warnings() -> Iterator[None]:
    """Optuna takes medians of what may be all NaN, which is no news to the person."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
