"""Which file this is."""

import pytest

from hpmagic.notebook.where import source_name


@pytest.fixture(autouse=True)
def _outside_jupyter(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


def test_nobody_knows():
    """A plain shell has no file."""
    assert source_name({}) == ""


def test_vs_code_says_it_in_the_namespace():
    """VS Code's own variable comes first."""
    assert source_name({"__vsc_ipynb_file__": "/a/b.ipynb", "__file__": "c.py"}) == "/a/b.ipynb"


def test_jupyter_says_it_in_the_environment(monkeypatch):
    """A notebook server passes the path to its kernel."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/work/train.ipynb")
    assert source_name({}) == "/work/train.ipynb"


def test_a_script_says_it_itself():
    """Python's own ``__file__`` serves for scripts."""
    assert source_name({"__file__": "train.py"}) == "train.py"


@pytest.mark.parametrize("name", ["1f6c-session", "", 3, None, "notes.md"])
def test_other_names_are_no_files(monkeypatch, name):
    """A session's id, or anything that is neither notebook nor script, is not taken for a file."""
    if isinstance(name, str):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
    assert source_name({"__vsc_ipynb_file__": name}) == ""
