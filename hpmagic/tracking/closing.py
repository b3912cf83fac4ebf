"""What a study leaves on its parent run when it ends: a note to read, a table, curves and plots."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from urllib.parse import quote

from hpmagic.display.findings import saved_text
from hpmagic.kinds import kind_of
from hpmagic.ranking import best_trial, default_trial, gain
from hpmagic.records import StudyRecord, TrialState
from hpmagic.tracking.schema import Artifact, as_json

__all__ = ["closing_files", "note"]

_LINKED = 60
"""Trials in the link to MLflow's comparison page, the best ones; more make it crawl."""


def closing_files(record: StudyRecord, *, quiet: bool) -> dict[str, bytes]:
    """The artifacts of a study that has ended, by path; ``quiet`` turns off warnings meanwhile.

    What cannot be made is left out: the trials themselves are in the store already.
    """
    files: dict[str, bytes] = {}
    with warnings.catch_warnings() if quiet else nullcontext():
        if quiet:  # of letters that the font does not have
            warnings.simplefilter("ignore")
        for make in (_csv, _curves, _plots):
            with suppress(Exception):
                files |= make(record)
    return files


def _csv(record: StudyRecord) -> dict[str, bytes]:
    from hpmagic.results import Study

    table = Study(record).trials.to_csv(index=False)
    return {Artifact.TRIALS: table.encode("utf-8", "replace")}


def _curves(record: StudyRecord) -> dict[str, bytes]:
    curves = {t.run_id: t.curves for t in record.trials if t.curves and t.run_id}
    return {Artifact.CURVES: as_json(curves).encode("utf-8", "replace")} if curves else {}


def _plots(record: StudyRecord) -> dict[str, bytes]:
    if best_trial(record.trials, record.info.objectives) is None:
        return {}
    from hpmagic.display.plots import plot

    files: dict[str, bytes] = {}
    for kind in ("history", "parallel"):
        target = io.BytesIO()
        with suppress(Exception):
            plot(record, kind).savefig(target, format="png", dpi=100)
            files[f"plots/{kind}.png"] = target.getvalue()
    return files


def note(record: StudyRecord) -> str:
    """Markdown for MLflow's page of the run: what was found, against what the person had."""
    info, finished = record.info, record.finished
    parts = [_headline(record)]
    if table := _table(record):
        parts.append(table)
    counts = Counter(trial.state for trial in record.trials)
    states = ", ".join(f"{counts[state]} {state}" for state in TrialState if counts[state])
    sentence = f"{len(record.trials)} trials ({states or 'none'}) by `{_code(info.tuner)}`"
    ended = f". Ended: {_plain(finished.reason)}" if finished else ""
    parts.append(f"{sentence}, seed {info.seed}{ended}.")
    if saved := saved_text(record):
        parts.append(saved)
    links = []
    if link := _comparison(record):
        links.append(f"[Compare the best trials]({link})")
    links.append(f'in Python: `hpmagic.load("{_code(info.name)}")`')
    parts.append("; ".join(links))
    if info.command:
        parts.append(f"Started by `{_code(info.command)}`")
    return "\n\n".join(parts)


def _headline(record: StudyRecord) -> str:
    info = record.info
    best, default = best_trial(record.trials, info.objectives), default_trial(record.trials)
    if best is None or best.values is None:
        return "No trial ran to its end."
    found = ", ".join(
        f"{_plain(o.name)} = {v:.6g}" for o, v in zip(info.objectives, best.values, strict=True)
    )
    text = f"**{found}** in trial {best.number}"
    better = gain(record.trials, info.objectives)
    if default is None or default.value is None or better is None:
        return text + "."
    if better > 0:
        return f"{text}, {better:.4g} better than your default ({default.value:.6g})."
    return f"{text}; nothing beat your default ({default.value:.6g})."


def _table(record: StudyRecord) -> str:
    best = best_trial(record.trials, record.info.objectives)
    if best is None or not best.params:
        return ""
    default = default_trial(record.trials)
    rows = ["| hyperparameter | of | best | yours |", "|---|---|---|---|"]
    for name, value in best.params.items():
        found = best.distributions[name].label(value)
        yours = ""
        if default is not None and name in default.params:
            yours = default.distributions[name].label(default.params[name])
        known = record.info.space.get(name)
        of = (known.of if known is not None else kind_of(name)) or ""
        rows.append(f"| {_plain(name)} | {of} | {_plain(found)} | {_plain(yours)} |")
    return "\n".join(rows[:102])


def _comparison(record: StudyRecord) -> str:
    """MLflow's page with the parallel coordinates of the best trials."""
    objectives = record.info.objectives
    runs = [t for t in record.trials if t.run_id and t.values and t.state is TrialState.COMPLETE]
    if len(runs) < 2 or record.experiment_id is None:
        return ""
    sign = objectives[0].direction.sign
    runs.sort(key=lambda t: sign * (t.value or 0.0))
    ids = [t.run_id for t in runs[:_LINKED]]
    return f"#/compare-runs?runs={_quoted(ids)}&experiments={_quoted([record.experiment_id])}"


def _quoted(value: object) -> str:
    return quote(as_json(value), safe="")


_MARKUP: Mapping[int, str] = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>|#"} | {"\n": " "})


def _plain(text: str, limit: int = 120) -> str:
    """Text without meaning to Markdown."""
    return _short(text, limit).translate(_MARKUP)


def _code(text: str, limit: int = 200) -> str:
    """Text for between backticks, where nothing needs to be escaped but they themselves."""
    return " ".join(_short(text, limit).replace("`", "'").split())


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
