"""A person's hunches: what ``--try lr=0.1,kernel=rbf`` means in this search space."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from hpmagic.distributions import Choice, Distribution, Int, label_of
from hpmagic.errors import OptionError, nearest
from hpmagic.space import SearchSpace

__all__ = ["resolve_tries"]


def resolve_tries(
    tries: Sequence[Mapping[str, Any]], space: SearchSpace
) -> tuple[dict[str, Any], ...]:
    """Each hunch with its values as the cell will see them.

    A text is read as a literal, or as the label of a choice; from Python, values are taken as they
    are. A hunch may lie outside its range, or be a number that is not in a list of numbers: it is
    the person's to try.

    Raises:
        OptionError: a name that the cell does not tune, or a value that is none of a choice's.

    >>> from hpmagic.space import Parameter
    >>> space = SearchSpace((Parameter("kernel", Choice(("linear", "rbf"))),))
    >>> resolve_tries([{"kernel": "rbf"}], space)
    ({'kernel': 'rbf'},)
    """
    return tuple(
        {name: _value(name, given, space) for name, given in hunch.items()} for hunch in tries
    )


def _value(name: str, given: Any, space: SearchSpace) -> Any:
    parameter = space.find(name)
    if parameter is None:
        raise OptionError(
            f"--try: the cell does not tune `{name}`"
            + (nearest(name, space) or f"; it tunes {', '.join(space) or 'nothing'}")
        )
    if parameter.distribution is None:
        return _literal(given)
    return _in(name, given, parameter.distribution)


def _in(name: str, given: Any, distribution: Distribution) -> Any:
    if isinstance(distribution, Choice):
        if distribution.contains(given):
            return given
        text = given.strip() if isinstance(given, str) else label_of(given)
        if text in distribution.labels:
            return distribution.options[distribution.labels.index(text)]
        value = _literal(given)
        if distribution.contains(value):
            return value
        numbers = [option for option in distribution.options if _is_number(option)]
        if _is_number(value) and (value in numbers or len(numbers) == distribution.size):
            return next((number for number in numbers if number == value), value)
        raise OptionError(
            f"--try: {name} must be one of {', '.join(distribution.labels)}, but got `{text}`"
            + nearest(text, distribution.labels)
        )
    value = _literal(given)
    if not _is_number(value):
        raise OptionError(f"--try: {name} takes a number, {distribution}, but got `{given}`")
    if isinstance(distribution, Int):
        if not float(value).is_integer():
            raise OptionError(f"--try: {name} takes an integer, {distribution}, but got `{given}`")
        return value if type(value) is int else int(float(value))
    return float(value)


def _is_number(value: Any) -> bool:
    return type(value) is not bool and isinstance(value, Real) and math.isfinite(value)


def _literal(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return ast.literal_eval(given.strip())
    except (ValueError, SyntaxError):
        return given
