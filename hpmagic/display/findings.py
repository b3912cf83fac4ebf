"""What a study found, in plain sentences."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, overload

from hpmagic.display.edges import edge_advice
from hpmagic.display.words import abridged, clean, count, duration, isolated, number, range_text
from hpmagic.effects import Effect, Importance, importances
from hpmagic.ranking import best_trial, default_trial
from hpmagic.records import StudyRecord, Trial, TrialState
from hpmagic.repeats import indistinguishable, standard_error
from hpmagic.savings import savings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Finding", "Findings", "findings", "saved_text"]

_LITTLE = 0.03
_SHARED = 0.1
_SURE = 0.5
_MOST = 8
_NUMBER = re.compile(r"(?<!line )(?<![\w.])-?(?:0x[\da-f]+|\d[\d.,]*(?:e[-+]?\d+)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` is importance, interaction, flat, edge, constant, default, repeats, failures or
    pruning. ``text`` says it in a sentence. ``names`` are the hyperparameters that it is about.
    """

    kind: str
    text: str
    names: tuple[str, ...] = ()


class Findings(Sequence[Finding]):
    """What a study found: sentences, and the figures behind them.

    In a notebook it shows as a list of the sentences.
    """

    def __init__(self, found: Sequence[Finding], importance: Importance | None = None) -> None:
        self._found = tuple(found)
        self._importance = importance

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, at: int | slice) -> Finding | tuple[Finding, ...]:
        return self._found[at]

    def __len__(self) -> int:
        return len(self._found)

    @property
    def importances(self) -> pd.DataFrame:
        """``name``, ``share``, ``low`` and ``high``, one row a hyperparameter, largest first.

        Shares of the objective's variance over the space, with sum 1; 80% of what the trials leave
        possible lies between ``low`` and ``high``. Empty when the trials are too few to say.
        """
        effects = self._importance.effects if self._importance else {}
        return _table(["name"], [((name,), effect) for name, effect in effects.items()])

    @property
    def interactions(self) -> pd.DataFrame:
        """``first``, ``second``, ``share``, ``low`` and ``high``, one row a pair, largest first.

        The part of the variance that only the two together explain; pairs of the five most
        important hyperparameters.
        """
        together = self._importance.together if self._importance else {}
        return _table(["first", "second"], list(together.items()))

    @property
    def fit(self) -> float | None:
        """R squared of the surrogate on trials left out one by one; None without a surrogate."""
        return self._importance.fit if self._importance else None

    def __repr__(self) -> str:
        return "\n".join(f"- {found.text}" for found in self) or "nothing to say yet"

    def _repr_html_(self) -> str:
        if not self:
            return "<p>Nothing to say yet.</p>"
        return f"<ul>{''.join(f'<li>{escape(found.text)}</li>' for found in self)}</ul>"


def findings(record: StudyRecord) -> Findings:
    """What the trials say, the most useful first; nothing that they are too few to say."""
    if not (_LAST and _LAST[0][0] is record):
        _LAST[:] = [(record, _findings(record))]
    return _LAST[0][1]


_LAST: list[tuple[StudyRecord, Findings]] = []
"""The last record and its findings: a study's end is shown in more than one place."""


def _findings(record: StudyRecord) -> Findings:
    objectives = record.info.objectives
    best = best_trial(record.trials, objectives) if objectives else None
    found = [_failures(record.trials)]
    shares = None
    if best is not None:
        complete = [t for t in record.trials if t.state is TrialState.COMPLETE and t.values]
        constant = _constant(complete, objectives[0].name)
        shares = None if constant else importances(complete, objectives[0])
        found += [constant, _repeats(record, best), _default(record, best)]
        found += _importance(shares, record)
        if len(objectives) == 1 and shares is not None and shares.clear:
            found += _edges(record, best, shares)
    said = [f for f in found if f is not None][:_MOST]
    if saved := saved_text(record):
        said.append(Finding("pruning", saved))
    return Findings(said, shares)


def _table(keys: list[str], rows: list[tuple[tuple[str, ...], Effect]]) -> pd.DataFrame:
    import pandas as pd

    values = [(*names, effect.share, effect.low, effect.high) for names, effect in rows]
    return pd.DataFrame(values, columns=[*keys, "share", "low", "high"])


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
    objective = _name(record.info.objectives[0].name)
    if not shares.clear:
        text = (
            f"No pattern yet: a surrogate fitted to {count(shares.trials, 'trial')} cannot "
            f"predict {objective} from the values."
        )
        return [Finding("importance", text)]
    found = []
    ranked = list(shares.effects.items())
    much = [(n, e) for n, e in ranked[:3] if e.share >= _SHARED]
    if much:
        verb = "mattered most" if len(ranked) > len(much) else "mattered"
        words = _and([f"{_name(n)} ({_percent(e)})" for n, e in much])
        basis = (
            f" (Shares by a Gaussian process fitted to {shares.trials} trials; "
            f"R² {shares.fit:.2f} on trials it did not see.)"
        )
        names = tuple(n for n, _ in much)
        found.append(
            Finding("importance", f"{words} {verb} for {objective}.{basis}", names),
        )
    return [*found, *_interactions(shares), *_flat(shares, objective)]


def _interactions(shares: Importance) -> list[Finding]:
    """Pairs whose common part is large, and larger than what the surrogate leaves unexplained.

    Noise that is taken for structure looks like an interaction more than like anything else.
    """
    unexplained = 1.0 - shares.fit
    sure = [p for p in shares.together.items() if p[1].low >= _SHARED + unexplained]
    return [
        Finding(
            "interaction",
            f"{_name(pair[0])} and {_name(pair[1])} act together ({_percent(effect)} of the "
            "variation): the best value of one depends on the other, so tune both.",
            pair,
        )
        for pair, effect in sure[:2]
    ]


def _flat(shares: Importance, objective: str) -> list[Finding]:
    """The hyperparameters that hardly matter whichever function it is."""
    flat = [(n, e) for n, e in shares.effects.items() if e.high < _LITTLE]
    if not flat:
        return []
    most = max(e.high for _, e in flat)
    names = [_name(n) for n, _ in flat]
    more = f" (nor did {len(names) - 5} more)" if len(names) > 5 else ""
    limit = "less than 1%" if most < 0.01 else f"at most {most:.0%}"
    text = (
        f"{_and(names[:5])} hardly mattered{more}: over the whole range {limit} of the variation "
        f"of {objective}{' each' if len(names) > 1 else ''}."
    )
    return [Finding("flat", text, tuple(n for n, _ in flat))]


def _percent(effect: Effect) -> str:
    return f"{effect.share:.0%} ± {math.ceil(effect.spread * 100 - 1e-9)}%"


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _edges(record: StudyRecord, best: Trial, shares: Importance) -> list[Finding]:
    """Ends of ranges at which the best trial lies, and not by luck."""
    found = []
    for name, value in best.params.items():
        advice = edge_advice(best.distributions[name], value)
        if advice is None or shares.shares.get(name, 0.0) < _LITTLE or name not in shares.ends:
            continue
        end, instead = advice
        bottom, top = shares.ends[name]
        chance = bottom if end == "bottom" else top
        if chance < _SURE:
            continue
        sure = "almost certainly" if chance > 0.95 else f"with a chance of {chance:.0%}"
        found.append(
            Finding(
                "edge",
                f"{_name(name)}'s best, {number(float(value), 6)}, is at the {end} of "  # type: ignore[arg-type]
                f"{clean(range_text(best, name, record.info), 80)}: try {instead} "
                f"({sure} no value inside is better)",
                (name,),
            )
        )
    return found


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
    several = any(len(trial.repeats) > 1 for trial in record.trials)
    if best.value is None or (error is None and (len(best.repeats) > 1 or not several)):
        return None
    what = f"{_name(objective.name)} of trial {best.number} is {number(best.value)}"
    if error is None:
        text = f"{what} in a single run; others are means of several. "
    else:
        text = (
            f"{what} ± {number(error, 2)}: mean and standard error of {len(best.repeats)} repeats. "
        )
    close = [f"{t.number}" for t in indistinguishable(record.trials, objective)]
    if not close:
        return Finding("repeats", text + "Every other trial is worse beyond chance (95% sure).")
    more = [f"{len(close) - 8} more"] if len(close) > 8 else []
    named = _and([*close[:8], *more])
    trials = "Trial" if len(close) == 1 else "Trials"
    return Finding("repeats", f"{text}{trials} {named} cannot be told apart from it.")


def _constant(complete: Sequence[Trial], name: str) -> Finding | None:
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
    return Finding("constant", text)


def _failures(trials: Sequence[Trial]) -> Finding | None:
    failed = [t for t in trials if t.state is TrialState.FAILED]
    if len(failed) < max(2, 0.2 * len(trials)):
        return None
    reasons = [clean(t.reason or "no reason given", 120) for t in failed]
    ((kind, many),) = Counter(map(_kind, reasons)).most_common(1)
    alike = [reason for reason in reasons if _kind(reason) == kind]
    like = " errors like" if len(set(alike)) > 1 else ""
    pattern = _culprit(trials)
    text = f"{len(failed)} of {count(len(trials), 'trial')} failed"
    if many < len(failed):
        text += f", {many} with{like} {isolated(alike[0])}"
    else:
        text += f"{f', all with{like}' if like else ':'} {isolated(alike[0])}"
    return Finding("failures", text + (f". {pattern}" if pattern else "."))


def _kind(reason: str) -> str:
    """A reason without its numbers, but for the line's: they differ from trial to trial."""
    return _NUMBER.sub("#", reason)


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
