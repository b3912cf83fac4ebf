"""What a study would do, said before it does anything: ``--plan``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.language.cell import TunableCell
from hpmagic.records import Objective, Origin
from hpmagic.space import SearchSpace

__all__ = ["Plan"]


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

    def __str__(self) -> str:
        from hpmagic.display.text import space_table

        aims = ", ".join(f"{o.direction} {o.name}" for o in self.objectives)
        count = f"{self.trials} trials" if self.trials else "as many trials as its plan has"
        lines = [f"{self.tuner} would {aims} with {count}.", "", space_table(self.space), ""]
        lines.append(f"Size: {_size(self.space)}")
        for origin, values in self.first:
            text = ", ".join(f"{name}={value}" for name, value in values.items())
            lines.append(f"First: {text or 'the values written in the code'} ({origin})")
        lines += [f"Note: {remark}" for remark in self.remarks]
        lines += [f"Warning: {lint}" for lint in self.cell.lints]
        return "\n".join(lines)

    __repr__ = __str__


def _size(space: SearchSpace) -> str:
    sizes = {
        p.name: p.distribution.size if p.distribution is not None else None
        for p in space.parameters
    }
    open_ended = [name for name, size in sizes.items() if size is None]
    if open_ended:
        return f"a continuum ({', '.join(open_ended)})"
    product = math.prod(size or 1 for size in sizes.values())
    arithmetic = " x ".join(f"{name} {size}" for name, size in sizes.items())
    most = "at most " if any(p.conditional for p in space.parameters) else ""
    return f"{arithmetic} = {most}{product:,} combinations" if sizes else "nothing is tuned"
