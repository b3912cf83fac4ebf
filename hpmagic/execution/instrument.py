"""A cell's tree with its draws and reports built in, and the code it compiles to.

The person's own nodes keep their line and column numbers; ours take those of what they replace or
follow. The code talks to one hidden global, an object with the methods of `hooks.TrialHooks`.
"""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from hpmagic.distributions import MISSING
from hpmagic.execution.parts import Part, compile_parts
from hpmagic.language.cell import Draw, Mark, TunableCell

__all__ = ["Program", "compile_cell", "instrument"]

_Node = TypeVar("_Node", bound=ast.AST)
_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_COUNTERS = frozenset({"range", "trange", "arange"})
_WRAPPERS = frozenset({"tqdm", "track", "progress_bar", "tqdm_notebook"})


@dataclass(frozen=True)
class Program:
    """A cell ready to run; ``hidden`` is the global its draws and reports go through.

    ``parts`` run one after the other. ``outlives`` says that some draws and reports stand in
    functions, which may be called when the study is over.
    """

    parts: tuple[Part, ...]
    hidden: str
    outlives: bool

    @property
    def awaits(self) -> bool:
        """Whether running the code gives a coroutine; there is one part then."""
        return bool(self.parts[0].code.co_flags & inspect.CO_COROUTINE)


def compile_cell(cell: TunableCell, hidden: str, shell: Any = None) -> Program:
    """Compile the instrumented cell, as the shell would compile it."""
    shows = shell is None or getattr(shell, "ast_node_interactivity", "last_expr") != "none"
    tree = instrument(cell, hidden, show_last=shows)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    if shell is not None:
        tree = shell.transform_ast(tree)
        flags |= shell.compile.flags & _FUTURES
    return Program(compile_parts(cell, tree, flags), hidden, _outlives(tree, hidden))


def instrument(cell: TunableCell, hidden: str, *, show_last: bool = True) -> ast.Module:
    """A copy of the cell's tree that draws, reports and shows its last value through ``hidden``."""
    copies: dict[int, Any] = {}
    tree = copy.deepcopy(cell.tree, copies)
    for number, statement in enumerate(tree.body):
        statement.part = number  # type: ignore[attr-defined]
    hook = _Hook(hidden)
    splices = _Splices(copies)
    for number, mark in enumerate(cell.marks):
        splices.add_report(hook, number, mark, cell.tree)
    if show_last and tree.body and not _ends_in_semicolon(cell.python):
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            last.value = _placed(hook.call("show", last.value), last.value)
    # Keyed by identity: a draw may stand inside the written value of another.
    draws = {id(copies[id(draw.expression)]): (n, draw) for n, draw in enumerate(cell.draws)}
    _Replace(hook, draws).visit(tree)
    splices.apply(tree)
    return tree


class _Hook:
    """Builds calls on the hidden global."""

    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, method: str, *arguments: ast.expr) -> ast.Call:
        owner = ast.Name(self.name, ast.Load())
        return ast.Call(ast.Attribute(owner, method, ast.Load()), list(arguments), [])


class _Replace(ast.NodeTransformer):
    """Puts a draw in the place of each tuned expression."""

    def __init__(self, hook: _Hook, draws: dict[int, tuple[int, Draw]]) -> None:
        self.hook = hook
        self.draws = draws

    def visit(self, node: ast.AST) -> Any:
        found = self.draws.get(id(node))
        if found is None:
            return self.generic_visit(node)
        number, draw = found
        if draw.parameter.default is not MISSING:
            return _placed(self.hook.call("draw", *_arguments(number, draw)), node)
        written = self.generic_visit(node)
        return _placed(
            ast.IfExp(
                test=self.hook.call("tunes", *_arguments(number, draw)),
                body=self.hook.call("take", ast.Constant(number)),
                orelse=self.hook.call("written", ast.Constant(number), cast("ast.expr", written)),
            ),
            node,
        )


def _arguments(number: int, draw: Draw) -> list[ast.expr]:
    """The draw's number, then what only the place of the line can evaluate: bounds and name."""
    arguments: list[ast.expr] = [ast.Constant(number)]
    deferred = [copy.deepcopy(a.expression) for a in draw.recipe.deferred if a.expression]
    if deferred or draw.name is not None:
        arguments.append(ast.Tuple(deferred, ast.Load()))
    if draw.name is not None:
        arguments.append(copy.deepcopy(draw.name))
    return arguments


class _Splices:
    """Statements to be put before and after those of the original tree."""

    def __init__(self, copies: dict[int, Any]) -> None:
        self.copies = copies
        self.before: dict[int, list[ast.stmt]] = {}
        self.after: dict[int, list[ast.stmt]] = {}

    def put_before(self, anchor: ast.stmt, new: ast.stmt) -> None:
        self.before.setdefault(id(self.copies[id(anchor)]), []).append(_placed(new, anchor))

    def put_after(self, anchor: ast.stmt, new: ast.stmt) -> None:
        self.after.setdefault(id(self.copies[id(anchor)]), []).append(_placed(new, anchor))

    def add_report(self, hook: _Hook, number: int, mark: Mark, tree: ast.Module) -> None:
        """Report after the mark's statement; leave its loop when patience is at an end."""
        report = hook.call("report", *_reported(number, mark))
        if mark.loop is None or mark.patience is None:
            self.put_after(mark.statement, ast.Expr(report))
            return
        this = ast.Constant(number)
        self.put_before(mark.loop, ast.Expr(hook.call("enter", this)))
        self.put_after(mark.statement, ast.If(report, [ast.Break()], []))
        # Out of loops between the statement and the one that is to be left, step by step.
        for loop in _loops_between(tree, mark):
            self.put_after(loop, ast.If(hook.call("stopping", this), [ast.Break()], []))

    def apply(self, tree: ast.Module) -> None:
        for node in list(ast.walk(tree)):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list):
                    setattr(node, field, list(self._spliced(block)))

    def _spliced(self, block: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in block:
            yield from self.before.get(id(statement), ())
            yield statement
            yield from self.after.get(id(statement), ())


def _reported(number: int, mark: Mark) -> list[ast.expr]:
    """The mark's number, its value and, where there are such, its step and its patience."""
    target = copy.deepcopy(mark.target)
    if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        target.ctx = ast.Load()
    arguments: list[ast.expr] = [ast.Constant(number), target]
    counter = None if mark.loop is None else _counter(mark.loop)
    deferred = [x for x in (mark.patience, mark.min_delta) if isinstance(x, ast.expr)]
    if mark.step is not None:
        arguments.append(copy.deepcopy(mark.step))
    elif counter is not None:
        arguments.append(ast.Name(counter, ast.Load()))
    elif deferred:
        arguments.append(ast.Constant(None))
    return arguments + copy.deepcopy(deferred)


def _counter(loop: ast.For | ast.AsyncFor | ast.While) -> str | None:
    """The variable that counts the rounds, where the loop has one."""
    if not isinstance(loop, ast.For):
        return None
    target, source = loop.target, loop.iter
    while isinstance(source, ast.Call):
        name = _called(source)
        if name in _WRAPPERS and source.args:
            source = source.args[0]
            continue
        if name == "enumerate" and isinstance(target, ast.Tuple | ast.List) and target.elts:
            target = target.elts[0]
        elif name not in _COUNTERS:
            return None
        return target.id if isinstance(target, ast.Name) else None
    return None


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _loops_between(tree: ast.Module, mark: Mark) -> list[ast.stmt]:
    """The loops inside ``mark.loop`` that hold its statement in their body."""
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found: list[ast.stmt] = []
    node: ast.AST = mark.statement
    while (parent := parents.get(id(node))) is not None and parent is not mark.loop:
        if isinstance(parent, ast.For | ast.AsyncFor | ast.While) and node in parent.body:
            found.append(parent)
        node = parent
    return found


def _placed(new: _Node, old: ast.AST) -> _Node:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def _ends_in_semicolon(python: str) -> bool:
    """Whether the last statement is followed by a semicolon, which silences its value."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT)
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(python).readline):
            if token.type not in skipped:
                last = token.string
    except (tokenize.TokenError, SyntaxError):
        return False
    return last == ";"


def _outlives(tree: ast.Module, hidden: str) -> bool:
    return any(
        isinstance(inner, ast.Name) and inner.id == hidden
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.GeneratorExp)
        for part in _later(node)
        for inner in ast.walk(part)
    )


def _later(node: ast.AST) -> list[ast.AST]:
    """The parts of a function that run when it is called, not when it is defined."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return list(node.body)
    return [node.body] if isinstance(node, ast.Lambda) else [node]
