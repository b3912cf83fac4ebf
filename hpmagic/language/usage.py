"""What becomes of a tuned variable: whether anything reads it, and before what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Final

from hpmagic.language.sites import Site

__all__ = ["Readers", "overwriting"]

_REFLECTIVE: Final = frozenset({"locals", "globals", "vars", "eval", "exec", "dir"})
_IN_TEXT: Final = re.compile(r"[@{]\s*([^\W\d]\w*)")
_WORD: Final = re.compile(r"[^\W\d]\w*")


class Readers:
    """Which names a cell reads anywhere: as variables, as attributes, or out of texts."""

    def __init__(self, tree: ast.AST, others: Iterable[ast.AST]) -> None:
        self.reflective = False
        """Whether the cell looks its variables up by other means, so that nothing can be said."""
        self._names: set[str] = set()
        for root in (tree, *others):
            for node in ast.walk(root):
                self._note(node)

    def read(self, name: str) -> bool:
        """Whether something reads, or may read, the name."""
        return self.reflective or name in self._names

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            self._names.add(node.id)
            self.reflective |= node.id in _REFLECTIVE
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            self._names.add(node.attr)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._names.add(node.target.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # As in `frame.query("depth < @limit")`.
            self._names.update(_IN_TEXT.findall(node.value))
        elif isinstance(node, ast.Call) and _is_ipython(node.func):
            for argument in node.args:
                self._names.update(_WORD.findall(ast.unparse(argument)))


def _is_ipython(function: ast.expr) -> bool:
    """Whether this is ``get_ipython().run_line_magic`` or the like: a line of IPython's own."""
    call = function.value if isinstance(function, ast.Attribute) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "get_ipython"
    )


def overwriting(site: Site, name: str) -> ast.stmt | None:
    """The later statement that assigns ``name`` again before anything could read it.

    At a cell's top level a call may read it, in a function of an earlier cell.
    """
    hidden = site.context.scope == "function"
    for statement in site.following:
        if _reads(statement, name):
            return None
        if _assigns(statement, name):
            return statement
        nodes = list(ast.walk(statement))
        if any(isinstance(n, ast.Name) and n.id == name for n in nodes):
            return None
        if not hidden and any(isinstance(n, ast.Call | ast.Await | ast.With) for n in nodes):
            return None
        if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
            return None
    return None


def _reads(statement: ast.stmt, name: str) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Store))
        or (
            isinstance(node, ast.AugAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == name
        )
        for node in ast.walk(statement)
    )


def _assigns(statement: ast.stmt, name: str) -> bool:
    """Whether the statement surely gives ``name`` another value."""
    targets: Sequence[ast.expr] = ()
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name == name
    stored = [node for target in targets for node in ast.walk(target)]
    return any(isinstance(node, ast.Name) and node.id == name for node in stored)
