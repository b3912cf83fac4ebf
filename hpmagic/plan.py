"""What a study would do, said before it does anything: ``--plan``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hpmagic.distributions import label_of
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
        lines += [f"Note: {remark}" for remark in self.remarks]
        lines += [f"Warning: {lint}" for lint in self.cell.lints]
        return "\n".join(lines)

    __repr__ = __str__


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
