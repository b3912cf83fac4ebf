"""Ranges written as expressions, evaluated before trial 0 where the names are there already."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpmagic.errors import AnnotationError
from hpmagic.language.cell import Argument, Draw, TunableCell
from hpmagic.space import Parameter, SearchSpace

__all__ = ["known_space"]


def known_space(cell: TunableCell, namespace: Mapping[str, Any]) -> SearchSpace:
    """The cell's space with every range that the namespace already determines.

    An expression over a name that the cell itself binds stays open until its line executes.

    Raises:
        AnnotationError: an expression raises, or its values break the distribution's rule.
    """
    bound = _bound_names(cell.tree)
    known = {
        draw.parameter.name: _known(draw, namespace, bound)
        for draw in cell.draws
        if draw.recipe.deferred and draw.name is None
    }
    return SearchSpace(tuple(known.get(p.name, p) for p in cell.space.parameters))


def _known(draw: Draw, namespace: Mapping[str, Any], bound: set[str]) -> Parameter:
    for argument in draw.recipe.deferred:
        for name in _names(argument):
            if name in bound or not (name in namespace or hasattr(builtins, name)):
                return draw.parameter
    values = tuple(_evaluate(argument, namespace) for argument in draw.recipe.deferred)
    return replace(draw.parameter, distribution=draw.recipe.build(values))


def _names(argument: Argument) -> set[str]:
    assert argument.expression is not None
    return {n.id for n in ast.walk(argument.expression) if isinstance(n, ast.Name)}


def _bound_names(tree: ast.Module) -> set[str]:
    names = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
    return names


def _evaluate(argument: Argument, namespace: Mapping[str, Any]) -> Any:
    assert argument.expression is not None
    code = compile(ast.Expression(argument.expression), argument.place.filename, "eval")
    try:
        return eval(code, dict(namespace))  # noqa: S307 - the person's own cell
    except Exception as error:
        raise AnnotationError(
            f"`{argument.text}` cannot be evaluated: {type(error).__name__}: {error}",
            argument.place,
        ) from error
