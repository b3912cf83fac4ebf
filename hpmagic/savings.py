"""What ending hopeless trials early saved, estimated from those that ran to their end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from hpmagic.records import Trial, TrialState

__all__ = ["Savings", "savings"]


@dataclass(frozen=True, slots=True)
class Savings:
    """``steps`` of the ``of_steps`` that ``trials`` pruned ones and all others would have taken,
    and ``seconds``; estimates, but for the number of trials.
    """

    trials: int
    steps: int
    of_steps: int
    seconds: float


def savings(trials: Iterable[Trial], metric: str) -> Savings | None:
    """What pruning saved; None when nothing was pruned, or nothing ran to its end.

    A pruned trial is taken to have needed, in the end, the mean number of steps and the mean time
    of the complete ones, or what it took if that was more. Steps are reports of ``metric``.
    """
    ended = list(trials)
    pruned = [t for t in ended if t.state is TrialState.PRUNED]
    whole = [t for t in ended if t.state is TrialState.COMPLETE and metric in t.curves]
    if not pruned or not whole:
        return None
    usual = fmean(len(t.curves[metric]) for t in whole)
    pace = fmean(t.duration for t in whole)
    done = sum(len(t.curves.get(metric, ())) for t in ended)
    steps = round(sum(max(usual - len(t.curves.get(metric, ())), 0.0) for t in pruned))
    seconds = sum(max(pace - t.duration, 0.0) for t in pruned)
    return Savings(len(pruned), steps, done + steps, seconds)
