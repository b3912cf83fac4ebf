"""Constants, fingerprints, and cells with IPython's own syntax."""

import pickle
import re

import pytest

from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell
from hpmagic.language.comments import find_comments
from hpmagic.language.source import Source
from hpmagic.notebook.source import as_python

CELL = """\
batch = 32
lr = 0.1  # tune: loguniform(1e-4, 1)
model = SVC(
    C=1.0,  # tune: uniform(0, 9)
)
loss = f(lr, batch)  # tune: minimize
"""


def fingerprint(text):
    return parse_cell(text).fingerprint


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.1", "0.25"),
        ("0.1", "len(x)"),
        ("1e-4", "1e-3"),
        ("loguniform(1e-4, 1)", "[0.1, 0.2]"),
        ("uniform(0, 9)", 'uniform(0, 9), name="soft"'),
        ("minimize", "maximize"),
        ("  # tune", "      #tune"),
        ("\nmodel", "\n\n# a model\n\nmodel"),
        ("(lr, batch)", "(\n    lr,\n    batch,\n)"),
        ("    C=1.0,", "    C=(1.0),"),
    ],
)
def test_fingerprint_does_not_depend_on(before, after):
    assert before in CELL
    assert fingerprint(CELL.replace(before, after)) == fingerprint(CELL)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("32", "64"),
        ("SVC", "LinearSVC"),
        ("f(lr, batch)", "f(batch, lr)"),
        ("  # tune: uniform(0, 9)", ""),
        ("C=", "D="),
        ("batch = 32", "batch = None"),
        ("batch = 32", "batch = 'None'"),
        ("batch = 32", "batch = 32.0"),
        ("loss =", "loss ="[:-1] + "+="),
    ],
)
def test_fingerprint_depends_on(before, after):
    assert before in CELL
    assert fingerprint(CELL.replace(before, after)) != fingerprint(CELL)


def test_fingerprint_is_the_same_text_wherever_the_cell_stands():
    moved = parse_cell(CELL, "other.py", first_line=50)
    assert moved.fingerprint == fingerprint(CELL)
    assert re.fullmatch("[0-9a-f]{64}", moved.fingerprint)


def test_constants_are_the_literals_set_once_at_the_top_level_and_not_tuned():
    cell = parse_cell(
        "\n".join(
            [
                "lr = 0.1  # tune: uniform(0, 1)",
                "batch = 2**5",
                "sizes: tuple = (64, 32)",
                "a, (b, c) = 1, (2, 'x')",
                "d = e = True",
                "_private = 1",
                "nothing = None",
                "empty = []",
                f"long = {'x' * 300!r}",
                "counter = 0",
                "counter += 1",
                "twice = 1",
                "twice = 2",
                "looped = 1",
                "for looped in x: pass",
                "computed = f(1)",
                "star, *rest = 1, 2, 3",
                "obj.attribute = 1",
                "bare: int",
                "if x:",
                "    inner = 1",
                "score = 0  # tune: maximize",
            ]
        )
    )
    assert cell.constants == {
        "batch": 32,
        "sizes": (64, 32),
        "a": 1,
        "b": 2,
        "c": "x",
        "d": True,
        "e": True,
    }


def test_cell_survives_pickling():
    cell = parse_cell(CELL)
    again = pickle.loads(pickle.dumps(cell))
    assert again.space == cell.space
    assert again.constants == cell.constants
    assert again.fingerprint == cell.fingerprint


@pytest.fixture(scope="module")
def transform():
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell


def test_lines_of_ipythons_are_no_obstacle(transform):
    text = (
        "%matplotlib inline\n!ls # tune: 'x'\n".replace("# tune: 'x'", '"# tune: x"')
        + "files = !ls \\\n    -l\n"
        "np.sum?\n"
        "lr = 0.1  # tune: uniform(0, 1)\n"
        "loss = 1  # tune: minimize\n"
    )
    cell = parse_cell(text, python=as_python(text, transform), first_line=2)
    assert cell.space["lr"].line == 7
    assert cell.draws[0].place.text == "lr = 0.1  # tune: uniform(0, 1)"
    assert cell.marks[0].place.line == 8
    assert cell.text == text


def test_columns_of_an_indented_or_prompted_cell_are_those_of_the_raw_text(transform):
    for lead in ("    ", ">>> "):
        text = f"{lead}é = f(1)\n{lead}lr = 0.1  # tune: uniform(0, 1)\n"
        cell = parse_cell(text, python=as_python(text, transform))
        assert cell.draws[0].expression.col_offset == len(lead) + 5
        assert cell.draws[0].place.column == len(lead) + len("lr = 0.1  # tune: ")
        assert cell.draws[0].place.text.startswith(lead)


def test_annotation_on_a_line_of_ipythons_is_refused(transform):
    for text in ("%time f()  # tune: once\n", "x = !ls  # tune: int(1, 3)\n"):
        with pytest.raises(AnnotationError, match="this line is IPython's") as caught:
            parse_cell(text, python=as_python(text, transform))
        place = caught.value.place
        assert place.text[place.column :].startswith("# tune:")


def test_metric_below_its_comment_may_be_a_line_of_ipythons(transform):
    text = "# tune: minimize\nloss = %time f()\n"
    cell = parse_cell(text, python=as_python(text, transform))
    assert [mark.name for mark in cell.marks] == ["loss"]


def test_places_on_lines_of_ipythons_are_counted_from_the_first_line(transform):
    text = "x = 1\n%time f()  # tune: once\n"
    with pytest.raises(AnnotationError) as caught:
        parse_cell(text, python=as_python(text, transform), first_line=10)
    assert caught.value.place.line == 11


def test_comment_says_where_its_parts_are():
    source = Source.read("é = 1  # noqa  # tune : int(1, 3)\n", None, "cell.py", 10)
    (comment,) = find_comments(source)
    assert (comment.line, comment.column, comment.begin) == (10, 15, 23)
    assert (comment.body, comment.alone) == (" int(1, 3)", False)


def test_comment_that_nearly_is_one_says_where_the_wrong_word_is():
    source = Source.read("é = 1  #  Tune: int(1, 3)\n", None, "cell.py", 10)
    (comment,) = find_comments(source)
    assert (comment.place.line, comment.place.column, comment.place.end_column) == (10, 10, 14)


def test_place_of_several_lines_ends_with_the_first():
    cell = parse_cell("m = SVC(  # a\n    C=1,\n)  # tune: uniform(0, 1)\nprint(m)\n")
    (lint,) = cell.lints
    assert lint.place.caret() == "m = SVC(  # a\n    ^^^^^^^^^"


def test_byte_order_mark_and_other_line_ends_do_not_move_anything():
    cell = parse_cell(
        "\ufefflr = 0.1  # tune: uniform(0, 1)\r\nx = 1  # tune: int(1, 3)\rprint(lr, x)"
    )
    assert list(cell.space) == ["lr", "x"]
    assert cell.draws[0].place.column == 19
    assert [draw.place.line for draw in cell.draws] == [1, 2]


def test_form_feeds_and_odd_separators_are_no_line_ends():
    cell = parse_cell('a = "\u2028\x0b"\n\x0cx = 1  # tune: int(1, 3)\nprint(x)\n')
    assert cell.space["x"].line == 2


@pytest.mark.parametrize("text", ["x = = 1\n", "x = (\n", "x = '\n", "\0", "  x = 1\n", "(" * 500])
def test_what_is_no_python_is_a_syntax_error_of_the_cell(text):
    with pytest.raises(SyntaxError) as caught:
        parse_cell(text, "cell.py", first_line=5)
    assert not isinstance(caught.value, AnnotationError)
    assert caught.value.filename == "cell.py"
    assert caught.value.lineno >= 5


def test_empty_cell_has_nothing():
    for text in ("", "\n", "# nothing\n", "pass"):
        cell = parse_cell(text)
        assert not cell.space
        assert not cell.lints
        assert not cell.objectives
