"""Strategies for values and for what they are drawn from."""

from hypothesis import strategies as st

from hpmagic.distributions import (
    Choice,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    literal_text,
)

FLOATS = st.floats(-1e300, 1e300, allow_nan=False)
POSITIVE = st.floats(1e-300, 1e300)
INTS = st.integers(-(2**50), 2**50)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), INTS, FLOATS, TEXTS, st.binary(max_size=4))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(TEXTS, inner, max_size=2),
    ),
    max_leaves=5,
)
OPTION_LISTS = st.lists(VALUES, min_size=1, max_size=5, unique_by=literal_text)


def pairs(numbers):
    return st.tuples(numbers, numbers).map(sorted)


SPACES = st.one_of(
    pairs(FLOATS).map(lambda b: Uniform(*b)),
    st.tuples(st.integers(-99, 99), st.integers(0, 99), st.sampled_from([0.1, 0.25, 1, 3])).map(
        lambda t: Uniform(t[0] / 8, t[0] / 8 + t[1], t[2])
    ),
    pairs(POSITIVE).map(lambda b: LogUniform(*b)),
    st.tuples(pairs(INTS), st.integers(1, 100)).map(lambda t: Int(*t[0], step=t[1])),
    pairs(st.integers(1, 2**50)).map(lambda b: Int(*b, log=True)),
    OPTION_LISTS.map(lambda values: Choice(tuple(values))),
    OPTION_LISTS.map(lambda values: Ordinal(tuple(values))),
    st.builds(Normal, FLOATS, POSITIVE),
    st.builds(LogNormal, FLOATS, POSITIVE),
)
