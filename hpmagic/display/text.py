"""The same facts as plain text: a terminal's lines, a log's lines, a study's representation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from unicodedata import east_asian_width

from hpmagic.display.findings import findings
from hpmagic.display.progress import Progress
from hpmagic.display.rows import Table, front_table, shortened, top_table, without_last
from hpmagic.display.words import (
    abridged,
    clean,
    count,
    duration,
    isolated,
    number,
    param_text,
)
from hpmagic.distributions import MISSING, is_literal, literal_text
from hpmagic.records import Origin, StudyRecord, Trial, TrialState
from hpmagic.savings import savings
from hpmagic.space import SearchSpace

__all__ = [
    "end_line",
    "fit",
    "overview",
    "space_table",
    "start_line",
    "status_lines",
    "summary",
    "trial_line",
]

_BAR = 28


def summary(record: StudyRecord, width: int | None = None) -> str:
    """A study in a few lines: what was best, what the trials tell, the best of them.

    With ``width``, sentences are broken between words and the table is made to fit.
    """
    return overview(Progress.of(record), record, width)


def overview(
    progress: Progress, record: StudyRecord | None = None, width: int | None = None
) -> str:
    """`summary` of a study whose events have been folded already; ``record`` adds the findings."""
    info = progress.info
    if info is None:
        return "a study that has not started"
    now = max((t.start + t.duration for t in progress.trials), default=info.start)
    aims = ", ".join(f"{o.direction} {_name(o.name)}" for o in info.objectives)
    took = f"{count(progress.done, 'trial')} in {duration(progress.elapsed(now))}"
    lines = [
        f"Study {_name(info.name)}: {aims} by {_name(info.tuner)}, {took} ({_counts(progress)})"
    ]
    finished, planned = progress.finished, progress.planned
    early = planned is not None and progress.done < planned
    if finished is not None and (finished.state != "complete" or early):
        lines.append(f"  {clean(finished.reason, 200)}")
    lines += [f"  {clean(progress.said, 200)}"] if progress.said else []
    lines.append(f"  {_best(progress)}")
    if progress.best is not None and len(info.objectives) == 1:
        best = progress.best
        values = ", ".join(f"{_name(n)} = {_literal(best, n)}" for n in best.params)
        lines += [f"  {clean(values, 400)}"] if values else []
    if progress.reused:
        lines.append(f"  {clean(progress.reused, 200)}")
    if record is not None:
        lines += [f"  - {clean(found.text, 600)}" for found in findings(record)]
    if width is not None:
        lines = [_broken(line, width) for line in lines]
    if progress.best is not None:
        several = len(info.objectives) > 1
        table = front_table(progress, 6) if several else top_table(progress, now, 3, live=False)
        laid_out = _laid_out(table) if width is None else _narrowed(table, width - 2)
        lines += ["", *("  " + line for line in laid_out)]
    return "\n".join(lines)


def status_lines(progress: Progress, now: float, width: int) -> list[str]:
    """Three lines, each at most ``width`` columns: progress, the best so far, the current trial."""
    planned = progress.planned
    of = f"{progress.done}/{progress.at_most}{planned}" if planned else f"{progress.done} trials"
    left = progress.left(now)
    times = f"{duration(progress.elapsed(now))} elapsed"
    times += f", about {duration(left)} left" if left is not None and left >= 1 else ""
    bar = ""
    if planned:
        filled = round(_BAR * min(progress.done / planned, 1))
        bar = f"{'━' * filled}{'╌' * (_BAR - filled)} "
    first = f"{_name(progress.info.name) if progress.info else ''} {bar}{of} · {times}"
    second = f"{_best(progress)} · {_counts(progress)}"
    third = _current(progress, now)
    if progress.reused:
        third += f" · {progress.reused}" if third else progress.reused
    lines = [first, second, third]
    return [fit(line, width) for line in lines]


def _best(progress: Progress) -> str:
    if not progress.objectives or progress.best is None or progress.best.value is None:
        return "no trial ran to its end" if progress.finished else "no result yet"
    if len(progress.objectives) > 1:
        return f"{count(len(progress.front), 'trial')} on the Pareto front"
    name = _name(progress.objective.name)
    text = f"best {name} {number(progress.best.value)} in trial {progress.best.number}"
    default, gain = progress.default, progress.gain
    if progress.default_failed:
        return f"{text}; your own values failed"
    if default is None or default.value is None or gain is None:
        return text
    if gain == 0:
        return f"{text}: your own values"
    return f"{text}, {number(gain)} better than your {number(default.value)}"


def _counts(progress: Progress) -> str:
    states = [state for state in TrialState if progress.counts[state]]
    return ", ".join(f"{progress.counts[s]:,} {s}" for s in states) or "none ended yet"


def _current(progress: Progress, now: float) -> str:
    running = progress.current
    if running is None:
        return ""
    text = f"trial {running.number} running, {duration(max(now - running.start, 0))}"
    if running.step is not None:
        text += f", step {running.step}"
    reports = [f"{_name(n)} {number(v)}" for n, v in list(running.metrics.items())[:3]]
    text += f": {', '.join(reports)}" if reports else ""
    return text + (f" (and {len(progress.running) - 1} more)" if len(progress.running) > 1 else "")


def start_line(progress: Progress) -> str:
    """The log's first line."""
    info = progress.info
    assert info is not None
    aims = ",".join(f"{o.direction}:{_key(o.name)}" for o in info.objectives)
    trials = progress.planned or "open"
    return (
        f"hpmagic study={_value(info.name)} started tuner={_value(info.tuner)} trials={trials} "
        f"objective={aims} seed={info.seed}"
    )


def trial_line(progress: Progress, trial: Trial) -> str:
    """One line of ``key=value`` for a trial that has ended; the order of keys is fixed."""
    planned = f"/{progress.planned}" if progress.planned else ""
    pieces = [f"hpmagic trial={trial.number}{planned} state={trial.state}"]
    names = [o.name for o in progress.objectives]
    values = trial.values or ()
    pieces += [f"{_key(n)}={v:.6g}" for n, v in zip(names, values, strict=False)]
    if progress.best is not None and progress.best.value is not None and len(names) == 1:
        pieces.append(f"best={progress.best.value:.6g}@{progress.best.number}")
    pieces.append(f"seconds={trial.duration:.3f}")
    left = progress.left(trial.start + trial.duration)
    if left is not None and left >= 1:
        pieces.append(f"left={left:.0f}")
    if trial.origin is not Origin.TUNER:
        pieces.append(f"origin={trial.origin}")
    pieces += [f"{_key(name)}={_value(param_text(trial, name))}" for name in trial.params]
    if trial.reason:
        pieces.append(f"reason={_value(clean(trial.reason, 200))}")
    if stopped := trial.notes.get("stopped_early"):
        pieces.append(f"stopped_early={_value(clean(stopped, 200))}")
    return " ".join(pieces)


def end_line(progress: Progress) -> str:
    """The log's last line."""
    assert progress.info is not None
    finished = progress.finished
    assert finished is not None
    pieces = [f"hpmagic study={_value(progress.info.name)} {finished.state} trials={progress.done}"]
    pieces += [f"{state}={many}" for state, many in sorted(progress.counts.items()) if many]
    if progress.best is not None and progress.best.value is not None:
        pieces.append(f"best={progress.best.value:.6g}@{progress.best.number}")
    if progress.gain is not None:
        pieces.append(f"gain={progress.gain:.6g}")
    pieces.append(f"seconds={progress.elapsed(finished.end):.1f}")
    saved = savings(progress.trials, progress.objective.name)
    if saved is not None:
        pieces += [f"saved_steps={saved.steps}", f"saved_seconds={saved.seconds:.1f}"]
    if progress.reused:
        pieces.append(f"reused={_value(clean(progress.reused, 200))}")
    pieces.append(f"reason={_value(clean(finished.reason, 200))}")
    return " ".join(pieces)


def space_table(space: SearchSpace) -> str:
    """The search space as aligned text: what is tuned, within what, from which written value.

    >>> from hpmagic.distributions import LogUniform
    >>> from hpmagic.space import Parameter
    >>> print(space_table(SearchSpace((Parameter("lr", LogUniform(0.001, 0.1), default=0.01),))))
    hyperparameter  searched in             your value
    lr              loguniform(0.001, 0.1)  0.01
    """
    if not space:
        return "nothing is tuned"
    rows = [["hyperparameter", "searched in", "your value", ""]]
    for parameter in space.parameters:
        default = parameter.default
        written = "" if default is MISSING or not is_literal(default) else literal_text(default)
        notes = [f"line {parameter.line}"] if parameter.line else []
        notes += ["only where its line is reached"] if parameter.conditional else []
        rows.append(
            [
                _name(parameter.name),
                clean(parameter.text, 120),
                clean(written, 60),
                ", ".join(notes),
            ]
        )
    return "\n".join(_aligned(rows, [False] * 4))


def _broken(line: str, width: int) -> str:
    """``line`` in lines of ``width`` columns, broken between words, those that follow indented."""
    return textwrap.fill(line, max(width, 20), subsequent_indent="    ", break_on_hyphens=False)


def _narrowed(table: Table, width: int) -> list[str]:
    """The table in lines of ``width`` columns: names cut shorter, then fewer hyperparameters."""
    while True:
        for limit in (22, 16, 12):
            lines = _laid_out(shortened(table, limit))
            if max(map(_columns, lines)) <= width:
                return lines
        fewer = without_last(table)
        if fewer is table:
            return [fit(line, width) for line in lines]
        table = fewer


def _laid_out(table: Table) -> list[str]:
    rows = [["", *(column.title.text for column in table.columns)]]
    rows += [[row.role, *(isolated(cell.text) for cell in row.cells)] for row in table.rows]
    lines = _aligned(rows, [False, *(column.numeric for column in table.columns)])
    return [*lines, f"({count(table.more, 'more hyperparameter')})"] if table.more else lines


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    widths = [max(map(_columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for cell, width, to_right in zip(row, widths, right, strict=True):
            pad = " " * (width - _columns(cell))
            cells.append(pad + cell if to_right else cell + pad)
        lines.append("  ".join(cells).rstrip())
    return lines


def _columns(text: str) -> int:
    """How many terminal columns a text takes, near enough: wide characters take two."""
    return sum(
        0 if char in "\u2068\u2069" else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def fit(text: str, width: int) -> str:
    """``text`` cut to ``width`` columns, with an ellipsis where it was cut."""
    if _columns(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while kept and _columns(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…" * (width > 0)


def _name(name: str) -> str:
    return isolated(abridged(clean(name, 200), 40))


def _literal(trial: Trial, name: str) -> str:
    value = trial.params[name]
    text = (
        literal_text(value) if type(value) in (str, int, float, bool) else param_text(trial, name)
    )
    return isolated(clean(text, 60))


def _key(name: str) -> str:
    return re.sub(r"[\s=\"'\\]+", "_", clean(name, 80)) or "_"


def _value(text: str) -> str:
    """A value that a script can split off: quoted if it has a space, quote, backslash or ``=``."""
    text = clean(text, 200)
    if text and not re.search(r"[\s\"'=\\]", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
