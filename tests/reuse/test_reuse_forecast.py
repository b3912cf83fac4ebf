"""A plan says what would run once before anything runs."""

from hpmagic.execution.reuse.forecast import forecast
from hpmagic.language import parse_cell

LR = "lr = 0.5  # tune: uniform(0, 1)\n"
DONE = "score = x  # tune: maximize\n"


def told(text, namespace=None):
    return forecast(parse_cell(text), namespace or {})


def test_leading_lines_and_the_first_use_are_named():
    assert told(LR + "data = load()\nmore = data\nx = lr * 2\n" + DONE) == (
        "lines 2-3 run once: no tuned value is used there",
        "line 4 uses lr",
    )


def test_helper_of_an_earlier_cell_is_looked_into():
    namespace = {}
    exec("def f(): return g()\ndef g(): return lr", namespace)
    assert told(LR + "x = f()\n" + DONE, namespace)[0] == "line 2 uses lr"


def test_function_of_the_cell_is_looked_into():
    text = LR + "def f():\n    return lr\nx = f()\n" + DONE
    assert told(text) == (
        "lines 2-3 run once: no tuned value is used there",
        "line 4 uses lr",
    )


def test_reflective_line_may_use_everything():
    assert told(LR + "x = eval('l' + 'r')\n" + DONE)[0] == "line 2 uses lr"


def test_what_is_in_the_way_is_named():
    assert told(LR + "import time\nt = time.time()\nx = lr\n" + DONE)[1] == (
        "line 3 reads the clock, so it and what follows runs in every trial"
    )


def test_line_that_could_stand_higher_is_named():
    assert told(LR + "x = lr\ndata = load()\n" + DONE)[1] == (
        "line 3 needs no tuned value, but runs in every trial, or once for each value above"
    )


def test_vouched_line_runs_once():
    assert told(LR + "x = lr\ndata = load()  # tune: once\n" + DONE)[1] == (
        "line 3 runs once: you vouch for it"
    )


def test_cell_that_awaits_is_not_divided():
    assert told(LR + "x = await f(lr)\n" + DONE) == (
        "the cell awaits, so all of it runs in every trial",
    )
