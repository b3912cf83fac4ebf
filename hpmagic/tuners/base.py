"""What every tuner is: something that can be asked for values and told how they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hpmagic.records import Objective, Trial
from hpmagic.space import Parameter, SearchSpace

if TYPE_CHECKING:
    from hpmagic.tuners.tree import ExecutionTree

__all__ = ["EarlierStudy", "Proposal", "Tuner", "TunerContext", "TunerInfo"]


class Proposal(Protocol):
    """The values of one trial, asked for as the cell's lines execute."""

    def suggest(self, parameter: Parameter) -> Any:
        """A value from ``parameter.distribution``, which is known by now.

        Called at most once a name, in the order of execution; names that are never reached are
        never asked for.
        """
        ...


class Tuner(Protocol):
    """Proposes the next trial from those that have ended.

    A tuner may have four attributes more. ``remark`` is a sentence that is shown before the first
    trial; when it is another one later, that is noted with the trial whose values came with it.
    ``size`` is how many trials it will propose at most, None when that is unknown.
    ``combinations`` are values by name that the study runs itself, after the person's tries; what
    a combination leaves out is as written in the code. ``uses_earlier`` False says that this study
    has no use for `TunerContext.earlier`.
    """

    def ask(self) -> Proposal | None:
        """The next trial's values, or None when there is nothing left to try.

        Trials asked for and not told yet are running: with several workers there are several, and
        they end in any order. None while some run means nothing for now: it is asked again.
        """
        ...

    def tell(self, trial: Trial) -> None:
        """Learn from a trial that ended, whoever chose its values and however it ended.

        Values may lie outside the space (a person's default may). Objectives are in the study's
        order; a failed trial has none.
        """
        ...


@dataclass(frozen=True)
class EarlierStudy:
    """A study of before that may know something of this one: its trials, and what they show.

    ``objective`` is that of the first of each trial's values.
    """

    name: str
    trials: tuple[Trial, ...]
    objective: Objective


@dataclass(frozen=True)
class TunerContext:
    """What a tuner may know when it is made.

    ``space`` is what could be read from the cell's text; further parameters (names with braces) and
    ranges (expressions) become known as they are drawn. ``trials`` is the budget, None when open.
    ``tree`` holds what has been executed so far (see `ExecutionTree`); the study keeps it up to
    date and itself sees to it that no complete configuration runs twice, so a tuner needs it only
    to choose better. ``tries`` are the person's own combinations from ``--try``. ``earlier`` are
    studies to learn from, the most alike first: they may be wrong about this one. ``reading_order``
    gives the names in the order in which the cell comes to use their values, as far as that can be
    told: work between two uses is done once for trials that agree up to there.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    trials: int | None
    seed: int
    tree: ExecutionTree
    tries: Sequence[Mapping[str, object]] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    earlier: Sequence[EarlierStudy] = ()
    reading_order: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True)
class TunerInfo:
    """A tuner as the registry knows it.

    ``plans`` says that the tuner has a plan of its own with an end (manual, grid), so that a study
    without ``--trials`` runs until the plan is done. ``learns_from_earlier`` says that it makes use
    of `TunerContext.earlier`. A third party registers one of these under the
    entry point group ``hpmagic.tuners``.
    """

    name: str
    summary: str
    make: Callable[[TunerContext], Tuner]
    plans: bool = False
    many_objectives: bool = True
    learns_from_earlier: bool = False
