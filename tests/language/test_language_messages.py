"""What is said about faulty cells, word for word, and that nothing is said that is not listed."""

import ast
import pickle
import sys
import traceback
from pathlib import Path

import pytest
from faulty_cells import ERRORS, GOLDEN, LINTS, MAGIC, golden, said

import hpmagic.language
from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell
from hpmagic.language.cell import Lint

HOME = Path(hpmagic.language.__file__).parent


def test_every_message_is_the_golden_one():
    """`python tests/language/faulty_cells.py` writes the file anew."""
    assert golden() == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ERRORS)
def test_faulty_cell_is_refused_with_a_caret_inside_its_line(name):
    python = MAGIC.sub("get_ipython()", ERRORS[name])
    with pytest.raises(AnnotationError) as caught:
        parse_cell(ERRORS[name], "cell.py", python=python)
    place = caught.value.place
    assert place.text == ERRORS[name].split("\n")[place.line - 1]
    assert 0 <= place.column < place.end_column <= len(place.text) + 1


@pytest.mark.parametrize("name", LINTS)
def test_linted_cell_is_accepted(name):
    cell = parse_cell(LINTS[name], "cell.py")
    assert cell.lints
    assert str(cell.lints[0]).startswith(f"cell.py:{cell.lints[0].place.line}: ")


def test_every_place_in_the_code_that_makes_a_message_is_in_the_golden_file(monkeypatch):
    """A message that no faulty cell provokes is found here."""
    reached: set[tuple[str, int]] = set()

    def noting(cls):
        plain = cls.__init__

        def noted(self, *args, **kwargs):
            for frame, line in traceback.walk_stack(sys._getframe(1)):
                reached.add((frame.f_code.co_filename, line))
            plain(self, *args, **kwargs)

        monkeypatch.setattr(cls, "__init__", noted)

    noting(AnnotationError)
    noting(Lint)
    for cell in (*ERRORS.values(), *LINTS.values()):
        said(cell)
    missing = [
        f"{path.name}:{node.lineno}"
        for path in sorted(HOME.glob("*.py"))
        for node in _speaking(path)
        if not any((str(path), n) in reached for n in range(node.lineno, node.end_lineno + 1))
    ]
    # These need the kernel's values: tests of recipes have them.
    assert [m for m in missing if not m.startswith("recipe.py")] == []


def _speaking(path):
    """The calls that make an error or a lint."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            if name in ("AnnotationError", "error", "Lint"):
                yield node


def test_python_shows_the_line_and_the_caret():
    with pytest.raises(SyntaxError) as caught:
        parse_cell("lr = 0.1  # tune: uniform(3, 1)\n", "cell.py")
    shown = "".join(traceback.format_exception_only(caught.value))
    assert 'File "cell.py", line 1' in shown
    assert "lr = 0.1  # tune: uniform(3, 1)" in shown
    assert "^^^^\n" in shown
    assert "low <= high must hold, but got low=3, high=1" in shown


def test_error_survives_pickling_with_its_place():
    with pytest.raises(AnnotationError) as caught:
        parse_cell("lr = 0.1  # tune: uniform(3, 1)\n", "cell.py")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.place == caught.value.place
    assert again.pointed() == caught.value.pointed()


def test_first_error_names_the_others():
    with pytest.raises(AnnotationError) as caught:
        parse_cell(ERRORS["several errors"])
    assert caught.value.place.line == 1
    assert [note.split(":")[0] for note in caught.value.__notes__] == [
        "also at line 2",
        "also at line 3",
    ]
