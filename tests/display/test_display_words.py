"""Safe text and readable numbers."""

from __future__ import annotations

import math
import unicodedata

import pytest
import simulated
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.display.words import (
    abridged,
    clean,
    decimals,
    duration,
    isolated,
    number,
    param_text,
    shown,
)


@given(st.text(max_size=300), st.integers(1, 80))
def test_clean_text_is_short_one_line_and_without_controls(text, limit):
    """Whatever goes in, what comes out can be laid out."""
    out = clean(text, limit)
    assert len(out) <= limit
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in out)
    assert not set(out) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07red", "\x9b31mred", "r\u202eed", "r\x00e\x07d"],
)
def test_escape_sequences_leave_only_their_text(text):
    """Colours, titles and direction overrides go."""
    assert clean(text) == "red"


def test_lone_surrogates_can_be_encoded_afterwards():
    """Text from the file system may hold them; JSON may not."""
    clean("a\udcffb").encode("utf-8")


def test_lines_are_kept_where_asked():
    """Tracebacks keep their lines."""
    assert clean("a\r\nb\tc", 40, lines=True) == "a\nb\tc"


def test_right_to_left_text_is_isolated_and_other_text_is_not():
    """Latin names stay as they are."""
    assert isolated("lr") == "lr"
    assert isolated("שלום") == "\u2068שלום\u2069"


@given(st.text(min_size=1, max_size=60), st.integers(3, 30))
def test_abridged_names_fit_and_keep_both_ends(text, limit):
    """The start and the end both say something."""
    out = abridged(text, limit)
    assert len(out) <= limit
    assert out[0] == text[0]
    assert out[-1] == text[-1]


@given(st.floats())
def test_any_float_has_a_short_form(value):
    """Also infinities and NaN."""
    assert 0 < len(number(value)) <= 17


@given(st.floats(-1e300, 1e300))
def test_the_short_form_is_the_value_to_four_digits(value):
    """Rounding is all that is lost."""
    read = float(number(value).replace("−", "-"))
    assert math.isclose(read, value, rel_tol=1e-3, abs_tol=5e-324)


@given(st.lists(st.floats(1e-2, 1e4), min_size=1, max_size=6))
def test_shown_values_have_as_many_decimals_as_asked(values):
    """Columns line up."""
    places = decimals(values)
    assert places is None or len({len(shown(v, places).partition(".")[2]) for v in values}) == 1


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6))
def test_values_to_keep_are_shown_with_three_digits(values):
    """However far apart the values are, none of these rounds to nothing."""
    places = decimals(values, values)
    for value in values:
        read = float(shown(value, places).replace("−", "-"))
        assert math.isclose(read, value, rel_tol=0.0051, abs_tol=5e-324)


def test_a_value_to_keep_does_not_lengthen_large_ones():
    """A column with five digits before the point and six behind it is not read."""
    assert decimals([0.0005198, 0.6], [0.0005198, 0.9]) == 6
    assert decimals([0.0005198, 0.6], [0.0005198, 12345.0]) is None


@given(st.floats(0, 1e9))
def test_durations_are_short(seconds):
    """A duration never takes much room."""
    assert 0 < len(duration(seconds)) <= 12


def test_an_object_whose_repr_raises_is_named_by_its_type():
    """A stranger's mistake does not break the table."""

    class Bad:
        def __repr__(self):
            raise RuntimeError

    trial = simulated.trial_of(0, 1.0, params={"model": Bad()})
    assert param_text(trial, "model") == "<Bad>"
