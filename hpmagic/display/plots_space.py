"""Figures with hyperparameters on their axes: parallel, slice, contour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from hpmagic.display.plots import (
    BLUE,
    INK,
    LINE,
    SOFT,
    StudyFigure,
    best_of,
    complete_of,
    figure,
    foot_marks,
    label,
    limit_values,
    log_axis,
    message,
    tidy,
    values_of,
)
from hpmagic.display.words import clean, count, number
from hpmagic.distributions import Choice, Distribution, Int, LogNormal, LogUniform
from hpmagic.effects import Importance, importances
from hpmagic.errors import OptionError, nearest
from hpmagic.records import Direction, Objective, StudyRecord, Trial, TrialState

__all__ = ["contour", "parallel", "slices"]

_MOST_AXES = 12
_COLOURS = "cividis"


@dataclass(frozen=True)
class _Axis:
    """One hyperparameter: what it was drawn from, and the categories that were seen."""

    name: str
    distribution: Distribution
    categories: tuple[str, ...]

    @property
    def log(self) -> bool:
        kind = self.distribution
        return isinstance(kind, LogUniform | LogNormal) or (isinstance(kind, Int) and kind.log)

    def position(self, trial: Trial) -> float:
        """The value itself, a category's index, NaN where the trial did not use it."""
        if self.name not in trial.params:
            return math.nan
        value = trial.params[self.name]
        if self.categories:
            return float(self.categories.index(_label(trial, self.name)))
        try:
            place = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return math.nan
        return place if not self.log or place > 0 else math.nan

    def positions(self, trials: Sequence[Trial]) -> np.ndarray[Any, Any]:
        return np.array([self.position(trial) for trial in trials], dtype=float)


def _label(trial: Trial, name: str) -> str:
    try:
        return clean(trial.distributions[name].label(trial.params[name]), 40)
    except Exception:  # noqa: BLE001 - a stranger's __repr__ may raise
        return type(trial.params[name]).__name__


def _axes_of(record: StudyRecord, trials: Sequence[Trial], names: Any = None) -> list[_Axis]:
    known = dict.fromkeys([*record.info.space, *(n for t in trials for n in t.params)])
    used = [n for n in known if any(n in t.params for t in trials)]
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        for name in wanted:
            if name not in used:
                raise OptionError(f"no trial used a hyperparameter `{name}`{nearest(name, used)}")
        used = wanted
    return [_axis(name, trials) for name in used]


def _axis(name: str, trials: Sequence[Trial]) -> _Axis:
    drawn = [t for t in trials if name in t.params]
    distribution = drawn[0].distributions[name]
    numeric = all(
        isinstance(t.params[name], int | float) and not isinstance(t.params[name], bool)
        for t in drawn
    )
    if numeric and not isinstance(distribution, Choice):
        return _Axis(name, distribution, ())
    order = list(getattr(distribution, "labels", ()))
    seen = dict.fromkeys([*(clean(o, 40) for o in order), *(_label(t, name) for t in drawn)])
    return _Axis(name, distribution, tuple(seen))


def _norm(values: np.ndarray[Any, Any], objective: Objective) -> Normalize:
    """Colours from bad to good, the bad tail cut off."""
    costs = objective.direction.sign * values
    low, high = float(np.min(costs)), float(np.quantile(costs, 0.9))
    high = high if high > low else low + 1.0
    pair = (low, high) if objective.direction is Direction.MINIMIZE else (-high, -low)
    return Normalize(*pair, clip=True)


def _cmap(objective: Objective) -> str:
    """Good is dark: it stands out on white."""
    return f"{_COLOURS}_r" if objective.direction is Direction.MAXIMIZE else _COLOURS


def slices(record: StudyRecord, index: int, params: Any = None) -> StudyFigure:
    """The objective by each hyperparameter, one panel each."""
    objective = record.info.objectives[index]
    trials = complete_of(record, index)
    axes_of = _axes_of(record, trials, params)[:_MOST_AXES]
    if not axes_of:
        return message("no complete trial drew a hyperparameter, so there is nothing to slice")
    columns = min(3, len(axes_of))
    rows = math.ceil(len(axes_of) / columns)
    fig = figure(2.9 * columns + 0.6, 2.4 * rows + 0.5)
    panels = np.atleast_1d(fig.subplots(rows, columns, sharey=True)).ravel()
    best = best_of(trials, objective, index)
    best_value = (best.values or (0.0,))[index]
    failed = [t for t in record.trials if t.state is TrialState.FAILED]
    for place, (axes, axis) in enumerate(zip(panels, axes_of, strict=False)):
        values = values_of(trials, index)
        drawn = limit_values(axes, values, objective.direction, [best_value])
        xs = _spread(axis.positions(trials), axis)
        colours = np.array([t.number for t in trials], dtype=float)
        axes.scatter(
            xs, drawn, c=colours, cmap="Blues", vmin=-0.6 * max(colours.max(), 1), s=15,
            vmax=max(colours.max(), 1), linewidths=0, clip_on=False,
        )  # fmt: skip
        spot = axis.position(best)
        if math.isfinite(spot):
            axes.plot(spot, best_value, "o", mfc="none", mec=INK, mew=1.6, markersize=8,
                      clip_on=False)  # fmt: skip
        _scale(axes, axis, xs)
        lost = axis.positions([t for t in failed if axis.categories == () or (axis.name in t.params
                               and _label(t, axis.name) in axis.categories)])  # fmt: skip
        foot_marks(axes, [float(x) for x in lost if math.isfinite(x)])
        axes.set_xlabel(label(axis.name), color=INK, fontsize=9.5)
        if place % columns == 0:
            axes.set_ylabel(label(objective.name, 24), color=SOFT, fontsize=9)
        tidy(axes)
    for axes in panels[len(axes_of) :]:
        axes.set_visible(False)
    fig.suptitle(
        f"{label(objective.name)} by hyperparameter: later trials darker, the best ringed"
        + (", × failed" if failed else ""),
        x=0.01, ha="left", fontsize=11, color=INK,
    )  # fmt: skip
    return fig


def _spread(xs: np.ndarray[Any, Any], axis: _Axis) -> np.ndarray[Any, Any]:
    """Categories a little apart, the same each time, so that dots do not hide each other."""
    if not axis.categories:
        return xs
    return xs + np.random.default_rng(0).uniform(-0.16, 0.16, len(xs))


def _scale(
    axes: Axes, axis: _Axis, places: np.ndarray[Any, Any], which: Literal["x", "y"] = "x"
) -> None:
    target = axes.xaxis if which == "x" else axes.yaxis
    set_limits = axes.set_xlim if which == "x" else axes.set_ylim
    if axis.categories:
        some = axis.categories if len(axis.categories) <= 12 else ()
        target.set_ticks(range(len(some)), [label(c, 12) for c in some])
        set_limits(-0.6, len(axis.categories) - 0.4)
        if which == "x" and sum(len(c) for c in some) > 22:
            axes.tick_params(axis="x", labelrotation=30)
    elif axis.log:
        seen = places[np.isfinite(places)]
        if len(seen):
            log_axis(axes, which, float(seen.min()), float(seen.max()))
    elif isinstance(axis.distribution, Int):
        target.set_major_locator(MaxNLocator(integer=True))


def parallel(record: StudyRecord, index: int, params: Any = None) -> StudyFigure:
    """Each complete trial as a line through its values, dark where the objective is good."""
    objective = record.info.objectives[index]
    trials = complete_of(record, index)
    axes_of = _axes_of(record, trials, params)[:_MOST_AXES]
    if not axes_of:
        return message("no complete trial drew a hyperparameter, so there are no lines to draw")
    fig = figure(max(6.5, 1.35 * (len(axes_of) + 1) + 1), 4.2)
    axes = fig.subplots()
    values = values_of(trials, index)
    order = np.argsort(-objective.direction.sign * values)
    columns = [_heights(axis, trials) for axis in axes_of]
    lows, spans = float(values.min()), float(np.ptp(values)) or 1.0
    columns.append((values - lows) / spans)
    heights = np.column_stack(columns)
    norm = _norm(values, objective)
    lines = [np.column_stack([np.arange(heights.shape[1]), heights[i]]) for i in order]
    alpha = min(0.85, max(0.1, 40 / len(lines)))
    drawn = LineCollection(
        lines, array=values[order], cmap=_cmap(objective), norm=norm, alpha=alpha, linewidths=1.1
    )
    axes.add_collection(drawn)
    best = best_of(trials, objective, index)
    axes.plot(range(heights.shape[1]), heights[trials.index(best)], color=BLUE, linewidth=2.4)
    for place, axis in enumerate(axes_of):
        _upright(axes, place, _ticks(axis, trials), label(axis.name, 16))
        if any(axis.name not in t.params for t in trials):
            axes.text(place, -0.16, "not used", color=SOFT, fontsize=8, ha="center", va="top")
    ends = [(0.0, number(lows)), (1.0, number(lows + spans))]
    _upright(axes, len(axes_of), ends, label(objective.name, 16))
    axes.set_xlim(-0.35, len(axes_of) + 0.5)
    axes.set_ylim(-0.24, 1.12)
    axes.axis("off")
    fig.suptitle(
        f"{count(len(trials), 'trial')} by {label(objective.name)}: good ones dark, "
        f"the best (trial {best.number}) blue",
        x=0.01, ha="left", fontsize=11, color=INK,
    )  # fmt: skip
    return fig


def _heights(axis: _Axis, trials: Sequence[Trial]) -> np.ndarray[Any, Any]:
    """Values between 0 and 1; below the axis where they were not used."""
    places = axis.positions(trials)
    low, high = _ends(axis, places)
    if axis.log:
        places, low, high = np.log(places), math.log(low), math.log(high)
    span = high - low
    scaled = (places - low) / span if span > 0 else np.where(np.isnan(places), np.nan, 0.5)
    return np.where(np.isnan(scaled), -0.12, scaled)


def _ends(axis: _Axis, places: np.ndarray[Any, Any]) -> tuple[float, float]:
    if axis.categories:
        return 0.0, float(len(axis.categories) - 1)
    seen = places[np.isfinite(places)]
    bounds = [float(seen.min()), float(seen.max())] if len(seen) else [0.0, 1.0]
    ends = (getattr(axis.distribution, bound, None) for bound in ("low", "high"))
    bounds += [float(end) for end in ends if end is not None]
    return min(bounds), max(bounds)


def _ticks(axis: _Axis, trials: Sequence[Trial]) -> list[tuple[float, str]]:
    if axis.categories:
        many = len(axis.categories)
        some = range(many) if many <= 10 else (0, many - 1)
        return [(i / (many - 1) if many > 1 else 0.5, label(axis.categories[i], 12)) for i in some]
    low, high = _ends(axis, axis.positions(trials))
    if low == high:
        return [(0.5, number(low, 3))]
    middle = math.sqrt(low * high) if axis.log else (low + high) / 2
    if isinstance(axis.distribution, Int) and not axis.log:
        middle = round(middle)
    centre = (middle - low) / (high - low) if not axis.log else 0.5
    return [(0.0, number(low, 3)), (centre, number(middle, 3)), (1.0, number(high, 3))]


def _upright(axes: Axes, place: int, ticks: Sequence[tuple[float, str]], title: str) -> None:
    axes.plot([place, place], [0, 1], color=LINE, linewidth=1.4, zorder=0)
    axes.text(place, 1.07, title, ha="center", fontsize=9.5, color=INK)
    halo = {"facecolor": "white", "alpha": 0.75, "pad": 0.8, "linewidth": 0}
    for height, text in ticks:
        axes.text(
            place + 0.04, height, text, fontsize=8.5, color=SOFT, va="center", bbox=halo, zorder=6
        )


def contour(
    record: StudyRecord, index: int, x: str | None = None, y: str | None = None
) -> StudyFigure:
    """The objective over two hyperparameters: the most important two unless named."""
    objective = record.info.objectives[index]
    every = complete_of(record, index)
    names = [axis.name for axis in _axes_of(record, every)]
    for name in (x, y):
        if name is not None and name not in names:
            raise OptionError(f"no trial used a hyperparameter `{name}`{nearest(name, names)}")
    if len(names) < 2:
        return message("a contour needs two hyperparameters that complete trials used")
    asked = importances(every, objective, index) if x is None or y is None else None
    first, second = _pair(names, x, y, asked)
    horizontal, vertical = _axes_of(record, every, [first, second])
    trials = [t for t in every if first in t.params and second in t.params]
    if not trials:
        return message(f"no complete trial used both {label(first)} and {label(second)}")
    fig = figure(6.6, 4.4)
    axes = fig.subplots()
    values = values_of(trials, index)
    norm = _norm(values, objective)
    xs, ys = horizontal.positions(trials), vertical.positions(trials)
    _scale(axes, horizontal, xs)
    _scale(axes, vertical, ys, "y")
    dots = axes.scatter(
        _spread(xs, horizontal), _spread(ys, vertical), c=values, cmap=_cmap(objective), norm=norm,
        s=26, edgecolors="white", linewidths=0.6, zorder=3,
    )  # fmt: skip
    if not horizontal.categories and not vertical.categories:
        _surface(axes, (horizontal, vertical), trials, dots)
    best = best_of(trials, objective, index)
    spot = horizontal.position(best), vertical.position(best)
    axes.plot(*spot, "o", mfc="none", mec=BLUE, mew=2, markersize=11, zorder=4)
    bar = fig.colorbar(dots, ax=axes, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=SOFT, labelsize=8.5, length=0)
    bar.set_label(label(objective.name), color=SOFT, fontsize=9)
    axes.set_xlabel(label(first), color=INK, fontsize=9.5)
    axes.set_ylabel(label(second), color=INK, fontsize=9.5)
    value = number((best.values or (0.0,))[index])
    tidy(
        axes, f"{label(objective.name)} by {label(first)} and {label(second)}: best {value} ringed"
    )
    axes.grid(visible=False)
    return fig


def _pair(
    names: list[str], x: str | None, y: str | None, found: Importance | None
) -> tuple[str, str]:
    """The axes as far as they are named, filled up with the most important others."""
    ranked = [*(found.shares if found is not None else ()), *names]
    rest = [n for n in dict.fromkeys(ranked) if n not in (x, y)]
    across = x if x is not None else rest.pop(0)
    return across, y if y is not None else rest[0]


def _surface(
    axes: Axes, pair: tuple[_Axis, _Axis], trials: Sequence[Trial], dots: PathCollection
) -> None:
    """Bands between the trials, where there are enough of them to tell."""
    from matplotlib.tri import Triangulation

    xs, ys = (axis.positions(trials) for axis in pair)
    values = np.asarray(dots.get_array(), dtype=float)
    norm = dots.norm
    known = np.isfinite(xs) & np.isfinite(ys)
    u = np.log(xs[known]) if pair[0].log else xs[known]
    v = np.log(ys[known]) if pair[1].log else ys[known]
    spots = np.unique(np.column_stack([u, v]), axis=0, return_index=True)[1]
    if len(spots) < FEWEST_FOR_BANDS or np.ptp(u) == 0 or np.ptp(v) == 0:
        return
    u, v = u[spots], v[spots]
    scaled = (u - u.min()) / np.ptp(u), (v - v.min()) / np.ptp(v)
    try:
        triangles = Triangulation(*scaled).triangles
    except (RuntimeError, ValueError):  # all on one line
        return
    where = np.flatnonzero(known)[spots]
    levels = np.linspace(norm.vmin or 0.0, norm.vmax or 0.0, 9)
    heights = np.clip(values[where], levels[0], levels[-1])
    if levels[-1] > levels[0] and np.ptp(heights) > 0:
        mesh = Triangulation(xs[where], ys[where], triangles)
        style: dict[str, Any] = {"cmap": dots.get_cmap(), "norm": norm, "alpha": 0.45}
        axes.tricontourf(mesh, heights, levels, **style)


FEWEST_FOR_BANDS = 12
"""Below so many different points there are dots only."""
