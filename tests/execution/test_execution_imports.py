"""Trials begin and end while another thread imports libraries."""

import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from one_trial import run, runner_of

CELL = "done = 1.0  # tune: maximize\n"
"""While it reports, the other thread does something."""


class LibraryWarning(UserWarning):
    """Of a library that nobody has imported when the study begins."""

    __module__ = "library_of_another_thread.warnings"


@pytest.fixture
def filters():
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield lambda: list(warnings.filters)


@pytest.fixture
def library(monkeypatch):
    """A module in the middle of its import, as the other thread has it."""
    name = "library_of_another_thread"
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__spec__._initializing = True
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture
def pandas(monkeypatch, library):
    """The settings of a pandas in the middle of its import."""
    monkeypatch.setitem(sys.modules, "pandas", library)
    config = ModuleType("pandas._config.config")
    config._global_config = {"display": {"width": 80}}
    monkeypatch.setitem(sys.modules, "pandas._config.config", config)
    return config._global_config


def test_settings_of_a_library_being_imported_are_not_taken(pandas):
    def import_goes_on(_):
        pandas["display"] |= {"encoding": "utf-8", "width": 100}
        pandas["future"] = {"no_silent": False}

    run(runner_of(CELL), report=import_goes_on)
    assert pandas == {
        "display": {"width": 100, "encoding": "utf-8"},
        "future": {"no_silent": False},
    }


def test_settings_registered_after_they_were_taken_stay(pandas, library):
    """A submodule of pandas may be imported at any time, and has options of its own."""
    library.__spec__._initializing = False

    def change_and_register(_):
        pandas["display"] |= {"encoding": "utf-8", "width": 100}
        pandas["plotting"] = {"backend": "x"}

    run(runner_of(CELL), report=change_and_register)
    assert pandas == {
        "display": {"width": 80, "encoding": "utf-8"},
        "plotting": {"backend": "x"},
    }


def test_filters_of_a_library_for_its_own_warnings_stay_while_it_is_imported(
    filters, library, monkeypatch
):
    """Else `import requests` beside the first trials warns that PySocks is missing."""
    monkeypatch.delitem(sys.modules, library.__name__)
    runner = runner_of(CELL)
    monkeypatch.setitem(sys.modules, library.__name__, library)
    before = filters()
    run(runner, report=lambda _: warnings.simplefilter("ignore", LibraryWarning))
    assert filters() == [("ignore", None, LibraryWarning, None, 0), *before]


def test_filters_for_warnings_of_an_imported_library_are_put_back(filters, library):
    library.__spec__._initializing = False
    runner = runner_of(CELL)
    before = filters()
    run(runner, report=lambda _: warnings.simplefilter("ignore", LibraryWarning))
    assert filters() == before


def test_filters_that_another_thread_puts_back_late_are_those_of_the_study(filters):
    """Its `catch_warnings` began in a trial, and ends when that is over."""
    theirs = warnings.catch_warnings(action="ignore")
    runner = runner_of("import warnings\nwarnings.simplefilter('error')\n" + CELL)
    before = filters()
    run(runner, report=lambda _: theirs.__enter__())
    assert filters() == before
    theirs.__exit__(None, None, None)
    assert filters() == before


def test_filters_that_another_thread_put_aside_are_not_put_back(filters):
    """Its `catch_warnings` began before a trial, and ends in it."""
    theirs = warnings.catch_warnings(action="ignore")
    runner = runner_of("import warnings\n" + CELL + "warnings.simplefilter('error')\n")
    before = filters()
    theirs.__enter__()
    run(runner, report=lambda _: theirs.__exit__(None, None, None))
    assert filters() == before


def test_filters_that_a_cell_never_puts_back_are_put_back(filters):
    text = "import warnings\nwarnings.catch_warnings(record=True, action='error').__enter__()\n"
    runner = runner_of(text + CELL)
    before, shown = filters(), warnings._showwarnmsg_impl
    run(runner)
    assert filters() == before
    assert warnings._showwarnmsg_impl is shown
