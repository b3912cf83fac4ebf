"""What `--try` means in a search space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpmagic.distributions import Choice, Int, LogUniform, Ordinal, Uniform
from hpmagic.errors import OptionError
from hpmagic.hunches import resolve_tries
from hpmagic.space import Parameter, SearchSpace

SPACE = SearchSpace(
    (
        Parameter("lr", LogUniform(1e-5, 1.0)),
        Parameter("depth", Int(1, 9)),
        Parameter("kernel", Choice(("linear", "rbf"))),
        Parameter("weights", Choice((None, "balanced", 1.0, True))),
        Parameter("model", Choice((dict, list), ("dict", "list"))),
        Parameter("size", Ordinal((16, 32, 64))),
        Parameter("units_{i}", Int(4, 64)),
        Parameter("open", None, text="int(1, n)"),
        Parameter("part", Uniform(0, 1)),
    )
)


def one(**given: Any) -> dict[str, Any]:
    (values,) = resolve_tries([given], SPACE)
    return values


def test_texts_are_read_as_the_distribution_wants_them() -> None:
    """A float for a float, an int for an int, an option by its label."""
    values = one(lr="1e-3", depth="3", kernel="rbf", size="32", part="1")
    assert values == {"lr": 1e-3, "depth": 3, "kernel": "rbf", "size": 32, "part": 1.0}
    assert type(values["depth"]) is int
    assert type(values["part"]) is float


def test_quotes_around_a_text_do_not_matter() -> None:
    """As in Python, or as in a shell."""
    assert one(kernel="'rbf'") == one(kernel='"rbf"') == one(kernel="rbf") == {"kernel": "rbf"}


def test_options_of_any_kind_are_found_by_their_label() -> None:
    """None, a truth value, a number and an object; the object itself comes out."""
    assert one(weights="None") == {"weights": None}
    assert one(weights="True")["weights"] is True
    assert one(weights="1")["weights"] == 1.0
    assert one(model="list")["model"] is list
    assert one(model=dict)["model"] is dict


@pytest.mark.parametrize(
    "options",
    [
        (1, "1", True, 1.0, "True"),
        ("None", None),
        ("", " a", "b ", "c"),
        (" a", "a"),
        ("'a'", "a", '"a"'),
        (" 1", 1, 10**400),
        ((1, 2), "(1, 2)"),
    ],
)
def test_every_option_can_be_named_as_it_is_shown(options: tuple[Any, ...]) -> None:
    """Its label means it and no other, whatever the label would be as a literal."""
    choice = Choice(options)
    space = SearchSpace((Parameter("k", choice),))
    for option, label in zip(options, choice.labels, strict=True):
        (values,) = resolve_tries([{"k": label}], space)
        assert values["k"] is option


def test_blanks_at_the_ends_of_an_option_may_be_left_out() -> None:
    """`--try` drops them; where that leaves two to choose from, they are shown in quotes."""
    space = SearchSpace((Parameter("k", Choice((" a", "b", "", "d "))),))
    assert resolve_tries([{"k": "a"}], space) == ({"k": " a"},)
    assert resolve_tries([{"k": '" a"'}], space) == ({"k": " a"},)
    twice = SearchSpace((Parameter("k", Choice((" a", "a ", "b"))),))
    with pytest.raises(OptionError, match='k must be one of " a", "a ", b, but got `a`'):
        resolve_tries([{"k": "a"}], twice)


def test_a_number_may_lie_outside_its_range() -> None:
    """It is the person's to try."""
    assert one(lr="5", depth="100") == {"lr": 5.0, "depth": 100}


def test_a_number_may_be_one_that_a_list_of_numbers_lacks() -> None:
    """A list of names has typing errors; a list of numbers has gaps."""
    assert one(size="48") == {"size": 48}
    assert one(size="32.0")["size"] == 32
    with pytest.raises(OptionError, match="--try: size must be one of 16, 32, 64, but got `big`"):
        one(size="big")


def test_a_whole_float_is_an_integer_where_one_is_wanted() -> None:
    """Also numpy's numbers, which come from Python."""
    assert one(depth="3.0") == {"depth": 3}
    assert one(depth=np.int64(3), lr=np.float32(0.5)) == {"depth": 3, "lr": 0.5}


def test_names_with_braces_are_filled_or_taken_whole() -> None:
    """The range is checked for them as for others."""
    assert one(units_0="8") == {"units_0": 8}
    assert one(**{"units_{i}": "8"}) == {"units_{i}": 8}
    with pytest.raises(OptionError, match="--try: units_1 takes an integer"):
        one(units_1="8.5")


def test_a_name_with_braces_is_found_by_its_letters() -> None:
    """A dot is a dot, and something must stand in the braces."""
    space = SearchSpace((Parameter("SVC.C_{i}", Uniform(0, 1)),))
    assert space.find("SVC.C_12") is space.parameters[0]
    assert space.find("SVC.C_{i}") is space.parameters[0]
    assert space.find("SVCxC_12") is None
    assert space.find("SVC.C_") is None


def test_a_range_that_only_the_cell_knows_takes_any_literal() -> None:
    """It cannot be checked before."""
    assert one(open="3") == {"open": 3}
    assert one(open="many") == {"open": "many"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lrr": "1"}, "the cell does not tune `lrr`; did you mean `lr`"),
        (
            {"kernel": "rbff"},
            "kernel must be one of linear, rbf, but got `rbff`; did you mean `rbf`",
        ),
        ({"depth": "2.5"}, r"depth takes an integer, int\(1, 9\), but got `2.5`"),
        ({"depth": "deep"}, r"depth takes a number, int\(1, 9\), but got `deep`"),
        ({"depth": "True"}, "depth takes a number"),
        ({"depth": "1e999"}, "depth takes a number"),
        ({"lr": "nan"}, "lr takes a number"),
        ({"lr": [1]}, "lr takes a number"),
        ({"lr": "{[]: 1}"}, r"lr takes a number, .*, but got `{\[\]: 1}`"),
        ({"lr": "(" * 10_000}, "lr takes a number"),
        ({"lr": "-" * 10_000 + "1"}, "lr takes a number"),
        ({"kernel": "{[]: 1}"}, "kernel must be one of linear, rbf"),
        ({"depth": "1" * 400}, "depth takes a number, .*, but got `1{400}`"),
        ({"lr": 10**400}, "lr takes a number"),
        ({"lr": 10**5000}, "lr takes a number, .*, but got `an integer of thousands of digits`"),
        ({"size": 10**5000}, "size must be one of 16, 32, 64, but got `an integer of thousands"),
    ],
)
def test_a_hunch_that_cannot_be_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    """Before anything runs, with the nearest right spelling."""
    with pytest.raises(OptionError, match=f"--try: {message}"):
        one(**given)


def test_a_cell_that_tunes_nothing_says_so() -> None:
    """There are no names to suggest."""
    with pytest.raises(OptionError, match="it tunes nothing"):
        resolve_tries([{"zzz": 1}], SearchSpace())
