"""A change that cannot be undone moves a study to worker processes."""

from __future__ import annotations

import importlib
import os
import sys

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


WRAPPER = """
import ctypes

in_c = {}

class Model:
    def __init__(self, weights):
        self.handle = ctypes.c_void_p(0)
        in_c[id(self)] = list(weights)
    def __reduce__(self):
        return Model, (tuple(in_c[id(self)]),)
    def __getitem__(self, at):
        return in_c[id(self)][at]
    def __setitem__(self, at, weight):
        in_c[id(self)][at] = weight
"""
"""A wrapper of a library: it can be pickled, and an existing one cannot be set."""


@pytest.fixture
def wrapped(tmp_path, monkeypatch):
    """A variable whose object belongs to the wrapper."""
    libraries = tmp_path / "site-packages"
    libraries.mkdir()
    (libraries / "wrapper_in_c.py").write_text(WRAPPER)
    monkeypatch.syspath_prepend(str(libraries))
    yield importlib.import_module("wrapper_in_c").Model([0.0])
    del sys.modules["wrapper_in_c"]


def tuned(data, text=CELL, **options):
    namespace = {"__name__": "__main__", "data": data}
    study = hpmagic.tune(text, "manual", namespace=namespace, pruner="none", **PLAN, **options)
    return study.trials["metrics.loss"].tolist(), namespace


@pytest.mark.slow
def test_trials_that_follow_run_in_processes_from_the_state_at_the_start(store, wrapped):
    """One line names the variable and the line of the cell; every trial is independent."""
    with pytest.warns(HpmagicWarning) as said:
        losses, namespace = tuned(wrapped)
    assert losses == [0.25, 0.125, 0.75]
    assert namespace["where"] != os.getpid()
    (line,) = [str(w.message) for w in said]
    assert "`data` (line 4) is changed by the cell and cannot be put back" in line
    assert "the trials that follow run in a process of their own" in line


def test_whoever_insists_on_the_kernel_is_told_that_trials_are_not_independent(store, wrapped):
    with pytest.warns(HpmagicWarning, match="The trials are not independent"):
        losses, namespace = tuned(wrapped, isolation="kernel")
    assert losses == [0.25, 0.375, 1.125]
    assert namespace["where"] == os.getpid()


@pytest.mark.slow
def test_workers_whose_objects_have_changed_for_good_are_replaced(store, wrapped):
    losses, _ = tuned(wrapped, isolation="process")
    assert losses == [0.25, 0.125, 0.75]


def test_cell_that_changes_nothing_stays_in_the_kernel(store, wrapped):
    _, namespace = tuned(wrapped, CELL.replace("data[0] += x", "data[0] + x"))
    assert namespace["where"] == os.getpid()


def test_data_that_has_no_room_for_a_copy_stays_in_the_kernel_unless_told(store):
    """A saved state of the start would take the room that the copy does not have."""
    namespace = {"__name__": "__main__", "data": np.zeros(4)}
    with pytest.warns(HpmagicWarning, match="no copy was kept of an array of 32 bytes"):
        hpmagic.tune(CELL, "manual", namespace=namespace, cache_memory=0, pruner="none", **PLAN)
    assert namespace["where"] == os.getpid()
