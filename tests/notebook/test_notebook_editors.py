"""What editors see of tune cells, and the README's recipe for them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "demos").glob("*.ipynb"))
STRICT = {"typeCheckingMode": "off", "reportUndefinedVariable": "error"}
CELLS = [
    "%load_ext hpmagic",
    "import math",
    "%%tune bayes --trials 9\nx   =   1  # tune: int(1,  3)\nimport json\n"
    "loss=math.sin( x )   # tune: minimize",
    "print(loss, x, study.best)",
]


def recipe(language):
    """The block of this language in the README's section."""
    section = (ROOT / "README.md").read_text().partition("### VS Code\n")[2].partition("\n## ")[0]
    block = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]
    return re.sub("^   ", "", block, flags=re.MULTILINE)


def tool(folder, *words):
    """What a module's command prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def undefined(folder):
    """The names that basedpyright and Ruff cannot find, by file."""
    (folder / "pyrightconfig.json").write_text(json.dumps(STRICT))
    report = json.loads(tool(folder, "basedpyright", "--outputjson", "."))
    assert report["summary"]["filesAnalyzed"] > 0
    found = {
        (Path(d["file"]).name, d["message"].split('"')[1])
        for d in report["generalDiagnostics"]
        if d.get("rule") == "reportUndefinedVariable"
    }
    words = ["ruff", "check", "--isolated", "--no-cache", "--select=F821", "--output-format=json"]
    ruff = {
        (Path(d["filename"]).name, d["message"].split("`")[1])
        for d in json.loads(tool(folder, *words, "."))
    }
    return found, ruff


def written(path, cells):
    """A notebook of these cells."""
    import nbformat

    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code), path)
    return path


def test_type_checker_and_linter_see_every_name_of_comment_form_cells(tmp_path):
    """In the demos only what a study binds is unknown to them: all that the cells make is seen."""
    import nbformat

    pytest.importorskip("basedpyright")
    bound = set()
    for path in NOTEBOOKS:
        book = nbformat.read(path, as_version=4)
        for cell in book.cells:
            if cell.cell_type == "code" and cell.source.startswith("%%tune"):
                cell.source = cell.source.replace("%%tune", "# @tune", 1)
                output = re.search(r"-o (\w+)", cell.source.split("\n")[0])
                bound.add((path.name, output[1] if output else "study"))
        nbformat.write(book, tmp_path / path.name)
    (tmp_path / "script.py").write_text((ROOT / "demos" / "script.py").read_text())
    pyright, ruff = undefined(tmp_path)
    assert pyright <= bound | {("script.py", "get_ipython")}
    assert ruff <= bound | {("script.py", "get_ipython")}


def test_cells_that_begin_with_a_magic_hide_their_names(tmp_path):
    """Why the comment form is the one to write: the same cell, unseen."""
    pytest.importorskip("basedpyright")
    written(tmp_path / "magic.ipynb", CELLS)
    for found in undefined(tmp_path):
        assert {("magic.ipynb", "loss"), ("magic.ipynb", "x")} <= found


def test_the_recipe_makes_the_study_known(tmp_path):
    """With the stub of the README nothing is unknown to the type checker; Ruff has its setting."""
    pytest.importorskip("basedpyright")
    cells = [cell.replace("%%tune", "# @tune") for cell in CELLS]
    path = written(tmp_path / "comment.ipynb", cells)
    (tmp_path / "__builtins__.pyi").write_text(recipe("python"))
    assert undefined(tmp_path)[0] == set()
    (tmp_path / "pyproject.toml").write_text(recipe("toml"))
    words = ["check", "--select=F", "--output-format=json", path.name]
    assert json.loads(tool(tmp_path, "ruff", *words)) == []


def test_the_recipe_lets_tools_work_on_magic_cells(tmp_path):
    """Ruff harms nothing, Black formats the cell, and so does Black through nbQA; nbQA's Ruff looks
    inside.
    """
    import nbformat

    pytest.importorskip("nbqa")
    pytest.importorskip("tokenize_rt")
    (tmp_path / "pyproject.toml").write_text(recipe("toml"))
    path = written(tmp_path / "magic.ipynb", CELLS)
    tool(tmp_path, "ruff", "check", "--fix", path.name)
    assert [cell.source for cell in nbformat.read(path, as_version=4).cells] == CELLS
    assert "F401" in tool(tmp_path, "nbqa", "ruff", path.name, "--select=F401", "--isolated")
    for words in (["black"], ["nbqa", "black"]):
        written(path, CELLS)
        tool(tmp_path, *words, path.name)
        assert nbformat.read(path, as_version=4).cells[2].source == (
            "%%tune bayes --trials 9\nx = 1  # tune: int(1,  3)\nimport json\n\n"
            "loss = math.sin(x)  # tune: minimize"
        )
