"""What a study would do, said before it does anything: ``--plan``."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from hpmagic.distributions import MISSING, label_of
from hpmagic.language.cell import TunableCell
from hpmagic.records import Objective, Origin
from hpmagic.space import SearchSpace

__all__ = ["Plan", "expected_trials"]


@dataclass(frozen=True)
class Plan:
    """The space as it was understood, its size, and what would run first.

    ``trials`` is None when the tuner's own plan decides. ``first`` are the person's combinations.
    """

    cell: TunableCell
    space: SearchSpace
    objectives: tuple[Objective, ...]
    tuner: str
    trials: int | None
    first: tuple[tuple[Origin, Mapping[str, object]], ...]
    remarks: tuple[str, ...] = ()
    course: tuple[str, ...] = ()
    """What would run once, and what in every trial."""
    repeats: int = 1

    def __str__(self) -> str:
        from hpmagic.display.text import space_table

        aims = ", ".join(f"{o.direction} {o.name}" for o in self.objectives)
        count = f"{self.trials} trials" if self.trials else "as many trials as its plan has"
        if self.repeats > 1:
            count += f", each run with up to {self.repeats} seeds"
        lines = [f"{self.tuner} would {aims} with {count}.", "", space_table(self.space), ""]
        lines.append(f"Size: {_size(self.space)}")
        for origin, values in self.first:
            text = ", ".join(f"{name}={label_of(value)}" for name, value in values.items())
            lines.append(f"First: {text or 'the values written in the code'} ({origin})")
        lines += [f"Course: {line}" for line in self.course]
        lines += [f"Note: {remark}" for remark in self.remarks]
        lines += [f"Warning: {lint.sentence}" for lint in self.cell.lints]
        return "\n".join(lines)

    __repr__ = __str__


def expected_trials(
    space: SearchSpace, size: int | None, by_hand: Iterable[Mapping[str, object]]
) -> int | None:
    """How many trials a tuner's own plan comes to, at most.

    Those that run besides count once, and not at all where they are combinations of the grid.

    Args:
        space: the search space.
        size: how many trials the tuner proposes when nothing else has run, None when unknown.
        by_hand: the values of the trials that run or ran besides; the others are as written.

    >>> from hpmagic.distributions import Int
    >>> from hpmagic.space import Parameter
    >>> space = SearchSpace((Parameter("depth", Int(2, 5), default=3),))
    >>> expected_trials(space, 4, [{}, {"depth": 9}, {"depth": 9}])
    5
    """
    if size is None:
        return None
    points = [{**space.defaults, **values} for values in by_hand]
    if size:
        known = [(p, p.distribution) for p in space.parameters if p.distribution is not None]
        grids = {p.name: set(map(drawn.key, p.grid())) for p, drawn in known}
        points = [point for point in points if not _on_grid(space, grids, point)]
    distinct = {tuple((n, _key(space, n, v)) for n, v in sorted(p.items())) for p in points}
    return size + len(distinct)


def _key(space: SearchSpace, name: str, value: object) -> Hashable:
    parameter = space.find(name)
    known = None if parameter is None else parameter.distribution
    return label_of(value) if known is None else known.key(value)


def _on_grid(
    space: SearchSpace, grids: Mapping[str, set[Hashable]], point: Mapping[str, object]
) -> bool:
    return all(
        (space[name].conditional and name not in point)
        or _key(space, name, point.get(name, MISSING)) in grid
        for name, grid in grids.items()
    )


def _size(space: SearchSpace) -> str:
    known = {p.name: p.distribution for p in space.parameters if p.distribution is not None}
    continua = [name for name, distribution in known.items() if distribution.size is None]
    if continua:
        return f"a continuum ({', '.join(continua)})"
    later = [name for name in space if name not in known or "{" in name]
    if later:
        return f"known once {', '.join(later)} is drawn"
    sizes = {name: distribution.size or 1 for name, distribution in known.items()}
    product = math.prod(sizes.values())
    arithmetic = " x ".join(f"{name} {size:,}" for name, size in sizes.items())
    most = "at most " if any(p.conditional for p in space.parameters) else ""
    return f"{arithmetic} = {most}{product:,} combinations" if sizes else "nothing is tuned"
