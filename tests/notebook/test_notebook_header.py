"""The line that makes a cell a study, wherever it stands and however it is spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.notebook.header import find_header, handed, hoist, locate, without_header

SPELLINGS = ["%%tune", "# @tune", "#@tune", "#! %%tune", "#!%%tune", "# %%tune"]
BODY = "x = 1  # tune: int(1, 3)\ny = x  # tune: minimize\n"


def hoisted(text):
    return "".join(hoist(text.splitlines(keepends=True)))


def magic(text):
    """The line and cell that IPython hands to the magic."""
    first, _, cell = hoisted(text).partition("\n")
    return first.removeprefix("%%tune").strip(), cell


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize("above", ["", "\n", "# first look\n", "# a\n\n  # b\n"])
def test_all_spellings_become_the_magic(spelled, above):
    """Each spelling, also below comments and blank lines, is hoisted to a ``%%tune``."""
    text = f"{above}{spelled} bayes --trials 40\n{BODY}"
    assert hoisted(text) == f"%%tune bayes --trials 40\n{above}{BODY}"


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_a_header_without_words_is_one(spelled):
    """The words are optional."""
    assert find_header(f"{spelled}\n{BODY}").args == ""


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "x = 1\n# @tune bayes\n",
        "# @tuner bayes\nx = 1\n",
        "%%tune?\n",
        "%%time\n%%tune\n",
        "%%tuned\nx = 1",
        "# see @tune\nx = 1",
        "",
        "\n\n",
    ],
)
def test_other_cells_are_left_alone(text):
    """A cell without a header, or with one below code, passes unchanged."""
    lines = text.splitlines(keepends=True)
    assert hoist(lines) is lines
    assert find_header(text) is None
    assert without_header(text) == text


@given(
    st.lists(st.sampled_from(["", "# note", "   "]), max_size=4),
    st.sampled_from(SPELLINGS),
    st.lists(st.sampled_from(["x = 1", "", "# c", "  y = 2"]), min_size=1, max_size=5),
)
def test_lines_below_the_header_keep_their_numbers(above, spelled, below):
    """Hoisting moves no line that stands below the header."""
    lines = [f"{line}\n" for line in [*above, f"{spelled} random", *below]]
    result = hoist(lines)
    assert len(result) == len(lines)
    assert result[len(above) + 1 :] == lines[len(above) + 1 :]
    assert hoist(result) == result


@pytest.mark.parametrize("odd", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_lines_are_those_that_python_counts(odd):
    """A form feed or the like ends no line, though `str.splitlines` breaks there."""
    text = f"# a{odd}b\n{odd}\n# @tune random\n{BODY}"
    assert find_header(text).line == 3
    assert without_header(text) == f"# a{odd}b\n{odd}\n\n{BODY}"
    assert hoisted(text) == f"%%tune random\n# a{odd}b\n{odd}\n{BODY}"
    found = locate(text, *magic(text))
    assert (found.body, found.first_line) == (BODY, 4)


def test_without_its_header_a_cell_keeps_its_lines():
    """The header leaves a blank line behind."""
    assert without_header("# a\n# @tune bayes\nx = 1\n") == "# a\n\nx = 1\n"


@pytest.mark.parametrize("spelled", SPELLINGS)
@pytest.mark.parametrize("above", ["", "\n\n", "# first look\n\n"])
def test_the_body_is_found_again_in_the_cell_as_written(spelled, above):
    """Magic line and cell are traced back to the person's own lines."""
    raw = f"{above}{spelled} bayes\n\n{BODY}"
    found = locate(raw, *magic(raw))
    assert (found.whole, found.spelled, found.body) == (raw, f"{spelled} bayes", BODY)
    assert raw.splitlines()[found.first_line - 1] == BODY.splitlines()[0]


def test_a_cell_inside_another_magic_is_found_too():
    """With ``%%time`` above, lines are counted from there."""
    raw = f"%%time\n%%tune bayes\n{BODY}"
    found = locate(raw, "bayes", BODY)
    assert (found.first_line, found.body, found.spelled) == (3, BODY, "%%tune bayes")


def test_a_cell_from_nowhere_counts_from_its_header():
    """What cannot be traced back is taken as it was handed over."""
    assert locate("get_ipython().run_cell_magic('tune', '', code)", "", BODY) is None
    found = handed("bayes", BODY)
    assert (found.whole, found.first_line) == (f"%%tune bayes\n{BODY}", 2)
