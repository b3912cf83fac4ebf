"""What a resumed study keeps of what ran before."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpmagic.conversation import option_of
from hpmagic.distributions import Choice, Distribution, Int
from hpmagic.errors import OptionError
from hpmagic.records import Objective, Origin, StudyRecord, Trial, TrialState
from hpmagic.space import SearchSpace
from hpmagic.study import Planned

__all__ = ["NOTHING", "Continuation", "continuation"]

_DIFF_LINES = 40


@dataclass(frozen=True)
class Continuation:
    """``kept`` are the trials that count, ``again`` those to be run once more with their values.

    ``next_number`` is the number of the next new trial. ``remark`` says it all in a sentence.
    ``interrupted`` are the trials that ended early: part of the study, but not of its count.
    """

    kept: tuple[Trial, ...]
    again: tuple[Planned, ...]
    next_number: int
    remark: str
    interrupted: tuple[Trial, ...] = ()

    @property
    def has_default(self) -> bool:
        """Whether the written values have run, or will run again."""
        origins = [t.origin for t in self.kept] + [planned.origin for planned in self.again]
        return Origin.DEFAULT in origins

    @property
    def earlier(self) -> tuple[Trial, ...]:
        """The trials of before that belong to the study, by number."""
        return tuple(sorted((*self.kept, *self.interrupted), key=lambda trial: trial.number))


NOTHING = Continuation((), (), 0, "")
"""What a new study keeps."""


def continuation(
    record: StudyRecord,
    *,
    source: str,
    fingerprint: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    anyway: bool = False,
) -> Continuation:
    """How the study of ``record`` goes on with a cell.

    White space, comments, ranges and written defaults may have changed. Trials whose values no
    longer fit the ranges are left out, but the person's own (default and hunches) stay. Options
    that are objects are found again by their labels. Interrupted trials are run again.

    Args:
        record: the study as MLflow has it.
        source: the cell's text now.
        fingerprint: the cell's now.
        space: its search space now.
        objectives: what it optimises now.
        anyway: continue although the cell's logic has changed.

    Raises:
        OptionError: the logic or the objectives have changed; the message shows how.
    """
    told = record.info
    if tuple(objectives) != told.objectives:
        raise OptionError(
            f"study {told.name} was to {_aims(told.objectives)}, but this cell is to "
            f"{_aims(objectives)}; --fresh starts a new study"
        )
    if fingerprint != told.fingerprint and not anyway:
        raise OptionError(
            f"the cell does something else than when study {told.name} began:\n"
            f"{_difference(told.source, source)}\n"
            "`--resume anyway` continues all the same, --fresh starts a new study"
        )
    fitting = [t for t in (_fitted(t, space) for t in record.trials) if t is not None]
    ended = tuple(t for t in fitting if t.state is not TrialState.INTERRUPTED)
    interrupted = tuple(t for t in fitting if t.state is TrialState.INTERRUPTED)
    done = {_identity(t) for t in ended}
    again: dict[Any, Planned] = {}
    for trial in interrupted:
        if _identity(trial) not in done and _can_run_again(trial, space):
            again.setdefault(_identity(trial), Planned(trial.origin, dict(trial.params)))
    return Continuation(
        kept=ended,
        again=tuple(again.values()),
        next_number=1 + max((t.number for t in record.trials), default=-1),
        remark=_remark(told.name, len(ended), len(again), len(record.trials) - len(fitting)),
        interrupted=interrupted,
    )


def _identity(trial: Trial) -> object:
    """What makes two trials the same: the default is one, however far it came."""
    if trial.origin is Origin.DEFAULT:
        return trial.origin
    return tuple((n, trial.distributions[n].key(v)) for n, v in trial.params.items())


def _can_run_again(trial: Trial, space: SearchSpace) -> bool:
    """Whether enough of its values is known: the tuner can add to its own, but not to a hunch."""
    if trial.origin is not Origin.TRY:
        return bool(trial.params) or trial.origin is Origin.DEFAULT
    return space.always <= set(trial.params)


def _fitted(trial: Trial, space: SearchSpace) -> Trial | None:
    """The trial with its values as the cell knows them now; None when they do not fit."""
    params: dict[str, Any] = {}
    distributions: dict[str, Distribution] = {}
    for name, value in trial.params.items():
        parameter = space.find(name)
        if parameter is None:
            return None
        distribution = parameter.distribution or trial.distributions[name]
        found = _found(value, trial.distributions[name], distribution)
        if trial.origin is Origin.TUNER and not distribution.contains(found):
            return None
        params[name], distributions[name] = found, distribution
    return replace(trial, params=params, distributions=distributions)


def _found(value: Any, before: Distribution, now: Distribution) -> Any:
    """The value itself, or the option whose label it has."""
    if isinstance(now, Choice):
        return option_of(value, now, before)
    if isinstance(now, Int) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _aims(objectives: Sequence[Objective]) -> str:
    return ", ".join(f"{o.direction} {o.name}" for o in objectives)


def _difference(before: str, now: str) -> str:
    lines = list(
        difflib.unified_diff(
            before.splitlines(), now.splitlines(), "as it was", "as it is", lineterm="", n=1
        )
    )
    more = len(lines) - _DIFF_LINES
    return "\n".join(lines[:_DIFF_LINES] + ([f"... and {more} more lines"] if more > 0 else []))


def _remark(name: str, kept: int, again: int, left: int) -> str:
    parts = [f"study {name} goes on after {_trials(kept)}"]
    if again:
        parts.append(f"{_trials(again)} interrupted before, to be run again")
    if left:
        parts.append(f"without {_trials(left)} outside the ranges of now")
    return "; ".join(parts)


def _trials(many: int) -> str:
    return "1 trial" if many == 1 else f"{many} trials"
