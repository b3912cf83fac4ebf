"""Names, limits and values as MLflow takes them, and back."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import BEGIN, trial

from hpmagic.records import Origin, Report, TrialState
from hpmagic.tracking.schema import (
    MOST_NAME,
    cut,
    from_store,
    key,
    latest,
    name_tags,
    names_in,
    run_name,
    to_store,
)

names = st.text(st.characters(codec=None), min_size=1, max_size=300)


@given(names)
def test_every_name_has_a_key_that_mlflow_takes(name: str) -> None:
    """Whatever a hyperparameter is called, MLflow's own checks accept its key."""
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    _validate_metric_name(key(name))
    _validate_param_name(key(name))
    assert len(key(name)) <= MOST_NAME


@given(st.lists(names, unique=True))
def test_names_come_back_from_their_keys(given_names: list[str]) -> None:
    """Keys differ where names do, and the tags tell the names that are not their own keys."""
    keys = [key(name) for name in given_names]
    assert len(set(keys)) == len(keys)
    told = names_in(name_tags(given_names))
    assert [told.get(k, k) for k in keys] == given_names


@pytest.mark.parametrize("name", ["lr", "units_0", "layer.1/dropout", "learning rate", "größe"])
def test_ordinary_names_are_their_own_keys(name: str) -> None:
    """A name that MLflow takes is logged as it is."""
    assert key(name) == name


@pytest.mark.parametrize("name", ["a[0]", "f(x)", "x=1", "a,b", "/abs", "a//b", "..", ".", "a:b"])
def test_refused_names_stay_readable(name: str) -> None:
    """A name that some MLflow refuses gets a key of its letters and a digest."""
    assert key(name) != name
    letters = [char for char in name if char.isalnum()]
    assert [char for char in key(name).rpartition("-")[0] if char.isalnum()] == letters


@given(st.text(max_size=100), st.integers(40, 120))
def test_a_cut_text_keeps_its_beginning_and_a_digest(text: str, limit: int) -> None:
    """Never longer than the limit, unchanged below it, and different texts stay different."""
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or "... sha256:" in short
    assert cut(text + "x" * 200, limit) != cut(text + "y" * 200, limit)


@given(st.floats().filter(lambda value: abs(value) != sys.float_info.max))
def test_values_come_back_from_the_store(value: float) -> None:
    """Infinities survive a store that has none; NaN stays NaN."""
    stored = to_store(value)
    assert math.isnan(stored) or math.isfinite(stored)
    assert from_store(stored) == value or math.isnan(value)


def test_what_mlflow_shows_is_foretold() -> None:
    """The value at the highest step counts, of several the latest, of those the greatest."""
    reports = [
        Report("loss", 0.5, 9, BEGIN),
        Report("loss", 0.1, 2, BEGIN + 5),
        Report("auc", 0.5, None, BEGIN),
        Report("auc", 0.4, None, BEGIN + 1),
        Report("same", 2.0, 1, BEGIN),
        Report("same", 1.0, 1, BEGIN),
        Report("inf", math.inf, None, BEGIN),
    ]
    assert latest(reports) == {"loss": 0.5, "auc": 0.4, "same": 2.0, "inf": math.inf}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"origin": Origin.DEFAULT}, "trial 5 (default)"),
        ({"origin": Origin.TRY}, "trial 5 (try)"),
        ({"state": TrialState.FAILED}, "trial 5 (failed)"),
        ({"state": TrialState.PRUNED}, "trial 5 (pruned)"),
        ({}, "trial 5: 0.6 poly 3"),
        ({"params": {}, "distributions": {}}, "trial 5"),
    ],
)
def test_a_run_is_named_by_what_sets_it_apart(changes: dict[str, object], name: str) -> None:
    """The number, and the state, the origin or the first values; short enough for a table."""
    assert run_name(trial(5, **changes)) == name  # type: ignore[arg-type]
    assert len(name) <= 24
