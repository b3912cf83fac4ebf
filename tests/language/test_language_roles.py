"""Metrics, objectives and set-up statements."""

import ast
from textwrap import dedent

import pytest

from hpmagic.language import parse_cell
from hpmagic.records import Direction, Objective


def cell_of(text):
    return parse_cell(dedent(text).lstrip("\n"))


def mark_of(text):
    (mark,) = cell_of(text).marks
    return mark


TARGETS = {
    "name": ("loss = f()  # tune: minimize", "loss", "loss"),
    "annotated name": ("loss: float = f()  # tune: minimize", "loss", "loss"),
    "attribute": ("model.loss = f()  # tune: minimize", "model.loss", "loss"),
    "text subscript": ('scores["auc"] = f()  # tune: minimize', "scores['auc']", "auc"),
    "computed subscript": ("losses[i] = f()  # tune: minimize", "losses[i]", "losses"),
    "augmented": ("total += f()  # tune: minimize", "total", "total"),
    "name of its own": ('x = f()  # tune: minimize, name="log loss"', "x", "log loss"),
    "one of several": ('loss, acc = f()  # tune: minimize, name="acc"', "acc", "acc"),
    "assignment expression": ("print(loss := f())  # tune: minimize", "loss", "loss"),
    "statement below": ("# tune: minimize\nloss = f()", "loss", "loss"),
    "exploded call": ("loss = f(\n    a,\n)  # tune: minimize", "loss", "loss"),
    "chain in parentheses": (
        "loss = (\n    model.fit(X)\n    .score(y)  # tune: minimize\n)",
        "loss",
        "loss",
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_metric_is_read_from(name):
    text, target, called = TARGETS[name]
    mark = mark_of(text)
    assert ast.unparse(mark.target) == target
    assert mark.name == called
    assert mark.objective == Objective(called, Direction.MINIMIZE)
    assert mark.loop is None


def test_one_assignment_among_statements_is_the_metric():
    mark = mark_of("f(); loss = g()  # tune: minimize")
    assert ast.unparse(mark.statement) == "loss = g()"


def test_metric_has_no_objective():
    mark = mark_of("acc = f()  # tune: metric")
    assert mark.objective is None
    assert cell_of("acc = f()  # tune: metric").objectives == ()


def test_options_of_objectives():
    mark = mark_of(
        "for i in x:\n    loss = f()  # tune: minimize(best, patience=5, min_delta=1e-4)"
    )
    assert (mark.best, mark.patience, mark.min_delta) == (True, 5, 1e-4)
    assert mark_of("loss = f()  # tune: maximize(best)").best
    assert not mark_of("loss = f()  # tune: maximize(best=False)").best
    assert mark_of("for i in x:\n    loss = f()  # tune: minimize(patience=1)").patience == 1
    plain = mark_of("loss = f()  # tune: minimize()")
    assert (plain.best, plain.patience, plain.min_delta) == (False, None, 0.0)


def test_options_may_be_names_of_the_cell():
    mark = mark_of(
        "for e in x:\n    loss = f()  # tune: minimize(patience=p, min_delta=d / 2, step=e + 1)"
    )
    assert ast.unparse(mark.patience) == "p"
    assert ast.unparse(mark.min_delta) == "d / 2"
    assert ast.unparse(mark.step) == "e + 1"
    assert mark.step.lineno == 2


LOOPS = {
    "for": ("for i in a:\n    m = 1  # tune: metric", "for i in a"),
    "while": ("while a:\n    m = 1  # tune: metric", "while a"),
    "inner": ("for i in a:\n    for j in b:\n        m = 1  # tune: metric", "for j in b"),
    "outer": ("for i in a:\n    for j in b:\n        c\n    m = 1  # tune: metric", "for i in a"),
    "through blocks": (
        "for i in a:\n    with b:\n        try:\n            if c:\n"
        "                m = 1  # tune: metric\n        finally:\n            pass",
        "for i in a",
    ),
    "in a function": ("def f():\n    for i in a:\n        m = 1  # tune: metric", "for i in a"),
    "async": (
        "async def f():\n    async for i in a:\n        m = 1  # tune: metric",
        "async for i",
    ),
    "a function in a loop": ("for i in a:\n    def f():\n        m = 1  # tune: metric", None),
    "a class in a loop": ("for i in a:\n    class A:\n        m = 1  # tune: metric", None),
    "else of a loop": ("for i in a:\n    b\nelse:\n    m = 1  # tune: metric", None),
    "else of an inner loop": (
        "for i in a:\n    for j in b:\n        c\n    else:\n        m = 1  # tune: metric",
        "for i in a",
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loop_of_a_metric_is_the_innermost_of_its_function(name):
    text, head = LOOPS[name]
    mark = mark_of(text)
    assert (mark.loop is None) if head is None else ast.unparse(mark.loop).startswith(head)


def test_several_statements_may_report_one_objective():
    cell = cell_of("""
        if a:
            loss = 1  # tune: minimize
        else:
            loss = 2  # tune: minimize(best)
        acc = 3  # tune: maximize
        """)
    assert [mark.name for mark in cell.marks] == ["loss", "loss", "acc"]
    assert [objective.name for objective in cell.objectives] == ["loss", "acc"]


def test_metrics_of_different_owners_are_told_apart():
    cell = cell_of("""
        train.loss = 1  # tune: metric
        val.loss = 2  # tune: minimize
        val.loss = 3  # tune: minimize
        """)
    assert [mark.name for mark in cell.marks] == ["train.loss", "val.loss", "val.loss"]


ONCE = {
    "assignment": ("X = load()  # tune: once", "X = load()"),
    "import": ("import torch  # tune: once", "import torch"),
    "call": ("prepare(x)  # tune: once", "prepare(x)"),
    "several targets": ("X, y = load()  # tune: once", "X, y = load()"),
    "with": ("# tune: once\nwith a:\n    b()", "with a:"),
    "header": ("with a:  # tune: once\n    b()", "with a:"),
    "in a with": ("with a:\n    b()  # tune: once", "b()"),
    "function": ("# tune: once\n@cache\ndef f(): ...", "@cache"),
}


@pytest.mark.parametrize("name", ONCE)
def test_once_belongs_to_a_statement(name):
    text, head = ONCE[name]
    (once,) = cell_of(text).once
    assert ast.unparse(once.statement).startswith(head)
