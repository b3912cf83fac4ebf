"""The panel as HTML: while a study runs (`live`), and its final picture (`final`).

No script and no widget. The live panel keeps its height; the final one also reads well where
notebooks strip styles and SVG: its structure is plain, its chart an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hpmagic.display import chart
from hpmagic.display.findings import Finding, findings
from hpmagic.display.progress import Progress
from hpmagic.display.rows import Cell, Row, Table, front_table, heading, places_of, top_table
from hpmagic.display.style import STYLE
from hpmagic.display.words import (
    abridged,
    clean,
    count,
    duration,
    number,
    param_text,
    range_text,
    shown,
)
from hpmagic.distributions import MISSING, is_literal, literal_text
from hpmagic.records import Direction, StudyRecord, Trial, TrialState
from hpmagic.space import SearchSpace

__all__ = ["final", "live", "space_table"]

_LIVE_ROWS = 6
_MOST_FAILURES = 5
_NARROW = 286
"""The width of a chart that has another beside it."""
_BESIDE = 29
"""How many characters of a name and its values have room beside the chart."""


def live(progress: Progress, now: float) -> str:
    """The panel of a study that runs; ``now`` is in seconds since the epoch."""
    table = top_table(progress, now)
    notes = [f"Reused: {clean(progress.reused, 160)}" if progress.reused else ""]
    notes.append(clean(progress.said, 160))
    hidden = _more(table)
    return _panel(
        f"Study {_study_name(progress)} is running",
        [
            _head(progress),
            _bar(progress),
            _status(progress, now),
            f'<div class="hpm-cols"><div class="hpm-hero">{_hero(progress)}</div>'
            f"{_charts(progress)}</div>",
            _table(table, _LIVE_ROWS),
            f'<div class="hpm-note">{escape(". ".join(t for t in (*notes, hidden) if t))}</div>',
        ],
    )


def final(record: StudyRecord) -> str:
    """A study's picture once it has ended, or as far as it is known.

    It says what was best and how much better than the person's own values, which values to set,
    what the trials tell, and what failed. Everything in it is escaped and cut; it holds no script.
    """
    progress = Progress.of(record)
    now = record.finished.end if record.finished is not None else _last_end(record)
    parts = [_head(progress), _ending(progress, now)]
    if progress.best is not None:
        values, wide = _best_values(progress) if len(progress.objectives) == 1 else ("", False)
        aside, below = ("", values) if wide else (values, "")
        parts.append(
            f'<div class="hpm-cols"><div class="hpm-hero">{_hero(progress)}{aside}</div>'
            f"{_history(progress, image=True)}</div>{below}"
        )
        parts.append(_findings(findings(record)))
        parts.append(_tried(progress, now))
    elif progress.trials:
        parts.append('<p class="hpm-gain"><b>No trial ran to its end.</b></p>')
        parts.append(_findings(findings(record)))
    parts += [_failures(progress), _foot(record, progress)]
    return _panel(f"Study {_study_name(progress)}: result", parts)


def space_table(space: SearchSpace) -> str:
    """The search space as a table: what is tuned, within what, from which written value."""
    rows = []
    for parameter in space.parameters:
        default = parameter.default
        written = "" if default is MISSING or not is_literal(default) else literal_text(default)
        notes = [f"line {parameter.line}"] if parameter.line else []
        notes += ["only where its line is reached"] if parameter.conditional else []
        cells = [
            f"<td>{_cell(heading(parameter.name))}</td>",
            f"<td><code>{_text(parameter.text, 120)}</code></td>",
            f"<td><code>{_text(written, 60)}</code></td>",
            f'<td class="hpm-k">{_text(", ".join(notes), 80)}</td>',
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return _panel("Search space", ['<p class="hpm-m">Nothing is tuned.</p>'])
    titles = "".join(
        f'<th scope="col">{title}</th>'
        for title in ("hyperparameter", "searched in", "your value", "")
    )
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return _panel("Search space", [f'<div class="hpm-scroll"><table>{body}</table></div>'])


def _panel(label: str, parts: Iterable[str]) -> str:
    inner = "".join(parts)
    return f'<div class="hpm" role="group" aria-label="{escape(label)}">{STYLE}{inner}</div>'


def _text(text: object, limit: int = 60) -> str:
    """Cut, cleaned, escaped, and kept from reordering what stands around it."""
    return f"<bdi>{escape(clean(text, limit))}</bdi>"


def _study_name(progress: Progress) -> str:
    return clean(progress.info.name, 60) if progress.info is not None else ""


def _head(progress: Progress) -> str:
    info = progress.info
    if info is None:
        return ""
    aims = ", ".join(f"{o.direction} {_text(o.name, 40)}" for o in info.objectives)
    pruner = f" · {_text(info.pruner, 20)} pruner" if info.pruner != "none" else ""
    return (
        f'<div class="hpm-head"><b>{_text(info.name)}</b> '
        f'<span class="hpm-m">{_text(info.tuner, 20)} · {aims}{pruner} · seed {info.seed}</span>'
        "</div>"
    )


def _bar(progress: Progress) -> str:
    planned = progress.planned
    if not planned:
        return '<div class="hpm-bar"></div>'
    share = min(100 * progress.done / planned, 100)
    return (
        f'<div class="hpm-bar" role="progressbar" aria-valuemin="0" aria-valuemax="{planned}" '
        f'aria-valuenow="{progress.done}" aria-label="trials"><i style="width:{share:.1f}%"></i>'
        "</div>"
    )


def _status(progress: Progress, now: float) -> str:
    planned = progress.planned
    of = (
        f"<b>{progress.done:,}</b> of {progress.at_most}{planned:,} trials"
        if planned
        else (f"<b>{progress.done:,}</b> {'trial' if progress.done == 1 else 'trials'}")
    )
    left = progress.left(now)
    pieces = [of, f"{duration(progress.elapsed(now))} elapsed"]
    if left is not None:
        pieces.append(f"about {duration(left)} left" if left >= 1 else "nearly done")
    if len(progress.running) > 1:
        pieces.append(f"{len(progress.running)} running")
    left_side = " · ".join(pieces)
    return f'<div class="hpm-row"><span>{left_side}</span> <span>{_counts(progress)}</span></div>'


def _counts(progress: Progress) -> str:
    counts = progress.counts
    pieces = [f"✓ {counts[TrialState.COMPLETE]:,} complete"]
    if counts[TrialState.PRUNED]:
        pieces.append(f"○ {counts[TrialState.PRUNED]:,} pruned")
    if counts[TrialState.FAILED]:
        pieces.append(f'<span class="hpm-bad">✕ {counts[TrialState.FAILED]:,} failed</span>')
    if counts[TrialState.INTERRUPTED]:
        pieces.append(f"◼ {counts[TrialState.INTERRUPTED]:,} interrupted")
    return " · ".join(pieces)


def _hero(progress: Progress) -> str:
    if len(progress.objectives) > 1:
        return _hero_of_several(progress)
    best = progress.best
    if best is None or best.value is None:
        waiting = "waiting for the first result" if not progress.finished else "no result"
        return (
            f'<span class="hpm-big hpm-m">–</span><div class="hpm-m">{waiting}</div>'
            '<div class="hpm-gain">&nbsp;</div>'
        )
    places = places_of(progress)
    name = _text(progress.objective.name, 40)
    return (
        f'<b class="hpm-big">{shown(best.value, places)}</b>'
        f'<div class="hpm-m">best {name}, trial {best.number}</div>'
        f'<div class="hpm-gain">{_gain(progress, places)}</div>'
    )


def _gain(progress: Progress, places: int | None) -> str:
    gain, default = progress.gain, progress.default
    if default is None or default.value is None or gain is None:
        return "your own values failed" if progress.default_failed else "&nbsp;"
    if progress.best is default or gain == 0:
        return "so far your own values" if progress.finished is None else "your own values"
    arrow = "▲" if progress.objective.direction is Direction.MAXIMIZE else "▼"
    relative = abs(gain / default.value) if default.value else 0.0
    share = f" ({relative:.1%})" if 0.0005 <= relative < 10 else ""
    yours = shown(default.value, places)
    # A gain may be far smaller than what it is a difference of.
    little = places is not None and gain < 10.0 ** (2 - places)
    better = number(gain, 3) if little else shown(gain, places)
    return f"{arrow} <b>{better}</b>{share} better than your {yours}"


def _hero_of_several(progress: Progress) -> str:
    lines = []
    for index, objective in enumerate(progress.objectives):
        values = [t.values[index] for t in progress.front if t.values]
        best = (min if objective.direction is Direction.MINIMIZE else max)(values, default=None)
        text = "–" if best is None else shown(best, places_of(progress, index))
        lines.append(
            f'<div class="hpm-pair"><b>{text}</b> '
            f'<span class="hpm-m">best {_text(objective.name, 40)}</span></div>'
        )
    front = count(len(progress.front), "trial")
    lines.append(f'<div class="hpm-gain hpm-m">{front} on the Pareto front</div>')
    return "".join(lines)


def _charts(progress: Progress) -> str:
    return _history(progress, image=False) + _curve(progress)


def _history(progress: Progress, *, image: bool) -> str:
    objective = progress.objective
    best, default = progress.best, progress.default
    label = f"{clean(objective.name, 40)} of {count(progress.done, 'trial')}"
    if best is not None and best.value is not None:
        label += f"; best {number(best.value)} in trial {best.number}"
    if default is not None and default.value is not None:
        label += f"; your own values gave {number(default.value)}"
    svg = chart.history(
        progress.points,
        objective.direction,
        default=default.value if default is not None else None,
        planned=progress.done if image else progress.planned,
        label=label,
        width=_NARROW if not image and progress.curve is not None else chart.WIDTH,
    )
    drawn = svg
    if image:
        size = f'width="{chart.WIDTH}" height="{chart.HEIGHT}"'
        drawn = f'<img {size} alt="{escape(label)}" src="{chart.as_image(svg)}">'
    better = "lower" if objective.direction is Direction.MINIMIZE else "higher"
    caption = f"{_text(objective.name, 30)} by trial, {better} is better"
    return f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"


def _curve(progress: Progress) -> str:
    metric = progress.curve
    if metric is None:
        return ""
    running = progress.current
    current = running.curves.get(metric, []) if running is not None else []
    best = progress.best.curves.get(metric, ()) if progress.best is not None else ()
    direction = next((o.direction for o in progress.objectives if o.name == metric), None)
    trial = f"trial {running.number}" if running is not None else "no trial running"
    label = f"{clean(metric, 40)} by step, {trial}"
    svg = chart.curves(current, best, direction, label=label, width=_NARROW)
    caption = f"{_text(metric, 30)} by step, {trial}"
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def _table(table: Table, height: int | None = None) -> str:
    """The table; with ``height`` filled up with blank rows, so that it never jumps."""
    titles = "".join(
        f'<th scope="col"{_align(column.numeric)}>{_cell(column.title)}</th>'
        for column in table.columns
    )
    titles = titles.replace("</th>", '</th><th scope="col"></th>', 1)
    rows = [_row(table, row) for row in table.rows]
    if height is not None:
        blank = f"<tr>{'<td>&nbsp;</td>' * (len(table.columns) + 1)}</tr>"
        rows += [blank] * (height - len(rows))
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="hpm-scroll"><table>{body}</table></div>'


def _row(table: Table, row: Row) -> str:
    first, *rest = (
        f"<td{_align(column.numeric)}>{_cell(cell)}</td>"
        for column, cell in zip(table.columns, row.cells, strict=True)
    )
    top = ' class="hpm-top"' if row.role == "best" else ""
    return f'<tr{top}>{first}<td class="hpm-k">{row.role}</td>{"".join(rest)}</tr>'


def _align(numeric: bool) -> str:
    return ' class="hpm-n"' if numeric else ""


def _cell(cell: Cell) -> str:
    text = f"<bdi>{escape(cell.text)}</bdi>" if cell.text else ""
    return f'<span title="{escape(cell.full)}">{text}</span>' if cell.full else text


def _more(table: Table) -> str:
    return f"{count(table.more, 'more hyperparameter')} not shown" if table.more else ""


def _ending(progress: Progress, now: float) -> str:
    finished = progress.finished
    took = f"<b>{count(progress.done, 'trial')}</b> in {duration(progress.elapsed(now))}"
    why = ""
    if finished is None:
        why = " · still running, or its end was not seen"
    elif finished.state != "complete":
        why = f" · ◼ {_text(finished.reason, 200)}"
    elif progress.planned is not None and progress.done < progress.planned:
        why = f" · {_text(finished.reason, 200)}"
    return f'<div class="hpm-row"><span>{took}{why}</span> <span>{_counts(progress)}</span></div>'


def _best_values(progress: Progress) -> tuple[str, bool]:
    """What to set: the best trial's values beside the person's own.

    And whether that is too wide to stand beside the chart.
    """
    best, default = progress.best, progress.default
    assert best is not None
    if not best.params:
        return "", False
    names = list(best.params)
    trials = [best] if default is None or default is best else [best, default]
    rows, texts = [], []
    for name in names[:24]:
        values = [_value(t, name) if name in t.params else Cell("–") for t in trials]
        within = _cut(clean(range_text(best, name, progress.info), 200), 44)
        texts.append([heading(name), *values])
        row = [f"<td>{_cell(heading(name))}</td>"]
        row += [
            f"<td{at}><code>{_cell(value)}</code></td>"
            for value, at in zip(values, ("", ' class="hpm-m"'), strict=False)
        ]
        row.append(f'<td class="hpm-m hpm-w">{_cell(within)}</td>')
        rows.append(f"<tr>{''.join(row)}</tr>")
    titles = ["best values", "", *["yours"][: len(trials) - 1], "searched in"]
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    more = len(names) - 24
    note = f'<p class="hpm-m">{count(more, "more hyperparameter")}</p>' if more > 0 else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    longest = [max(len(cell.text) for cell in column) for column in zip(*texts, strict=True)]
    table = f'<div class="hpm-scroll"><table>{body}</table>{note}</div>'
    return table, sum(longest) > _BESIDE


def _value(trial: Trial, name: str) -> Cell:
    value = trial.params[name]
    written = type(value) in (str, float, int, bool)
    text = literal_text(value) if written else param_text(trial, name)
    return _cut(clean(text, 200), 48)


def _cut(full: str, limit: int) -> Cell:
    short = abridged(full, limit)
    return Cell(short, full if short != full else "")


def _findings(found: Sequence[Finding]) -> str:
    if not found:
        return ""
    items = "".join(f"<li>{escape(clean(f.text, 600))}</li>" for f in found)
    return f"<ul>{items}</ul>"


def _tried(progress: Progress, now: float) -> str:
    if len(progress.objectives) > 1:
        table, title = front_table(progress), "The Pareto front"
    else:
        table, title = top_table(progress, now, best=5, live=False), "Best trials"
    hidden = _more(table)
    note = f'<p class="hpm-m">{hidden}</p>' if hidden else ""
    return f"<details open><summary>{title}</summary>{_table(table)}{note}</details>"


def _failures(progress: Progress) -> str:
    failed = [t for t in progress.trials if t.state is TrialState.FAILED]
    if not failed:
        return ""
    items = "".join(
        f"<div>trial {t.number}: {_text(t.reason or 'no reason given', 200)}</div>"
        for t in failed[:_MOST_FAILURES]
    )
    if len(failed) > _MOST_FAILURES:
        items += f'<div class="hpm-m">and {len(failed) - _MOST_FAILURES:,} more</div>'
    trace = next((t.output.traceback for t in failed if t.output.traceback), "")
    if trace:
        items += f"<pre>{escape(clean(trace[-6000:], 4000, lines=True))}</pre>"
    opened = " open" if progress.best is None else ""
    summary = f"✕ {count(len(failed), 'failed trial')}"
    return f"<details{opened}><summary>{summary}</summary>{items}</details>"


def _foot(record: StudyRecord, progress: Progress) -> str:
    pieces = []
    if record.run_id:
        pieces.append(f"MLflow: {_text(record.info.experiment)}, run {_text(record.run_id[:8])}")
    if progress.reused:
        pieces.append(f"reused: {_text(progress.reused, 160)}")
    pieces += [_text(progress.said, 160)] if progress.said else []
    pieces += [_text(remark, 200) for remark in record.info.remarks[:3]]
    return f'<div class="hpm-foot">{" · ".join(pieces)}</div>' if pieces else ""


def _last_end(record: StudyRecord) -> float:
    return max((t.start + t.duration for t in record.trials), default=record.info.start)
