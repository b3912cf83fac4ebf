"""The values in a statement that could be tuned: arguments, items, defaults, elements."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hpmagic.language.naming import Named, name_of_item, name_of_owner, name_of_target
from hpmagic.language.sites import Position, Site, end_of, start_of

__all__ = ["Bracket", "Slot", "named_on", "named_within", "outermost", "slots_of"]


@dataclass(frozen=True)
class Slot:
    """A value, and the name that its place gives it, if any.

    ``start`` is where the whole begins, its name included. ``conditional`` says that evaluating the
    statement may leave the value out. ``parameter`` is the function whose parameter it presets.
    """

    value: ast.expr
    named: Named | None
    start: Position
    conditional: bool = False
    parameter: ast.FunctionDef | ast.AsyncFunctionDef | None = None

    @property
    def end(self) -> Position:
        return end_of(self.value)


@dataclass
class Bracket:
    """A pair of brackets with values in it; ``start`` and ``end`` may lie a little outside."""

    start: Position
    end: Position
    slots: list[Slot] = field(default_factory=list)

    def holds(self, position: Position) -> bool:
        return self.start <= position < self.end


def slots_of(site: Site) -> tuple[list[Bracket], list[Slot]]:
    """The brackets of a statement, outer before inner, and its assignment expressions."""
    gatherer = _Gatherer(site)
    gatherer.definition(site.statement)
    for part in site.header():
        gatherer.gather(part, False)
    return gatherer.brackets, gatherer.walruses


def named_within(value: ast.expr, brackets: Sequence[Bracket]) -> list[Slot]:
    """The named values inside a value."""
    inside = {id(node) for node in ast.walk(value)}
    return [slot for slot in _named(brackets) if id(slot.value) in inside]


def named_on(line: int, brackets: Sequence[Bracket]) -> list[Slot]:
    """The named values that begin on a line."""
    return [slot for slot in _named(brackets) if slot.start[0] == line]


def outermost(slots: Sequence[Slot]) -> list[Slot]:
    """Those that stand in none of the others."""
    inner = {id(n) for slot in slots for n in ast.walk(slot.value) if n is not slot.value}
    return [slot for slot in slots if id(slot.value) not in inner]


def _named(brackets: Sequence[Bracket]) -> Iterator[Slot]:
    return (slot for bracket in brackets for slot in bracket.slots if slot.named is not None)


class _Gatherer:
    """Collects the values of one statement."""

    def __init__(self, site: Site) -> None:
        self.brackets: list[Bracket] = []
        self.walruses: list[Slot] = []
        self._target = _assigned_name(site)
        self._keys: dict[int, str] = {}
        """What the dicts inside other dicts and calls are called there, by identity."""

    def gather(self, node: ast.AST, conditional: bool) -> None:
        match node:
            case ast.Call():
                self._call(node, conditional)
            case ast.Dict():
                self._dict(node, conditional)
            case ast.Lambda():
                slots = _presets(node.args, self._target, None, conditional)
                self._parameters(node.args, start_of(node.body), slots)
            case ast.List(ctx=ast.Load()) | ast.Tuple(ctx=ast.Load()) | ast.Set():
                elements = [_element(item, conditional) for item in node.elts]
                self._bracket(start_of(node), end_of(node), elements)
            case ast.NamedExpr():
                self.walruses.append(_element(node, conditional))
        for child, later in _children(node, conditional):
            self.gather(child, later)

    def definition(self, node: ast.stmt) -> None:
        """The values in the parentheses of a class or function statement."""
        if isinstance(node, ast.ClassDef):
            slots = [Slot(k.value, _keyword_name(k, node.name), start_of(k)) for k in node.keywords]
            self._bracket(start_of(node), start_of(node.body[0]), slots)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            slots = _presets(node.args, node.name, node, False)
            self._parameters(node.args, start_of(node.body[0]), slots)

    def _bracket(self, start: Position, end: Position, slots: list[Slot]) -> None:
        self.brackets.append(Bracket(start, end, slots))

    def _call(self, node: ast.Call, conditional: bool) -> None:
        owner = name_of_owner(node.func)
        # `dict(C=1.0)` is what is assigned, as `{"C": 1.0}` would be.
        owner = self._keys.get(id(node), self._target) if owner == "dict" else owner
        slots = [_element(arg, conditional) for arg in node.args]
        slots += [
            Slot(k.value, _keyword_name(k, owner), start_of(k), conditional) for k in node.keywords
        ]
        self._name_inner(slots)
        self._bracket(end_of(node.func), end_of(node), slots)

    def _dict(self, node: ast.Dict, conditional: bool) -> None:
        owner = self._keys.get(id(node), self._target)
        slots = [
            Slot(value, name_of_item(key, owner), start_of(key), conditional)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        ]
        self._name_inner(slots)
        self._bracket(start_of(node), end_of(node), slots)

    def _name_inner(self, slots: list[Slot]) -> None:
        self._keys |= {id(slot.value): slot.named.name for slot in slots if slot.named is not None}

    def _parameters(self, node: ast.arguments, end: Position, slots: list[Slot]) -> None:
        every = (*node.posonlyargs, *node.args, *node.kwonlyargs)
        if slots:
            self._bracket(min(map(start_of, every)), end, slots)


def _presets(
    node: ast.arguments,
    owner: str | None,
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    conditional: bool,
) -> list[Slot]:
    """The parameters with a default."""
    positional = [*node.posonlyargs, *node.args]
    pairs: list[tuple[ast.arg, ast.expr | None]] = [
        *zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True),
        *zip(node.kwonlyargs, node.kw_defaults, strict=True),
    ]
    return [
        Slot(value, Named(arg.arg, owner), start_of(arg), conditional, function)
        for arg, value in pairs
        if value is not None
    ]


def _element(node: ast.expr, conditional: bool) -> Slot:
    """A value without a name, unless it is an assignment expression."""
    if isinstance(node, ast.NamedExpr):
        return Slot(node.value, Named(node.target.id), start_of(node), conditional)
    return Slot(node, None, start_of(node), conditional)


def _keyword_name(keyword: ast.keyword, owner: str | None) -> Named | None:
    return None if keyword.arg is None else Named(keyword.arg, owner)


def _children(node: ast.AST, conditional: bool) -> Iterator[tuple[ast.AST, bool]]:
    """What a node holds, each with whether it may be left out."""
    match node:
        case ast.IfExp():
            sure: list[ast.AST] = [node.test]
        case ast.BoolOp():
            sure = [node.values[0]]
        case ast.Lambda():
            sure = [node.args]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            # What a comprehension goes through is there; the rest comes once an item.
            sure = [node.generators[0]]
        case ast.comprehension():
            sure = [node.iter]
        case _:
            sure = list(ast.iter_child_nodes(node))
    for child in ast.iter_child_nodes(node):
        yield child, conditional or not any(child is other for other in sure)


def _assigned_name(site: Site) -> str | None:
    """The name that a statement assigns, for what it builds."""
    statement = site.statement
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return None
    named = name_of_target(target, site.context.within)
    return named.name if named else None
