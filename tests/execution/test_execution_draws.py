"""Values are drawn where their lines execute."""

import pickle

import pytest
from one_trial import as_written, run, runner_of, trial

from hpmagic.distributions import Choice, Int
from hpmagic.errors import AnnotationError
from hpmagic.execution.outcome import WRITTEN
from hpmagic.records import TrialState

DONE = "\ndone = 1.0  # tune: maximize\n"


def seen(text, values=None, namespace=None):
    """What the cell left in its variable ``seen``, and the outcome."""
    outcome = trial(text + DONE, namespace, values)
    assert outcome.state is TrialState.COMPLETE, outcome.reason
    return outcome.bindings["seen"], outcome


def test_assignment_takes_the_drawn_value():
    value, outcome = seen("seen = 1  # tune: int(1, 9)", {"seen": 7})
    assert value == 7
    assert outcome.params == {"seen": 7}
    assert outcome.distributions == {"seen": Int(1, 9)}


def test_keyword_dict_item_and_parameter_default_are_drawn():
    text = """
def f(a=1,  # tune: int(1, 9)
      b=0):
    return a + b
made = dict(
    c=1,  # tune: int(1, 9)
)
item = {
    "d": 1,  # tune: int(1, 9)
}
seen = (f(), made["c"], item["d"])"""
    value, outcome = seen(text, {"a": 2, "c": 3, "d": 4})
    assert value == (2, 3, 4)
    assert set(outcome.params) == {"a", "c", "d"}


def test_branch_not_taken_draws_nothing():
    text = """
kind = "a"  # tune: choice("a", "b")
if kind == "b":
    depth = 3  # tune: int(1, 9)
seen = kind"""
    assert seen(text, {"kind": "a"})[1].params == {"kind": "a"}
    assert seen(text, {"kind": "b", "depth": 4})[1].params == {"kind": "b", "depth": 4}


def test_line_that_executes_again_gives_the_same_value_and_asks_once():
    runner = runner_of("""
        seen = []
        for _ in range(3):
            x = 1  # tune: int(1, 9)
            seen.append(x)
        done = 1.0  # tune: maximize
        """)
    asked = []
    outcome = runner.run(lambda p: asked.append(p.name) or 5, lambda _: None)
    assert outcome.bindings["seen"] == [5, 5, 5]
    assert asked == ["x"]


def test_list_is_made_anew_by_each_execution():
    text = """
seen = []
for _ in range(2):
    hidden = [8]  # tune: choice([8], [16])
    hidden.append(1)
    seen.append(hidden)"""
    chosen = [16]
    value, outcome = seen(text, {"hidden": chosen})
    assert value == [[16, 1], [16, 1]]
    assert outcome.params["hidden"] == [16]
    assert chosen == [16]


def test_written_expression_is_evaluated_when_the_study_says_so():
    value, outcome = seen("seen = len(data) // 2  # tune: int(1, 9)", None, {"data": "abcdef"})
    assert value == 3
    assert outcome.params == {"seen": 3}


def test_written_expression_is_not_evaluated_when_a_value_is_given():
    value, _ = seen("seen = missing_function()  # tune: int(1, 9)", {"seen": 4})
    assert value == 4


def test_written_sentinel_means_the_literal_for_a_literal_default():
    runner = runner_of("x = 3  # tune: int(1, 9)" + DONE)
    assert runner.run(lambda _: WRITTEN, lambda _: None).params == {"x": 3}


def test_written_expression_sees_class_scope_and_walrus():
    text = """
class Box:
    size = 2
    twice = size * 2  # tune: int(1, 99)
n = (m := 20) + 1  # tune: int(1, 99)
seen = (Box.twice, n, m)"""
    assert seen(text)[0] == (4, 21, 20)


def test_written_expression_that_raises_leaves_no_parameter():
    text = """
try:
    x = 1 // zero  # tune: int(1, 9)
except ZeroDivisionError:
    pass
y = 1 + zero  # tune: int(0, 9)
seen = y"""
    value, outcome = seen(text, None, {"zero": 0})
    assert value == 1
    assert outcome.params == {"y": 1}


def test_draw_inside_the_written_value_of_another():
    text = """
model = dict(
    C=1,  # tune: int(1, 9)
)  # tune: choice(other, mine)
seen = model"""
    value, outcome = seen(text, {"C": 5}, {"other": "other", "mine": "mine"})
    assert value == {"C": 5}
    assert outcome.params["C"] == 5
    value, outcome = seen(text, {"C": 5, "model": "mine"}, {"other": "other", "mine": "mine"})
    assert value == "mine"
    assert "C" not in outcome.params


def test_range_of_an_expression_is_evaluated_where_the_line_stands():
    text = """
def f(width):
    return 1  # nothing
for top in (4,):
    seen = 1  # tune: int(1, top * 2)"""
    _, outcome = seen(text)
    assert outcome.distributions["seen"] == Int(1, 8)


def test_options_that_are_objects_keep_their_names():
    _, outcome = seen("seen = dict  # tune: choice(dict, list)", {"seen": list})
    assert outcome.params["seen"] is list
    assert outcome.distributions["seen"].labels == ("dict", "list")


def test_options_made_anew_give_the_same_one_of_them():
    text = """
class A: ...
class B: ...
made = []
for _ in range(2):
    x = A()  # tune: choice(A(), B())
    made.append(x)
seen = [type(m).__name__ for m in made] + [made[0] is made[1]]"""
    runner = runner_of(text + DONE)
    outcome = runner.run(lambda p: p.distribution.options[1], lambda _: None)
    assert outcome.bindings["seen"] == ["B", "B", False]


def test_name_with_braces_is_one_parameter_per_value():
    text = """
seen = []
for i in range(2):
    units = 64  # tune: int(1, 99), name="units_{i}"
    seen.append(units)"""
    value, outcome = seen(text, {"units_0": 5, "units_1": 6})
    assert value == [5, 6]
    assert outcome.params == {"units_0": 5, "units_1": 6}


def test_two_spaces_under_one_name_are_an_error_even_if_swallowed():
    outcome = trial("""
        for top in (4, 5):
            try:
                x = 1  # tune: int(1, top)
            except Exception:
                pass
        """)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, AnnotationError)
    assert "`x` has two different spaces" in outcome.reason
    assert "int(1, 4)" in outcome.reason
    assert "int(1, 5)" in outcome.reason


def test_bounds_that_break_the_rule_at_run_time_point_at_the_annotation():
    outcome = trial("low = 9\nx = 1  # tune: int(low, 3)" + DONE)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, AnnotationError)
    assert outcome.error.place.line == 2


def test_same_name_in_two_branches_is_one_parameter():
    text = """
if flag:
    d = 3  # tune: int(2, 5)
else:
    d = 4  # tune: int(2, 5)
seen = d"""
    assert seen(text, None, {"flag": True})[0] == 3
    assert seen(text, None, {"flag": False})[0] == 4


def test_what_a_callback_raises_is_raised_once_all_is_put_back():
    namespace = {"kept": 1}
    runner = runner_of(
        "kept = 2\ntry:\n    x = 3  # tune: int(1, 9)\nexcept Exception: pass\n", namespace
    )

    def broken(_):
        raise LookupError("tuner")

    with pytest.raises(LookupError, match="tuner"):
        runner.run(broken, lambda _: None)
    assert namespace["kept"] == 1


def test_base_exception_of_a_callback_ends_the_trial_even_if_swallowed():
    class Away(BaseException):
        pass

    def away(_):
        raise Away

    runner = runner_of("try:\n    x = 3  # tune: int(1, 9)\nexcept:\n    pass\n" + DONE)
    outcome = runner.run(away, lambda _: None)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, Away)


def test_worker_process_knows_what_was_drawn_and_refuses_what_was_not():
    runner = runner_of(
        """
        a = 1  # tune: int(1, 9)
        def late():
            return 2  # plain
        def f():
            b = 2  # tune: int(1, 9)
            return b
        there = copy_of([v for n, v in globals().items() if n.startswith("_hpmagic_")][0])
        done = 1.0  # tune: maximize
        """,
        {"copy_of": lambda hooks: pickle.loads(pickle.dumps(hooks))},
    )
    outcome = run(runner, {"a": 5})
    there = outcome.bindings["there"]
    assert there.draw(0) == 5
    with pytest.raises(RuntimeError, match="`b` is first drawn in another process"):
        there.draw(1)
    assert there.report(0, 1.0) is False


def test_choice_of_the_default_trial_is_the_written_object():
    options = Choice((dict, list), ("dict", "list"))
    runner = runner_of("x = dict  # tune: choice(dict, list)" + DONE)
    outcome = runner.run(as_written, lambda _: None)
    assert outcome.params["x"] is dict
    assert str(outcome.distributions["x"]) == str(options)
