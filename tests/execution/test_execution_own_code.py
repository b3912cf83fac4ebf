"""What is the person's own is put back, wherever they keep it and however the cell reaches it."""

import json
import logging
import sys
import types

import pytest
from one_trial import run, runner_of

CELL = "k = 1  # tune: int(1, 3)\n{}\ndone = 1.0  # tune: maximize\n"


@pytest.fixture
def modules(monkeypatch):
    """Modules that are imported here are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in sys.modules.keys() - before:
        del sys.modules[name]


@pytest.fixture
def work(tmp_path, monkeypatch, modules):
    """The working directory, beside which other folders may be."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def seen(body, namespace=None, **options):
    """What each of three trials sees: the second changes things."""
    runner = runner_of(CELL.format(body), namespace, **options)
    found = [run(runner, {"k": k}).bindings["seen"] for k in (1, 2, 1)]
    runner.close()
    return found


STATE = "LOG = []\ndef add(k):\n    if k > 1: LOG.append(k)\n    return list(LOG)\n"


def test_modules_in_a_folder_that_was_put_on_the_path_are_ones_own(work):
    folder = work.parent / "src"
    folder.mkdir()
    (folder / "own_beside.py").write_text(STATE)
    sys.path.insert(0, "../src")
    import own_beside

    assert seen("seen = add(k)", {"add": own_beside.add}) == [[], [2], []]


def test_modules_in_a_folder_that_a_cell_puts_on_the_path_are_ones_own(work):
    folder = work.parent / "more"
    folder.mkdir()
    (folder / "own_late.py").write_text(STATE)
    body = "import sys\nsys.path.insert(0, '../more')\n"
    body += "from own_late import add\nseen = add(k)"
    assert seen(body) == [[], [2], []]


def test_modules_where_an_absolute_path_leads_are_left_alone(work):
    """An editor, a debugger or a platform may have put it there, and keep its own state in them."""
    from hpmagic.execution.heap.world import World

    folder = work.parent / "debugger"
    folder.mkdir()
    (folder / "of_the_editor.py").write_text(STATE)
    sys.path.insert(0, str(folder))
    import of_the_editor

    assert not World({}).owns_module(of_the_editor)


def test_modules_of_the_project_are_ones_own(work):
    """As those of an editable install, which the installed packages lead to."""
    (work.parent / "pyproject.toml").touch()
    folder = work.parent / "src" / "own_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(STATE)
    sys.path.insert(0, str(folder.parent))
    import own_package

    sys.path.remove(str(folder.parent))
    assert seen("seen = add(k)", {"add": own_package.add}) == [[], [2], []]


@pytest.mark.parametrize("place", [".venv/lib", "env/lib/site-packages"])
def test_packages_installed_in_the_project_are_no_ones_own(work, place):
    from hpmagic.execution.heap.world import World

    folder = work / place
    folder.mkdir(parents=True)
    (folder / "of_others.py").write_text(STATE)
    sys.path.insert(0, str(folder))
    import of_others

    assert not World({}).owns_module(of_others)


def test_variables_of_code_that_was_executed_apart_are_put_back():
    apart: dict = {}
    exec(STATE, apart)
    assert seen("seen = add(k)", {"add": apart["add"]}) == [[], [2], []]


def test_modules_that_a_helper_imports_are_put_back(work):
    (work / "own_inner.py").write_text(STATE)
    sys.path.insert(0, str(work))
    import own_inner  # noqa: F401

    namespace: dict = {}
    exec("def helper(k):\n    from own_inner import add\n    return add(k)", namespace)
    assert seen("seen = helper(k)", namespace) == [[], [2], []]


def test_values_of_context_variables_that_a_helper_names_are_put_back():
    namespace: dict = {}
    exec(
        "from contextvars import ContextVar\nv = ContextVar('v'); v.set([])\n"
        "def add(k):\n    if k > 1: v.get().append(k)\n    return list(v.get())",
        namespace,
    )
    assert seen("seen = add(k)", namespace) == [[], [2], []]


@pytest.mark.parametrize("name", ["hpmagic_test_train", "__main__"])
def test_handlers_of_a_logger_that_the_cell_names_do_not_gather(name):
    body = f"import logging\nlog = logging.getLogger({name!r})\n"
    body += "log.addHandler(logging.NullHandler())\nseen = len(log.handlers)"
    assert seen(body) == [1, 1, 1]


def test_handlers_of_a_logger_before_the_study_stay():
    log = logging.getLogger("hpmagic_test_before")
    log.handlers = before = [logging.NullHandler()]
    body = "import logging\nlogging.getLogger('hpmagic_test_before').handlers.clear()\nseen = k"
    seen(body)
    assert log.handlers == before != []


def test_handlers_that_a_library_sets_up_when_it_is_imported_stay(monkeypatch):
    """It does so once, and another thread may be importing it."""
    monkeypatch.setitem(sys.modules, "hpmagic_test_library", types.ModuleType("x"))
    handler = logging.NullHandler()
    runner = runner_of(CELL.format(""))
    run(
        runner,
        report=lambda _: logging.getLogger("hpmagic_test_library.a").addHandler(handler),
    )
    assert logging.getLogger("hpmagic_test_library.a").handlers == [handler]


@pytest.mark.parametrize(
    ("imports", "target"),
    [
        ("import json", "json.encoder.JSONEncoder"),
        ("import json.encoder as e", "e.JSONEncoder"),
        ("from json import encoder", "encoder.JSONEncoder"),
        ("from json.encoder import JSONEncoder", "JSONEncoder"),
    ],
)
def test_what_is_replaced_in_a_class_that_the_cell_imports_is_put_back(imports, target):
    body = f"import json\n{imports}\nif k > 1: {target}.encode = lambda self, o: 'x'\n"
    body += "seen = json.JSONEncoder().encode([1])"
    assert seen(body) == ["[1]", "x", "[1]"]
    assert json.JSONEncoder().encode([1]) == "[1]"
