"""The facts of a study as JSON, and back without evaluating anything."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import SPACE, info, trial

from hpmagic.distributions import Choice, Int
from hpmagic.records import Report
from hpmagic.tracking.codec import (
    info_from_json,
    info_to_json,
    pack,
    reports_of,
    trial_from_json,
    trial_to_json,
    unpack,
)

literals: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
KNOWN = {name: distribution for name, (distribution, _) in SPACE.items()}


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(literals)
def test_a_literal_comes_back_with_its_type(value: Any) -> None:
    """Ints stay ints, tuples tuples, None None."""
    back = unpack(through_json(pack(value)))
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("value", [dict, math.sqrt, float("nan"), object])
def test_an_object_comes_back_as_its_label(value: Any) -> None:
    """What has no literal is known by its name."""
    assert unpack(through_json(pack(value))) == getattr(value, "__name__", "nan")


@pytest.mark.parametrize("text", ["open('x')", "__import__('os')", "1 +", "(" * 5000, "a", 3, None])
def test_only_literals_are_read(text: object) -> None:
    """Whatever stands in a store, it is never run: it is refused."""
    with pytest.raises(ValueError):
        unpack(text)


def test_a_study_comes_back() -> None:
    """All of a study's facts survive, its space among them."""
    told = info(tuner_options={"n": 3}, remarks=("a choice was made",))
    assert info_from_json(through_json(info_to_json(told))) == told


@pytest.mark.parametrize("data", [{}, {"objectives": [["a", "up"]]}, {"space": [{}]}])
def test_a_broken_study_is_refused(data: dict[str, Any]) -> None:
    """Missing facts are a `ValueError`, whatever is missing."""
    with pytest.raises(ValueError):
        info_from_json({**info_to_json(info()), **data} if data else data)


def test_a_trial_comes_back() -> None:
    """Values, metrics, curves, state and times survive; output is kept elsewhere."""
    for number in range(5):
        told = trial(number)
        back = trial_from_json(through_json(trial_to_json(told, KNOWN)), KNOWN)
        assert replace(back, output=told.output) == told


def test_an_infinite_value_of_a_trial_comes_back_as_a_number() -> None:
    """An option that has no literal is stored by its label, and is the float again."""
    limits = Choice((1.0, math.inf), ("1.0", 'float("inf")'))
    told = trial(0, params={"x": math.inf}, distributions={"x": limits})
    for known in (KNOWN, {"x": limits}):
        back = trial_from_json(through_json(trial_to_json(told, known)), known)
        assert back.params == {"x": math.inf}


def test_only_distributions_that_the_space_lacks_are_written() -> None:
    """A range that was known beforehand is not repeated in every trial."""
    told = trial(0)
    assert trial_to_json(told, KNOWN)["distributions"] == {}
    other = replace(told, distributions={**told.distributions, "C": Int(1, 9)}, params={"C": 3})
    data = trial_to_json(other, KNOWN)
    assert list(data["distributions"]) == ["C"]
    assert trial_from_json(through_json(data), KNOWN).distributions["C"] == Int(1, 9)


def test_options_that_are_objects_become_labels() -> None:
    """A class among the options is known by its name when it comes back."""
    told = replace(trial(0), params={"model": dict}, distributions={"model": Choice((dict, list))})
    back = trial_from_json(through_json(trial_to_json(told, {})), {})
    assert back.params == {"model": "dict"}
    assert back.distributions["model"].label("dict") == "dict"


def test_reports_keep_their_times() -> None:
    """When the reports were heard as they came, their own times are written down."""
    told = trial(0)
    heard = [
        Report("accuracy", value, step, told.start + step)
        for step, value in told.curves["accuracy"]
    ]
    assert reports_of(trial_to_json(told, KNOWN, heard)) == heard


def test_reports_that_nobody_heard_are_made_up_from_the_trial() -> None:
    """A trial that comes without its reports has the same curves and metrics."""
    told = replace(trial(0), metrics={"accuracy": 0.9, "size": 3.0})
    data = trial_to_json(told, KNOWN)
    assert trial_from_json(through_json(data), KNOWN).curves == told.curves
    assert {r.name: r.value for r in reports_of(data)} == told.metrics
