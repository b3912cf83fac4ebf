"""The best trial's variables on their way back from a worker process."""

from __future__ import annotations

import pytest
from engine_study import PROCESSES, study

from hpmagic.engines.exchange import Exchange
from hpmagic.engines.messages import Kept
from hpmagic.engines.pickling import Pickling
from hpmagic.errors import HpmagicWarning
from hpmagic.space import SearchSpace

ONE_WAY = """
class HttpError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
error = HttpError(404, "nothing there")
errors = [error]
weights = [1.0]
model = {"weights": weights, "size": 1}
"""
SETSTATE = """
import copy
class Model:
    def __init__(self, weights):
        self.weights = weights
    def __getstate__(self):
        return copy.copy(self.__dict__)
    def __setstate__(self, state):
        self.__dict__.update(copy.copy(state))
model = Model([1.0])
"""


def brought_back(text, *left_out_first):
    """What the kernel makes of the variables that this code binds in a worker."""
    theirs = {"__name__": "__main__"}
    exec(text, theirs)
    bound = {name: theirs[name] for name in theirs if not name.startswith("__")}
    bound = {name: bound[name] for name in (*left_out_first, *bound)}
    ours = {"__name__": "__main__"}
    exchange = Exchange(ours, (), SearchSpace())
    exchange.keep(0)
    exchange.take(Kept(0, Pickling(theirs).dumps(bound), ()))
    exchange.publish(0, frozenset())
    return ours


@pytest.mark.parametrize("first", [(), ("errors",), ("model", "error")])
def test_what_cannot_be_read_is_named_and_costs_nothing_else(first):
    """Many a class of exceptions can be pickled and not be read; the rest shares what it shared."""
    with pytest.warns(HpmagicWarning, match="`error.*, `error.* of trial 0 cannot be read here"):
        ours = brought_back(ONE_WAY, *first)
    assert ours.keys() == {"__name__", "HttpError", "weights", "model"}
    assert ours["model"]["weights"] is ours["weights"]


def test_module_that_only_the_worker_can_import_is_named(monkeypatch):
    """Its objects stay where they are; the others come."""
    import sys
    import types

    class Thing:
        pass

    module = types.ModuleType("only_there")
    module.Thing, Thing.__module__, Thing.__qualname__ = Thing, "only_there", "Thing"
    monkeypatch.setitem(sys.modules, "only_there", module)
    data = Pickling({}).dumps({"thing": Thing(), "x": 1})
    monkeypatch.delitem(sys.modules, "only_there")
    ours = {}
    exchange = Exchange(ours, (), SearchSpace())
    exchange.keep(0)
    exchange.take(Kept(0, data, ()))
    with pytest.warns(HpmagicWarning, match="`thing` of trial 0 cannot be read here"):
        exchange.publish(0, frozenset())
    assert ours == {"x": 1}


def test_setstate_of_the_cell_finds_what_the_cell_imports():
    """It is called before the variables are in the namespace, and then once more."""
    assert brought_back(SETSTATE, "model")["model"].weights == [1.0]


@pytest.mark.slow
def test_getstate_of_the_cell_finds_what_the_cell_imports():
    """The worker pickles with the trial's variables in their place."""
    namespace = {"__name__": "__main__"}
    text = SETSTATE + "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize\n"
    study(PROCESSES, text, namespace, plan=[{"x": 0.25}], jobs=1)
    assert namespace["model"].weights == [1.0]


@pytest.mark.slow
def test_helper_of_an_earlier_study_keeps_its_values_in_a_worker():
    """A function that a study has published draws from the best trial of that study."""
    namespace = {"__name__": "__main__"}
    first = (
        "def f():\n    a = 2.0  # tune: uniform(0, 4)\n    return a\nloss = f()  # tune: minimize\n"
    )
    study(PROCESSES, first, namespace, plan=[{"a": 3.0}], jobs=1)
    second = "b = 1.0  # tune: uniform(0, 2)\nloss = f() + b  # tune: minimize\n"
    ran = study(PROCESSES, second, namespace, plan=[{"b": 0.5}], jobs=1)
    assert ran.trial.value == 3.5
