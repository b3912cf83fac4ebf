"""A tuned variable is unbound until a line is seen to read it; none may be missed for good."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from reuse_cells import Study, outputs

from hpmagic.execution.runner import KernelRunner
from hpmagic.records import TrialState

CHOICE = """
build = small  # tune: choice(small, big)
width = 8  # tune: choice(8, 16)
extra = 1  # tune: choice(1, 2)
print('lead')
score = float(build())  # tune: maximize
"""


CLASS = """
from pickle import loads
from timeit import timeit
class A: pass
class B(A):
    def run(self): return rate
"""


@pytest.fixture
def main(monkeypatch) -> dict[str, object]:
    """The variables of a module that is imported as `__main__`."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return vars(module)


FUNCTIONS = "def small(): return width\ndef big(): return 10 * width + extra\n"
CLASSES = """
class small:
    def __float__(self): return float(width)
class big:
    def __float__(self): return float(10 * width + extra)
"""


@pytest.mark.parametrize("earlier", [FUNCTIONS, CLASSES], ids=["functions", "classes"])
def test_chosen_function_or_class_reads_tuned_variables_of_its_own(earlier):
    """Which ones is known only when the choice is: each trial goes its own way in the tree."""
    namespace: dict[str, object] = {}
    exec(earlier, namespace)
    small, big = namespace["small"], namespace["big"]
    study = Study(CHOICE, namespace)
    trials = [
        ({"build": small}, 8),
        ({"build": big}, 81),
        ({"build": big, "width": 16, "extra": 2}, 162),
        ({"build": small, "width": 16, "extra": 2}, 16),
        ({"build": big, "width": 8, "extra": 1}, 81),
    ]
    found = outputs(study, *(values for values, _ in trials))
    assert [o.values.get("score") for o in study.outcomes] == [score for _, score in trials]
    assert found == ["lead\n", "", "", "", ""]
    assert study.said == []


@pytest.mark.parametrize(
    ("line", "earlier"),
    [
        ("x = loads(blob).run()", "import pickle\nblob = pickle.dumps(B())"),
        ("x = timeit('f(rate)', 'from __main__ import f, rate', number=1)", "f = abs"),
        ("x = [c().run() for c in A.__subclasses__()]", ""),
    ],
)
def test_trial_that_missed_a_variable_is_run_again_with_all_of_them_bound(line, earlier, main):
    """No trial fails, from the first on, and nothing is reused any more."""
    exec(CLASS + earlier, main)
    text = "rate = 0.5  # tune: choice(0.5, 1.5)\n" + line + "\nscore = rate  # tune: maximize\n"
    study = Study(text, main)
    outputs(study, {}, {"rate": 1.5})
    assert [o.values.get("score") for o in study.outcomes] == [0.5, 1.5]
    assert len(study.said) == 1
    assert "Nothing is reused from here on: a trial failed only when" in study.said[0]


@pytest.mark.parametrize(
    "line",
    ["from __main__ import rate as x", "import __main__ as m\nx = m.rate", "x = module.rate"],
)
def test_import_of_main_reads_every_variable(line, main):
    """Names are looked up there that the code does not mention as variables."""
    main["module"] = sys.modules["__main__"]
    text = "rate = 0.5  # tune: choice(0.5, 1.5)\n" + line + "\nscore = x  # tune: maximize\n"
    study = Study(text, main)
    outputs(study, {}, {"rate": 1.5})
    assert [o.values.get("score") for o in study.outcomes] == [0.5, 1.5]
    assert study.said == []


@pytest.mark.parametrize(
    ("error", "times"),
    [
        ("raise ValueError('bad')", 1),
        ("error = ValueError('bad')\nraise error from error", 1),
        ("raise NameError('bad')", 2),
        ("raise ValueError('bad') from NameError()", 2),
    ],
)
def test_trial_runs_again_only_where_its_error_may_be_that_of_a_missed_variable(
    monkeypatch, error, times
):
    """A failure costs one trial, and not two."""
    attempts = []
    attempt = KernelRunner._attempt

    def counted(*args, **options):
        attempts.append(options)
        return attempt(*args, **options)

    monkeypatch.setattr(KernelRunner, "_attempt", counted)
    study = Study(
        "rate = 0.5  # tune: choice(0.5, 1.5)\nprint('lead')\n"
        f"{error}\nscore = rate  # tune: maximize\n"
    )
    outputs(study, {})
    assert study.outcomes[0].state is TrialState.FAILED
    assert len(attempts) == times


def test_trial_that_fails_by_itself_fails_once_more_and_costs_no_trust():
    """A variable that a later line would have read was unbound, and not the reason."""
    study = Study(
        "rate = 0.5  # tune: choice(0.5, 1.5)\nbad = 0  # tune: choice(0, 1)\nprint('lead')\n"
        "print({}[bad] if bad else 'in')\nscore = rate  # tune: maximize\n"
    )
    assert outputs(study, {"bad": 1}, {}, {"rate": 1.5})[2] == ""
    assert [o.state is TrialState.COMPLETE for o in study.outcomes] == [False, True, True]
    assert study.said == []
