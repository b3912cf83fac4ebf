"""What identifies a cell's logic, and the constants its author has set in it."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Collection
from typing import Final

from hpmagic.distributions import is_literal, literal_text
from hpmagic.language.literals import NotLiteral, TooLarge, literal_value

__all__ = ["constants_of", "fingerprint_of"]

_LONGEST: Final = 200
_UNNEEDED: Final = frozenset({"ctx", "type_comment", "type_ignores", "kind"})


def fingerprint_of(tree: ast.Module, tuned: Collection[ast.expr]) -> str:
    """The SHA-256 digest, in hexadecimal, of a tree with the ``tuned`` expressions left out.

    It does not depend on places, comments or spacing, nor on the version of Python as far as that
    version knows the same syntax.
    """
    blank = {id(node) for node in tuned}
    parts: list[str] = []
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.AST):
            if id(node) in blank:
                parts.append("<tuned>")
                continue
            parts.append(type(node).__name__)
            for name in node._fields:
                value = getattr(node, name, None)
                # What a version of Python adds is empty in cells that do not use it.
                if name not in _UNNEEDED and value is not None and value != []:
                    parts.append(name)
                    stack.append(value)
        elif isinstance(node, list):
            parts.append(f"[{len(node)}")
            stack.extend(node)
        else:
            parts.append(repr(node))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def constants_of(
    tree: ast.Module, tuned: Collection[ast.expr], measured: Collection[ast.stmt]
) -> dict[str, object]:
    """The literals that a cell assigns at its top level, once, and neither tunes nor measures.

    Left out are private names, empty values (which begin something) and very long ones.
    """
    skip = {id(node) for node in (*tuned, *measured)}
    found: dict[str, object] = {}
    for statement in tree.body:
        if id(statement) in skip or not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        if statement.value is None or id(statement.value) in skip:
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for name, node in _pairs(target, statement.value):
                value = _constant(node)
                if value is not None and not name.startswith("_"):
                    found[name] = value
    if not found:
        return found
    times = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    return {name: value for name, value in found.items() if times[name] == 1}


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if not isinstance(target, ast.Tuple | ast.List) or not isinstance(value, ast.Tuple | ast.List):
        return []
    if len(target.elts) != len(value.elts):
        return []
    return [pair for t, v in zip(target.elts, value.elts, strict=True) for pair in _pairs(t, v)]


def _constant(node: ast.expr) -> object:
    try:
        value: object = literal_value(node)
    except (NotLiteral, TooLarge):
        return None
    if not is_literal(value) or (
        isinstance(value, str | bytes | tuple | list | dict) and not value
    ):
        return None
    return value if len(literal_text(value)) <= _LONGEST else None
