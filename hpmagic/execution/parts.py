"""A cell's top-level statements, each compiled by itself, as the shell would run them."""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

from hpmagic.execution.heap.facts import all_codes
from hpmagic.language.cell import TunableCell

__all__ = ["Part", "compile_parts"]

_FUTURES: Final = {
    name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
}

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Part:
    """One top-level statement and the reports that belong to it.

    ``first`` and ``last`` are its lines. ``tuned`` is the variable that it gives a drawn value,
    when that is all it does, by the draw of that number. ``draws`` are the numbers of the draws
    that it makes, ``later`` of those in functions that it defines. ``once`` says that its author
    vouches for it. ``runs`` are the codes that run when the statement does; the bodies of functions
    that it only defines are left out.
    """

    code: CodeType
    runs: tuple[CodeType, ...]
    first: int
    last: int
    tuned: str | None = None
    draw: int | None = None
    draws: tuple[int, ...] = ()
    later: tuple[int, ...] = ()
    once: bool = False

    @property
    def lines(self) -> str:
        return lines_text(self.first, self.last)


def lines_text(first: int, last: int) -> str:
    """How lines are spoken of."""
    return f"line {first}" if first == last else f"lines {first}-{last}"


def compile_parts(cell: TunableCell, tree: ast.Module, flags: int) -> tuple[Part, ...]:
    """The instrumented ``tree`` in parts; a single one where it has to run as a whole.

    Statements of the tree carry their number in the cell as ``part``; what carries none belongs to
    the statement before it, or after it when it prepares a loop.
    """
    groups = list(_grouped(tree))
    flags |= _futures(tree)
    whole = compile(tree, cell.filename, "exec", flags, dont_inherit=True)
    if not groups or whole.co_flags & inspect.CO_COROUTINE:
        body = tree.body
        first, last = (body[0].lineno, body[-1].end_lineno or 1) if body else (1, 1)
        return (Part(whole, tuple(all_codes(whole)), first, last),)
    vouched = {id(once.statement) for once in cell.once}
    parts: list[Part] = []
    for number, statements in groups:
        original = cell.tree.body[number]
        module = ast.Module(_without_docstring(statements, first=not parts), [])
        code = compile(module, cell.filename, "exec", flags, dont_inherit=True)
        tuned = _tuned(cell, original) if len(statements) == 1 else None
        parts.append(
            Part(
                code,
                tuple(_running(original, code)),
                _first_line(original),
                original.end_lineno or original.lineno,
                tuned=None if tuned is None else tuned[0],
                draw=None if tuned is None else tuned[1],
                draws=_draws(cell, list(_now(original))),
                later=_draws(cell, list(_bodies(original))),
                once=id(original) in vouched,
            )
        )
    return tuple(parts)


def _grouped(tree: ast.Module) -> Iterator[tuple[int, list[ast.stmt]]]:
    group: list[ast.stmt] = []
    ahead: list[ast.stmt] = []
    number: int | None = None
    for node in tree.body:
        found = getattr(node, "part", None)
        if found is None:
            if number is None and not _prepares(node):
                return  # something else has changed the tree
            (ahead if _prepares(node) else group).append(node)
            continue
        if number is not None:
            yield number, group
        number, group, ahead = found, [*ahead, node], []
    if number is not None:
        yield number, group + ahead


def _prepares(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == "enter"
    )


def _futures(tree: ast.Module) -> int:
    found = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                found |= _FUTURES.get(alias.name, 0)
    return found


def _without_docstring(statements: list[ast.stmt], *, first: bool) -> list[ast.stmt]:
    """A text that stands alone is a docstring only at the head of the cell."""
    head = statements[0]
    text = isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant)
    if first or not text:
        return statements
    return [ast.copy_location(ast.Pass(), head), *statements[1:]]


def _tuned(cell: TunableCell, statement: ast.stmt) -> tuple[str, int] | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.simple:
        target = statement.target
    else:
        return None
    if not isinstance(target, ast.Name) or hasattr(builtins, target.id):
        return None
    for number, draw in enumerate(cell.draws):
        if draw.expression is statement.value:
            return target.id, number
    return None


def _draws(cell: TunableCell, nodes: list[ast.AST]) -> tuple[int, ...]:
    inside = {id(node) for node in nodes}
    return tuple(n for n, draw in enumerate(cell.draws) if id(draw.expression) in inside)


def _now(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those in it, without the bodies of functions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, _FUNCTIONS) and child in _body(node)):
            yield from _now(child)


def _bodies(statement: ast.stmt) -> Iterator[ast.AST]:
    for node in ast.walk(statement):
        if isinstance(node, _FUNCTIONS):
            for child in _body(node):
                yield from ast.walk(child)


def _body(function: ast.AST) -> list[ast.AST]:
    body = function.body  # type: ignore[attr-defined]
    return body if isinstance(body, list) else [body]


def _running(statement: ast.stmt, code: CodeType) -> Iterator[CodeType]:
    definition = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if not definition or statement.decorator_list:  # type: ignore[attr-defined]
        yield from all_codes(code)
        return
    yield code
    if isinstance(statement, ast.ClassDef):
        yield from _class_bodies(code)
    else:
        # Defaults and annotations are evaluated here; they may hold lambdas and comprehensions.
        yield from _defaults(statement, code)


def _class_bodies(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if not isinstance(constant, CodeType):
            continue
        if constant.co_name.startswith("<"):  # a comprehension or lambda
            yield from all_codes(constant)
        elif not constant.co_flags & inspect.CO_NEWLOCALS:
            yield constant
            yield from _class_bodies(constant)


def _defaults(statement: ast.stmt, code: CodeType) -> Iterator[CodeType]:
    name = getattr(statement, "name", "")
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name != name:
            yield from all_codes(constant)


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", None)
    return int(min([statement.lineno, *(d.lineno for d in decorators or ())]))
