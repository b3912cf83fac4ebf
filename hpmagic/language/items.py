"""Distributions as written, to recipes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Final

from hpmagic.errors import AnnotationError, nearest
from hpmagic.language.body import Body
from hpmagic.language.recipe import Argument, Recipe
from hpmagic.language.vocabulary import (
    DISTRIBUTIONS,
    OPTIONS,
    REFUSED,
    Word,
    canonical_argument,
    meant,
)

__all__ = ["LISTED", "Written", "misplaced_option", "read_distribution", "read_list"]

LISTED: Final = (
    "a distribution such as `uniform(0, 1)`, a list `[a, b]` or a role such as `minimize`"
)
"""What an item may be, for messages."""


@dataclass(frozen=True)
class Written:
    """A word with what stands in its parentheses."""

    word: ast.Name
    whole: ast.expr
    args: list[ast.expr]
    keywords: list[ast.keyword]


def read_list(node: ast.List, body: Body) -> Recipe:
    """A bare list: the choice of its values."""
    return _choice(DISTRIBUTIONS["choice"], node, [node], body)


def read_distribution(written: Written, body: Body) -> Recipe:
    """A distribution by any of its words.

    Raises:
        AnnotationError: an unknown or refused word, or arguments that do not fit it.
    """
    name = written.word.id
    if name in REFUSED:
        raise _refused(written, body)
    if name not in DISTRIBUTIONS:
        hint = meant(name) or f": write {LISTED}"
        raise body.error(f"unknown word `{name}`{hint}", written.word)
    word = DISTRIBUTIONS[name]
    if word.order:
        return _range(word, written, body)
    for keyword in written.keywords:
        if keyword.arg in OPTIONS:
            raise misplaced_option(keyword, body)
        raise body.error(
            f"{name}: values go by position, but got `{body.text(keyword)}`: {word.usage}", keyword
        )
    return _choice(word, written.whole, written.args, body) if word.many else _bool(written, body)


def misplaced_option(keyword: ast.keyword, body: Body) -> AnnotationError:
    """An option of the annotation that stands inside the parentheses."""
    return body.error(
        f"{keyword.arg} is an option of the annotation: write `, {body.text(keyword)}` "
        "behind the parentheses",
        keyword,
    )


def _refused(written: Written, body: Body) -> AnnotationError:
    name = written.word.id
    values = [body.literal(arg) for arg in written.args]
    low, high = values if len(values) == 2 else (None, None)
    if type(low) is int and type(high) is int:
        advice = f"write `int({low}, {high})`, which includes {high}, or `int({low}, {high - 1})`"
    else:
        advice = "write `int(low, high)`, which includes both ends"
    return body.error(f"`{name}` is not taken: {REFUSED[name]}; {advice}", written.word)


def _bool(written: Written, body: Body) -> Recipe:
    if written.args:
        raise body.error("bool: no values are taken: it is False or True", written.args[0])
    place = body.place(written.whole)
    options = tuple(Argument(None, value, None, str(value), place) for value in (False, True))
    return Recipe("choice", options, place)


def _choice(word: Word, whole: ast.expr, args: list[ast.expr], body: Body) -> Recipe:
    place = body.place(whole)
    first = args[0] if len(args) == 1 else None
    listed = isinstance(first, ast.List | ast.Tuple)
    if isinstance(first, ast.List | ast.Tuple):
        args = first.elts
    if not args:
        raise body.error(f"{word.name}: at least one value is needed: {word.usage}", place)
    if any(isinstance(arg, ast.Starred) for arg in args):
        # How many values there are is known in the kernel only: there they are one list.
        together = ast.copy_location(ast.List(args, ast.Load()), args[0])
        together.end_col_offset = args[-1].end_col_offset
        argument = body.argument(None, together)
        listed_text = f"[{argument.text}]"
        return Recipe(word.kind, (replace(argument, text=listed_text),), place, spread=True)
    arguments = tuple(body.argument(None, arg) for arg in args)
    # `choice(models)`: the name of a list, as far as can be seen.
    spread = not listed and len(arguments) == 1 and arguments[0].expression is not None
    return _checked(Recipe(word.kind, arguments, place, spread))


def _range(word: Word, written: Written, body: Body) -> Recipe:
    arguments = _arguments(word, written, body)
    missing = [key for key in word.order if key not in arguments]
    if missing:
        got = " and ".join(arguments) or "nothing"
        raise body.error(
            f"{word.name}: {' and '.join(missing)} must be given, but got {got}: {word.usage}",
            written.whole,
        )
    for key, value in word.fixed.items():
        arguments[key] = Argument(key, value, None, str(value), body.place(written.word))
    kind, log = word.kind, arguments.get("log")
    if log is not None and not isinstance(log.value, bool):
        raise body.error(
            f"{word.name}: log must be True or False, written out, but got log={log.text}",
            log.place,
        )
    if kind == "uniform" and log is not None:
        del arguments["log"]
        step = arguments.get("step")
        if log.value and step is not None:
            raise body.error(
                f"{word.name}: log=True and step cannot be combined, but got step={step.text}; "
                "drop one of them",
                step.place,
            )
        kind = "loguniform" if log.value else kind
    return _checked(Recipe(kind, tuple(arguments.values()), body.place(written.whole)))


def _arguments(word: Word, written: Written, body: Body) -> dict[str, Argument]:
    """The arguments by canonical name, in the order of writing."""
    for arg in (*written.args, *written.keywords):
        if isinstance(arg, ast.Starred) or (isinstance(arg, ast.keyword) and arg.arg is None):
            raise body.error(f"{word.name}: write the values one by one: {word.usage}", arg)
    if len(written.args) > len(word.order):
        step = "; step goes by name: `step=`" if "step" in word.named else ""
        raise body.error(
            f"{word.name}: {len(word.order)} values are taken by position "
            f"({', '.join(word.order)}), but got {len(written.args)}{step}",
            written.args[len(word.order)],
        )
    arguments: dict[str, Argument] = {}
    for key, arg in zip(word.order, written.args, strict=False):
        arguments[key] = body.argument(key, arg)
    for keyword in written.keywords:
        key = _argument_word(keyword, word, body)
        if key in arguments:
            as_key = "" if keyword.arg == key else f" (as {keyword.arg})"
            raise body.error(f"{word.name}: {key} is given twice{as_key}", keyword)
        arguments[key] = body.argument(key, keyword.value)
    return arguments


def _argument_word(keyword: ast.keyword, word: Word, body: Body) -> str:
    spelled = str(keyword.arg)
    key = canonical_argument(spelled)
    if key is not None and key in word.arguments:
        return key
    if spelled in OPTIONS:
        raise misplaced_option(keyword, body)
    hint = nearest(spelled, word.arguments) or f": {word.usage}"
    raise body.error(f"{word.name}: unknown argument `{spelled}`{hint}", keyword)


def _checked(recipe: Recipe) -> Recipe:
    """The recipe, built once if it can be: a broken rule is raised here."""
    if not recipe.deferred:
        recipe.build()
    return recipe
