"""What stands where in a tree: the statements and values that an annotation can be beside."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hpmagic.language.naming import Named, name_of_item, name_of_owner, name_of_target

__all__ = ["Bracket", "Context", "Position", "Site", "Slot", "find_site", "start_of", "values_in"]

Position = tuple[int, int]
"""A line and a column in UTF-8 bytes, as the tree has them."""

Loop = ast.For | ast.AsyncFor | ast.While
_COMPOUND = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.If,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)
_BLOCKS = frozenset({"body", "orelse", "finalbody", "handlers", "cases"})


@dataclass(frozen=True)
class Context:
    """What a statement stands in. ``loop`` is the innermost one of the same function."""

    loop: Loop | None = None
    repeated: bool = False
    conditional: bool = False
    within: str | None = None
    inside: str | None = None
    """ "function", "class" or "loop": the innermost of these around the statement."""


@dataclass(frozen=True)
class Site:
    """A statement and its context. ``mates`` are the other statements of its block."""

    statement: ast.stmt
    context: Context
    mates: tuple[ast.stmt, ...]

    @property
    def compound(self) -> bool:
        """Whether it has a block of its own: then only its header counts."""
        return isinstance(self.statement, _COMPOUND)


@dataclass(frozen=True)
class Slot:
    """A value that could be tuned: an argument, an item, a default, an element.

    ``start`` is where the whole begins, its name included. ``conditional`` says that evaluating the
    statement may leave it out.
    """

    value: ast.expr
    named: Named | None
    start: Position
    conditional: bool = False

    @property
    def end(self) -> Position:
        return end_of(self.value)


@dataclass
class Bracket:
    """A pair of brackets with values in it."""

    start: Position
    end: Position
    slots: list[Slot] = field(default_factory=list)

    def holds(self, position: Position) -> bool:
        return self.start <= position < self.end


def start_of(node: ast.stmt | ast.expr | ast.keyword | ast.arg) -> Position:
    """Where a node begins; a decorated statement begins with its decorators."""
    decorators = getattr(node, "decorator_list", None)
    if decorators:
        first = decorators[0]
        return first.lineno, max(first.col_offset - 1, 0)
    return node.lineno, node.col_offset


def end_of(node: ast.stmt | ast.expr) -> Position:
    """Where a node ends."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def find_site(tree: ast.Module, position: Position) -> Site | None:
    """The innermost statement that begins at or before a position, as far as its header goes."""
    return _find(tree.body, position, Context())


def _find(block: Sequence[ast.stmt], position: Position, context: Context) -> Site | None:
    before = [statement for statement in block if start_of(statement) <= position]
    if not before:
        return None
    statement = before[-1]
    blocks = [
        (inner, around)
        for inner, around in _blocks(statement, context)
        if inner and start_of(inner[0]) <= position
    ]
    if blocks:
        return _find(*blocks[-1][:1], position, blocks[-1][1])
    mates = tuple(other for other in block if other is not statement)
    return Site(statement, context, mates)


def _blocks(statement: ast.stmt, context: Context) -> Iterator[tuple[list[ast.stmt], Context]]:
    """The blocks of a compound statement, in the order of writing, with their contexts."""
    branch = replace(context, conditional=True)
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield (
            statement.body,
            Context(None, True, True, context.within, "function"),
        )
    elif isinstance(statement, ast.ClassDef):
        inside = context.inside or "class"
        yield statement.body, replace(context, loop=None, within=statement.name, inside=inside)
    elif isinstance(statement, ast.For | ast.AsyncFor | ast.While):
        yield statement.body, replace(branch, loop=statement, repeated=True, inside="loop")
        yield statement.orelse, branch
    elif isinstance(statement, ast.If):
        yield statement.body, branch
        yield statement.orelse, branch
    elif isinstance(statement, ast.With | ast.AsyncWith):
        yield statement.body, context
    elif isinstance(statement, ast.Try | ast.TryStar):
        yield statement.body, context
        for handler in statement.handlers:
            yield handler.body, branch
        yield statement.orelse, branch
        yield statement.finalbody, context
    elif isinstance(statement, ast.Match):
        for case in statement.cases:
            yield case.body, branch


def values_in(site: Site) -> tuple[list[Bracket], list[Slot]]:
    """The brackets of a statement, outer before inner, and the assignment expressions in it."""
    gatherer = _Gatherer(site)
    gatherer.statement_itself()
    return gatherer.brackets, gatherer.walruses


class _Gatherer:
    """Collects the values of one statement."""

    def __init__(self, site: Site) -> None:
        self.brackets: list[Bracket] = []
        self.walruses: list[Slot] = []
        self.statement = site.statement
        self.target = _assigned_name(site)

    def statement_itself(self) -> None:
        self._here(self.statement, False)
        for name, child in ast.iter_fields(self.statement):
            if not (isinstance(self.statement, _COMPOUND) and name in _BLOCKS):
                self.gather(child, False)

    def gather(self, node: object, conditional: bool) -> None:
        if isinstance(node, list):
            for item in node:
                self.gather(item, conditional)
        elif isinstance(node, ast.AST):
            self._here(node, conditional)
            for child, later in _children(node, conditional):
                self.gather(child, later)

    def _here(self, node: ast.AST, conditional: bool) -> None:
        if isinstance(node, ast.Call):
            self._call(node, conditional)
        elif isinstance(node, ast.Dict):
            self._dict(node, conditional)
        elif isinstance(node, ast.arguments):
            self._defaults(node, conditional)
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            if isinstance(getattr(node, "ctx", None), ast.Store):
                return
            bracket = self._bracket(start_of(node), end_of(node))
            bracket.slots += [self._element(item, conditional) for item in node.elts]
        elif isinstance(node, ast.ClassDef):
            bracket = self._bracket(start_of(node), start_of(node.body[0]))
            self._keywords(bracket, node.keywords, node.name, conditional)
        elif isinstance(node, ast.NamedExpr):
            self.walruses.append(
                Slot(node.value, Named(node.target.id), start_of(node), conditional)
            )

    def _bracket(self, start: Position, end: Position) -> Bracket:
        bracket = Bracket(start, end)
        self.brackets.append(bracket)
        return bracket

    def _call(self, node: ast.Call, conditional: bool) -> None:
        owner = name_of_owner(node.func)
        bracket = self._bracket(end_of(node.func), end_of(node))
        bracket.slots += [self._element(arg, conditional) for arg in node.args]
        self._keywords(
            bracket, node.keywords, self.target if owner == "dict" else owner, conditional
        )

    def _keywords(
        self,
        bracket: Bracket,
        keywords: list[ast.keyword],
        owner: str | None,
        conditional: bool,
    ) -> None:
        bracket.slots += [
            Slot(k.value, Named(k.arg, owner), start_of(k), conditional)
            for k in keywords
            if k.arg is not None
        ]

    def _dict(self, node: ast.Dict, conditional: bool) -> None:
        bracket = self._bracket(start_of(node), end_of(node))
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                continue
            named = name_of_item(key, self.target)
            bracket.slots.append(Slot(value, named, start_of(key), conditional))

    def _defaults(self, node: ast.arguments, conditional: bool) -> None:
        owner, end = self._function(node)
        places = [*node.posonlyargs, *node.args]
        pairs: list[tuple[ast.arg, ast.expr | None]] = [
            *zip(places[len(places) - len(node.defaults) :], node.defaults, strict=True),
            *zip(node.kwonlyargs, node.kw_defaults, strict=True),
        ]
        slots = [
            Slot(value, Named(arg.arg, owner), start_of(arg), conditional)
            for arg, value in pairs
            if value is not None
        ]
        if slots:
            first = min(start_of(arg) for arg in (*places, *node.kwonlyargs))
            self._bracket(first, end or max(slot.end for slot in slots)).slots.extend(slots)

    def _function(self, node: ast.arguments) -> tuple[str | None, Position | None]:
        """The function that the parameters belong to, and where its header ends at the latest."""
        statement = self.statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.args is node:
            return statement.name, start_of(statement.body[0])
        return self.target, None

    def _element(self, node: ast.expr, conditional: bool) -> Slot:
        if isinstance(node, ast.NamedExpr):
            return Slot(node.value, Named(node.target.id), start_of(node), conditional)
        return Slot(node, None, start_of(node), conditional)


def _children(node: ast.AST, conditional: bool) -> Iterator[tuple[object, bool]]:
    """What a node holds, each with whether it may be left out."""
    if isinstance(node, ast.IfExp):
        yield node.test, conditional
        yield [node.body, node.orelse], True
    elif isinstance(node, ast.BoolOp):
        yield node.values[0], conditional
        yield node.values[1:], True
    elif isinstance(node, ast.Lambda):
        yield node.args, conditional
        yield node.body, True
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        yield node.generators[0].iter, conditional
        for name, child in ast.iter_fields(node):
            if name != "generators":
                yield child, True
        for at, generator in enumerate(node.generators):
            yield generator.ifs, True
            if at:
                yield generator.iter, True
    else:
        for _, child in ast.iter_fields(node):
            yield child, conditional


def _assigned_name(site: Site) -> str | None:
    statement = site.statement
    if isinstance(statement, ast.Assign):
        named = name_of_target(statement.targets[0], site.context.within)
    elif isinstance(statement, ast.AnnAssign):
        named = name_of_target(statement.target, site.context.within)
    else:
        return None
    return named.name if named else None
