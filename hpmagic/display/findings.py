"""What a study found, in plain sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpmagic.display.importance import Importance, importances
from hpmagic.display.words import abridged, clean, count, duration, isolated, number, range_text
from hpmagic.distributions import Distribution, Int, LogUniform, Uniform
from hpmagic.ranking import best_trial, default_trial
from hpmagic.records import StudyRecord, Trial, TrialState
from hpmagic.repeats import indistinguishable, standard_error
from hpmagic.savings import savings

__all__ = ["Finding", "edge_advice", "findings", "saved_text"]

_EDGE = 0.02
_LITTLE = 0.03
_MOST = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` is importance, edge, default, flat, repeats, pruning or failures."""

    kind: str
    text: str


def findings(record: StudyRecord) -> tuple[Finding, ...]:
    """What the trials say, the most useful first; nothing that they are too few to say."""
    objectives = record.info.objectives
    best = best_trial(record.trials, objectives) if objectives else None
    found = [_failures(record.trials)]
    if best is not None:
        complete = [t for t in record.trials if t.state is TrialState.COMPLETE and t.values]
        flat = _flat(complete, objectives[0].name)
        shares = None if flat else importances(complete, objectives[0])
        found += [flat, _repeats(record, best), _default(record, best)]
        found += _importance(shares, record)
        if not flat and len(objectives) == 1 and len(complete) >= 5:
            found += _edges(record, best, shares)
    said = [f for f in found if f is not None][:_MOST]
    saved = saved_text(record)
    return (*said, Finding("pruning", saved)) if saved else tuple(said)


def saved_text(record: StudyRecord) -> str:
    """What pruning saved, in one sentence; nothing when it saved nothing."""
    objectives = record.info.objectives
    saved = savings(record.trials, objectives[0].name) if objectives else None
    if saved is None:
        return ""
    time = f", about {duration(saved.seconds)}" if saved.seconds >= 0.05 else ""
    return (
        f"Pruning saved about {saved.steps:,} of {saved.of_steps:,} steps{time}: it stopped "
        f"{count(saved.trials, 'trial')} early."
    )


def _name(name: str) -> str:
    return isolated(abridged(clean(name, 200), 32))


def _importance(shares: Importance | None, record: StudyRecord) -> list[Finding]:
    if shares is None or len(shares.shares) < 2:
        return []
    objective = record.info.objectives[0].name
    if not shares.clear:
        text = (
            f"No pattern yet: a random forest fitted to {count(shares.trials, 'trial')} cannot "
            f"predict {_name(objective)} from the values."
        )
        return [Finding("importance", text)]
    ranked = list(shares.shares.items())
    much = [f"{_name(n)} ({share:.0%})" for n, share in ranked[:3] if share >= 0.1]
    little = [_name(n) for n, share in ranked if share < _LITTLE]
    text = ""
    if much:
        verb = "mattered most" if len(ranked) > len(much) else "mattered"
        text = f"{_and(much)} {verb} for {_name(objective)}"
    if little:
        rest = f"{_and(little[:5])} hardly mattered" + (
            f" (nor did {len(little) - 5} more)" if len(little) > 5 else ""
        )
        text = f"{text}; {rest}" if text else rest
    if not text:
        return []
    basis = (
        f" (Shares by a random forest fitted to {shares.trials} trials; "
        f"R² {shares.fit:.2f} on trials it did not see.)"
    )
    return [Finding("importance", f"{text}.{basis}")]


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _edges(record: StudyRecord, best: Trial, shares: Importance | None) -> list[Finding]:
    found = []
    for name, value in best.params.items():
        if shares is not None and shares.clear and shares.shares.get(name, 0.0) < _LITTLE:
            continue
        advice = edge_advice(best.distributions[name], value)
        if advice is not None:
            end, instead = advice
            found.append(
                Finding(
                    "edge",
                    f"{_name(name)}'s best, {number(float(value), 6)}, is at the {end} of "  # type: ignore[arg-type]
                    f"{clean(range_text(best, name, record.info), 80)}: try {instead}",
                )
            )
    return found


def edge_advice(distribution: Distribution, value: object) -> tuple[str, str] | None:
    """("top" or "bottom", the range to try instead) for a value at an end that can be moved.

    The new range is as wide as the old one with the best value near its middle. Natural ends stay:
    0 and 1 of a fraction, 0 or 1 of a count.

    >>> edge_advice(LogUniform(1e-5, 0.1), 0.1)
    ('top', 'loguniform(1e-3, 10)')
    >>> edge_advice(Uniform(0.0, 1.0), 0.99) is None
    True
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isinstance(distribution, LogUniform | Uniform | Int) or (distribution.size or 99) < 4:
        return None
    low, high = float(distribution.low), float(distribution.high)
    if not low <= value <= high:
        return None
    log = isinstance(distribution, LogUniform) or getattr(distribution, "log", False)
    share = math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)
    if _EDGE < share < 1 - _EDGE:
        return None
    end = "bottom" if share <= _EDGE else "top"
    if end == "bottom" and _natural_bottom(distribution, low, log):
        return None
    if end == "top" and isinstance(distribution, Uniform) and low >= 0 and high == 1:
        return None
    middle = low if end == "bottom" else high
    if log:
        new_low, new_high = middle * math.sqrt(low / high), middle * math.sqrt(high / low)
    else:
        half = (high - low) / 2
        new_low, new_high = middle - half, middle + half
        if low >= 0 > new_low:
            new_low = 0.0
    return end, _spelled(distribution, new_low, new_high)


def _natural_bottom(distribution: Distribution, low: float, log: bool) -> bool:
    if isinstance(distribution, Int):
        return low in (0, 1)
    return not log and low == 0


def _spelled(distribution: Distribution, low: float, high: float) -> str:
    if isinstance(distribution, Int):
        bottom = max(round(low), 1 if distribution.log or distribution.low >= 1 else -(10**9))
        top = max(round(high), bottom + 1)
        if distribution.step > 1:
            step, first = distribution.step, distribution.low
            bottom = first + math.floor((bottom - first) / step + 0.5) * step
            bottom = first if bottom < 1 <= first else bottom
            top = bottom + max(1, math.floor((top - bottom) / step + 0.5)) * step
        tail = f", step={distribution.step}" if distribution.step > 1 else ""
        return f"int({bottom}, {top}{tail}{', log=True' if distribution.log else ''})"
    if isinstance(distribution, Uniform):
        lattice = f", step={_plain(distribution.step)}" if distribution.step is not None else ""
        return f"uniform({_plain(low)}, {_plain(high)}{lattice})"
    return f"loguniform({_power(low)}, {_power(high)})"


def _plain(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.3g}".replace("e+0", "e")


def _power(value: float) -> str:
    """One digit in the form that people type: 1e-3, 0.1, 10, 3e4."""
    exponent = math.floor(math.log10(value) + 1e-9)
    digit = round(value / 10.0**exponent)
    if digit == 10:
        digit, exponent = 1, exponent + 1
    if -2 <= exponent <= 2:
        return f"{digit * 10.0**exponent:g}"
    return f"{digit}e{exponent}"


def _default(record: StudyRecord, best: Trial) -> Finding | None:
    default = default_trial(record.trials)
    if default is None or default.values is None or best.values is None:
        return None
    others = sum(t.state is TrialState.COMPLETE for t in record.trials) - 1
    if best is default and others >= 3 and len(record.info.objectives) == 1:
        text = f"Your own values were the best: none of {count(others, 'other trial')} beat them."
        return Finding("default", text)
    return None


def _repeats(record: StudyRecord, best: Trial) -> Finding | None:
    objective = record.info.objectives[0]
    error = standard_error(best, objective)
    if error is None or best.value is None:
        return None
    text = (
        f"{_name(objective.name)} of trial {best.number} is {number(best.value)} ± "
        f"{number(error, 2)}: mean and standard error of {len(best.repeats)} repeats. "
    )
    close = [f"{t.number}" for t in indistinguishable(record.trials, objective)]
    if not close:
        return Finding("repeats", text + "Every other trial is worse beyond chance (95% sure).")
    more = [f"{len(close) - 8} more"] if len(close) > 8 else []
    named = _and([*close[:8], *more])
    trials = "Trial" if len(close) == 1 else "Trials"
    return Finding("repeats", f"{text}{trials} {named} cannot be told apart from it.")


def _flat(complete: Sequence[Trial], name: str) -> Finding | None:
    values = [t.value for t in complete if t.value is not None]
    if len(values) < 5:
        return None
    low, high = min(values), max(values)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return None
    text = (
        f"{_name(name)} was {number(high)} in every trial: what is tuned does not change it, "
        "or it is not measured after the change."
    )
    return Finding("flat", text)


def _failures(trials: Sequence[Trial]) -> Finding | None:
    failed = [t for t in trials if t.state is TrialState.FAILED]
    if len(failed) < max(2, 0.2 * len(trials)):
        return None
    (reason, many), *_ = Counter(
        clean(t.reason or "no reason given", 120) for t in failed
    ).most_common(1)
    pattern = _culprit(trials)
    text = f"{len(failed)} of {count(len(trials), 'trial')} failed"
    text += f", {many} with {isolated(reason)}" if many < len(failed) else f": {isolated(reason)}"
    return Finding("failures", text + (f". {pattern}" if pattern else "."))


def _culprit(trials: Sequence[Trial]) -> str:
    """A category whose every trial failed while the others mostly did not."""
    names = dict.fromkeys(n for t in trials for n in t.params)
    for name in names:
        fates: dict[str, list[bool]] = {}
        for trial in trials:
            if name in trial.params and not isinstance(trial.params[name], float):
                label = trial.distributions[name].label(trial.params[name])
                fates.setdefault(label, []).append(trial.state is TrialState.FAILED)
        bad = [label for label, failed in fates.items() if all(failed) and len(failed) >= 2]
        good = [f for label, failed in fates.items() if label not in bad for f in failed]
        if len(bad) == 1 and len(good) >= 2 and sum(good) <= 0.2 * len(good):
            return f"Every trial with {_name(name)} = {isolated(clean(bad[0], 40))} failed."
    return ""
