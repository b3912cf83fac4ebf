"""What every distribution promises: values and the unit interval, grids, labels, JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpmagic.distributions import (
    Choice,
    Distribution,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    distribution_from_json,
    is_literal,
    label_of,
    literal_text,
)
from hpmagic.errors import SpaceError

FLOATS = st.floats(-1e12, 1e12, allow_nan=False, allow_subnormal=False)
WIDE = st.floats(-1e300, 1e300, allow_nan=False)
POSITIVE = st.floats(1e-12, 1e12)
INTS = st.integers(-(2**53), 2**53)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, st.text(max_size=5))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.lists(SCALARS, max_size=3).map(tuple))
OPTIONS = st.lists(VALUES, min_size=1, max_size=6, unique_by=literal_text).map(tuple)


def pairs(numbers):
    return st.tuples(numbers, numbers).map(sorted)


UNIFORMS = pairs(WIDE).map(lambda b: Uniform(*b))
STEPPED = st.builds(
    lambda low, steps, step: Uniform(low, low + steps * step, step),
    st.integers(-100, 100).map(lambda n: n / 10),
    st.integers(0, 500),
    st.sampled_from([0.05, 0.1, 0.25, 1.0, 3.0]),
)
LOGS = pairs(st.floats(1e-300, 1e300)).map(lambda b: LogUniform(*b))
INTEGERS = st.builds(lambda b, step: Int(*b, step=step), pairs(INTS), st.integers(1, 1000))
SMALL = st.builds(
    lambda b, step: Int(*b, step=step), pairs(st.integers(-999, 999)), st.integers(1, 9)
)
SMALL_LOG = pairs(st.integers(1, 999)).map(lambda b: Int(*b, log=True))
LOG_INTEGERS = pairs(st.integers(1, 2**53)).map(lambda b: Int(*b, log=True))
CHOICES = OPTIONS.map(Choice)
ORDINALS = OPTIONS.map(Ordinal)
NORMALS = st.builds(Normal, FLOATS, POSITIVE)
LOGNORMALS = st.builds(LogNormal, st.floats(-20, 20), st.floats(1e-3, 20))
BOUNDED = st.one_of(UNIFORMS, STEPPED, LOGS, INTEGERS, LOG_INTEGERS, CHOICES, ORDINALS)
ANY = st.one_of(BOUNDED, NORMALS, LOGNORMALS)
UNITS = st.floats(0, 1)


@given(ANY, UNITS)
def test_every_unit_gives_a_value_of_the_distribution(distribution, unit):
    assert distribution.contains(distribution.from_unit(unit))


@given(st.one_of(STEPPED, CHOICES, ORDINALS, SMALL, SMALL_LOG), UNITS)
def test_counted_value_comes_back_from_its_unit(distribution, unit):
    value = distribution.from_unit(unit)
    place = distribution.to_unit(value)
    assert 0 <= place <= 1
    assert distribution.key(distribution.from_unit(place)) == distribution.key(value)


@given(st.one_of(UNIFORMS, LOGS), UNITS)
def test_float_comes_back_from_its_unit_but_for_the_rounding(distribution, unit):
    value = distribution.from_unit(unit)
    place = distribution.to_unit(value)
    assert -1e-9 <= place <= 1 + 1e-9
    again = distribution.from_unit(place)
    assert distribution.to_unit(again) == pytest.approx(place, abs=1e-4)


@given(
    st.one_of(UNIFORMS, STEPPED, LOGS, INTEGERS, LOG_INTEGERS, NORMALS, LOGNORMALS), UNITS, UNITS
)
def test_greater_units_give_no_smaller_values(distribution, one, other):
    low, high = sorted((one, other))
    assert distribution.from_unit(low) <= distribution.from_unit(high)


@given(st.one_of(UNIFORMS, STEPPED, LOGS, INTEGERS, LOG_INTEGERS))
def test_ends_of_the_unit_interval_are_the_bounds(distribution):
    assert distribution.from_unit(0.0) == distribution.low
    assert distribution.from_unit(1.0) == distribution.high


@given(st.one_of(UNIFORMS, STEPPED, LOGS, INTEGERS, LOG_INTEGERS))
def test_units_outside_the_interval_give_the_bounds(distribution):
    """A tuner's arithmetic may overshoot by a rounding error."""
    assert distribution.from_unit(-1e-12) == distribution.low
    assert distribution.from_unit(1 + 1e-12) == distribution.high


@given(st.one_of(STEPPED, CHOICES, ORDINALS, st.builds(Int, st.just(-3), st.integers(-3, 50))))
def test_grid_of_a_counted_distribution_has_every_value_once(distribution):
    grid = distribution.grid()
    assert len(grid) == distribution.size
    assert len({distribution.key(value) for value in grid}) == len(grid)
    assert all(distribution.contains(value) for value in grid)


@given(st.one_of(UNIFORMS, STEPPED, LOGS, INTEGERS, LOG_INTEGERS, ORDINALS), st.integers(2, 12))
def test_grid_of_n_points_is_spread_from_end_to_end(distribution, points):
    grid = distribution.grid(points)
    assert 1 <= len(grid) <= points
    assert all(distribution.contains(value) for value in grid)
    if not isinstance(distribution, Choice):
        assert grid[0] == distribution.low
        assert grid[-1] == distribution.high
        assert list(grid) == sorted(set(grid))


@given(st.one_of(NORMALS, LOGNORMALS), st.integers(1, 9))
def test_grid_of_a_prior_has_points_of_equal_probability(distribution, points):
    assume(isinstance(distribution, LogNormal) or distribution.sigma > 1e-6 * abs(distribution.mu))
    grid = distribution.grid(points)
    assert len(grid) == points
    for at, value in enumerate(grid):
        assert distribution.to_unit(value) == pytest.approx((at + 0.5) / points, abs=1e-3)


@given(ANY)
def test_distribution_comes_back_from_json(distribution):
    data = json.loads(json.dumps(distribution.as_json()))
    again = distribution_from_json(data)
    assert again == distribution
    assert str(again) == str(distribution)


@given(ANY, UNITS)
def test_plain_value_comes_back_from_its_label(distribution, unit):
    value = distribution.from_unit(unit)
    plain = distribution.plain(value)
    again = distribution.parse(distribution.label(value))
    assert again == plain
    assert type(again) is type(plain)


@given(ANY, UNITS)
def test_key_is_hashable_and_the_same_for_the_same_value(distribution, unit):
    value = distribution.from_unit(unit)
    assert hash(distribution.key(value)) == hash(distribution.key(distribution.from_unit(unit)))
    assert distribution.key(value) == distribution.key(value)


@given(pairs(FLOATS), UNITS)
def test_float_has_about_six_digits_of_its_range(bounds, unit):
    low, high = bounds
    assume(high - low > 1e-3 * max(abs(low), abs(high), 1e-9))
    value = Uniform(low, high).from_unit(unit)
    assume(value not in (low, high))
    assert float(f"{value:.9e}") == value


@pytest.mark.parametrize(
    ("distribution", "unit", "value"),
    [
        (Uniform(0, 1), 1 / 3, 0.33333),
        (Uniform(1e-6, 1e-5), 0.5, 5.5e-06),
        (LogUniform(1e-5, 1e-1), 0.3, 0.000158489),
        (LogUniform(1, 1000), 1 / 3, 10.0),
        (Normal(0, 0.1), 0.9, 0.128155),
        (Int(1, 6), 0.999, 6),
        (Int(1, 6), 0.0, 1),
        (Choice(("a", "b", "c")), 0.34, "b"),
    ],
)
def test_values_are_tidy(distribution, unit, value):
    assert distribution.from_unit(unit) == value


def test_integers_are_equally_likely():
    draws = [Int(1, 3).from_unit((n + 0.5) / 300) for n in range(300)]
    assert [draws.count(value) for value in (1, 2, 3)] == [100, 100, 100]


def test_log_integers_reach_both_ends_and_favour_the_low_ones():
    draws = [Int(1, 100, log=True).from_unit(n / 999) for n in range(1000)]
    assert {1, 100} <= set(draws)
    assert sum(value <= 10 for value in draws) > 500


@pytest.mark.parametrize(
    ("make", "rule", "arguments"),
    [
        (lambda: Uniform(2, 1), "low <= high must hold, but got low=2, high=1", ("low", "high")),
        (lambda: Uniform(0, math.inf), "high must be finite", ("high",)),
        (lambda: Uniform(math.nan, 1), "low must be finite", ("low",)),
        (lambda: Uniform(0, 10**400), "high must be finite", ("high",)),
        (lambda: Uniform(-1e308, 1e308), "high - low must be finite", ("low", "high")),
        (lambda: Uniform(0, "1"), 'high must be a number, but got high="1"', ("high",)),
        (lambda: Uniform(True, 2), "low must be a number", ("low",)),
        (lambda: Uniform(0, 1, 0), "step > 0 must hold, but got step=0", ("step",)),
        (lambda: Uniform(0, 1, 1e-300), r"at most 2\*\*53 steps", ("step",)),
        (lambda: LogUniform(0, 1), "low > 0 must hold, but got low=0", ("low",)),
        (
            lambda: LogUniform(-5, -1),
            r"not exponents: did you mean `loguniform\(1e-5, 1e-1\)`",
            ("low",),
        ),
        (lambda: Int(1, 2.0), "high must be an integer, but got high=2.0; write high=2", ("high",)),
        (lambda: Int(False, 2), "low must be an integer", ("low",)),
        (lambda: Int(1, 2**60), r"high must lie within -2\*\*53 and 2\*\*53", ("high",)),
        (lambda: Int(1, 9, step=0), "step >= 1 must hold", ("step",)),
        (lambda: Int(0, 9, log=True), "with log=True low >= 1 must hold", ("low",)),
        (lambda: Int(1, 9, step=2, log=True), "log=True and step cannot be combined", ("step",)),
        (lambda: Int(1, 9, log=1), "log must be True or False", ("log",)),
        (lambda: Choice(()), "at least one value is needed", ()),
        (lambda: Choice(("a", "b", "a")), 'the values must differ, but got "a" twice', (2,)),
        (lambda: Normal(0, 0), "sigma > 0 must hold", ("sigma",)),
        (lambda: Uniform(0, 1).grid(), "is a continuum: a grid over it needs n=", ()),
        (lambda: Uniform(0, 1).grid(0), "n must be at least 1", ()),
        (lambda: Int(1, 9).grid(0), "n must be at least 1", ()),
        (lambda: Choice((1, 2)).grid(1), "a grid takes every value", ()),
        (lambda: Choice((1, 2)).to_unit(3), "does not contain 3", ()),
        (lambda: distribution_from_json({"kind": "zebra"}), "unknown distribution kind", ()),
    ],
)
def test_broken_rule_names_the_rule_the_values_and_the_arguments(make, rule, arguments):
    with pytest.raises(SpaceError, match=rule) as caught:
        make()
    assert caught.value.arguments == arguments


def test_high_is_lowered_to_the_last_step():
    assert Uniform(0, 1, 0.3).high == 0.9
    assert Uniform(0, 1, 0.1).high == 1.0
    assert Int(1, 10, step=4).high == 9


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (Uniform(0, 1), [0, 1, 0.5], [-0.1, 1.1, True, None, "0.5", math.nan]),
        (Uniform(0, 1, 0.1), [0.3, 0.7], [0.35]),
        (LogUniform(0.1, 1), [0.1, 1], [0.01, 2, False]),
        (Int(1, 9, step=2), [1, 9], [2, 11, 1.0, True]),
        (Choice((1, "1", None)), [1, "1", None], [1.0, True, 2]),
        (Normal(0, 1), [0, -1e9], [math.inf, math.nan, "0", True]),
        (LogNormal(0, 1), [0.1], [0, -1]),
    ],
)
def test_contains(distribution, inside, outside):
    assert all(distribution.contains(value) for value in inside)
    assert not any(distribution.contains(value) for value in outside)


class Odd:
    """An object whose comparison is of no use."""

    def __eq__(self, other):
        raise TypeError("no")

    def __hash__(self):
        raise TypeError("no")


def test_options_may_be_any_objects():
    odd = Odd()
    choice = Choice((odd, dict, "dict"), ("odd", "class", "text"))
    assert choice.contains(odd)
    assert not choice.contains(Odd())
    assert [choice.label(option) for option in choice.options] == ["odd", "class", "text"]
    assert choice.parse("class") == "class"
    assert choice.parse("text") == "dict"
    assert choice.key(odd) == 0
    assert choice.plain(dict) == "class"


def test_objects_come_back_from_json_as_their_labels():
    again = distribution_from_json(Choice((dict, 1), ("dict", "1")).as_json())
    assert again.options == ("dict", 1)
    assert again.labels == ("dict", "1")


def test_labels_that_would_be_equal_are_told_apart():
    assert Choice(("1", 1)).labels == ('"1"', "1")
    assert Choice((True, "True")).labels == ("True", '"True"')


def test_single_list_is_printed_in_a_list():
    assert str(Choice(([8],))) == "choice([[8]])"
    assert str(Ordinal(((8, 9),))) == "ordinal([(8, 9)])"
    assert str(Choice((8,))) == "choice(8)"
    assert str(Choice(([8], [9]))) == "choice([8], [9])"


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (1, True),
        ("a", True),
        (b"a", True),
        (None, True),
        ((1, [2, {"a": None}]), True),
        (math.inf, False),
        ({1}, False),
        (1j, False),
        (dict, False),
        ([dict], False),
    ],
)
def test_is_literal(value, literal):
    assert is_literal(value) is literal


def test_labels_of_numpy_scalars_are_plain_numbers():
    import numpy as np

    assert label_of(np.float64(0.5)) == "0.5"
    assert Uniform(0, 1).plain(np.float64(0.5)) == 0.5
    assert type(Uniform(0, 1).plain(np.float64(0.5))) is float


def test_every_kind_is_a_distribution_of_its_own_name():
    kinds = {cls.kind for cls in (Uniform, LogUniform, Int, Choice, Ordinal, Normal, LogNormal)}
    assert len(kinds) == 7
    assert all(issubclass(cls, Distribution) for cls in (Uniform, Choice, Normal))


NUMPY = [
    np.float64(0.001),
    np.float32(0.1),
    np.int64(3),
    np.int8(-1),
    np.bool_(True),
    np.str_("a"),
]


@pytest.mark.parametrize("kind", [Choice, Ordinal])
def test_options_of_numpy_come_back_as_the_numbers_they_are(kind):
    """JSON and labels give what tables show, and the reread distribution has the same JSON."""
    distribution = kind(tuple(NUMPY))
    assert distribution.labels == ("0.001", "0.10000000149011612", "3", "-1", "True", "a")
    read = distribution_from_json(json.loads(json.dumps(distribution.as_json())))
    plain = [distribution.plain(value) for value in NUMPY]
    assert [type(value) for value in read.options] == [float, float, int, int, bool, str]
    assert list(read.options) == plain == [read.parse(label) for label in read.labels]
    assert read.as_json() == distribution.as_json()
    assert str(read) == str(distribution)


def test_options_that_numpy_alone_tells_apart_stay_apart():
    """3 and ``numpy.int64(3)`` are two options, before and after."""
    distribution = Choice((np.int64(3), 3), ("three", "3"))
    read = distribution_from_json(distribution.as_json())
    assert read.options == ("three", 3)
    assert [read.parse(label) for label in distribution.labels] == ["three", 3]


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ('float("inf")', math.inf),
        ("float('-inf')", -math.inf),
        ('-float("inf")', -math.inf),
        ("np.inf", math.inf),
        ("-math.inf", -math.inf),
        ("inf", math.inf),
    ],
)
def test_an_infinity_is_known_by_its_label(label, value):
    """A study from MLflow has labels of what is no literal; an infinity is itself all the same."""
    distribution = Choice((1.0, value), ("1.0", label))
    read = distribution_from_json(distribution.as_json())
    assert read == distribution
    assert read.as_json() == distribution.as_json()
    assert [read.used(v) for v in (1.0, label, "else")] == [1.0, value, "else"]
    assert distribution.plain(value) == read.plain(value) == label


def test_texts_and_objects_are_no_infinities():
    """A text that reads like one, and an object of another name, stay texts."""
    read = distribution_from_json(Choice(("inf", dict)).as_json())
    assert read.options == ("inf", "dict")
    assert read.used("inf") == "inf"
