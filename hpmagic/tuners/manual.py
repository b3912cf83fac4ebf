"""Manual search: the person's own combinations, in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hpmagic.distributions import MISSING, Choice, label_of
from hpmagic.errors import TunerError
from hpmagic.records import Trial
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext

__all__ = ["ManualTuner"]


class ManualTuner:
    """Leaves every choice to the person.

    The combinations from ``--try`` run first. Then come those of the lists in the cell, which are
    read side by side: the first values together, then the second ones, and so on. A list of one
    value holds for all of them, and what has no list is as written in the code.

    Raises:
        TunerError: there are no combinations, or the lists differ in length.

    >>> from hpmagic.records import Direction, Objective
    >>> from hpmagic.tuners.tree import ExecutionTree
    >>> space = SearchSpace(
    ...     (
    ...         Parameter("C", Choice((0.1, 10.0)), default=1.0),
    ...         Parameter("kernel", Choice(("rbf", "poly")), default="rbf"),
    ...     )
    ... )
    >>> aims = (Objective("accuracy", Direction.MAXIMIZE),)
    >>> tuner = ManualTuner(TunerContext(space, aims, None, 0, ExecutionTree()))
    >>> for combination in tuner.combinations:
    ...     print(combination)
    {'C': 0.1, 'kernel': 'rbf'}
    {'C': 10.0, 'kernel': 'poly'}
    """

    combinations: Sequence[Mapping[str, object]]
    """What the study is to run after the tries, values by name."""
    remark: str
    size: int | None = 0
    """It proposes nothing of its own."""

    def __init__(self, context: TunerContext) -> None:
        lists = {
            p.name: p.distribution.options
            for p in context.space.parameters
            if isinstance(p.distribution, Choice)
        }
        lengths = {len(options) for options in lists.values()} - {1}
        if not context.tries and not lists:
            raise TunerError(_nothing(context.space))
        if len(lengths) > 1 and not context.tries:
            raise TunerError(_uneven(lists))
        tries = f"{_count(len(context.tries), 'combination')} from --try"
        if len(lengths) > 1 or not lists:
            self.combinations = ()
            left_out = f"; {_sizes(lists)} values do not go side by side" if lists else ""
            self.remark = f"manual: your {tries}{left_out}"
            return
        rows = max(lengths, default=1)
        self.combinations = tuple(
            {name: options[row if len(options) > 1 else 0] for name, options in lists.items()}
            for row in range(rows)
        )
        listed = f"{_count(rows, 'combination')} from the lists of {', '.join(lists)}, side by side"
        self.remark = (
            f"manual: your {tries}, then {listed}" if context.tries else f"manual: {listed}"
        )

    def ask(self) -> None:
        """Nothing: the study runs the person's combinations, and there are no others."""

    def tell(self, trial: Trial) -> None:
        """There is nothing to learn."""


def _nothing(space: SearchSpace) -> str:
    example = ",".join(f"{p.name}={_example(p)}" for p in space.parameters[:2]) or "lr=0.1,depth=3"
    name = next(iter(space), "lr")
    return (
        "manual runs your own combinations, but there are none: name some with "
        f"`--try {example}` (may be repeated), or give a list in the cell, such as "
        f"`{name} = ...  # tune: [0.01, 0.1, 1.0]`"
    )


def _example(parameter: Parameter) -> str:
    if parameter.default is not MISSING:
        return label_of(parameter.default)
    return (
        "..." if parameter.distribution is None else label_of(parameter.distribution.from_unit(0.5))
    )


def _uneven(lists: Mapping[str, Sequence[object]]) -> str:
    example = ",".join(f"{name}={label_of(options[0])}" for name, options in lists.items())
    total = math.prod(map(len, lists.values()))
    return (
        f"manual reads lists side by side, but there are {_sizes(lists)} values: make the lists "
        f"equally long, name each combination with `--try {example}`, or take `grid` for all "
        f"{total:,} combinations"
    )


def _sizes(lists: Mapping[str, Sequence[object]]) -> str:
    sizes = [f"{name} {len(options)}" for name, options in lists.items()]
    return " and ".join(filter(None, [", ".join(sizes[:-1]), sizes[-1]]))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
