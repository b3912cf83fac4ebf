"""The rows of a study's table as texts: what both the HTML and the text views lay out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hpmagic.display.progress import Progress, Running
from hpmagic.display.words import abridged, clean, decimals, duration, number, param_text, shown
from hpmagic.distributions import Choice
from hpmagic.records import Trial

__all__ = [
    "Cell",
    "Column",
    "Row",
    "Table",
    "front_table",
    "heading",
    "param_names",
    "places_of",
    "shortened",
    "top_table",
    "without_last",
]

_MOST_PARAMS = 8
_WIDE = 22


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` as it is laid out, ``full`` where that was cut."""

    text: str
    full: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; ``numeric`` columns are aligned to the right."""

    title: Cell
    numeric: bool


@dataclass(frozen=True, slots=True)
class Row:
    """``role`` is "running", "best", "yours" or empty; it is shown as a word."""

    role: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``params`` counts the hyperparameters' columns, which end before the last column; ``more``
    says how many hyperparameters had no room.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    params: int = 0
    more: int = 0


def shortened(table: Table, limit: int) -> Table:
    """The table with texts of at most ``limit`` characters."""

    def short(cell: Cell) -> Cell:
        return Cell(abridged(cell.text, limit), cell.full or cell.text)

    columns = tuple(Column(short(column.title), column.numeric) for column in table.columns)
    rows = tuple(Row(row.role, tuple(map(short, row.cells))) for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def without_last(table: Table) -> Table:
    """The table without its last hyperparameter; itself if it has none."""
    if not table.params:
        return table
    rows = tuple(Row(row.role, (*row.cells[:-2], row.cells[-1])) for row in table.rows)
    columns = (*table.columns[:-2], table.columns[-1])
    return Table(columns, rows, table.params - 1, table.more + 1)


def param_names(progress: Progress, trials: Iterable[Trial]) -> list[str]:
    """Hyperparameters in the order of the code, then those only seen while running."""
    space = progress.info.space if progress.info is not None else ()
    seen = dict.fromkeys(name for trial in trials for name in trial.params)
    listed = [name for name in space if name in seen or "{" not in name]
    return list(dict.fromkeys([*listed, *seen]))


def top_table(progress: Progress, now: float, best: int = 4, *, live: bool = True) -> Table:
    """The trial that runs, the ``best`` ones, and the person's own."""
    trials = list(progress.top[:best])
    if progress.default is not None and all(t is not progress.default for t in trials):
        trials.append(progress.default)
    running = progress.current if live else None
    return _table(progress, trials, running, now)


def front_table(progress: Progress, most: int = 12) -> Table:
    """The trials that no other beats in every objective, by the first one, and the person's own."""
    trials = sorted(
        progress.front, key=lambda t: progress.objective.direction.sign * (t.value or 0.0)
    )
    if len(trials) > most:
        trials = [trials[round(i * (len(trials) - 1) / (most - 1))] for i in range(most)]
    if progress.default is not None and all(t is not progress.default for t in trials):
        trials.append(progress.default)
    return _table(progress, trials, None, 0.0)


def places_of(progress: Progress, index: int = 0) -> int | None:
    """With how many decimals one objective is shown, the same wherever a view shows it.

    They tell the best trials apart; the best value and the person's own can be read.
    """
    several = len(progress.objectives) > 1
    default = progress.default
    own = [default.values[index]] if default is not None and default.values else []
    trials = progress.front if several else progress.top[:5]
    values = [t.values[index] for t in trials if t.values and t is not default] or own
    sign = progress.objectives[index].direction.sign
    best = [min([*values, *own], key=lambda value: sign * value)] if values else []
    return decimals(values, [*best, *own])


def _table(
    progress: Progress, trials: Sequence[Trial], running: Running | None, now: float
) -> Table:
    names = param_names(progress, trials)
    more = max(0, len(names) - _MOST_PARAMS)
    names = names[:_MOST_PARAMS]
    objectives = progress.objectives
    places = [places_of(progress, i) for i in range(len(objectives))]
    numeric = [_is_numeric(progress, trials, name) for name in names]
    columns = [
        Column(Cell("trial"), numeric=True),
        *(Column(heading(o.name), numeric=True) for o in objectives),
        *(Column(heading(name), is_number) for name, is_number in zip(names, numeric, strict=True)),
        Column(Cell("time"), numeric=True),
    ]
    rows = []
    if running is not None:
        rows.append(_running_row(progress, running, names, now))
    rows += [_trial_row(progress, trial, names, places) for trial in trials]
    return Table(tuple(columns), tuple(rows), len(names), more)


def heading(name: str) -> Cell:
    """A name that may be cut in its middle."""
    full = clean(name, 200)
    short = abridged(full, _WIDE)
    return Cell(short, full if short != full else "")


def _trial_row(
    progress: Progress, trial: Trial, names: Sequence[str], places: Sequence[int | None]
) -> Row:
    role = "yours" if trial is progress.default else ""
    role = "best" if trial is progress.best and len(progress.objectives) == 1 else role
    values = [Cell(shown(v, p)) for v, p in zip(trial.values or (), places, strict=False)]
    return Row(
        role,
        (
            Cell(f"{trial.number}"),
            *values,
            *(_param(trial, name) for name in names),
            Cell(duration(trial.duration)),
        ),
    )


def _param(trial: Trial, name: str) -> Cell:
    if name not in trial.params:
        return Cell("–", "not used in this trial")
    full = param_text(trial, name)
    value = trial.params[name]
    short = number(value) if type(value) is float else abridged(full, _WIDE)
    return Cell(short, full if short != full else "")


def _running_row(progress: Progress, running: Running, names: Sequence[str], now: float) -> Row:
    values = [
        Cell(number(running.metrics[o.name])) if o.name in running.metrics else Cell("…")
        for o in progress.objectives
    ]
    blank = [Cell("") for _ in names]
    spent = Cell(duration(max(now - running.start, 0.0)))
    return Row("running", (Cell(f"{running.number}"), *values, *blank, spent))


def _is_numeric(progress: Progress, trials: Sequence[Trial], name: str) -> bool:
    values = [t.params[name] for t in trials if name in t.params]
    if values:
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    space = progress.info.space if progress.info is not None else {}
    parameter = space.get(name)
    return parameter is not None and not isinstance(parameter.distribution, Choice)
