"""IPython's syntax made Python, line for line."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.notebook.source import as_python, plain_transform

PIECES = [
    "x = 1",
    "%time y = 2",
    "!ls",
    "files = !ls",
    "now = %who_ls",
    "z = (10\n  % 3)",
    "!echo a \\\n  b",
    "%timeit -n 1 \\\n  -r 1 pass",
    "text = '''\n%foo \\\n!bar'''",
    "",
    "# a comment",
    "if x:\n    !ls",
    "len?",
]


def python_of(text):
    return as_python(text, plain_transform)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_every_line_keeps_its_number(pieces):
    """A marked line of Python stands where it stood, whatever stands above it."""
    text = "\n".join([*pieces, "marker = 1"])
    python = python_of(text)
    assert python.split("\n")[text.split("\n").index("marker = 1")] == "marker = 1"
    ast.parse(python)


@pytest.mark.parametrize("text", ["x = 1\n", "\n\nx = 1\n", "s = '%d' % 3\n", "a = [1,\n  2]\n"])
def test_plain_python_is_unchanged(text):
    """Nothing happens to a cell without IPython's syntax."""
    assert python_of(text) == text


def test_magics_become_calls():
    """``%`` and ``!`` lines call the shell."""
    python = python_of("%time f()\nout = !ls\n")
    assert "run_line_magic('time', 'f()')" in python
    assert "getoutput('ls')" in python


def test_strings_keep_their_lines():
    """A ``%`` line with a continuation inside a text is text."""
    text = "a = '''\n%foo \\\n!bar'''\n"
    assert python_of(text) == text
