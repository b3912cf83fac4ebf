"""Figures of a study, drawn with matplotlib's objects only: no pyplot, no global state."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from hpmagic.display.chart import Scale, scale_of
from hpmagic.display.words import abridged, clean, count, number
from hpmagic.effects import FEWEST, importances
from hpmagic.errors import OptionError, nearest
from hpmagic.ranking import best_so_far, best_trial, default_trial, pareto_front
from hpmagic.records import Direction, Objective, StudyRecord, Trial, TrialState

__all__ = ["KINDS", "StudyFigure", "plot"]

BLUE, GREY, ORANGE, LINE = "#1a66d6", "#8a9099", "#c2570c", "#e4e6ea"
INK, SOFT = "#22262c", "#666d78"


class StudyFigure(Figure):
    """A matplotlib figure that shows itself in a notebook, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=144, bbox_inches="tight")
        return target.getvalue()


def plot(record: StudyRecord, kind: str = "history", **options: Any) -> Figure:
    """A figure of a study.

    Args:
        record: the study.
        kind: "history" (objective by trial), "parallel" (all values of each trial as a line),
            "importance" (what explains the objective), "slice" (objective by each hyperparameter),
            "contour" (objective by two of them), or "curves" (a metric by step).
        options: ``objective=NAME`` (the first when left out); ``params=[...]`` for parallel and
            slice; ``x=NAME, y=NAME`` for contour; ``metric=NAME`` for curves.

    Raises:
        OptionError: an unknown kind, option or name; the message suggests the nearest.
    """
    from hpmagic.display import plots_space

    drawers: dict[str, Callable[..., StudyFigure]] = {
        "history": _history,
        "parallel": plots_space.parallel,
        "importance": _importance,
        "slice": plots_space.slices,
        "contour": plots_space.contour,
        "curves": _curves,
    }
    if kind not in drawers:
        raise OptionError(
            f"unknown plot `{kind}`{nearest(kind, KINDS)}; there are {', '.join(KINDS)}"
        )
    for option in options:
        if option not in _OPTIONS[kind]:
            known = ", ".join(_OPTIONS[kind])
            raise OptionError(f"{kind} has no option `{option}`; it has {known}")
    objectives = record.info.objectives
    names = [objective.name for objective in objectives]
    wanted = options.pop("objective", names[0] if names else None)
    if wanted not in names:
        raise OptionError(f"`{wanted}` is not an objective{nearest(str(wanted), names)}")
    return drawers[kind](record, names.index(wanted), **options)


KINDS: Final = ("history", "parallel", "importance", "slice", "contour", "curves")
_OPTIONS: Final = {
    "history": ("objective",),
    "parallel": ("objective", "params"),
    "importance": ("objective",),
    "slice": ("objective", "params"),
    "contour": ("objective", "x", "y"),
    "curves": ("objective", "metric"),
}


def label(text: str, limit: int = 30) -> str:
    """A name as a figure shows it: cut, and with nothing that matplotlib would read as markup."""
    return abridged(clean(text, 200), limit).replace("$", r"\$")


def figure(width: float = 7.2, height: float = 4.0) -> StudyFigure:
    """An empty figure in the house's style."""
    return StudyFigure(figsize=(width, height), layout="constrained", facecolor="white")


def message(text: str) -> StudyFigure:
    """A figure that says why there is nothing to draw."""
    empty = figure(6.4, 1.2)
    empty.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, wrap=True)
    return empty


def tidy(axes: Axes, title: str = "") -> None:
    """Calm axes: two spines, a light grid, a left-aligned title."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    axes.grid(visible=True, color=LINE, linewidth=0.8, alpha=0.7)
    axes.set_axisbelow(True)
    if title:
        axes.set_title(title, loc="left", fontsize=11, color=INK, pad=10)


def complete_of(record: StudyRecord, index: int) -> list[Trial]:
    """The complete trials whose objective is a number that can be drawn."""
    return [
        t
        for t in record.trials
        if t.state is TrialState.COMPLETE and t.values and abs(t.values[index]) < 1e300
    ]


def best_of(trials: Sequence[Trial], objective: Objective, index: int) -> Trial:
    """The best by one objective among complete trials."""
    return min(trials, key=lambda t: objective.direction.sign * (t.values or (math.inf,))[index])


def values_of(trials: Sequence[Trial], index: int) -> np.ndarray[Any, Any]:
    """The objective's values."""
    return np.array([(t.values or (math.nan,))[index] for t in trials], dtype=float)


def limit_values(
    axes: Axes, values: np.ndarray[Any, Any], direction: Direction, keep: Sequence[float] = ()
) -> np.ndarray[Any, Any]:
    """Set the value axis so that outliers do not flatten the rest; returns the values clipped."""
    scale = scale_of([float(v) for v in values], direction, keep)
    if scale.log:
        log_axis(axes, "y", scale.low, scale.high)
    axes.set_ylim(scale.low, scale.high)
    clipped: np.ndarray[Any, Any] = np.clip(values, scale.low, scale.high)
    return clipped


def log_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """A logarithmic axis with a few ticks in plain text; matplotlib's own take far longer."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    ticks = Scale(low, high, log=True).ticks()
    if len(ticks) < 2:
        ticks = [low, math.sqrt(low) * math.sqrt(high), high] if low < high else [low]
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(ticks, [number(tick, 3) for tick in ticks])
    axis.set_minor_locator(NullLocator())


def foot_marks(axes: Axes, xs: Sequence[float], word: str = "failed") -> None:
    """Crosses at the foot of the axes for trials without a value."""
    if not xs:
        return
    axes.plot(
        xs, [0.015] * len(xs), "x", color=ORANGE, markersize=5, clip_on=False,
        transform=axes.get_xaxis_transform(), label=word, zorder=4,
    )  # fmt: skip


def _history(record: StudyRecord, index: int) -> StudyFigure:
    objectives = record.info.objectives
    shown = range(len(objectives)) if len(objectives) > 1 else [index]
    if not any(complete_of(record, i) for i in shown):
        return message("no trial ran to its end, so there is no history to draw")
    two = len(objectives) == 2
    rows = len(shown) + two
    fig = figure(7.2, 3.8 if rows == 1 else 2.9 * rows)
    panels = list(np.atleast_1d(fig.subplots(rows, 1)))
    for axes, i in zip(panels, shown, strict=False):
        _history_panel(axes, record, i)
    if two:
        _front_panel(panels[-1], record)
    return fig


def _history_panel(axes: Axes, record: StudyRecord, index: int) -> None:
    objective = record.info.objectives[index]
    trials = complete_of(record, index)
    values = values_of(trials, index)
    best = best_of(trials, objective, index)
    best_value = (best.values or (0.0,))[index]
    default = default_trial(record.trials)
    yours = default.values[index] if default is not None and default.values else None
    keep = [best_value, *([yours] if yours is not None else [])]
    numbers = [t.number for t in trials]
    drawn = limit_values(axes, values, objective.direction, keep)
    # Values at the ends of the axis are drawn whole.
    axes.plot(numbers, drawn, "o", color=GREY, markersize=4, alpha=0.65, mew=0, clip_on=False)
    pruned = [t for t in record.trials if t.state is TrialState.PRUNED and t.values]
    if pruned:
        low, high = axes.get_ylim()
        heights = np.clip(values_of(pruned, index), low, high)
        axes.plot([t.number for t in pruned], heights, "o", mfc="none", mec=GREY, markersize=4,
                  clip_on=False)  # fmt: skip
    foot_marks(axes, [t.number for t in record.trials if t.state is TrialState.FAILED])
    line = _best_line(trials, objective, index)
    last = max(t.number for t in record.trials)
    xs = [x for x, _ in line] + [last]
    ys = np.clip([y for _, y in line] + [line[-1][1]], *axes.get_ylim())
    axes.plot(xs, ys, drawstyle="steps-post", color=BLUE, linewidth=2, clip_on=False)
    axes.plot(best.number, best_value, "o", mfc="white", mec=BLUE, mew=1.8, markersize=7, zorder=5,
              clip_on=False)  # fmt: skip
    _ends(axes, best_value, yours)
    axes.set_xlim(-0.02 * max(last, 1) - 0.5, last + 0.5 + 0.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial", color=SOFT, fontsize=9)
    states = [TrialState.PRUNED, TrialState.FAILED]
    tally = {s: sum(t.state is s for t in record.trials) for s in states}
    signs = {TrialState.PRUNED: "○", TrialState.FAILED: "×"}
    extra = "".join(f", {signs[s]} {n} {s}" for s, n in tally.items() if n)
    name = label(objective.name)
    came = (
        f"your {number(yours)} became {number(best_value)}"
        if yours is not None
        else (f"best {number(best_value)}")
    )
    if yours is not None and yours == best_value:
        came = f"your {number(yours)} was not beaten"
    tidy(axes, f"{name}: {came} in {count(len(record.trials), 'trial')}{extra}")


def _best_line(
    trials: Sequence[Trial], objective: Objective, index: int
) -> list[tuple[int, float]]:
    if index == 0:
        return best_so_far(trials, objective)
    line: list[tuple[int, float]] = []
    for trial in trials:
        value = (trial.values or (0.0,))[index]
        if line and not objective.direction.better(value, line[-1][1]):
            value = line[-1][1]
        line.append((trial.number, value))
    return line


def _ends(axes: Axes, best: float, yours: float | None) -> None:
    """'best' and 'yours' beside their lines, at the right."""
    across = axes.get_yaxis_transform()
    axes.text(1.01, best, "best", color=BLUE, weight="bold", va="center", fontsize=9,
              transform=across)  # fmt: skip
    if yours is not None and yours != best:
        axes.axhline(yours, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        to_pixels = axes.transData.transform
        gap = to_pixels((0, yours))[1] - to_pixels((0, best))[1]
        where = "center" if abs(gap) > 14 else ("bottom" if gap > 0 else "top")
        nudge = 0 if abs(gap) > 14 else (1 if gap > 0 else -1) * (8 - abs(gap) / 2)
        axes.annotate("yours", (1.01, yours), xycoords=across, xytext=(0, nudge), color=SOFT,
                      textcoords="offset points", va=where, fontsize=9,
                      annotation_clip=False)  # fmt: skip


def _front_panel(axes: Axes, record: StudyRecord) -> None:
    first, second = record.info.objectives
    trials = [t for t in complete_of(record, 0) if t in complete_of(record, 1)]
    front = sorted(pareto_front(trials, record.info.objectives), key=lambda t: t.values or ())
    axes.plot(values_of(trials, 0), values_of(trials, 1), "o", color=GREY, alpha=0.65, mew=0, ms=4)
    axes.plot(values_of(front, 0), values_of(front, 1), "o-", color=BLUE, linewidth=1.2, ms=5)
    default = default_trial(trials)
    if default is not None and default.values:
        spot = (default.values[0], default.values[1])
        axes.annotate("yours", spot, color=SOFT, fontsize=9, xytext=(6, 4),
                      textcoords="offset points")  # fmt: skip
    axes.set_xlabel(f"{label(first.name)} ({first.direction})", color=SOFT, fontsize=9)
    axes.set_ylabel(f"{label(second.name)} ({second.direction})", color=SOFT, fontsize=9)
    tidy(axes, f"{count(len(front), 'trial')} on the Pareto front")


def _importance(record: StudyRecord, index: int) -> StudyFigure:
    objective = record.info.objectives[index]
    trials = complete_of(record, index)
    found = importances(trials, objective, index)
    if found is None:
        why = (
            f"importance needs {FEWEST} complete trials, there are {len(trials)}"
            if len(trials) < FEWEST
            else f"{label(objective.name)} hardly varies, so nothing explains it"
        )
        return message(why)
    shares = dict(list(found.shares.items())[:20])
    fig = figure(6.8, 1.3 + 0.34 * len(shares))
    axes = fig.subplots()
    names = [label(name) for name in shares]
    sizes = list(shares.values())
    colours = [BLUE if found.clear and share >= 0.1 else GREY for share in sizes]
    places = range(len(names))
    axes.barh(places, sizes, color=colours, height=0.62)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    for place, (name, share) in enumerate(shares.items()):
        effect = found.effects[name]
        axes.plot([effect.low, effect.high], [place, place], color=INK, linewidth=1.2)
        axes.text(
            max(share, effect.high) + 0.012,
            place,
            f"{share:.0%}",
            va="center",
            fontsize=9,
            color=SOFT,
        )
    longest = max(found.effects[name].high for name in shares)
    axes.set_xlim(0, max([*sizes, longest]) * 1.12 + 0.02)
    name = label(objective.name)
    title = (
        f"{names[0]} matters most for {name}" if found.clear else f"Nothing clear explains {name}"
    )
    tidy(axes, title)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(
        f"share of the variation, Gaussian process fitted to {count(found.trials, 'trial')}, "
        f"R² {found.fit:.2f} on trials it did not see",
        color=SOFT,
        fontsize=8.5,
    )
    axes.tick_params(axis="y", colors=INK)
    return fig


def _curves(record: StudyRecord, index: int, metric: str | None = None) -> StudyFigure:
    reported = dict.fromkeys(name for t in record.trials for name in t.curves)
    if not reported:
        return message("no trial reported a metric by step: mark one inside a loop")
    objective = record.info.objectives[index]
    wanted = metric or (objective.name if objective.name in reported else next(iter(reported)))
    if wanted not in reported:
        raise OptionError(f"no curve is called `{wanted}`{nearest(wanted, reported)}")
    fig = figure()
    axes = fig.subplots()
    by_state: dict[bool, list[np.ndarray[Any, Any]]] = {True: [], False: []}
    for trial in record.trials:
        points = np.array(trial.curves.get(wanted, ()), dtype=float).reshape(-1, 2)
        if len(points):
            by_state[trial.state is TrialState.COMPLETE].append(points)
    many = sum(map(len, by_state.values()))
    alpha = min(0.7, max(0.08, 25 / many))
    for whole, curves in by_state.items():
        style = "solid" if whole else (0, (2, 2))
        axes.add_collection(
            LineCollection(curves, colors=GREY, alpha=alpha, linewidths=1, linestyles=[style])
        )
        ends = np.array([curve[-1] for curve in curves]).reshape(-1, 2)
        if not whole and len(ends):
            axes.plot(ends[:, 0], ends[:, 1], "o", mfc="white", mec=GREY, markersize=3.5)
    every = np.concatenate([c for curves in by_state.values() for c in curves])
    finite = every[np.isfinite(every[:, 1])]
    direction = next(
        (o.direction for o in record.info.objectives if o.name == wanted), Direction.MINIMIZE
    )
    best = best_trial(record.trials, record.info.objectives)
    first, last = float(every[:, 0].min()), float(every[:, 0].max())
    pad = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - pad, last + pad)
    limit_values(axes, finite[:, 1], direction)
    if best is not None and best.curves.get(wanted):
        steps, heights = zip(*best.curves[wanted], strict=True)
        axes.plot(steps, heights, color=BLUE, linewidth=2, marker="o" if len(steps) == 1 else None)
        axes.annotate(f"best, trial {best.number}", (steps[-1], heights[-1]), xytext=(-4, 7),
                      textcoords="offset points", color=BLUE, fontsize=9, ha="right",
                      weight="bold")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step", color=SOFT, fontsize=9)
    stopped = f", {len(by_state[False])} stopped early (○)" if by_state[False] else ""
    tidy(axes, f"{label(wanted)} by step in {count(many, 'trial')}{stopped}")
    return fig
