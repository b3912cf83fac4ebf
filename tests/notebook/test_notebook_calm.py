"""A notebook in which nothing is printed that nobody asked for."""

from __future__ import annotations

import pytest

CELL = """%%tune {tuner} --trials 3 --seed 1 --quiet
x = 0.5  # tune: uniform(0, 1)
for step in range(3):
    loss = x - step  # tune: minimize
"""


@pytest.mark.slow
@pytest.mark.parametrize("tuner", ["random", "tpe", "bayes"])
def test_libraries_say_nothing_when_they_are_imported(store, tmp_path, tuner):
    """No warning of missing widgets, no log line: a first study writes nothing to stderr."""
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(s) for s in ("%load_ext hpmagic", CELL.format(tuner=tuner))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    streams = [o for cell in notebook.cells for o in cell.outputs if o.output_type == "stream"]
    assert [s.text for s in streams if s.name == "stderr"] == []
