"""From a cell's text to a `TunableCell`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from hpmagic.distributions import MISSING, is_literal, literal_text
from hpmagic.errors import AnnotationError
from hpmagic.language.binding import Holder, Tuned, bind
from hpmagic.language.cell import Draw, Mark, Once, TunableCell
from hpmagic.language.comments import Comment, Misspelled, find_comments
from hpmagic.language.fingerprint import constants_of, fingerprint_of
from hpmagic.language.grammar import read_annotation
from hpmagic.language.lint import find_lints
from hpmagic.language.literals import NotLiteral, TooLarge, literal_value
from hpmagic.language.naming import qualified
from hpmagic.language.sites import Context, end_of, exclude_each_other, start_of
from hpmagic.language.source import Source
from hpmagic.records import Direction, Objective
from hpmagic.space import Parameter, SearchSpace

__all__ = ["parse_cell"]


def parse_cell(
    text: str, filename: str = "<cell>", *, python: str | None = None, first_line: int = 1
) -> TunableCell:
    """Read a cell.

    Args:
        text: the cell as written, without its ``%%tune`` line.
        filename: for messages.
        python: the same cell, line for line, with IPython's syntax replaced; ``text`` when None.
        first_line: the number, in the file or cell, of the text's first line.

    Raises:
        SyntaxError: the cell is not Python.
        AnnotationError: an annotation cannot be understood; nothing has run. It is about the first
            such annotation; notes name the others.

    >>> cell = parse_cell("lr = 0.1  # tune: loguniform(1e-4, 1)")
    >>> [str(parameter.distribution) for parameter in cell.space.parameters]
    ['loguniform(0.0001, 1)']
    """
    source = Source.read(text, python, filename, first_line)
    tree = source.parse()
    comments = find_comments(source)
    bound = _bind_all(comments, tree, source)
    values = [b for b in bound if isinstance(b, Tuned)]
    holders = [b for b in bound if isinstance(b, Holder)]
    draws = _draws(values)
    space = _space(draws)
    _refuse_two_defaults(values, draws)
    marks = _marks([h for h in holders if h.purpose.role != "once"])
    once = _once([h for h in holders if h.purpose.role == "once"], draws, marks)
    tuned = [draw.expression for draw in draws]
    return TunableCell(
        text=text,
        python=text if python is None else python,
        filename=filename,
        tree=tree,
        draws=tuple(draws),
        marks=tuple(marks),
        once=tuple(once),
        space=space,
        constants=constants_of(tree, tuned, [mark.statement for mark in marks]),
        lints=find_lints(
            list(zip(values, draws, strict=True)),
            holders,
            [c for c in comments if isinstance(c, Misspelled)],
            tree,
            source,
        ),
        fingerprint=fingerprint_of(tree, tuned),
    )


def _bind_all(
    comments: Sequence[Comment | Misspelled], tree: ast.Module, source: Source
) -> list[Tuned | Holder]:
    """Every annotation bound; all of them are tried before the first error is raised."""
    bound: list[Tuned | Holder] = []
    errors: list[AnnotationError] = []
    for comment in comments:
        if isinstance(comment, Comment):
            try:
                bound.append(bind(read_annotation(comment, source), tree, source))
            except AnnotationError as error:
                errors.append(error)
    if errors:
        for other in errors[1:]:
            errors[0].add_note(f"also at line {other.place.line}: {other.msg}")
        raise errors[0]
    _refuse_two(bound)
    return bound


def _refuse_two(bound: Sequence[Tuned | Holder]) -> None:
    """One value has one annotation, and so has one statement."""
    seen: dict[int, int] = {}
    for item in bound:
        node: ast.AST = item.site.statement
        if isinstance(item, Tuned) and item.slot.value is not getattr(node, "value", None):
            node = item.slot.value
        place = item.annotation.item.place
        if id(node) in seen:
            raise AnnotationError(
                f"this has an annotation already, at line {seen[id(node)]}: one is enough", place
            )
        seen[id(node)] = place.line


def _draws(values: Sequence[Tuned]) -> list[Draw]:
    names = qualified([value.named for value in values])
    draws: list[Draw] = []
    for value, name in zip(values, names, strict=True):
        given = value.annotation.name
        recipe = value.recipe
        parameter = Parameter(
            name=name,
            distribution=None if recipe.deferred else recipe.build(),
            text=recipe.text,
            default=_default(value.slot.value),
            grid_points=value.annotation.grid_points,
            conditional=value.conditional,
            kind=value.annotation.kind,
            line=value.slot.start[0],
        )
        template = given.template if given else None
        draws.append(Draw(parameter, recipe, value.slot.value, recipe.place, template))
    return draws


def _default(node: ast.expr) -> object:
    try:
        value = literal_value(node)
    except (NotLiteral, TooLarge):
        return MISSING
    return value if is_literal(value) else MISSING


def _space(draws: Sequence[Draw]) -> SearchSpace:
    """One parameter a name. Written in several places, it is the first of them."""
    known: dict[str, Draw] = {}
    for draw in draws:
        parameter = draw.parameter
        first = known.setdefault(parameter.name, draw)
        if first is draw:
            continue
        if not first.recipe.same_as(draw.recipe):
            raise AnnotationError(
                f"`{parameter.name}` has two different spaces: {first.parameter.text} at line "
                f"{first.parameter.line} and {parameter.text} here; give one of them another name "
                "with name=...",
                draw.place,
            )
        merged = replace(
            first.parameter,
            conditional=first.parameter.conditional and parameter.conditional,
            grid_points=first.parameter.grid_points or parameter.grid_points,
            kind=first.parameter.kind or parameter.kind,
        )
        known[parameter.name] = replace(first, parameter=merged)
    return SearchSpace(tuple(draw.parameter for draw in known.values()))


def _refuse_two_defaults(values: Sequence[Tuned], draws: Sequence[Draw]) -> None:
    """A name has one value in a trial: what is written at its places must be one, too."""
    written: dict[str, list[tuple[Context, Parameter]]] = {}
    for value, draw in zip(values, draws, strict=True):
        context, parameter = value.site.context, draw.parameter
        # Braces make names that are known in the kernel only.
        if draw.name is not None or parameter.default is MISSING:
            continue
        before = written.setdefault(parameter.name, [])
        for other, earlier in before:
            if earlier.default != parameter.default and not exclude_each_other(other, context):
                raise AnnotationError(
                    f"`{parameter.name}` is written as {literal_text(earlier.default)} at line "
                    f"{earlier.line} and as {literal_text(parameter.default)} here: one name has "
                    "one value in a trial; give one of them another name with name=...",
                    draw.place,
                )
        before.append((context, parameter))


def _marks(holders: Sequence[Holder]) -> list[Mark]:
    named = [holder.named for holder in holders if holder.named is not None]
    # The same target assigned in several places is one metric.
    texts = {(n.owner, n.name) for n in named}
    twice = {name for _, name in texts if sum(other == name for _, other in texts) > 1}
    marks: list[Mark] = []
    lines: dict[str, tuple[str, int]] = {}
    for holder, name in zip(holders, named, strict=True):
        assert holder.target is not None
        purpose, site = holder.purpose, holder.site
        text = f"{name.owner}.{name.name}" if name.owner and name.name in twice else name.name
        before = lines.setdefault(text, (purpose.role, purpose.place.line))
        if before[0] != purpose.role:
            raise AnnotationError(
                f"`{text}` is `{before[0]}` at line {before[1]} and `{purpose.role}` here: "
                "give one of them another name with name=...",
                purpose.place,
            )
        objective = None if purpose.role == "metric" else Objective(text, Direction(purpose.role))
        marks.append(
            Mark(
                text,
                objective,
                site.statement,
                holder.target,
                site.context.loop_of(purpose.step),
                purpose.place,
                purpose.patience,
                purpose.min_delta,
                purpose.best,
                purpose.step,
            )
        )
    return marks


def _once(holders: Sequence[Holder], draws: Sequence[Draw], marks: Sequence[Mark]) -> list[Once]:
    once: list[Once] = []
    for holder in holders:
        statement = holder.site.statement
        begin, end = start_of(statement), end_of(statement)
        changing = [(start_of(d.expression), "is tuned") for d in draws]
        changing += [(start_of(m.statement), "is measured") for m in marks]
        for position, what in changing:
            if begin <= position < end:
                raise AnnotationError(
                    f"once: line {position[0]} {what}, so this statement must run in every trial",
                    holder.purpose.place,
                )
        once.append(Once(statement, holder.purpose.place))
    return once
