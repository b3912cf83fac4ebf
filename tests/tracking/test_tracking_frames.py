"""Records survive as bytes: whatever is torn or flipped, the whole ones are found."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.tracking.frames import Damage, Record, encode, read_frames

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
frames = st.lists(
    st.tuples(
        st.text(max_size=8),
        st.dictionaries(st.text(max_size=8), json_values, max_size=4),
        st.dictionaries(st.text(max_size=8), st.binary(max_size=60), max_size=3),
    ),
    max_size=6,
)
Given = list[tuple[str, dict[str, Any], dict[str, bytes]]]


def joined(given: Given) -> tuple[bytes, list[int]]:
    """The bytes of all records, and where each ends."""
    parts = [encode(*one) for one in given]
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    return b"".join(parts), ends


def read(data: bytes) -> list[Record | Damage]:
    return list(read_frames(io.BytesIO(data), 0, len(data)))


def whole(data: bytes) -> Given:
    found = [one for one in read(data) if isinstance(one, Record)]
    return [(one.kind, dict(one.data), dict(one.blobs)) for one in found]


@given(frames)
def test_records_come_back_as_they_were(given: Given) -> None:
    """What is written is read, in order, with its blobs and its unusual characters."""
    data, ends = joined(given)
    assert whole(data) == given
    assert [one.end for one in read(data)] == ends


@pytest.mark.slow
@given(frames, st.data())
def test_a_tail_torn_at_any_byte_costs_no_whole_record(given: Given, data: Any) -> None:
    """However short the file is cut, every record that is whole is read and nothing raises."""
    blob, ends = joined(given)
    cut = data.draw(st.integers(0, len(blob)))
    expected = [one for one, end in zip(given, ends, strict=True) if end <= cut]
    assert whole(blob[:cut]) == expected


@pytest.mark.slow
@given(frames.filter(bool), st.data())
def test_flipped_bytes_cost_only_their_own_record(given: Given, data: Any) -> None:
    """A flipped byte anywhere loses at most the record that holds it."""
    blob, ends = joined(given)
    at = data.draw(st.integers(0, len(blob) - 1))
    broken = bytearray(blob)
    broken[at] ^= data.draw(st.integers(1, 255))
    hit = next(index for index, end in enumerate(ends) if at < end)
    assert whole(bytes(broken)) == given[:hit] + given[hit + 1 :]


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_damage_and_nothing_else(junk: bytes) -> None:
    """Any bytes at all are read without an error, and every one of them is accounted for."""
    found = read(junk)
    assert sum(one.end - one.start for one in found if isinstance(one, Damage)) == len(junk) or any(
        isinstance(one, Record) for one in found
    )


def test_numbers_of_numpy_are_written_as_numbers() -> None:
    """A metric that is numpy's scalar does not stop the record."""
    numpy = pytest.importorskip("numpy")
    data = encode("trial", {"value": numpy.float32(0.5), "count": numpy.int64(3)})
    assert whole(data) == [("trial", {"value": 0.5, "count": 3}, {})]
