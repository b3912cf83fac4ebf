"""The person's namespace is the cell's own, and is put back."""

import pytest
from one_trial import run, runner_of, trial

from hpmagic.records import TrialState

DONE = "\ndone = 1.0  # tune: maximize\n"


def visible(namespace):
    return {n: v for n, v in namespace.items() if n != "__builtins__"}


def test_bindings_are_recorded_and_put_back():
    namespace = {"kept": 1, "changed": 2, "gone": 3}
    outcome = trial("changed = 5\nnew = 6\ndel gone" + DONE, namespace)
    assert outcome.bindings == {"changed": 5, "new": 6, "done": 1.0}
    assert outcome.deleted == {"gone"}
    assert visible(namespace) == {"kept": 1, "changed": 2, "gone": 3}


def test_failed_trial_puts_back_too():
    namespace = {"kept": 1}
    outcome = trial("kept = 2\n1 / 0", namespace)
    assert outcome.state is TrialState.FAILED
    assert outcome.bindings == {"kept": 2}
    assert visible(namespace) == {"kept": 1}


def test_trials_do_not_see_each_other():
    runner = runner_of("before = globals().get('mine')\nmine = 1" + DONE)
    assert [run(runner).bindings["before"] for _ in range(2)] == [None, None]


def test_helper_of_an_earlier_cell_sees_the_value_of_the_trial():
    namespace = {}
    exec("def helper():\n    return lr * 2", namespace)
    outcome = trial(
        "lr = 1  # tune: int(1, 9)\nacc = helper()  # tune: maximize", namespace, {"lr": 4}
    )
    assert outcome.values == {"acc": 8.0}


def test_publish_makes_the_changes():
    namespace = {"gone": 1}
    runner = runner_of("x = 2\ndel gone" + DONE, namespace)
    outcome = run(runner)
    runner.publish(outcome)
    runner.close()
    assert visible(namespace) == {"x": 2, "done": 1.0}


def test_hidden_global_is_gone_after_a_cell_without_drawing_functions():
    namespace = {}
    runner = runner_of("x = 1  # tune: int(1, 9)" + DONE, namespace)
    runner.publish(run(runner))
    assert not [name for name in namespace if "hpmagic" in name]


FUNCTIONS = """
def f():
    x = 1  # tune: int(1, 9)
    late = 2  # tune: int(1, 9), name="late_{x}"
    for step in range(2):
        m = x  # tune: metric
    return x, late
def never():
    y = 3  # tune: int(1, 9)
    z = len("abcd")  # tune: int(1, 9)
    return y, z
acc = f()[0]  # tune: maximize
"""


def test_published_functions_draw_the_values_of_the_best_trial():
    namespace = {}
    runner = runner_of(FUNCTIONS, namespace)
    best = run(runner, {"x": 5, "late_5": 7})
    run(runner, {"x": 6})
    runner.publish(best)
    runner.close()
    assert namespace["f"]() == (5, 7)


def test_published_functions_use_written_values_for_what_was_never_drawn():
    namespace = {}
    runner = runner_of(FUNCTIONS, namespace)
    runner.publish(run(runner, {"x": 5}))
    assert namespace["never"]() == (3, 4)


def test_published_written_expression_is_evaluated_at_each_call():
    namespace = {}
    runner = runner_of(
        """
        def size(data):
            n = len(data)  # tune: int(1, 9)
            return n
        acc = size("abc")  # tune: maximize
        """,
        namespace,
    )
    outcome = run(runner)
    assert outcome.params == {"n": 3}
    runner.publish(outcome)
    assert namespace["size"]("abcdef") == 6


def test_second_study_leaves_functions_of_the_first_alone():
    namespace = {}
    first = runner_of(FUNCTIONS, namespace)
    first.publish(run(first, {"x": 5, "late_5": 7}))
    kept = namespace["f"]
    second = runner_of(FUNCTIONS, namespace)
    second.publish(run(second, {"x": 6, "late_6": 8}))
    assert kept() == (5, 7)
    assert namespace["f"]() == (6, 8)


def test_generator_that_is_left_unfinished_still_draws():
    namespace = {}
    runner = runner_of(
        "gen = (dict(\n    x=1,  # tune: int(1, 9)\n) for _ in range(2))" + DONE, namespace
    )
    runner.publish(run(runner))
    assert next(namespace["gen"]) == {"x": 1}


def test_namespace_that_is_no_dict_is_refused():
    from types import MappingProxyType

    with pytest.raises(TypeError, match="must be a dict, not mappingproxy"):
        runner_of("x = 1", MappingProxyType({}))
