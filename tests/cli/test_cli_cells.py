"""The cells of notebooks and scripts."""

import json

import pytest

from hpmagic.cells import read_cells
from hpmagic.errors import OptionError


def cells_of(tmp_path, text, name="file.py"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_cells(path)


def notebook(*sources, kind="code"):
    cells = [{"cell_type": kind, "source": source} for source in sources]
    return json.dumps({"cells": cells, "nbformat": 4})


def test_a_script_is_cut_at_its_markers(tmp_path):
    """Cells are numbered from 1 and know their first line."""
    cells = cells_of(tmp_path, "import os\n# %%\na = 1\n\n# %% second\nb = 2\n")
    assert [(c.number, c.line, c.text) for c in cells] == [
        (1, 1, "import os\n"),
        (2, 3, "a = 1\n\n"),
        (3, 6, "b = 2\n"),
    ]


def test_a_script_without_markers_is_one_cell(tmp_path):
    """No marker, one cell."""
    (cell,) = cells_of(tmp_path, "# @tune random\nx = 1  # tune: int(1, 2)\n")
    assert cell.header.args == "random"


def test_markdown_cells_are_left_out(tmp_path):
    """What is prose in a script does not run."""
    cells = cells_of(tmp_path, "# %% [markdown]\n# text\n# %%\nx = 1\n# %% [raw]\nfoo bar\n")
    assert [c.text for c in cells] == ["x = 1\n"]


@pytest.mark.parametrize("marker", ["# %%tune bayes", "#%%tune bayes", "# %% tune bayes"])
def test_jupytexts_spelling_begins_a_cell_and_is_its_header(tmp_path, marker):
    """``# %%tune`` is marker and header in one; ``# %% tune ...`` is a marker with a title."""
    cells = cells_of(tmp_path, f"import os\n{marker}\nx = 1  # tune: int(1, 2)\n")
    assert len(cells) == 2
    assert (cells[1].header is None) == (marker == "# %% tune bayes")


def test_a_notebooks_code_cells_are_numbered(tmp_path):
    """Sources may be texts or lists of lines; markdown is left out."""
    text = json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": "# title"},
                {"cell_type": "code", "source": ["x = 1\n", "y = 2"]},
                {"cell_type": "code", "source": "%%tune grid\nz = 3"},
            ]
        }
    )
    cells = cells_of(tmp_path, text, "nb.ipynb")
    assert [(c.number, c.text) for c in cells] == [(1, "x = 1\ny = 2"), (2, "%%tune grid\nz = 3")]
    assert cells[1].header.args == "grid"


def test_a_form_feed_ends_no_line(tmp_path):
    """Cells know the line that Python and editors count."""
    cells = cells_of(tmp_path, "import os\n\f\nsep = '\u2028'\n# %%\n# \v\n# @tune\nx = 1\n")
    assert [(c.line, c.body_line, c.body) for c in cells[1:]] == [(5, 7, "x = 1\n")]


@pytest.mark.parametrize("name", ["file.py", "nb.ipynb"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path, name):
    """Windows' editors put one before files."""
    text = "# @tune grid\nx = 1\n"
    cells = cells_of(tmp_path, "\ufeff" + (text if name == "file.py" else notebook(text)), name)
    assert [(c.text, c.header.args) for c in cells] == [(text, "grid")]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("nb.ipynb", "{", "is not a notebook"),
        ("nb.ipynb", "[]", "is not a notebook"),
        ("nb.txt", "x", "is neither a notebook (.ipynb) nor a script (.py)"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, sentence):
    """The message names the file and what it should be."""
    with pytest.raises(OptionError) as caught:
        cells_of(tmp_path, text, name)
    assert sentence in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    """A file that cannot be read is said to be so."""
    with pytest.raises(OptionError) as caught:
        read_cells(tmp_path / "nowhere.py")
    assert "cannot read" in str(caught.value)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError) as caught:
        read_cells(tmp_path / "binary.py")
    assert "not UTF-8" in str(caught.value)
