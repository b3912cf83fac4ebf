"""A change that cannot be undone moves a study to worker processes."""

from __future__ import annotations

import os

import numpy as np
import pytest

import hpmagic
from hpmagic.errors import HpmagicWarning

CELL = """
import os
x = 0.5  # tune: uniform(0, 1)
data[0] += x
where = os.getpid()
loss = float(data[0])  # tune: minimize
"""
PLAN = {"tries": [{"x": 0.25}, {"x": 0.125}, {"x": 0.75}], "no_default": True}


def tuned(store, **options):
    """With no memory for copies, an array that is changed cannot be put back."""
    namespace = {"__name__": "__main__", "data": np.zeros(4)}
    study = hpmagic.tune(
        CELL, "manual", namespace=namespace, cache_memory=0, pruner="none", **PLAN, **options
    )
    return study.trials["metrics.loss"].tolist(), namespace


def test_trials_that_follow_run_in_processes_from_the_state_at_the_start(store):
    """One line names the variable and the line of the cell; every trial is independent."""
    with pytest.warns(HpmagicWarning) as said:
        losses, namespace = tuned(store)
    assert losses == [0.25, 0.125, 0.75]
    assert namespace["where"] != os.getpid()
    (line,) = [str(w.message) for w in said]
    assert "`data` (line 4) is changed by the cell and cannot be put back" in line
    assert "the trials that follow run in a process of their own" in line


def test_whoever_insists_on_the_kernel_is_told_that_trials_are_not_independent(store):
    with pytest.warns(HpmagicWarning, match="The trials are not independent"):
        losses, namespace = tuned(store, isolation="kernel")
    assert losses == [0.25, 0.375, 1.125]
    assert namespace["where"] == os.getpid()


def test_workers_whose_objects_have_changed_for_good_are_replaced(store):
    losses, _ = tuned(store, isolation="process")
    assert losses == [0.25, 0.125, 0.75]


def test_cell_that_changes_nothing_stays_in_the_kernel(store):
    namespace = {"__name__": "__main__", "data": np.zeros(4)}
    text = CELL.replace("data[0] += x", "data[0] + x")
    hpmagic.tune(text, "manual", namespace=namespace, cache_memory=0, pruner="none", **PLAN)
    assert namespace["where"] == os.getpid()
