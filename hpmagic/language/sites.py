"""The statements of a tree: which one stands at a position, and what it stands in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = [
    "ASSIGNMENTS",
    "BLOCKS",
    "DECORATED",
    "Context",
    "Position",
    "Site",
    "end_of",
    "exclude_each_other",
    "find_site",
    "start_of",
]

Position = tuple[int, int]
"""A line and a column in UTF-8 bytes, as the tree has them."""

ASSIGNMENTS: Final = (ast.Assign, ast.AnnAssign, ast.AugAssign)
BLOCKS: Final = frozenset({"body", "orelse", "finalbody", "handlers", "cases"})
"""The fields that hold the blocks of a compound statement; the others are its header."""

Loop = ast.For | ast.AsyncFor | ast.While
DECORATED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Context:
    """What a statement stands in.

    ``loops`` are those that hold it in the same scope, the innermost last; the scope is "cell",
    "class" or "function". ``within`` is the name of the class around it. ``branches`` are the
    statements that hold it and run one of several blocks, each with the block's number.
    """

    loops: tuple[Loop, ...] = ()
    conditional: bool = False
    within: str | None = None
    scope: str = "cell"
    branches: tuple[tuple[ast.stmt, int], ...] = ()

    @property
    def loop(self) -> Loop | None:
        """The innermost loop."""
        return self.loops[-1] if self.loops else None

    def loop_of(self, step: ast.expr | None) -> Loop | None:
        """The innermost loop that sets a name which ``step`` reads, else the innermost."""
        names = {n.id for n in ast.walk(step) if isinstance(n, ast.Name)} if step else set()
        setting = [loop for loop in self.loops if names & _set_by(loop)]
        return setting[-1] if setting else self.loop

    def forked(self, statement: ast.stmt, number: int) -> Context:
        """The context of a block that may be left out; in a loop, another may run next round."""
        fork = () if self.loops else ((statement, number),)
        return replace(self, conditional=True, branches=(*self.branches, *fork))


@dataclass(frozen=True)
class Site:
    """A statement, its context, and the block it is a part of."""

    statement: ast.stmt
    context: Context
    block: tuple[ast.stmt, ...]

    @property
    def compound(self) -> bool:
        """Whether it has blocks of its own: then only its header counts."""
        return hasattr(self.statement, "body") or isinstance(self.statement, ast.Match)

    @property
    def following(self) -> tuple[ast.stmt, ...]:
        """The rest of the block."""
        at = next(n for n, other in enumerate(self.block) if other is self.statement)
        return self.block[at + 1 :]

    def header(self) -> Iterator[ast.AST]:
        """The parts of the statement, those of its blocks left out."""
        for name, child in ast.iter_fields(self.statement):
            if not (self.compound and name in BLOCKS):
                parts = child if isinstance(child, list) else [child]
                yield from (part for part in parts if isinstance(part, ast.AST))

    def expressions(self) -> Iterator[ast.expr]:
        """All expressions of the statement, those of its blocks left out."""
        nodes = (node for part in self.header() for node in ast.walk(part))
        return (node for node in nodes if isinstance(node, ast.expr))

    def end(self) -> Position:
        """Where the statement ends; a compound one where the last node of its header does."""
        if not self.compound:
            return end_of(self.statement)
        nodes = (node for part in self.header() for node in ast.walk(part))
        placed = (node for node in nodes if isinstance(node, ast.expr | ast.arg | ast.keyword))
        ends = ((node.end_lineno or 0, node.end_col_offset or 0) for node in placed)
        return max((*ends, (self.statement.lineno, self.statement.col_offset + 1)))


def start_of(node: ast.stmt | ast.expr | ast.keyword | ast.arg) -> Position:
    """Where a node begins; a decorated statement begins with its decorators."""
    if isinstance(node, DECORATED) and node.decorator_list:
        return node.decorator_list[0].lineno, node.col_offset
    return node.lineno, node.col_offset


def end_of(node: ast.stmt | ast.expr) -> Position:
    """Where a node ends."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def exclude_each_other(one: Context, other: Context) -> bool:
    """Whether one trial runs one of two statements at most, as far as can be seen here."""
    return any(a is b and m != n for a, m in one.branches for b, n in other.branches)


def _set_by(loop: Loop) -> set[str]:
    """The names that a loop itself sets each round: its target's, and those of its own block."""
    apart = (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes: list[ast.AST] = [loop.test if isinstance(loop, ast.While) else loop.target, *loop.body]
    names: set[str] = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if not isinstance(node, apart):
            nodes += ast.iter_child_nodes(node)
    return names


def find_site(tree: ast.Module, position: Position) -> Site | None:
    """The innermost of the statements that begin at or before a position, the last of its block.

    It need not reach as far as the position.
    """
    return _find(tree.body, position, Context())


def _find(block: Sequence[ast.stmt], position: Position, context: Context) -> Site | None:
    before = [statement for statement in block if start_of(statement) <= position]
    if not before:
        return None
    for inner, around in reversed(list(_blocks(before[-1], context))):
        if inner and start_of(inner[0]) <= position:
            return _find(inner, position, around)
    return Site(before[-1], context, tuple(block))


def _blocks(statement: ast.stmt, context: Context) -> Iterator[tuple[list[ast.stmt], Context]]:
    """The blocks of a compound statement, in the order of writing, with their contexts."""
    branch = replace(context, conditional=True)
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.body, replace(branch, loops=(), scope="function")
        case ast.ClassDef():
            around = replace(context, loops=(), within=statement.name, scope="class")
            yield statement.body, around
        case ast.For() | ast.AsyncFor() | ast.While():
            yield statement.body, replace(branch, loops=(*context.loops, statement))
            yield statement.orelse, branch
        case ast.If():
            yield statement.body, context.forked(statement, 0)
            yield statement.orelse, context.forked(statement, 1)
        case ast.With() | ast.AsyncWith():
            yield statement.body, context
        case ast.Try() | ast.TryStar():
            yield statement.body, context
            # What a handler is for may have been raised behind the body's values.
            for number, handler in enumerate(statement.handlers, 1):
                yield handler.body, context.forked(statement, number)
            yield statement.orelse, context.forked(statement, 0)
            yield statement.finalbody, context
        case ast.Match():
            for number, case in enumerate(statement.cases):
                yield case.body, context.forked(statement, number)
        case _:
            return
