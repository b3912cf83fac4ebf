"""Errors say where, and survive a journey between processes."""

import copy
import pickle
import threading
import warnings

import pytest

from hpmagic import errors
from hpmagic.errors import AnnotationError, HpmagicWarning, Place, SpaceError, nearest


def place(text, part):
    column = text.index(part)
    return Place("cell.py", 3, column, column + len(part), text)


@pytest.mark.parametrize(
    ("text", "part", "caret"),
    [
        ("lr = x", "x", "     ^"),
        ("lr = abc", "abc", "     ^^^"),
        ("\tlr = x", "x", "\t     ^"),
        ("\t\tx", "x", "\t\t^"),
        ("a\tb = x", "x", " \t    ^"),
        ('s = "日本"  # x', "x", f"{' ' * 14}^"),
        ("日本 = 1", "日本", "^^^^"),
        ("é = x", "x", "    ^"),
        ("e\u0301 = x", "x", "    ^"),
        ("ｘ = y", "y", "     ^"),
    ],
)
def test_caret_stands_under_the_part(text, part, caret):
    assert place(text, part).caret() == f"{text}\n{caret}"


def test_caret_of_nothing_is_one_caret():
    assert Place("cell.py", 1, 4, 4, "lr =").caret() == "lr =\n    ^"


def test_annotation_error_is_a_syntax_error_with_its_place():
    error = AnnotationError("low <= high must hold", place("lr = 3", "3"))
    assert isinstance(error, SyntaxError)
    assert (error.filename, error.lineno, error.offset) == ("cell.py", 3, 6)
    assert (error.end_lineno, error.end_offset, error.text) == (3, 7, "lr = 3")
    assert error.pointed() == (
        "cell.py, line 3, column 6\nlr = 3\n     ^\nAnnotationError: low <= high must hold"
    )


@pytest.mark.parametrize("remade", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
def test_annotation_error_can_be_pickled_and_copied(remade):
    error = AnnotationError("low <= high must hold", place("lr = 3", "3"))
    again = remade(error)
    assert type(again) is AnnotationError
    assert again.msg == error.msg
    assert again.place == error.place
    assert again.args == error.args


def test_space_error_keeps_what_it_blames():
    error = pickle.loads(pickle.dumps(SpaceError("the values must differ", "low", 2)))
    assert str(error) == "the values must differ"
    assert error.arguments == ("low", 2)


def test_every_exception_has_one_root_and_a_builtin_one():
    roots = (SyntaxError, ValueError, RuntimeError, LookupError, ImportError)
    for name in errors.__all__:
        cls = getattr(errors, name)
        if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, Warning):
            assert issubclass(cls, errors.HpmagicError)
            assert cls is errors.HpmagicError or issubclass(cls, roots)


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("loguniformm", ["uniform", "loguniform", "log_uniform"], "loguniform"),
        ("LogUniform", ["uniform", "loguniform", "log_uniform"], "loguniform"),
        ("max-trials", ["max_trials", "trials"], "max_trials"),
        ("zebra", ["uniform"], None),
        ("x", [], None),
    ],
)
def test_nearest_names_the_first_of_the_closest(word, known, found):
    assert nearest(word, known) == (f"; did you mean `{found}`?" if found else "")


LIBRARY = "from hpmagic.errors import warn\ndef call(step=warn, *rest):\n    step(*rest)\n"


def _called_in(package):
    """A function of a module of that package: calls what it is given, or else `warn`."""
    names = {"__name__": f"{package}.module"}
    exec(compile(LIBRARY, f"{package}.py", "exec"), names)
    return names["call"], names["warn"]


@pytest.mark.parametrize(("package", "file"), [("hpmagic", __file__), ("theirs", "theirs.py")])
def test_a_warning_points_at_the_first_line_that_is_not_hpmagics(package, file):
    """A line of hpmagic's says nothing to the person; one of their own modules does."""
    call, warn = _called_in(package)
    between, _ = _called_in("IPython")
    with pytest.warns(HpmagicWarning, match="far away") as told:
        between(call, warn, "far away")
    assert told[0].filename == file


def test_a_warning_on_a_thread_points_nowhere():
    """Nobody's line led to it."""
    call, warn = _called_in("hpmagic")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        thread = threading.Thread(target=call, args=(warn, "the view stopped"))
        thread.start()
        thread.join()
    assert (told[0].filename, told[0].lineno) == ("hpmagic", 1)


def test_the_same_warning_is_given_each_time():
    """The second study's news is news, too; nothing is left in the person's names."""
    with pytest.warns(HpmagicWarning) as told:
        [errors.warn("again") for _ in range(2)]
    assert [str(one.message) for one in told] == ["again", "again"]
