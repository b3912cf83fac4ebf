"""A person's hunches: what ``--try lr=0.1,kernel=rbf`` means in this search space."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from hpmagic.distributions import Choice, Distribution, Int, label_of, literal_text
from hpmagic.errors import OptionError, nearest
from hpmagic.space import SearchSpace

__all__ = ["resolve_tries"]


def resolve_tries(
    tries: Sequence[Mapping[str, Any]], space: SearchSpace
) -> tuple[dict[str, Any], ...]:
    """Each hunch with its values as the cell will see them.

    A text is the label of a choice, or read as a literal; other values, which come from Python, are
    taken as they are. A hunch may lie outside its range, or be a number that is not in a list of
    numbers: it is the person's to try.

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
        return _option(name, given, distribution)
    value = _literal(given)
    if not _is_number(value):
        raise OptionError(f"--try: {name} takes a number, {distribution}, but got `{_text(given)}`")
    if isinstance(distribution, Int):
        if not float(value).is_integer():
            raise OptionError(
                f"--try: {name} takes an integer, {distribution}, but got `{_text(given)}`"
            )
        return value if type(value) is int else int(float(value))
    return float(value)


def _option(name: str, given: Any, choice: Choice) -> Any:
    text, labels = _text(given).strip(), choice.labels
    if not isinstance(given, str) and choice.contains(given):
        return given
    # A text is first of all what is shown: of the options `1` and `"1"`, the number.
    for label in (given, text):
        if isinstance(label, str) and label in labels:
            return choice.options[labels.index(label)]
    value = _literal(given)
    for option in (given, value):
        if choice.contains(option):
            return option
    numbers = [option for option in choice.options if _is_number(option)]
    if _is_number(value) and (value in numbers or len(numbers) == choice.size):
        return next((number for number in numbers if number == value), value)
    # `--try` drops the blanks around a value.
    bare = [label.strip() for label in labels]
    if bare.count(text) == 1:
        return choice.options[bare.index(text)]
    listed = ", ".join(_visible(label) for label in labels)
    raise OptionError(
        f"--try: {name} must be one of {listed}, but got `{text}`{nearest(text, labels)}"
    )


def _visible(label: str) -> str:
    """A label, in quotes where its ends could not be seen."""
    return label if label and label == label.strip() else literal_text(label)


def _text(given: Any) -> str:
    try:
        return label_of(given)
    except ValueError:  # Python writes out no integer of more than 4300 digits
        return "an integer of thousands of digits"


def _is_number(value: Any) -> bool:
    if type(value) is bool or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the floats
        return False


def _literal(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return ast.literal_eval(given.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return given
