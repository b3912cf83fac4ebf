"""A shell in this process, with the extension loaded."""

import atexit
import contextlib
import sys
from dataclasses import dataclass

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import hpmagic.tracking.store
import hpmagic.tracking.writer


@dataclass
class Said:
    """What running a cell gave: IPython's result, and what it printed."""

    result: object
    out: str
    err: str

    @property
    def error(self):
        return self.result.error_in_exec or self.result.error_before_exec


class Notebook:
    """Runs cells one after another and remembers them as a front end would."""

    def __init__(self, shell, capsys):
        self.shell = shell
        self._capsys = capsys

    def run(self, text):
        self._capsys.readouterr()
        result = self.shell.run_cell(text, store_history=True)
        out, err = self._capsys.readouterr()
        return Said(result, out, err)

    def names(self, *names):
        return tuple(self.shell.user_ns[name] for name in names)


FIRST = """\
import os
os.environ["HPMAGIC_HOME"] = {home!r}
from hpmagic.tracking import closing
closing._plots = lambda _: {{}}
%load_ext hpmagic
"""


@pytest.fixture(scope="session")
def first_cell(store_in):
    """Puts an empty store into a kernel's folder; gives the first cell to run there.

    Pictures of studies take half a second each, and many under a debugger: none is drawn.
    """

    def text(folder):
        store_in(folder)
        return FIRST.format(home=str(folder / "home"))

    return text


@pytest.fixture
def shell():
    """A shell of its own, which is the one that `get_ipython` finds."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    main = sys.modules["__main__"]
    before = InteractiveShell._instance
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.restore_sys_module_state()
    sys.modules["__main__"] = main
    InteractiveShell.clear_instance()
    InteractiveShell._instance = before


@pytest.fixture
def notebook(shell, capsys, monkeypatch, tmp_path):
    """A notebook with the extension loaded, whose studies are kept in memory only."""
    monkeypatch.setattr(hpmagic.tracking.writer, "MlflowWriter", Forgetful)
    monkeypatch.setattr(hpmagic.tracking.store, "check_store", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    shell.run_line_magic("load_ext", "hpmagic")
    return Notebook(shell, capsys)


@pytest.fixture
def stored_notebook(shell, store, capsys):
    """The same in a folder with an empty store, into which studies go."""
    shell.run_line_magic("load_ext", "hpmagic")
    return Notebook(shell, capsys)


class Forgetful:
    """Stands in for the writer and writes nothing."""

    def __init__(self, **_):
        self.run_ids = {}
        self.remarks = []
        self.study_name = self.run_id = self.experiment_id = self.tracking_uri = None

    def __call__(self, _event):
        return None

    def trial_run(self, _number):
        return contextlib.nullcontext()

    def drain(self):
        return None
