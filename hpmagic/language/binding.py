"""Annotations to what they stand beside: tuned values, metrics and set-up statements."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hpmagic.errors import AnnotationError, Place
from hpmagic.language.grammar import Annotation
from hpmagic.language.locating import Located, locate
from hpmagic.language.naming import Named, name_of_owner, name_of_target
from hpmagic.language.recipe import Recipe
from hpmagic.language.roles import Purpose
from hpmagic.language.sites import ASSIGNMENTS, Site, end_of, start_of
from hpmagic.language.slots import Bracket, Slot, named_on, named_within, outermost, slots_of
from hpmagic.language.source import Source

__all__ = ["Holder", "Tuned", "bind"]

_EACH: Final = "put each on a line of its own"
_CLOSE: Final = "close the bracket on the next line"


@dataclass(frozen=True)
class Tuned:
    """A value for a distribution, and the statement it stands in.

    ``variable`` is the plain name that the statement gives the whole value to, if it does.
    """

    annotation: Annotation
    recipe: Recipe
    site: Site
    slot: Slot
    named: Named
    variable: ast.Name | None = None

    @property
    def place(self) -> Place:
        return self.recipe.place

    @property
    def conditional(self) -> bool:
        return self.site.context.conditional or self.slot.conditional


@dataclass(frozen=True)
class Holder:
    """A statement for a role; ``target`` is what a metric is read from."""

    annotation: Annotation
    purpose: Purpose
    site: Site
    target: ast.expr | None = None
    named: Named | None = None

    @property
    def place(self) -> Place:
        return self.purpose.place


def bind(annotation: Annotation, tree: ast.Module, source: Source) -> Tuned | Holder:
    """Find what an annotation belongs to.

    Raises:
        AnnotationError: nothing is there that could have this item, or more than one thing.
    """
    located = locate(annotation.comment, annotation.item.place, tree, source)
    if isinstance(annotation.item, Purpose):
        return _RoleBinder(annotation, annotation.item, source).bind(located)
    return _ValueBinder(annotation, annotation.item, source).bind(located)


class _Binder:
    """What both kinds of annotation need."""

    def __init__(self, annotation: Annotation, place: Place, source: Source) -> None:
        self.annotation = annotation
        self.place = place
        self.source = source

    def error(self, message: str, at: ast.expr | None = None) -> AnnotationError:
        """An error with its caret under the item, or under a node of the cell."""
        return AnnotationError(message, self.place if at is None else self.source.place_of(at))

    def at_an_end(self, located: Located) -> bool:
        """Whether the comment, inside a statement, is on its first or last line or its value's."""
        statement = located.site.statement
        value = getattr(statement, "value", None)
        edges = {statement.lineno, statement.end_lineno}
        if isinstance(value, ast.expr):
            edges |= {value.lineno, value.end_lineno}
        return located.line in edges

    def alone(self, located: Located) -> Site:
        """The site of the line's one assignment; that of its statement when it assigns nothing.

        It must be the statement next to the comment: formatters put each on a line of its own.
        """
        mates = located.mates()
        if located.inside or len(mates) < 2:
            return located.site
        assignments = [statement for statement in mates if isinstance(statement, ASSIGNMENTS)]
        next_to_it = mates[0] if located.alone else mates[-1]
        if len(assignments) != 1 or assignments[0] is not next_to_it:
            raise self.error(f"{len(mates)} statements stand on this line: {_EACH}")
        return replace(located.site, statement=assignments[0])

    def refuse_amid(self, value: ast.expr, located: Located, around: Sequence[Bracket]) -> None:
        """``x = (a  # tune: ...`` with ``+ b)`` below: a formatter may put the line elsewhere."""
        within = start_of(value) < located.position < end_of(value) and not located.alone
        if within and not any(start_of(value) <= bracket.start for bracket in around):
            raise self.error("this stands amid a value: put it behind the value's end")

    def many_targets(self, target: ast.expr) -> list[str] | None:
        """The names that are assigned at once, None when there is one target."""
        if isinstance(target, ast.Tuple | ast.List):
            return [ast.unparse(element) for element in target.elts]
        return None


class _ValueBinder(_Binder):
    """Binds a distribution."""

    def __init__(self, annotation: Annotation, recipe: Recipe, source: Source) -> None:
        super().__init__(annotation, recipe.place, source)
        self.recipe = recipe
        self.name = annotation.name

    def bind(self, located: Located) -> Tuned:
        brackets, walruses = slots_of(located.site)
        tuned = self._bound(located, brackets, walruses)
        self._refuse_hanging(tuned, located, brackets)
        return tuned

    def _bound(self, located: Located, brackets: list[Bracket], walruses: list[Slot]) -> Tuned:
        around = [bracket for bracket in brackets if bracket.holds(located.position)]
        if self._behind_header(located):
            around = []
        slot = self._beside(located, around, brackets)
        if slot is not None:
            self.refuse_amid(slot.value, located, around)
            return self._slot(located.site, slot)
        decorator = located.decorator()
        if decorator is not None:
            apart = replace(located.site, statement=ast.Expr(decorator))
            return self._slot(located.site, self._only(located, apart, *slots_of(apart)))
        amid = located.inside and bool(around) and self._behind_another(located, around[-1])
        if amid or (located.inside and ((located.alone and around) or not self.at_an_end(located))):
            raise self._out_of_place(located, brackets)
        site = self.alone(located)
        if isinstance(site.statement, ASSIGNMENTS):
            if site.statement.value is not None:
                self.refuse_amid(site.statement.value, located, around)
            return self._assigned(site, site.statement)
        for node in site.expressions():
            self.refuse_amid(node, located, around)
        return self._slot(site, self._only(located, site, brackets, walruses))

    def _refuse_hanging(self, tuned: Tuned, located: Located, brackets: Sequence[Bracket]) -> None:
        """``model = SVC(C=1.0,`` with ``gamma=0.1)  # tune: ...`` below.

        A formatter puts the bracket on the next line or all on one, and the comment behind it.
        """
        begin, end = start_of(tuned.slot.value), min(end_of(tuned.slot.value), located.position)
        closed = [b for b in brackets if begin <= b.start and b.end <= end]
        closed = [bracket for bracket in closed if bracket.start[0] < located.line]
        for slot in named_on(located.line, brackets):
            if slot.named is not None and any(bracket.holds(slot.start) for bracket in closed):
                part, whole = slot.named.name, (tuned.slot.named or tuned.named).name
                raise self.error(
                    f"this could mean `{part}` or all of `{whole}`: for `{part}` {_CLOSE}, for "
                    f"`{whole}` put this alone above it"
                )

    def _out_of_place(self, located: Located, brackets: Sequence[Bracket]) -> AnnotationError:
        """The error for a comment that stands amid a statement."""
        here = outermost(named_on(located.line, brackets))
        if len(here) == 1 and here[0].named is not None and not located.alone:
            return self.error(
                f"this stands amid a value: put `{here[0].named.name}` on a line of its own inside "
                "the brackets, and this behind it"
            )
        return self.error("nothing here could be tuned: put it beside a value with a name")

    def _behind_another(self, located: Located, bracket: Bracket) -> bool:
        """Whether the comment follows something in the brackets that has no value to tune."""
        before = self.source.code_between(*bracket.start, *located.position)
        return bool(before.strip("([{"))

    def _behind_header(self, located: Located) -> bool:
        """Whether the comment stands behind the colon of a statement with blocks."""
        if not located.site.compound or located.inside or located.alone:
            return False
        return ":" in self.source.code_between(*located.site.end(), *located.position)

    def _beside(
        self, located: Located, around: Sequence[Bracket], brackets: Sequence[Bracket]
    ) -> Slot | None:
        """The value on the comment's line, in the innermost brackets that have one there."""
        for bracket in reversed(around):
            here = [slot for slot in bracket.slots if _on_line(slot, located, self.source)]
            named = [slot for slot in here if slot.named is not None]
            if not named and len(here) == 1:
                # `("svc", SVC(C=1.0)),` has a named value further in, perhaps on lines of its own.
                named = outermost(named_within(here[0].value, brackets))
            # Formatters put each on a line of its own: the comment stays with the one beside it.
            beside = sorted(here, key=lambda slot: slot.start)[0 if located.alone else -1 :][:1]
            apart = bool(named) and named[0] in here and named[0] not in beside
            if len(named) > 1 or apart or (not named and len(here) > 1):
                raise self.error(f"{max(len(named), len(here))} values stand on this line: {_EACH}")
            if named or here:
                return (named or here)[0]
        return None

    def _only(
        self, located: Located, site: Site, brackets: list[Bracket], walruses: list[Slot]
    ) -> Slot:
        """The one named value of a statement that is no assignment."""
        if isinstance(site.statement, ast.For | ast.AsyncFor):
            raise self._headless(site.statement)
        slots = [slot for bracket in brackets for slot in bracket.slots]
        named = {id(s.value): s for s in (*slots, *walruses) if s.named is not None}
        outer = outermost(list(named.values()))
        if len(outer) == 1:
            return outer[0]
        if named:
            names = ", ".join(slot.named.name for slot in named.values() if slot.named)
            meant = f"{len(named)} values could be meant ({names})"
            last = max(outer, key=lambda slot: slot.start)
            hanging = [slot.start[0] for slot in outer].count(located.line) == 1
            if hanging and last.start[0] == located.line and last.named is not None:
                raise self.error(f"{meant}: for `{last.named.name}` {_CLOSE}")
            raise self.error(f"{meant}: {_EACH}")
        if isinstance(site.statement, ast.Return):
            raise self.error("what is returned has no name: assign it to a name first")
        raise self.error("nothing here could be tuned: assign the value to a name")

    def _headless(self, loop: ast.For | ast.AsyncFor) -> AnnotationError:
        """``for epoch in range(10):`` tunes nothing that has a name: say how to give it one."""
        target = loop.target
        name = f"{target.id}s" if isinstance(target, ast.Name) else "n"
        numbers = [
            str(node.value)
            for node in ast.walk(loop.iter)
            if isinstance(node, ast.Constant) and type(node.value) is int
        ]
        value = numbers[0] if numbers else "10"
        text = self.place.text[self.place.column : self.place.end_column]
        return self.error(
            f"the header of a loop gives no name: write `{name} = {value}  # tune: {text}` above "
            f"it and `{name}` in it"
        )

    def _assigned(self, site: Site, statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Tuned:
        target = _target(statement)
        several = self.many_targets(target)
        if several is not None:
            raise self.error(f"{len(several)} names are assigned at once: {_EACH}", target)
        if statement.value is None:
            raise self.error("nothing is assigned here: a tuned value needs one to begin with")
        if isinstance(statement, ast.AugAssign) and self.name is None:
            raise self.error(
                f"this is a change, not the value of `{ast.unparse(target)}`: say what it is, "
                'such as name="increment"',
                statement.value,
            )
        named = name_of_target(target, site.context.within)
        if isinstance(target, ast.Name) and site.context.scope == "class":
            named = Named(target.id, site.context.within)
        if named is None and self.name is None:
            raise self.error(
                f'`{ast.unparse(target)}` gives no name: add one, such as name="lr"', target
            )
        slot = Slot(statement.value, named, start_of(statement))
        tuned = self._slot(site, slot)
        if isinstance(target, ast.Name) and not isinstance(statement, ast.AugAssign):
            return replace(tuned, variable=target)
        return tuned

    def _slot(self, site: Site, slot: Slot) -> Tuned:
        if not self.source.is_written(slot.value):
            raise self.error("this line is IPython's: only a value on a line of Python is tuned")
        named = slot.named if self.name is None else Named(self.name.text)
        if named is None:
            raise self.error('this value has no name: add one, such as name="units"', slot.value)
        return Tuned(self.annotation, self.recipe, site, slot, named)


class _RoleBinder(_Binder):
    """Binds a role."""

    def __init__(self, annotation: Annotation, purpose: Purpose, source: Source) -> None:
        super().__init__(annotation, purpose.place, source)
        self.purpose = purpose
        self.role = purpose.role

    def bind(self, located: Located) -> Holder:
        if located.inside and not (self.at_an_end(located) and not located.alone):
            raise self.error(f"{self.role} belongs to a statement: put it behind its end")
        if located.inside:
            brackets, _ = slots_of(located.site)
            around = [bracket for bracket in brackets if bracket.holds(located.position)]
            for node in located.site.expressions():
                self.refuse_amid(node, located, around)
        if self.role == "once":
            return self._once(located)
        site = self.alone(located)
        target, named = self._measured(site)
        if self.purpose.patience_place is not None and site.context.loop is None:
            raise AnnotationError(
                f"{self.role}: patience ends a loop, but this line is in none",
                self.purpose.patience_place,
            )
        return Holder(self.annotation, self.purpose, site, target, named)

    def _once(self, located: Located) -> Holder:
        site, mates = located.site, located.mates()
        scope = "loop" if site.context.loop is not None else site.context.scope
        if scope != "cell":
            raise self.error(
                f"once is for statements that run once a trial, but this one is in a {scope}"
            )
        if len(mates) > 1:
            raise self.error(f"{len(mates)} statements stand on this line: {_EACH}")
        return Holder(self.annotation, self.purpose, site)

    def _measured(self, site: Site) -> tuple[ast.expr, Named]:
        """What the metric is read from, and its name."""
        name, statement = self.annotation.name, site.statement
        if not isinstance(statement, ASSIGNMENTS):
            return self._expression(site)
        if statement.value is None:
            raise self.error("nothing is assigned here: a metric needs a value")
        target = _target(statement)
        several = self.many_targets(target)
        if several is not None and isinstance(target, ast.Tuple | ast.List):
            for element, text in zip(target.elts, several, strict=True):
                if name is not None and name.text == text:
                    return element, Named(text)
            raise self.error(
                f"{len(several)} names are assigned at once: say which, such as "
                f'name="{several[-1] if several else "loss"}"',
                target,
            )
        if name is not None:
            return target, Named(name.text)
        named = name_of_target(target, site.context.within)
        if named is None and isinstance(target, ast.Subscript):
            owner = name_of_owner(target.value)
            named = Named(owner) if owner else None
        if named is None:
            raise self.error(
                f'`{ast.unparse(target)}` gives no name: add one, such as name="loss"', target
            )
        return target, named

    def _expression(self, site: Site) -> tuple[ast.expr, Named]:
        """The assignment expression of a statement such as ``print(loss := step())``."""
        _, walruses = slots_of(site)
        named = walruses[0].named if len(walruses) == 1 and not site.compound else None
        if named is None:
            raise self.error(
                f"{self.role} needs a line that assigns the value, such as `loss = ...`"
            )
        target = ast.copy_location(ast.Name(named.name, ast.Load()), walruses[0].value)
        name = self.annotation.name
        return target, named if name is None else Named(name.text)


def _on_line(slot: Slot, located: Located, source: Source) -> bool:
    """Whether the comment is about a line on which the slot or its value begins or ends.

    Parentheses around the value may have lines of their own.
    """
    if located.alone:
        opened = located.line < slot.start[0] and not source.code_between(
            located.line, 0, *slot.start
        ).strip("(")
        return opened or located.line in (slot.start[0], slot.value.lineno)
    if located.position < slot.start:
        return False
    line, offset = slot.end
    return located.line in (slot.start[0], slot.value.lineno, line) or (
        slot.end <= located.position
        and not source.code_between(line, offset, *located.position).strip("),")
    )


def _target(statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> ast.expr:
    return statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
