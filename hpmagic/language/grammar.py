"""A comment to an annotation: ``ITEM[, option=value ...]  # free text``."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

from hpmagic.errors import AnnotationError, nearest
from hpmagic.language.body import Body
from hpmagic.language.comments import Comment
from hpmagic.language.items import LISTED, Written, read_distribution, read_list
from hpmagic.language.naming import Name, read_name
from hpmagic.language.recipe import Recipe
from hpmagic.language.roles import Purpose, read_role
from hpmagic.language.source import Source
from hpmagic.language.vocabulary import DISTRIBUTIONS, OPTIONS, ROLES, canonical_argument, meant

__all__ = ["Annotation", "read_annotation"]

_KINDS: Final = ("model", "training")


@dataclass(frozen=True)
class Annotation:
    """What one comment says. ``name`` is None when the target is to give the name."""

    comment: Comment
    item: Recipe | Purpose
    name: Name | None = None
    grid_points: int | None = None
    kind: str | None = None


def read_annotation(comment: Comment, source: Source) -> Annotation:
    """Read one comment.

    Raises:
        AnnotationError: it is not understood; the caret is under the offending token.
    """
    body = Body(comment, source)
    call = body.parse()
    item = _item(_only(call, body), body)
    options: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        word = _option_word(keyword, item, body)
        if word in options:
            raise body.error(f"{word} is given twice", keyword)
        options[word] = keyword.value
    return Annotation(
        comment,
        item,
        _name(options["name"], item, body) if "name" in options else None,
        _grid_points(options["n"], item, body) if "n" in options else None,
        _kind(options["kind"], body) if "kind" in options else None,
    )


def _only(call: ast.Call, body: Body) -> ast.expr:
    """The one item."""
    if not call.args and call.keywords:
        raise body.error(f"an item must come before the options: {LISTED}", call.keywords[0])
    if not call.args:
        text = body.comment.body
        at = len(text) - len(text.lstrip())
        raise body.error(f"nothing follows `tune:`: write {LISTED}", body.stretch(at, at + 1))
    if len(call.args) == 1:
        return call.args[0]
    first, second = call.args[:2]
    if isinstance(first, ast.Constant | ast.UnaryOp | ast.BinOp):
        raise body.error("a list of values needs brackets: `[a, b]`", first)
    raise body.error(
        'only one item can stand here; what follows it are options, such as `name="x"`', second
    )


def _item(node: ast.expr, body: Body) -> Recipe | Purpose:
    if isinstance(node, ast.List):
        return read_list(node, body)
    if isinstance(node, ast.Name):
        written = Written(node, node, [], [])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        written = Written(node.func, node, node.args, node.keywords)
    else:
        raise _no_item(node, body)
    return (read_role if written.word.id in ROLES else read_distribution)(written, body)


def _no_item(node: ast.expr, body: Body) -> AnnotationError:
    text = body.text(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        word, whole = node.func.attr, body.text(node.func)
        known = [*DISTRIBUTIONS, *ROLES]
        hint = f": write `{word}(...)`" if word in known else meant(word)
        return body.error(f"`{whole}` is not a word of annotations{hint}", node.func)
    if isinstance(node, ast.Tuple | ast.Set | ast.Dict):
        return body.error(f"`{text}` is no item: a choice is written `[a, b]`", node)
    return body.error(f"`{text}` is no item: write {LISTED}", node)


def _option_word(keyword: ast.keyword, item: Recipe | Purpose, body: Body) -> str:
    word = keyword.arg
    if word is None:
        raise body.error("options are written out: `option=value`", keyword)
    inside = f"{word}={body.text(keyword.value)}"
    if isinstance(item, Purpose):
        known = [o.name for o in OPTIONS.values() if o.of_roles] if item.role != "once" else []
        if word in ROLES[item.role].named:
            raise body.error(
                f"{word} belongs into the parentheses: `{item.role}({inside})`", keyword
            )
        if word in OPTIONS and word not in known:
            raise body.error(f"{item.role} has no option {word}", keyword)
    else:
        known = list(OPTIONS)
        if canonical_argument(word) is not None:
            raise body.error(
                f"{word} belongs into the parentheses: `{item.kind}(..., {inside})`", keyword
            )
    if word not in known:
        listed = f"; the options are {', '.join(known)}" if known else ""
        raise body.error(f"unknown option `{word}`{nearest(word, known) or listed}", keyword)
    return word


def _name(node: ast.expr, item: Recipe | Purpose, body: Body) -> Name:
    name = read_name(node, body.place(node), body.text(node))
    if name.template is not None and isinstance(item, Purpose):
        raise body.error("the name of a metric is fixed: braces are for hyperparameters", node)
    return name


def _grid_points(node: ast.expr, item: Recipe | Purpose, body: Body) -> int:
    value = body.literal(node)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise body.error(
            f"n must be a whole number, 1 or more, written out, but got n={body.text(node)}", node
        )
    if isinstance(item, Recipe) and item.kind == "choice":
        raise body.error(f"a grid takes every value of a choice: drop n={value}", node)
    return value


def _kind(node: ast.expr, body: Body) -> str:
    value = body.literal(node)
    if value not in _KINDS:
        hint = nearest(value, _KINDS) if isinstance(value, str) else ""
        raise body.error(
            f'kind must be "model" or "training", but got kind={body.text(node)}{hint}', node
        )
    return str(value)
