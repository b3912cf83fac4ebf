"""The words of the annotation language: one table for reading, completion and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hpmagic.errors import nearest

__all__ = [
    "DISTRIBUTIONS",
    "OPTIONS",
    "REFUSED",
    "ROLES",
    "SPELLINGS",
    "Option",
    "Role",
    "Word",
    "canonical_argument",
    "meant",
]


@dataclass(frozen=True)
class Word:
    """A distribution as it may be written.

    ``kind`` is the canonical word; ``order`` the canonical names of the values taken by position,
    all of them needed; ``named`` those taken by name only; ``fixed`` what the word itself says. A
    word with ``many`` takes any number of values by position instead.
    """

    name: str
    kind: str
    usage: str
    meaning: str
    order: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    many: bool = False
    fixed: Mapping[str, object] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The canonical names of all arguments."""
        return (*self.order, *self.named)


@dataclass(frozen=True)
class Role:
    """What a statement may be besides tuned. ``named`` are its options, in parentheses."""

    name: str
    usage: str
    meaning: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """What may follow an item, as ``option=value``."""

    name: str
    takes: str
    meaning: str
    of_roles: bool = False


SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "low": ("low", "lower", "min", "min_value"),
    "high": ("high", "upper", "max", "max_value"),
    "step": ("step", "q"),
    "log": ("log",),
    "mu": ("mu", "mean"),
    "sigma": ("sigma", "sd", "std"),
}
"""How each argument may be spelled; the canonical spelling first."""

_BOUNDS = ("low", "high")
_SHAPE = ("mu", "sigma")
_FLOAT = "a float, both ends included"
_LOG = "a float, equally likely in each factor of ten; the bounds are real values, not exponents"
_INT = "an integer, both ends included"
_CHOICE = "one of several values, in no order"
_UNIFORM_USAGE = "(low, high[, step=, log=])"

DISTRIBUTIONS: Final[dict[str, Word]] = {
    word.name: word
    for word in (
        Word("uniform", "uniform", "uniform(low, high[, step=])", _FLOAT, _BOUNDS, ("step", "log")),
        Word("float", "uniform", f"float{_UNIFORM_USAGE}", _FLOAT, _BOUNDS, ("step", "log")),
        Word(
            "quniform",
            "uniform",
            "quniform(low, high, q)",
            "a float on a lattice of width q",
            (*_BOUNDS, "step"),
        ),
        Word(
            "discrete_uniform",
            "uniform",
            "discrete_uniform(low, high, q)",
            "a float on a lattice of width q",
            (*_BOUNDS, "step"),
        ),
        Word("loguniform", "loguniform", "loguniform(low, high)", _LOG, _BOUNDS),
        Word("log_uniform", "loguniform", "log_uniform(low, high)", _LOG, _BOUNDS),
        Word("logfloat", "loguniform", "logfloat(low, high)", _LOG, _BOUNDS),
        Word("int", "int", "int(low, high[, step=, log=])", _INT, _BOUNDS, ("step", "log")),
        Word(
            "int_uniform",
            "int",
            "int_uniform(low, high[, step=, log=])",
            _INT,
            _BOUNDS,
            ("step", "log"),
        ),
        Word(
            "logint",
            "int",
            "logint(low, high)",
            f"{_INT}, on a log scale",
            _BOUNDS,
            fixed={"log": True},
        ),
        Word(
            "lograndint",
            "int",
            "lograndint(low, high)",
            f"{_INT}, on a log scale",
            _BOUNDS,
            fixed={"log": True},
        ),
        Word("choice", "choice", "choice(a, b, ...) or [a, b, ...]", _CHOICE, many=True),
        Word("categorical", "choice", "categorical(a, b, ...)", _CHOICE, many=True),
        Word("bool", "choice", "bool()", "False or True"),
        Word(
            "ordinal",
            "ordinal",
            "ordinal(a, b, ...)",
            "one of several values in their order: neighbours are alike",
            many=True,
        ),
        Word("normal", "normal", "normal(mu, sigma)", "a float around mu, without bounds", _SHAPE),
        Word("randn", "normal", "randn(mean, sd)", "a float around mean, without bounds", _SHAPE),
        Word(
            "lognormal",
            "lognormal",
            "lognormal(mu, sigma)",
            "a positive float whose natural logarithm is normal(mu, sigma)",
            _SHAPE,
        ),
    )
}

_OBJECTIVE = ("best", "patience", "min_delta", "step")

ROLES: Final[dict[str, Role]] = {
    role.name: role
    for role in (
        Role(
            "minimize",
            "minimize[(best, patience=, min_delta=, step=)]",
            "the objective: smaller is better",
            _OBJECTIVE,
        ),
        Role(
            "maximize",
            "maximize[(best, patience=, min_delta=, step=)]",
            "the objective: larger is better",
            _OBJECTIVE,
        ),
        Role("metric", "metric[(step=)]", "logged, not optimised", ("step",)),
        Role("once", "once", "set-up: this statement may run once for all trials"),
    )
}

OPTIONS: Final[dict[str, Option]] = {
    option.name: option
    for option in (
        Option(
            "name",
            "a text",
            'the name, when the target gives none or not the right one; "units_{i}" is one name '
            "for each i",
            of_roles=True,
        ),
        Option("n", "a whole number", "how many values a grid takes from a range"),
        Option("kind", '"model" or "training"', "what the hyperparameter belongs to"),
    )
}

REFUSED: Final[dict[str, str]] = {
    "randint": "its upper end is exclusive in numpy, Ray and hyperopt and inclusive elsewhere",
    "range": "its upper end is exclusive in Python, while a range here includes both ends",
}
"""Words that would be misread by some: why they are refused."""


def canonical_argument(spelled: str) -> str | None:
    """The canonical name of an argument, None when no argument is spelled so.

    >>> canonical_argument("max_value"), canonical_argument("hi")
    ('high', None)
    """
    return next((name for name, spellings in SPELLINGS.items() if spelled in spellings), None)


def meant(word: str) -> str:
    """A clause that suggests the word of ours for an unknown one, or nothing.

    >>> meant("suggest_int"), meant("max")
    ('; did you mean `int`?', '; did you mean `maximize`?')
    """
    plain = word.removeprefix("suggest_")
    if plain in ("min", "max"):
        plain = f"{plain}imize"
    return nearest(plain, [*DISTRIBUTIONS, *ROLES])
