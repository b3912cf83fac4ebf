"""The values of literals, and of plain arithmetic on them. Nothing else is evaluated, ever."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any, Final

__all__ = ["NotLiteral", "TooLarge", "literal_value"]

_BITS = 4096
_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteral(Exception):
    """The expression is not a literal."""


class TooLarge(Exception):
    """The expression is arithmetic on literals, but its value is none that can be used."""


def literal_value(node: ast.expr) -> Any:
    """The value of a literal: a number, text, None, or a tuple, list or dict of them.

    Arithmetic on numbers (``-x``, ``2**10``, ``1 / 3``) counts as a literal.

    Raises:
        NotLiteral: it is something else, such as a name or a call.
        TooLarge: an integer of over 4096 bits, an overflow or a division by zero.

    >>> literal_value(ast.parse("(2**10, -1e-3, 'rbf')", mode="eval").body)
    (1024, -0.001, 'rbf')
    """
    if isinstance(node, ast.Constant):
        if node.value is Ellipsis or isinstance(node.value, complex):
            raise NotLiteral
        _check_size(node.value)
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(map(literal_value, node.elts))
    if isinstance(node, ast.List):
        return list(map(literal_value, node.elts))
    if isinstance(node, ast.Dict):
        return _dict(node)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_number(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _arithmetic(node)
    raise NotLiteral


def _number(node: ast.expr) -> int | float:
    value = literal_value(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotLiteral
    return value


def _arithmetic(node: ast.BinOp) -> int | float:
    left, right = _number(node.left), _number(node.right)
    if isinstance(node.op, ast.Pow):
        _check_power(left, right)
    try:
        value = _BINARY[type(node.op)](left, right)
    except (ArithmeticError, ValueError):
        raise TooLarge from None
    if isinstance(value, complex):
        raise TooLarge
    assert isinstance(value, int | float)
    _check_size(value)
    return value


def _check_size(value: object) -> None:
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise TooLarge


def _check_power(base: int | float, exponent: int | float) -> None:
    """Refuse a power of integers before hours are spent on it."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and math.log2(abs(base) + 1) * exponent > 2 * _BITS:
        raise TooLarge


def _dict(node: ast.Dict) -> dict[Any, Any]:
    if any(key is None for key in node.keys):
        raise NotLiteral
    keys = [literal_value(key) for key in node.keys if key is not None]
    try:
        return dict(zip(keys, map(literal_value, node.values), strict=True))
    except TypeError:  # a key that cannot be hashed
        raise NotLiteral from None
