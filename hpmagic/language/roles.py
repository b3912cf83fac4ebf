"""Roles as written: ``minimize(best, patience=3)``, ``metric``, ``once``."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass

from hpmagic.errors import AnnotationError, Place, nearest
from hpmagic.language.body import Body
from hpmagic.language.items import Written, misplaced_option
from hpmagic.language.vocabulary import OPTIONS, ROLES, Role

__all__ = ["Purpose", "read_role"]


@dataclass(frozen=True)
class Purpose:
    """A role as written, its options as in `Mark`. ``patience_place`` is where patience stands."""

    role: str
    place: Place
    patience: int | ast.expr | None = None
    min_delta: float | ast.expr = 0.0
    best: bool = False
    step: ast.expr | None = None
    patience_place: Place | None = None

    @property
    def expressions(self) -> tuple[ast.expr, ...]:
        """What the cell is to evaluate."""
        given = (self.patience, self.min_delta, self.step)
        return tuple(value for value in given if isinstance(value, ast.expr))


def read_role(written: Written, body: Body) -> Purpose:
    """A role with its options.

    Raises:
        AnnotationError: an option that the role does not have, or a value that breaks its rule.
    """
    role = ROLES[written.word.id]
    given: dict[str, ast.keyword | ast.expr] = {}
    for arg in written.args:
        if not (isinstance(arg, ast.Name) and arg.id == "best" and "best" in role.named):
            raise _unknown(role, body.text(arg), arg, body)
        if given:
            raise body.error(f"{role.name}: best is given twice", arg)
        given["best"] = arg
    for keyword in written.keywords:
        name = keyword.arg or "**"
        if name in OPTIONS:
            raise misplaced_option(keyword, body)
        if name not in role.named:
            raise _unknown(role, name, keyword, body)
        if name in given:
            raise body.error(f"{role.name}: {name} is given twice", keyword)
        given[name] = keyword
    patience, delta = _patience(role, given, body), _min_delta(role, given, body)
    if delta is not None and patience is None:
        raise body.error(
            f"{role.name}: min_delta needs patience: it is the least gain that counts for it",
            given["min_delta"],
        )
    return Purpose(
        role=role.name,
        place=body.place(written.whole),
        patience=patience,
        min_delta=0.0 if delta is None else delta,
        best=_best(role, given, body),
        step=_step(role, given, body),
        patience_place=body.place(given["patience"]) if patience is not None else None,
    )


def _unknown(role: Role, name: str, at: ast.expr | ast.keyword, body: Body) -> AnnotationError:
    usage = f": {role.usage}" if role.named else f": {role.name} has no options in parentheses"
    return body.error(
        f"{role.name}: unknown option `{name}`{nearest(name, role.named) or usage}", at
    )


def _best(role: Role, given: dict[str, ast.keyword | ast.expr], body: Body) -> bool:
    best = given.get("best")
    if not isinstance(best, ast.keyword):
        return best is not None
    value = body.literal(best.value)
    if not isinstance(value, bool):
        raise _bad(role, "best must be True or False", best, body)
    return value


def _patience(
    role: Role, given: dict[str, ast.keyword | ast.expr], body: Body
) -> int | ast.expr | None:
    patience = given.get("patience")
    if not isinstance(patience, ast.keyword):
        return None
    argument = body.argument("patience", patience.value)
    if argument.expression is not None:
        return argument.expression
    value = argument.value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _bad(role, "patience must be a whole number, 1 or more", patience, body)
    return value


def _min_delta(
    role: Role, given: dict[str, ast.keyword | ast.expr], body: Body
) -> float | ast.expr | None:
    delta = given.get("min_delta")
    if not isinstance(delta, ast.keyword):
        return None
    argument = body.argument("min_delta", delta.value)
    if argument.expression is not None:
        return argument.expression
    value = argument.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise _bad(role, "min_delta must be a number, 0 or more", delta, body)
    return float(value)


def _step(role: Role, given: dict[str, ast.keyword | ast.expr], body: Body) -> ast.expr | None:
    step = given.get("step")
    if not isinstance(step, ast.keyword):
        return None
    expression = body.argument("step", step.value).expression
    if expression is None:
        raise _bad(role, "step must name what counts, such as step=epoch", step, body)
    return expression


def _bad(role: Role, rule: str, keyword: ast.keyword, body: Body) -> AnnotationError:
    text = body.text(keyword.value)
    return body.error(f"{role.name}: {rule}, but got {keyword.arg}={text}", keyword.value)
