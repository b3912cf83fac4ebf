"""What is legal in a cell but probably not meant. Never a reason to stop."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from hpmagic.distributions import (
    MISSING,
    Choice,
    Distribution,
    Int,
    LogUniform,
    Uniform,
    literal_text,
)
from hpmagic.errors import nearest
from hpmagic.language.binding import Holder, Tuned
from hpmagic.language.cell import Draw, Lint
from hpmagic.language.comments import Misspelled
from hpmagic.language.layout import joinable
from hpmagic.language.source import Source
from hpmagic.language.usage import Readers, overwriting

__all__ = ["find_lints"]

_DECADES = 1000.0


def find_lints(
    values: Sequence[tuple[Tuned, Draw]],
    holders: Sequence[Holder],
    misspelled: Sequence[Misspelled],
    tree: ast.Module,
    source: Source,
) -> tuple[Lint, ...]:
    """The lints of a cell, in the order of their places."""
    lints = [
        Lint(
            "not-an-annotation",
            "this comment looks like an annotation but is read as text: those begin with `# tune:`",
            comment.place,
        )
        for comment in misspelled
    ]
    tuned = {id(draw.expression) for _, draw in values}
    for value, draw in values:
        distribution = draw.parameter.distribution
        if distribution is not None:
            lints += _of_range(value, distribution)
            lints += _of_default(draw, distribution, source)
        lints += _of_whole(value, draw, tuned, source)
    lints += _of_layout([value for value, _ in values], source)
    lints += _of_use([value for value, _ in values], holders, tree, source)
    return tuple(sorted(lints, key=lambda lint: (lint.place.line, lint.place.column)))


def _of_range(value: Tuned, distribution: Distribution) -> Iterator[Lint]:
    if distribution.size == 1:
        yield Lint("single-value", f"{distribution} has one value: nothing is tuned", value.place)
    if isinstance(distribution, Uniform | Int):
        yield from _lowered(value, distribution)
        yield from _wide(value, distribution)


def _lowered(value: Tuned, distribution: Uniform | Int) -> Iterator[Lint]:
    written = next(a for a in value.recipe.arguments if a.keyword == "high")
    if written.value != distribution.high:
        yield Lint(
            "lowered-high",
            f"steps of {literal_text(distribution.step)} from {literal_text(distribution.low)} do "
            f"not meet {written.text}: the highest value is {literal_text(distribution.high)}",
            written.place,
        )


def _wide(value: Tuned, distribution: Uniform | Int) -> Iterator[Lint]:
    low, high = distribution.low, distribution.high
    if low <= 0 or high < low * _DECADES * (1 - 1e-9):
        return
    if isinstance(distribution, Int):
        if distribution.log:
            return
        better: Distribution = Int(distribution.low, distribution.high, log=True)
    else:
        better = LogUniform(low, high)
    yield Lint(
        "wide-linear-range",
        f"{distribution} is linear over three decades or more, so that nine draws in ten are in "
        f"the highest: did you mean `{better}`?",
        value.place,
    )


def _of_default(draw: Draw, distribution: Distribution, source: Source) -> Iterator[Lint]:
    default: Any = draw.parameter.default
    if default is MISSING or distribution.contains(default):
        return
    code = "default-outside"
    if isinstance(distribution, Choice):
        code = "default-not-an-option"
        hint = nearest(default, distribution.labels) if isinstance(default, str) else ""
        problem = f"is none of {distribution}{hint}"
    elif isinstance(default, bool) or not isinstance(default, int | float):
        problem = f"is not a number, as {distribution} gives"
    elif isinstance(distribution, Int) and not isinstance(default, int):
        problem = f"is not an integer, as {distribution} gives"
    elif isinstance(distribution, Int | Uniform) and (
        distribution.low <= default <= distribution.high
    ):
        problem = f"is not one of the steps of {distribution}"
    else:
        problem = f"lies outside {distribution}"
    message = f"the written value {literal_text(default)} {problem}"
    yield Lint(code, message, source.place_of(draw.expression))


def _of_whole(value: Tuned, draw: Draw, tuned: set[int], source: Source) -> Iterator[Lint]:
    """``model = SVC(C=1.0)  # tune: loguniform(...)``: the model itself would be a number."""
    whole = value.slot.value
    if value.recipe.deferred or draw.parameter.default is not MISSING:
        return
    if isinstance(whole, ast.Call):
        constant = [k for k in whole.keywords if isinstance(k.value, ast.Constant)]
        names = [(k.arg, id(k.value)) for k in constant if k.arg]
        lost = f"no `{ast.unparse(whole.func)}(...)`"
    elif isinstance(whole, ast.Dict):
        items = zip(whole.keys, whole.values, strict=True)
        names = [(ast.unparse(key), id(value)) for key, value in items if key is not None]
        lost = "no dict"
    else:
        return
    if names:
        part, _ = min(names, key=lambda pair: pair[1] in tuned)
        yield Lint(
            "whole-call" if isinstance(whole, ast.Call) else "whole-dict",
            f"`{value.named.name}` itself is tuned, so that it is {lost} in other trials; to tune "
            f"{part}, put this behind it, on a line of its own",
            source.place_of(whole),
        )


def _of_layout(tuned: Sequence[Tuned], source: Source) -> Iterator[Lint]:
    """A comment inside brackets that Black would move."""
    inner = [v for v in tuned if v.slot.value is not getattr(v.site.statement, "value", None)]
    moved = joinable([value.annotation.comment for value in inner], source)
    for place in dict.fromkeys(moved.values()):
        yield Lint(
            "no-last-comma",
            "Black may join these lines and move the comment behind all of them: put a comma here",
            place,
        )


def _of_use(
    tuned: Sequence[Tuned], holders: Sequence[Holder], tree: ast.Module, source: Source
) -> Iterator[Lint]:
    if not tuned:
        return
    expressions = [
        a.expression for v in tuned for a in v.recipe.deferred if a.expression is not None
    ]
    templates = [v.annotation.name.template for v in tuned if v.annotation.name is not None]
    targets = [holder.target for holder in holders if holder.target is not None]
    options = [n for holder in holders for n in holder.purpose.expressions]
    readers = Readers(tree, [n for n in (*expressions, *templates, *options) if n is not None])
    measured = {node.id for node in targets if isinstance(node, ast.Name)}
    for value in tuned:
        variable, slot = value.variable, value.slot
        if slot.parameter is not None:
            name, place = value.slot.named, value.place
            if name is not None and not readers.read(name.name):
                yield Lint("never-read", f"`{name.name}` is tuned, but nothing reads it", place)
        # The attributes of a class are read by whoever has an object of it.
        if variable is None or variable.id in measured or value.site.context.scope == "class":
            continue
        place = source.place_of(variable)
        if not readers.read(variable.id):
            yield Lint(
                "never-read", f"`{variable.id}` is tuned, but nothing in this cell reads it", place
            )
            continue
        again = overwriting(value.site, variable.id)
        if again is not None:
            yield Lint(
                "overwritten",
                f"`{variable.id}` is tuned, but line {again.lineno} overwrites it before anything "
                "reads it",
                place,
            )
