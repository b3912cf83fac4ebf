"""Annotations to what they stand beside: tuned values, metrics and set-up statements."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from hpmagic.errors import AnnotationError, Place
from hpmagic.language.comments import Comment
from hpmagic.language.grammar import Annotation, Purpose
from hpmagic.language.naming import Named, name_of_owner, name_of_target
from hpmagic.language.recipe import Recipe
from hpmagic.language.sites import (
    Bracket,
    Context,
    Position,
    Site,
    Slot,
    end_of,
    find_site,
    start_of,
    values_in,
)
from hpmagic.language.source import Source

__all__ = ["Beside", "Holder", "bind"]

_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_EACH = "put each on a line of its own"


@dataclass(frozen=True)
class Holder:
    """A statement for a role; ``target`` is what a metric is read from."""

    annotation: Annotation
    purpose: Purpose
    site: Site
    target: ast.expr | None = None
    named: Named | None = None


@dataclass(frozen=True)
class Beside:
    """A value for a distribution, and the statement it stands in.

    ``variable`` says that the value is assigned to a plain name, so that its use can be followed.
    """

    annotation: Annotation
    recipe: Recipe
    site: Site
    slot: Slot
    named: Named
    variable: bool = False
    parameter: bool = False

    @property
    def conditional(self) -> bool:
        return self.site.context.conditional or self.slot.conditional


def bind(annotation: Annotation, tree: ast.Module, source: Source) -> Beside | Holder:
    """Find what an annotation belongs to.

    Raises:
        AnnotationError: nothing is there that could have this item, or more than one thing.
    """
    return _Binder(annotation, tree, source).bind()


class _Binder:
    def __init__(self, annotation: Annotation, tree: ast.Module, source: Source) -> None:
        self.annotation = annotation
        self.item = annotation.item
        self.tree = tree
        self.source = source
        self.comment: Comment = annotation.comment
        column = source.bytes_before(self.comment.line, self.comment.column)
        self.position: Position = (self.comment.line, column)
        self.line = self.comment.line

    def bind(self) -> Beside | Holder:
        site, inside = self._site()
        if isinstance(self.item, Purpose):
            return self._role(self.item, site, inside)
        return self._value(self.item, site, inside)

    # ---- the statement

    def _site(self) -> tuple[Site, bool]:
        """The statement, and whether the comment stands inside it."""
        site = find_site(self.tree, self.position)
        if site is not None and self._within(site):
            return site, True
        if self.comment.alone:
            return self._below(), False
        if site is None or self.line not in (site.statement.end_lineno, self._header_line(site)):
            self._fail("nothing on this line could be tuned or measured")
        return site, False

    def _within(self, site: Site) -> bool:
        if not site.compound:
            return self.position < end_of(site.statement)
        return self.position < _header_end(site.statement)

    def _header_line(self, site: Site) -> int | None:
        """The comment's own line, when it stands behind a header (whose colon is no node)."""
        if not site.compound:
            return None
        header = _header_end(site.statement)[0]
        between = [self.source.line(n) for n in range(header + 1, self.line)]
        here = self.source.line(self.line)[: self.comment.column]
        closing = "".join([*between, here if self.line > header else ""])
        return self.line if not closing.strip(" \t)]},:") else None

    def _below(self) -> Site:
        number = self.line + 1
        last = self.source.first_line + len(self.source.lines)
        while number < last and _blank(self.source.line(number)):
            number += 1
        line = self.source.line(number)
        column = len(line) - len(line.lstrip())
        site = find_site(self.tree, (number, self.source.bytes_before(number, column)))
        if site is None or start_of(site.statement)[0] != number:
            self._fail(
                "an annotation on its own line belongs to the statement below, but there is none"
            )
        if line[:column] != self.source.line(self.line)[: self.comment.column]:
            self._fail(
                "this annotation is not indented like the statement below it, to which it would belong"
            )
        self.line = number
        return site

    def _alone_on_line(self, site: Site, what: str) -> Site:
        """The one assignment of the line, or the statement when there is none."""
        around = [
            s for s in site.mates if self.line in (s.lineno, s.end_lineno) and not self._is_block(s)
        ]
        if not around:
            return site
        assignments = [s for s in (*around, site.statement) if isinstance(s, _ASSIGNMENTS)]
        if what == "statement" or len(assignments) != 1:
            self._fail(f"two statements stand on this line: {_EACH}")
        return Site(assignments[0], site.context, ())

    @staticmethod
    def _is_block(statement: ast.stmt) -> bool:
        return statement.lineno != statement.end_lineno

    # ---- values

    def _value(self, recipe: Recipe, site: Site, inside: bool) -> Beside:
        brackets, walruses = values_in(site)
        slot = self._in_brackets(brackets) if inside or self.comment.alone else None
        if slot is not None:
            return self._beside(recipe, site, slot)
        if not inside:
            alone = self._alone_on_line(site, "assignment")
            if alone.statement is not site.statement:
                site = alone
                brackets, walruses = values_in(site)
        if isinstance(site.statement, _ASSIGNMENTS):
            return self._assigned(recipe, site)
        return self._beside(recipe, site, self._only(site, brackets, walruses))

    def _in_brackets(self, brackets: Sequence[Bracket]) -> Slot | None:
        """The value of the comment's own line, in the innermost brackets that have one."""
        line = self._item_line()
        if line is None:
            return None
        for bracket in reversed([b for b in brackets if b.holds(self.position)]):
            here = [slot for slot in bracket.slots if self._on(line, slot)]
            named = [slot for slot in here if slot.named is not None]
            if not named and here:
                inner = [b for b in brackets if b.start > bracket.start and b.end <= bracket.end]
                named = [
                    s for b in inner for s in b.slots if s.named is not None and self._on(line, s)
                ]
            if not named and here and (self.annotation.name is not None or len(here) > 1):
                named = here
            if len(named) > 1:
                self._fail(f"{len(named)} values stand on this line: {_EACH}")
            if named or here:
                return (named or here)[0]
        return None

    def _item_line(self) -> int | None:
        """The line whose values count: that below a comment on its own line."""
        if not self.comment.alone or self.line != self.comment.line:
            return self.line
        number = self.line + 1
        while _blank(self.source.line(number)):
            if number > self.source.first_line + len(self.source.lines):
                return None
            number += 1
        return number

    def _on(self, line: int, slot: Slot) -> bool:
        if self.comment.alone:
            return slot.start[0] == line
        return slot.start <= self.position and line in (slot.start[0], slot.end[0])

    def _only(self, site: Site, brackets: list[Bracket], walruses: list[Slot]) -> Slot:
        """The one named value of a statement that is no assignment."""
        named = [s for b in brackets for s in b.slots if s.named is not None]
        values = {id(s.value): s for s in (*named, *walruses)}
        if len(values) == 1:
            return next(iter(values.values()))
        if values:
            names = ", ".join(s.named.name for s in values.values() if s.named is not None)
            self._fail(f"{len(values)} values could be meant ({names}): {_EACH}")
        self._nameless(site)

    def _nameless(self, site: Site) -> NoReturn:
        statement = site.statement
        if isinstance(statement, ast.For | ast.AsyncFor):
            target = statement.target
            name = f"{target.id}s" if isinstance(target, ast.Name) else "n"
            numbers = [
                node
                for node in ast.walk(statement.iter)
                if isinstance(node, ast.Constant) and type(node.value) is int
            ]
            value = numbers[-1].value if numbers else "10"
            text = self._text()
            self._fail(
                f"the header of a loop gives no name: write `{name} = {value}  # tune: {text}` "
                f"above it and `{name}` in it"
            )
        if isinstance(statement, ast.Return):
            self._fail("what is returned has no name: assign it to a name first")
        self._fail(
            "this statement assigns nothing that could be tuned: assign the value to a name first"
        )

    def _assigned(self, recipe: Recipe, site: Site) -> Beside:
        statement, within = site.statement, site.context.within
        assert isinstance(statement, _ASSIGNMENTS)
        target = _target(statement)
        if isinstance(target, ast.Tuple | ast.List | ast.Starred):
            self._fail(
                f"{len(getattr(target, 'elts', [0]))} names are assigned at once: {_EACH}",
                self.source.place_of(target),
            )
        if statement.value is None:
            self._fail("nothing is assigned here: a tuned value needs one to begin with")
        slot = Slot(statement.value, None, start_of(statement))
        if isinstance(statement, ast.AugAssign) and self.annotation.name is None:
            sign = self._line_part(statement)
            self._fail(
                f"`{sign}` is a change, not the value of `{ast.unparse(target)}`: "
                'say what it is, such as name="increment"'
            )
        named = name_of_target(target, within)
        if named is None and self.annotation.name is None:
            text = ast.unparse(target)
            self._fail(f'`{text}` gives no name: add one, such as name="lr"')
        plain = isinstance(target, ast.Name) and not isinstance(statement, ast.AugAssign)
        return Beside(self.annotation, recipe, site, slot, self._named(named), plain)

    def _line_part(self, statement: ast.AugAssign) -> str:
        text = ast.unparse(statement)
        return text if len(text) < 60 else "+="

    def _beside(self, recipe: Recipe, site: Site, slot: Slot) -> Beside:
        if slot.named is None and self.annotation.name is None:
            self._fail('this value has no name: add one, such as name="units"')
        parameter = isinstance(site.statement, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            slot.value is default
            for default in (*site.statement.args.defaults, *site.statement.args.kw_defaults)
        )
        return Beside(
            self.annotation, recipe, site, slot, self._named(slot.named), False, parameter
        )

    def _named(self, named: Named | None) -> Named:
        if self.annotation.name is not None:
            return Named(self.annotation.name.text)
        assert named is not None
        return named

    # ---- roles

    def _role(self, purpose: Purpose, site: Site, inside: bool) -> Holder:
        statement = site.statement
        if inside and self.line not in _edges(statement):
            self._fail(
                f"{purpose.role} belongs to a statement, but this is inside one: put it behind"
            )
        site = self._alone_on_line(site, "statement") if not inside else site
        if purpose.role == "once":
            return self._once(purpose, site)
        if isinstance(statement, _ASSIGNMENTS):
            if statement.value is None:
                self._fail("nothing is assigned here: a metric needs a value")
            target, named = self._measured(_target(statement), site)
        else:
            target, named = self._walrus(site)
        if purpose.patience is not None and site.context.loop is None:
            assert purpose.patience_place is not None
            self._fail(
                f"{purpose.role}: patience stops a loop, but this line is in none",
                purpose.patience_place,
            )
        return Holder(self.annotation, purpose, site, target, self._named(named))

    def _once(self, purpose: Purpose, site: Site) -> Holder:
        if site.context.inside is not None:
            self._fail(
                f"once is for statements of the cell itself, but this one is in a "
                f"{site.context.inside}"
            )
        return Holder(self.annotation, purpose, site)

    def _measured(self, target: ast.expr, site: Site) -> tuple[ast.expr, Named | None]:
        name = self.annotation.name
        if isinstance(target, ast.Tuple | ast.List):
            names = [ast.unparse(element) for element in target.elts]
            for element, text in zip(target.elts, names, strict=True):
                if name is not None and text == name.text:
                    return element, Named(text)
            self._fail(
                f"{len(names)} names are assigned at once: say which, such as "
                f'name="{names[0] if names else "loss"}"',
                self.source.place_of(target),
            )
        named = name_of_target(target, site.context.within)
        if named is None and isinstance(target, ast.Subscript):
            owner = name_of_owner(target.value)
            named = Named(owner) if owner else None
        if named is None and name is None:
            self._fail(f'`{ast.unparse(target)}` gives no name: add one, such as name="loss"')
        return target, named

    def _walrus(self, site: Site) -> tuple[ast.expr, Named]:
        _, walruses = values_in(site)
        if len(walruses) == 1 and not site.compound and walruses[0].named is not None:
            named = walruses[0].named
            return ast.copy_location(ast.Name(named.name, ast.Load()), walruses[0].value), named
        assert isinstance(self.item, Purpose)
        self._fail(f"{self.item.role} needs a line that assigns the value, such as `loss = ...`")

    # ---- what is wrong

    def _text(self) -> str:
        place = self.item.place
        return place.text[place.column : place.end_column]

    def _fail(self, message: str, place: Place | None = None) -> NoReturn:
        raise AnnotationError(message, place or self.item.place)


def _target(statement: ast.stmt) -> ast.expr:
    if isinstance(statement, ast.Assign):
        return statement.targets[0]
    assert isinstance(statement, ast.AnnAssign | ast.AugAssign)
    return statement.target


def _edges(statement: ast.stmt) -> set[int | None]:
    """The lines at a statement's ends and at those of its value."""
    value = getattr(statement, "value", None)
    lines = {statement.lineno, statement.end_lineno}
    return lines | ({value.lineno, value.end_lineno} if isinstance(value, ast.expr) else set())


def _header_end(statement: ast.stmt) -> Position:
    """Where the last expression of a compound statement's header ends."""
    blocks = ("body", "orelse", "finalbody", "handlers", "cases", "decorator_list")
    ends = [start_of(statement)]
    for name, child in ast.iter_fields(statement):
        if name in blocks:
            continue
        for node in ast.walk(ast.Module(child if isinstance(child, list) else [child], [])):
            if isinstance(node, ast.expr | ast.arg | ast.keyword):
                ends.append((node.end_lineno or 0, node.end_col_offset or 0))
    for decorator in getattr(statement, "decorator_list", []):
        ends.append(end_of(decorator))
    ends.append((statement.lineno, statement.col_offset))
    return max(ends)


def _blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")
