"""The names of hyperparameters and metrics: from ``name=``, from targets, and qualified."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hpmagic.errors import AnnotationError, Place
from hpmagic.language.literals import NotLiteral, TooLarge, literal_value

__all__ = [
    "Name",
    "Named",
    "name_of_item",
    "name_of_owner",
    "name_of_target",
    "qualified",
    "read_name",
]

_ALLOWED: Final = re.compile(r"[\w./:\- ]+")
_LONGEST: Final = 250


@dataclass(frozen=True)
class Name:
    """A name as ``name=`` gives it; ``template`` is the f-string that makes it, if any."""

    text: str
    template: ast.JoinedStr | None
    place: Place


@dataclass(frozen=True)
class Named:
    """The name that a target gives, and what it belongs to: ``C`` of ``SVC``."""

    name: str
    owner: str | None = None


def read_name(node: ast.expr, place: Place, text: str) -> Name:
    """The value of ``name=``.

    Raises:
        AnnotationError: it is not a text, or not one that MLflow could store.
    """
    if isinstance(node, ast.JoinedStr):
        return _templated(node, _pattern_of(node), place)
    try:
        value = literal_value(node)
    except (NotLiteral, TooLarge):
        value = None
    if not isinstance(value, str):
        raise AnnotationError(f'name must be a text, such as name="lr", but got name={text}', place)
    if "{" not in value and "}" not in value:
        _check(value, value, place)
        return Name(value, None, place)
    for quotes in ('"""', "'''"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                joined = ast.parse(f"rf{quotes}{value}{quotes}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(joined, ast.JoinedStr):
            return _templated(joined, value, place)
    raise AnnotationError(
        f"name={text} is not a pattern: braces hold an expression, as in an f-string", place
    )


def _pattern_of(joined: ast.JoinedStr) -> str:
    """The text between the quotes of an f-string, as near as it can be told."""
    texts = []
    for part in joined.values:
        if isinstance(part, ast.FormattedValue):
            conversion = "" if part.conversion < 0 else f"!{chr(part.conversion)}"
            spec = part.format_spec
            form = f":{_pattern_of(spec)}" if isinstance(spec, ast.JoinedStr) else ""
            texts.append(f"{{{ast.unparse(part.value)}{conversion}{form}}}")
        elif isinstance(part, ast.Constant):
            texts.append(str(part.value).replace("{", "{{").replace("}", "}}"))
    return "".join(texts)


def _templated(joined: ast.JoinedStr, shown: str, place: Place) -> Name:
    plain = "".join(str(part.value) for part in joined.values if isinstance(part, ast.Constant))
    fields = [part for part in joined.values if isinstance(part, ast.FormattedValue)]
    if not fields:
        _check(plain, plain, place)
        return Name(plain, None, place)
    for inner in ast.walk(joined):
        if isinstance(inner, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
            raise AnnotationError("a name can read names, but not assign, await or yield", place)
        if isinstance(inner, ast.expr | ast.keyword | ast.arg):
            inner.lineno = inner.end_lineno = place.line
            inner.col_offset = len(place.text[: place.column].encode("utf-8", "surrogatepass"))
            inner.end_col_offset = inner.col_offset
    _check(plain or "x", shown, place)
    return Name(shown, joined, place)


def _check(plain: str, shown: str, place: Place) -> None:
    if not shown.strip() or shown != shown.strip():
        raise AnnotationError("name must not be empty, nor begin or end with a space", place)
    if not _ALLOWED.fullmatch(plain):
        odd = next(char for char in plain if not _ALLOWED.fullmatch(char))
        raise AnnotationError(
            f"name can hold letters, digits, spaces and _ - . : /, but got {odd!r}", place
        )
    if len(shown) > _LONGEST:
        raise AnnotationError(f"name can have {_LONGEST} characters, but got {len(shown)}", place)


def name_of_target(target: ast.expr, within: str | None) -> Named | None:
    """The name that an assignment's target gives; ``within`` is the class it stands in.

    None when it gives none: ``cfg[key]``, say.
    """
    if isinstance(target, ast.Name):
        return Named(target.id)
    if isinstance(target, ast.Attribute):
        owner = name_of_owner(target.value)
        return Named(target.attr, within if owner in ("self", "cls") and within else owner)
    if isinstance(target, ast.Subscript):
        return name_of_item(target.slice, name_of_owner(target.value))
    return None


def name_of_item(key: ast.expr, owner: str | None) -> Named | None:
    """The name that a literal key gives: a text names itself, a number needs its owner's."""
    value = key.value if isinstance(key, ast.Constant) else None
    if isinstance(value, str) and _ALLOWED.fullmatch(value) and value == value.strip():
        return Named(value, owner)
    if type(value) is int and owner is not None:
        return Named(f"{owner}.{value}")
    return None


def name_of_owner(node: ast.expr) -> str | None:
    """The last name of what is called, subscripted or looked into: ``SVC`` of ``svm.SVC``.

    That of ``cfg["gen"]`` is its key.
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return name_of_owner(node.func)
    if isinstance(node, ast.Subscript):
        named = name_of_target(node, None)
        return named.name if named else name_of_owner(node.value)
    return None


def qualified(names: Sequence[Named]) -> list[str]:
    """Each name, with its owner where another of them has the same name.

    >>> qualified([Named("C", "SVC"), Named("C", "LinearSVC"), Named("tol", "SVC")])
    ['SVC.C', 'LinearSVC.C', 'tol']
    """
    times = Counter(named.name for named in names)
    return [
        f"{named.owner}.{named.name}" if named.owner and times[named.name] > 1 else named.name
        for named in names
    ]
