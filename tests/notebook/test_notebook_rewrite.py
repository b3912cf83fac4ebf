"""Best values written into a cell: nothing else in it changes."""

import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.distributions import Choice, distribution_from_json
from hpmagic.notebook.source import as_python, plain_transform
from hpmagic.records import Origin, Trial, TrialState
from hpmagic.rewrite import difference, rewrite, values_of


def trial_of(options, value, labels=()):
    """A trial in which ``x`` had one of several options."""
    return trial_with(Choice(options, labels), value)


def trial_with(distribution, value):
    """A trial in which ``x`` had a value."""
    return Trial(
        number=0,
        state=TrialState.COMPLETE,
        params={"x": value},
        distributions={"x": distribution},
        values=(0.0,),
        metrics={},
        curves={},
        origin=Origin.TUNER,
        start=0.0,
        duration=0.0,
    )


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("x = 0.1  # tune: uniform(0, 1)", 0.25, "x = 0.25  # tune: uniform(0, 1)"),
        (
            "x  =  1e-3  # tune: loguniform(1e-5, 1)",
            0.00025,
            "x  =  2.5e-4  # tune: loguniform(1e-5, 1)",
        ),
        ("x = 1_000  # tune: int(1, 9_999)", 2500, "x = 2_500  # tune: int(1, 9_999)"),
        (
            "x = 'rbf'  # tune: choice('rbf', 'poly')",
            "poly",
            "x = 'poly'  # tune: choice('rbf', 'poly')",
        ),
        ('x = "rbf"  # tune: ["rbf", "poly"]', "poly", 'x = "poly"  # tune: ["rbf", "poly"]'),
        ("x = 'a'  # tune: ['a', \"it's\"]", "it's", "x = \"it's\"  # tune: ['a', \"it's\"]"),
        ("x = -1  # tune: int(-5, 5)", 3, "x = 3  # tune: int(-5, 5)"),
        ("x = -1.5  # tune: uniform(-5, 5)", -2.5, "x = -2.5  # tune: uniform(-5, 5)"),
        ("x = True  # tune: bool()", False, "x = False  # tune: bool()"),
        ("x = (64, 32)  # tune: [(64, 32), (8,)]", (8,), "x = (8,)  # tune: [(64, 32), (8,)]"),
        ("x: float = 0.5  # tune: uniform(0, 1)", 1.0, "x: float = 1.0  # tune: uniform(0, 1)"),
        ("self.x = 0.5  # tune: uniform(0, 1)", 1.0, "self.x = 1.0  # tune: uniform(0, 1)"),
        ("x = 1  # tune: uniform(0, 2)", 0.5, "x = 0.5  # tune: uniform(0, 2)"),
        ("x = 1.0  # tune: uniform(0, 2)", 1.0, "x = 1.0  # tune: uniform(0, 2)"),
        (
            "x = (1, 2)  # tune: choice((1, 2), (1.0, 2.0))",
            (1.0, 2.0),
            "x = (1.0, 2.0)  # tune: choice((1, 2), (1.0, 2.0))",
        ),
        ("x = 1  # tune: [1, True]", True, "x = True  # tune: [1, True]"),
        (
            "f('é', x=0.5)  # tune: uniform(0, 1)",
            0.75,
            "f('é', x=0.75)  # tune: uniform(0, 1)",
        ),
    ],
)
def test_only_the_literal_changes(before, value, after):
    """The value takes the notation of the one it replaces."""
    name = "self.x" if before.startswith("self") else "x"
    assert rewrite(before, {name: value, "x": value}).text == after


def test_every_site_is_written():
    """Arguments, dict items, defaults and lines below a comment of their own."""
    text = (
        "model = SVC(\n"
        "    C=1.0,   # tune: loguniform(1e-3, 1e3)  # free text\n"
        "    gamma = .1 , # tune: uniform(0, 1)\n"
        ")\n"
        'config = {"lr": 0.1,  # tune: uniform(0, 1)\n'
        '          "depth": 3,  # tune: int(1, 9)\n'
        "}\n"
        "# tune: int(1, 5), name='layers'\n"
        "n = 2\n"
    )
    values = {"C": 10.0, "gamma": 0.5, "lr": 0.2, "depth": 4, "layers": 3}
    expected = (
        text.replace("C=1.0", "C=10.0")
        .replace("gamma = .1 ", "gamma = 0.5 ")
        .replace("0.1,", "0.2,")
        .replace('"depth": 3', '"depth": 4')
        .replace("n = 2", "n = 3")
    )
    assert rewrite(text, values).text == expected
    assert rewrite(text, values).left == ()


def test_objects_are_written_as_in_their_annotation():
    """An option that is an expression is given, and written, as its text; a text stays quoted."""
    text = "m = svm.SVC  # tune: choice(svm.SVC, trees.Forest)\n"
    assert rewrite(text, {"m": "trees.Forest"}).text.startswith("m = trees.Forest  #")
    text = 'm = "SVC"  # tune: choice("SVC", "Forest")\n'
    assert rewrite(text, {"m": "Forest"}).text.startswith('m = "Forest"  #')


def test_what_cannot_be_written_is_said():
    """Names made in loops, and names that the cell does not tune, are left."""
    text = 'for i in range(2):\n    u = 8  # tune: int(8, 64), name="u_{i}"\n'
    result = rewrite(text, {"u_0": 16, "u_1": 32, "other": 1})
    assert result.text == text
    assert result.left == ("u_0", "u_1", "other")


def test_ipythons_lines_stay():
    """A cell with ``%`` and ``!`` lines is written into as well."""
    text = "%time f()\n!ls \\\n  -l\nx = 0.1  # tune: uniform(0, 1)\n"
    python = as_python(text, plain_transform)
    assert rewrite(text, {"x": 0.5}, python=python).text == text.replace("0.1", "0.5")


@given(
    st.lists(st.sampled_from(["# note", "", "y = 'ü'  # é", "z = [1,\n  2]"]), max_size=4),
    st.floats(0, 1).map(lambda value: round(value, 6)),
    st.integers(1, 9),
)
def test_the_written_cell_differs_in_its_values_only(around, lr, depth):
    """Reading the new cell gives the values; everything around them is byte for byte the same."""
    lines = [*around, "lr = 0.125  # tune: uniform(0, 1)", *around, "depth = 4  # tune: int(1, 9)"]
    text = "\n".join(lines) + "\n"
    new = rewrite(text, {"lr": lr, "depth": depth}).text
    assert new == text.replace("0.125", repr(lr)).replace("depth = 4", f"depth = {depth}")
    namespace = {}
    exec(compile(ast.parse(new), "<cell>", "exec"), namespace)
    assert (namespace["lr"], namespace["depth"]) == (lr, depth)


def test_the_difference_shows_changed_lines_only():
    """Old lines are marked ``-`` and new ones ``+``."""
    assert difference("a = 1\nb = 2\nc = 3\n", "a = 1\nb = 5\nc = 3\n") == "- b = 2\n+ b = 5"
    assert difference("a = 1\n", "a = 1\n") == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float64(0.001), "0.001"),
        (np.int64(3), "3"),
        (np.bool_(True), "True"),
        (np.str_("a"), '"a"'),
        (math.inf, 'float("inf")'),
        (np.float64(-math.inf), 'float("-inf")'),
    ],
)
def test_a_scalar_is_written_as_the_number_it_is(value, written):
    """An option of numpy is no text, nor is an infinity."""
    text = "x = 1.0  # tune: choice(*vals)\n"
    result = rewrite(text, values_of(trial_of((value, None), value)))
    assert result.text == text.replace("1.0", written)
    assert result.left == ()


def test_a_scalar_that_the_annotation_names_is_written_by_its_name():
    """The person's own words come first."""
    text = "x = a  # tune: choice(a, b)\n"
    values = values_of(trial_of((np.int64(1), np.int64(2)), np.int64(2), ("a", "b")))
    assert rewrite(text, values).text == text.replace("x = a", "x = b")


def test_an_object_that_has_no_name_is_left():
    """What its repr is, is no code and no text of the person's; a function has a name."""

    class Nameless:
        def __repr__(self):
            return "Nameless()"

    value = Nameless()
    text = "x = None  # tune: choice(*models)\n"
    result = rewrite(text, values_of(trial_of((value, abs), value)))
    assert (result.text, result.left, result.nameless) == (text, ("x",), ("x",))
    result = rewrite(text, values_of(trial_of((value, abs), abs)))
    assert (result.text, result.left) == (text.replace("None", "abs"), ())


def test_an_object_takes_the_place_of_a_text_like_its_name():
    """`"dict"` is not `dict`."""
    text = 'x = "dict"  # tune: choice(dict, list)\n'
    values = values_of(trial_of((dict, list), dict, ("dict", "list")))
    assert rewrite(text, values).text.startswith("x = dict ")
    assert rewrite(text, {"x": "dict"}).text.startswith("x = dict ")  # from MLflow


@pytest.mark.parametrize(("value", "written"), [("dict", "dict"), ("list", '"list"')])
def test_a_stored_study_knows_which_options_were_objects(value, written):
    """Both come back as texts, and keep that apart when they are stored once more."""
    stored = Choice((dict, "list"), ("dict", "list"))
    for _ in range(2):
        stored = distribution_from_json(stored.as_json())
    values = values_of(trial_with(stored, value))
    text = "x = opts[0]  # tune: choice(*opts)\n"
    assert rewrite(text, values).text == text.replace("opts[0]", written)


def test_numbers_of_numpy_are_written_as_numbers(notebook):
    """The new cell and the exported script have the number, not a text of it."""
    notebook.run("import numpy as np\nvals = np.logspace(-3, 0, 4)")
    cell = "# @tune grid -q\nx = 1.0  # tune: choice(*vals)\nloss = x  # tune: minimize"
    assert notebook.run(cell).error is None
    offers = []
    notebook.shell.set_next_input = lambda text, replace: offers.append(text)
    notebook.run("%tune write")
    assert offers == [cell.replace("x = 1.0", "x = 0.001")]
    assert "\nx = 0.001\n" in notebook.run("%tune export script").out
    assert "np.float64" not in notebook.run("%tune export optuna").out


def test_write_says_what_it_could_not_write(notebook):
    """Nothing is said to be there already that is not."""
    loop = 'for i in range(2):\n    u = 3  # tune: choice(3, 1), name="u_{i}"\n'
    notebook.run(f"# @tune grid -q\n{loop}loss = u  # tune: minimize")
    assert notebook.run("%tune write").out == (
        "nothing could be written\n# not written, because one line makes several values: u_0, u_1\n"
    )
    notebook.run(f"# @tune grid -q\nx = 1  # tune: [1, 2]\n{loop}loss = u + x  # tune: minimize")
    assert notebook.run("%tune write").out.startswith("the cell has the other best values already")
    notebook.run("models = [type('M', (), {'__repr__': lambda _: 'M()'})()]")
    notebook.run(
        "# @tune grid -q\nm = None  # tune: choice(*models)\nloss = m is None  # tune: minimize"
    )
    notebook.run(
        "# @tune grid --no-default -q\nm = 0  # tune: choice(*models)\nloss = 1  # tune: minimize"
    )
    assert notebook.run("%tune write").out == (
        "nothing could be written\n"
        "# not written, because the value is an object without a name: m\n"
    )
    assert "m: its best value, M(), is an object without a name" in (
        notebook.run("%tune export script").err
    )


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_an_earlier_study_is_exported_with_its_best_values(notebook, end):
    """However its cell ended: IPython's history has no newline at the end."""
    notebook.run(f"# @tune grid -q\nx = 3  # tune: [3, 1]\ncost = x  # tune: minimize{end}")
    notebook.run("# @tune grid -q\ny = 5  # tune: [5, 2]\nloss = x + y  # tune: minimize")
    program = notebook.run("%tune export script").out
    assert "\nx = 1\n" in program
    assert "\ny = 2\n" in program
