"""With IPython's shell: its displays, its flags, its file names."""

import base64
import linecache

import pytest
from IPython.core.interactiveshell import InteractiveShell
from one_trial import as_written

from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import TrialState

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DONE = "\ndone = 1.0  # tune: maximize\n"


@pytest.fixture(scope="module")
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def in_shell(shell, text, **options):
    namespace = options.pop("namespace", shell.user_ns)
    cell = parse_cell(text, options.pop("filename", "<shell>"), **options)
    return KernelRunner(cell, namespace, shell).run(as_written, lambda _: None)


def test_displays_are_captured_in_order(shell, capsys):
    publisher = shell.display_pub
    outcome = in_shell(
        shell,
        "from IPython.display import display\nprint('a')\ndisplay([1])\nprint('b')" + DONE,
    )
    assert outcome.output.stdout == "a\n[1]\nb\n"
    assert capsys.readouterr().out == ""
    assert shell.display_pub is publisher


def test_displayed_images_are_kept_as_figures(shell):
    outcome = in_shell(
        shell,
        "from IPython.display import Image, display\ndisplay(Image(png, format='png'))" + DONE,
        namespace={"png": PNG},
    )
    assert outcome.output.figures == (PNG,)
    assert outcome.output.stdout == ""


def test_last_expression_goes_through_the_shells_formatter(shell):
    formatter = shell.display_formatter.formatters["text/plain"]

    class Thing:
        pass

    formatter.for_type(Thing, lambda _, printer, __: printer.text("a thing"))
    try:
        outcome = in_shell(shell, DONE + "Thing()", namespace={"Thing": Thing})
    finally:
        formatter.pop(Thing)
    assert outcome.output.stdout == "a thing\n"


def test_future_flags_of_earlier_cells_apply(shell):
    import __future__

    before = shell.compile.flags
    shell.compile.flags |= __future__.annotations.compiler_flag
    try:
        outcome = in_shell(shell, "def f(x: Missing): ..." + DONE)
    finally:
        shell.compile.flags = before
    assert outcome.state is TrialState.COMPLETE


def test_syntax_tree_transformers_of_the_shell_apply(shell):
    import ast

    class Negate(ast.NodeTransformer):
        def visit_UnaryOp(self, node):
            return node.operand

    transformer = Negate()
    shell.ast_transformers.append(transformer)
    try:
        outcome = in_shell(shell, "x = 1\nacc = -x  # tune: maximize")
    finally:
        shell.ast_transformers.remove(transformer)
    assert outcome.values == {"acc": 1.0}


def test_real_magics_run(shell):
    python = "where = get_ipython().run_line_magic('pwd', '')\ndone = 1.0  # tune: maximize\n"
    outcome = in_shell(shell, "where = %pwd\ndone = 1.0  # tune: maximize\n", python=python)
    assert outcome.state is TrialState.COMPLETE, outcome.output.traceback
    assert outcome.bindings["where"]


def test_source_that_the_shell_provides_is_left_alone(shell):
    text = "%%tune\nx = 1\n1 / 0\n"
    name = shell.compile.cache(text, 7)
    entry = linecache.cache[name]
    outcome = in_shell(shell, "x = 1\n1 / 0\n", filename=name, first_line=2)
    assert linecache.cache[name] is entry
    assert outcome.reason == "ZeroDivisionError: division by zero (line 3)"
    assert "1 / 0" in outcome.output.traceback
