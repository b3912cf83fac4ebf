"""Two small charts as SVG: the objective by trial, and a metric by step.

The marks carry classes only. Inline in a page, its style sheet colours them with the theme's own
variables; as an image of its own (`as_image`) they bring colours for light and dark along.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from hpmagic.display.progress import Point
from hpmagic.display.words import number
from hpmagic.records import Direction, TrialState

__all__ = ["Scale", "as_image", "curves", "history", "scale_of"]

_T = TypeVar("_T")
WIDTH, HEIGHT = 380, 156
_TOP, _BOTTOM, _RIGHT = 10, 20, 38
_COLUMNS = 300
"""A chart holds at most a few marks for each of so many columns."""

SHAPES = (
    ".hpm-grid{stroke-width:1}.hpm-dots{stroke-width:4;stroke-linecap:round}"
    ".hpm-pruned{stroke-width:1}.hpm-line{stroke-width:1.75;stroke-linejoin:round}"
    ".hpm-mark{stroke-width:1.75}.hpm-yours{stroke-width:1;stroke-dasharray:4 3}"
    ".hpm-solid{stroke-dasharray:none;stroke-width:1.25}.hpm-bad{stroke-width:1.5}"
)
"""Widths and dashes of the marks, the same wherever a chart is shown."""

_IMAGE_STYLE = (
    "text{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#6b7280}"
    ".hpm-grid{stroke:#80808033}.hpm-dots{stroke:#80868f;stroke-opacity:.75}"
    ".hpm-pruned{stroke:#80868f}.hpm-line{stroke:#1a66d6}.hpm-mark{stroke:#1a66d6;fill:#fff}"
    ".hpm-yours{stroke:#80868f}.hpm-bad{stroke:#c2410c}.hpm-strong{fill:#1a66d6;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#a3a9b3}.hpm-dots,.hpm-pruned,.hpm-yours{stroke:"
    "#9aa0aa}.hpm-line{stroke:#6ea8fe}.hpm-mark{stroke:#6ea8fe;fill:#111}.hpm-bad{stroke:#fb923c}"
    ".hpm-strong{fill:#6ea8fe}}"
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to pixels from top to bottom; what lies beyond the range is drawn at its edge."""

    low: float
    high: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        share = 0.5 if high == low else (at - low) / (high - low)
        return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)

    def outside(self, value: float) -> bool:
        return not self.low <= value <= self.high

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            stride = max(1, math.ceil((last - first + 1) / 4))
            return [10.0**power for power in range(first, last + 1, stride)]
        if self.high == self.low:
            return [self.low]
        raw = (self.high - self.low) / 4.5
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(s * unit for s in (1, 2, 2.5, 5, 10) if s * unit >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        count = int((self.high - first * step) / step + 1e-9)
        return [round((first + i) * step, 12) for i in range(count + 1)]


@dataclass(frozen=True, slots=True)
class _Across:
    """Indices to pixels from left to right, in a chart ``width`` pixels wide."""

    width: int
    left: float
    first: float
    last: float

    def __call__(self, index: float) -> float:
        span = self.width - _RIGHT - self.left - 8
        return self.left + 4 + (index - self.first) / (self.last - self.first) * span


def scale_of(values: Sequence[float], direction: Direction | None, keep: Iterable[float]) -> Scale:
    """A range in which the good end is easy to read: hopeless outliers do not flatten the rest."""
    ordered = sorted(v for v in values if math.isfinite(v) and abs(v) < 1e300)
    kept = [v for v in keep if math.isfinite(v) and abs(v) < 1e300]
    if not ordered:
        ordered = sorted(kept) or [0.0, 1.0]
    low, high = ordered[0], ordered[-1]
    log = low > 0 and high / low > 300 and direction is not Direction.MAXIMIZE
    if not log and len(ordered) >= 8 and direction is not None:
        q1, q2, q3 = (ordered[int(len(ordered) * q)] for q in (0.25, 0.5, 0.75))
        reach = 4 * max(q3 - q1, 1e-12 * max(abs(q2), 1e-300))
        if direction is Direction.MAXIMIZE:
            low = max(low, q1 - reach)
        else:
            high = min(high, q3 + reach)
    low, high = min([low, *kept]), max([high, *kept])
    log = log and low > 0
    if low == high:
        pad = abs(low) * 0.05 or 0.5
        return Scale(low - pad, high + pad, log=False)
    if log:
        return Scale(low / 1.15, high * 1.15, log=True)
    pad = 0.05 * (high - low)
    return Scale(low - pad, high + pad, log=False)


def _frame(
    scale: Scale, left: float, width: int, x_labels: Sequence[tuple[float, str, str]]
) -> list[str]:
    parts = []
    ticks = scale.ticks()
    texts = _tick_texts(ticks)
    for tick, text in zip(ticks, texts, strict=True):
        y = scale(tick)
        parts.append(f'<path class="hpm-grid" d="M{left:.0f} {y:.1f}H{width - _RIGHT}"/>')
        parts.append(f'<text x="{left - 6:.0f}" y="{y + 3.8:.1f}" text-anchor="end">{text}</text>')
    for x, anchor, label in x_labels:
        parts.append(
            f'<text x="{x:.0f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{escape(label)}</text>'
        )
    return parts


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    return [escape(number(t, 5)) for t in ticks]


def _left(scale: Scale) -> float:
    longest = max((len(text) for text in _tick_texts(scale.ticks())), default=3)
    return min(14 + 6.4 * longest, 90)


def _svg(parts: Iterable[str], label: str, width: int) -> str:
    return (
        f'<svg class="hpm-chart" role="img" aria-label="{escape(label)}" width="{width}"'
        f' height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" fill="none">{"".join(parts)}</svg>'
    )


def history(
    points: Sequence[Point],
    direction: Direction,
    *,
    default: float | None,
    planned: int | None,
    label: str,
    width: int = WIDTH,
) -> str:
    """Trials as dots, the best so far as a stepped line, the person's own value as a dashed one.

    Pruned trials are hollow, failed ones a cross at the foot; a dot beyond the range sits at its
    edge. ``planned`` fixes the width of the axis in trials; ``label`` is the text alternative.
    """
    best = points[-1].best if points else None
    keep = [v for v in (best, default) if v is not None]
    values = [p.value for p in points if p.value is not None and p.state is TrialState.COMPLETE]
    scale = scale_of(values, direction, keep)
    left = _left(scale)
    last = max(_round_up(len(points)) if planned is None else planned, len(points), 2) - 1
    x_at = _Across(width, left, 0, last)
    ends = [(left, "start", "trial 0"), (width - _RIGHT, "end", f"{last:,}")]
    parts = _frame(scale, left, width, ends)
    foot = HEIGHT - _BOTTOM - 3
    dots: dict[tuple[int, int], None] = {}
    hollow: dict[tuple[int, int], None] = {}
    crosses: dict[int, None] = {}
    fine = max(1.0, len(points) / _COLUMNS)
    for index, point in enumerate(points):
        x = x_at(index - index % fine if fine > 1 else index)
        if point.state is TrialState.FAILED:
            crosses[round(x)] = None
        elif point.value is not None and not math.isnan(point.value):
            spot = (round(x), round(scale(point.value)))
            (dots if point.state is TrialState.COMPLETE else hollow)[spot] = None
    if default is not None:
        y = scale(default)
        parts.append(f'<path class="hpm-yours" d="M{left:.0f} {y:.1f}H{width - _RIGHT}"/>')
    parts.append(_dots(_thin(list(dots)), "hpm-dots"))
    rings = "".join(f"M{x - 2} {y}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0" for x, y in _thin(list(hollow)))
    parts.append(f'<path class="hpm-pruned" d="{rings}"/>' if rings else "")
    marks = "".join(f"M{x - 2.5:g} {foot - 2.5:g}l5 5m0 -5l-5 5" for x in _thin(list(crosses)))
    parts.append(f'<path class="hpm-bad" d="{marks}"/>' if marks else "")
    parts += _best_line(points, scale, x_at)
    parts += _end_labels(scale, width, best, default)
    return _svg(parts, label, width)


def _best_line(points: Sequence[Point], scale: Scale, x_at: _Across) -> list[str]:
    steps: list[tuple[float, float]] = []
    for index, point in enumerate(points):
        if point.best is not None and (not steps or point.best != steps[-1][1]):
            steps.append((x_at(index), point.best))
    if not steps:
        return []
    path = f"M{steps[0][0]:.1f} {scale(steps[0][1]):.1f}"
    path += "".join(f"H{x:.1f}V{scale(v):.1f}" for x, v in steps[1:])
    path += f"H{x_at(len(points) - 1):.1f}"
    x, value = steps[-1]
    return [
        f'<path class="hpm-line" d="{path}"/>',
        f'<circle class="hpm-mark" cx="{x:.1f}" cy="{scale(value):.1f}" r="3.5"/>',
    ]


def _end_labels(scale: Scale, width: int, best: float | None, default: float | None) -> list[str]:
    """'best' and 'yours' at the right end of their lines, kept apart."""
    x = width - _RIGHT + 5
    parts = []
    at = scale(best) if best is not None else None
    if best is not None and at is not None:
        parts.append(f'<text class="hpm-strong" x="{x}" y="{at + 3.8:.1f}">best</text>')
    if default is not None and default != best:
        y = scale(default)
        if at is not None and abs(y - at) < 12:
            y = at + 12 if y >= at else at - 12
            if y > HEIGHT - _BOTTOM + 4 or y < _TOP - 4:
                y = 2 * at - y
        parts.append(f'<text x="{x}" y="{y + 3.8:.1f}">yours</text>')
    return parts


def curves(
    current: Sequence[tuple[int, float]],
    best: Sequence[tuple[int, float]],
    direction: Direction | None,
    *,
    label: str,
    width: int = WIDTH,
) -> str:
    """The running trial's metric by step in front of the best trial's."""
    values = [v for _, v in (*current, *best) if math.isfinite(v)]
    scale = scale_of(values, direction, [current[-1][1]] if current else [])
    left = _left(scale)
    steps = [step for step, _ in (*current, *best)] or [0, 1]
    first, last = min(steps), max(*steps, min(steps) + 1)
    x_at = _Across(width, left, first, last)
    ends = [(left, "start", f"step {first:,}"), (width - _RIGHT, "end", f"{last:,}")]
    parts = _frame(scale, left, width, ends)
    for name, points in (("hpm-yours hpm-solid", best), ("hpm-line", current)):
        finite = [(x_at(s), scale(v)) for s, v in _thin(points) if math.isfinite(v)]
        if len(finite) == 1:
            parts.append(_dots([(round(finite[0][0]), round(finite[0][1]))], f"{name} hpm-dots"))
        elif finite:
            path = "L".join(f"{x:.0f} {y:.1f}" for x, y in finite)
            parts.append(f'<path class="{name}" d="M{path}"/>')
    x = width - _RIGHT + 5
    if best and math.isfinite(best[-1][1]):
        parts.append(f'<text x="{x}" y="{scale(best[-1][1]) + 3.8:.1f}">best</text>')
    return _svg(parts, label, width)


def as_image(svg: str) -> str:
    """A chart's SVG as a data URI with colours of its own, for light and for dark surroundings."""
    alone = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, _, rest = alone.partition(">")
    text = f"{head}><style>{SHAPES}{_IMAGE_STYLE}</style>{rest}"
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode("ascii")


def _dots(spots: Iterable[tuple[int, int]], name: str) -> str:
    path = "".join(f"M{x} {y}h0" for x, y in spots)
    return f'<path class="{name}" d="{path}"/>' if path else ""


def _thin(items: Sequence[_T], most: int = 2 * _COLUMNS) -> Sequence[_T]:
    """At most ``most`` of the items, evenly, the last one included."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _round_up(many: int) -> int:
    """The next of 10, 20, 50, 100, ...: an axis without an end that seldom moves."""
    unit = 10
    while True:
        for factor in (1, 2, 5):
            if many <= factor * unit:
                return factor * unit
        unit *= 10
