"""Trials do not leak into each other through the process's own state."""

import gc
import logging
import os
import random
import sys
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from one_trial import run, runner_of

DONE = "\ndone = 1.0  # tune: maximize\n"


@pytest.mark.parametrize(
    "draw", ["random.random()", "np.random.rand()", "np.random.normal()", "random.gauss(0, 1)"]
)
def test_every_trial_starts_from_the_random_state_of_the_study(draw):
    random.seed(3)
    np.random.seed(3)
    expected = eval(draw)
    random.seed(3)
    np.random.seed(3)
    runner = runner_of(f"import random\nimport numpy as np\nseen = {draw}" + DONE)
    seen = []
    for _ in range(3):
        seen.append(run(runner).bindings["seen"])
        random.seed()
        np.random.seed()
    runner.close()
    assert seen == [expected] * 3
    assert eval(draw) == expected


def test_torch_is_taken_into_care_once_it_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    torch = ModuleType("torch")
    exec(
        "_state = 0\ndef get_rng_state(): return _state\n"
        "def set_rng_state(state):\n    global _state\n    _state = state",
        vars(torch),
    )
    torch.cuda = SimpleNamespace(is_available=lambda: False)
    runner = runner_of("seen = torch._state\ntorch._state += 1" + DONE, {"torch": torch})
    run(runner)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert [run(runner).bindings["seen"] for _ in range(3)] == [1, 1, 1]


def test_failed_trial_leaves_no_random_state_behind():
    runner = runner_of("import random\nrandom.seed(1)\nseen = random.random()\n1 / 0" + DONE)
    before = random.getstate()
    run(runner)
    runner.close()
    assert random.getstate() == before


LEAKS = {
    "environment": ("os.environ['HPMAGIC_T'] = '1'", lambda: dict(os.environ)),
    "removed variable": ("del os.environ['PATH']", lambda: dict(os.environ)),
    "directory": ("os.chdir('/')", os.getcwd),
    "import path": ("sys.path.append('x')", lambda: list(sys.path)),
    "filters": ("warnings.simplefilter('ignore')", lambda: list(warnings.filters)),
    "handlers": (
        "logging.getLogger().addHandler(logging.StreamHandler())",
        lambda: list(logging.root.handlers),
    ),
    "level": ("logging.getLogger().setLevel(10)", lambda: logging.root.level),
    "errors": ("np.seterr(all='ignore')", np.geterr),
    "recursion": ("sys.setrecursionlimit(5000)", sys.getrecursionlimit),
    "threads": ("sys.setswitchinterval(0.02)", lambda: round(sys.getswitchinterval(), 4)),
    "collector": ("gc.set_threshold(123)", gc.get_threshold),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_trial_sets_is_put_back(leak):
    statement, state = LEAKS[leak]
    before = state()
    runner = runner_of(
        f"import gc, os, sys, warnings, logging\nimport numpy as np\n{statement}\nseen = state()"
        + DONE,
        {"state": state},
    )
    outcome = run(runner)
    assert outcome.bindings["seen"] != before
    assert state() == before


def test_environment_set_between_trials_is_seen_by_the_next():
    runner = runner_of("import os\nseen = os.environ.get('HPMAGIC_RUN')" + DONE)
    try:
        os.environ["HPMAGIC_RUN"] = "abc"
        assert run(runner).bindings["seen"] == "abc"
    finally:
        del os.environ["HPMAGIC_RUN"]


def test_each_trial_warns_anew():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        runner = runner_of("import warnings\nwarnings.warn('careful')" + DONE)
        for _ in range(2):
            run(runner)
    assert [str(warning.message) for warning in heard] == ["careful", "careful"]


def test_context_variables_do_not_leak():
    from contextvars import ContextVar

    variable = ContextVar("variable", default=0)
    runner = runner_of("v.set(v.get() + 1)\nseen = v.get()" + DONE, {"v": variable})
    assert [run(runner).bindings["seen"] for _ in range(2)] == [1, 1]
    assert variable.get() == 0
