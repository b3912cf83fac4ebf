"""What holds for any space, any text behind ``tune:`` and any file."""

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up_spaces import SPACES, VALUES

from hpmagic.distributions import literal_text
from hpmagic.errors import AnnotationError
from hpmagic.language import TunableCell, parse_cell
from hpmagic.language.canonical import annotation_text
from hpmagic.language.vocabulary import DISTRIBUTIONS, OPTIONS, ROLES, SPELLINGS


def cell_or_error(text, *args, **options):
    """What reading a cell comes to."""
    try:
        return parse_cell(text, *args, **options)
    except SyntaxError as error:
        return error


@given(
    SPACES,
    st.none() | st.integers(1, 9),
    st.sampled_from([None, "model", "training"]),
    st.sampled_from([None, "lr", "a name", "SVC.C", "größe/2"]),
)
def test_any_space_prints_in_its_canonical_form_and_parses_back(space, points, kind, name):
    points = None if space.kind == "choice" else points
    options = {"n": points, "kind": kind, "name": name}
    written = [f"{key}={literal_text(v)}" for key, v in options.items() if v is not None]
    line = ", ".join([str(space), *written])
    (parameter,) = parse_cell(f"x = 1  # tune: {line}  # free text\n").space.parameters
    assert parameter.distribution == space
    assert str(parameter.distribution) == str(space) == parameter.text
    assert (parameter.grid_points, parameter.kind) == (points, kind)
    assert parameter.name == (name or "x")
    assert annotation_text(parameter, named=name is not None) == line


@given(VALUES)
def test_any_literal_is_read_as_the_written_value(value):
    (parameter,) = parse_cell(f"x = {value!r}  # tune: normal(0, 1)\n").space.parameters
    assert parameter.default == value
    assert type(parameter.default) is type(value)


PIECES = [
    *DISTRIBUTIONS,
    *ROLES,
    *OPTIONS,
    *(spelling for spellings in SPELLINGS.values() for spelling in spellings),
    *"()[]{},=#*.:+-'\"\\",
    "**",
    ":=",
    "1",
    "-1e-3",
    "2**10",
    "'rbf'",
    'f"{i}"',
    "SVC",
    "lambda",
    "if",
    "else",
    "not",
    "await",
    "# tune:",
    " ",
]
SENTENCES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
ANYTHING = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=40)


@settings(max_examples=400)
@given(st.one_of(SENTENCES, ANYTHING, st.tuples(SENTENCES, ANYTHING).map("".join)))
@example("uniform(0, 1)) + (x")
@example("uniform(0, 1)) , x=(1")
@example("uniform(0, 1)\\")
@example("choice(" + "(" * 300)
@example("-" * 3000 + "1")
@example("int(1, 9" + "9" * 5000 + ")")
@example("int(0, 0x" + "F" * 5000 + ")")
@example("uniform(0, 10**400)")
@example("uniform(0, 1), name='{'")
@example("'")
@example("(((yield)))")
def test_any_text_gives_a_space_or_a_pointed_error(text):
    line = f"x = 1  # tune: {text}"
    read = cell_or_error(f"{line}\nprint(x)\n")
    if isinstance(read, AnnotationError):
        place = read.place
        assert read.msg
        assert (place.line, place.text) == (1, line)
        assert 0 <= place.column < place.end_column <= len(line) + 1
        assert read.pointed()
    else:
        assert len(read.space) + len(read.marks) + len(read.once) == 1
        assert all(parameter.text for parameter in read.space.parameters)


STATEMENTS = [
    "x = 1",
    "x, y = 1, 2",
    "x.y = 1",
    "x[0] = 1",
    "x += 1",
    "x: int = 1",
    "x: int",
    "f(a=1)",
    "f(a=1, b=2)",
    "f(1)",
    "f(\n    a=1,\n    b=[2],\n)",
    "x = {\n    'a': 1,\n}",
    "pass",
    "import os",
    "def f(a=1): return a",
    "for i in range(3): x = i",
    "if (n := 3): x = n",
    "with f() as g: pass",
    "try: x = 1\nfinally: pass",
    "class A: x = 1",
    "return 3",
    "await f()",
    "s = '''\ntext\n'''",
    "lambda a=1: a",
    "x = (\n    1\n    + 2\n)",
    "match x:\n    case 1: pass",
    "@f(a=1)\ndef g(): ...",
    "del x",
]
ITEMS = [
    "int(1, 3)",
    "minimize",
    "minimize(patience=2)",
    "metric",
    "once",
    "[1, n]",
    'int(1, 2), name="a"',
]


@st.composite
def annotated_cells(draw):
    """Statements, some in blocks, with annotations behind any of their lines and between them."""
    lines = []
    depth = 0
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            lines.append("    " * depth + draw(st.sampled_from(["while x:", "def h():", "if x:"])))
            depth += 1
        text = draw(st.sampled_from(STATEMENTS))
        lines += ["    " * depth + line for line in text.split("\n")]
    at = draw(st.integers(0, len(lines) - 1))
    item = draw(st.sampled_from(ITEMS))
    if draw(st.booleans()):
        lines[at] += f"  # tune: {item}"
    else:
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines.insert(at, f"{indent}# tune: {item}")
    return "\n".join(lines) + "\n"


@settings(max_examples=400)
@given(annotated_cells())
def test_annotation_at_any_place_is_bound_or_refused_with_a_place(text):
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    read = cell_or_error(text)
    if isinstance(read, AnnotationError):
        assert read.place.text in text
        return
    found = len(read.draws) + len(read.marks) + len(read.once)
    inside = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and "tune" in str(n.value)]
    assert found == (0 if inside else 1)


def library_files():
    """Some files of the standard library, the same in each run."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted([*folder.glob("*.py"), *folder.glob("asyncio/*.py"), *folder.glob("email/*.py")])
    return files[::6]


@pytest.mark.parametrize("path", library_files(), ids=lambda path: path.stem)
def test_files_without_annotations_have_an_empty_space(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    cell = parse_cell(text, str(path))
    assert isinstance(cell, TunableCell)
    assert not cell.space
    assert not cell.draws
    assert not cell.marks
    assert not cell.once
    assert not cell.lints


@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=6), ANYTHING)
def test_made_up_files_without_annotations_have_an_empty_space(statements, prose):
    prose = prose.replace("tune", "")
    text = "".join(f"{s}  # {prose}\n" if "'''" not in s else f"{s}\n" for s in statements)
    try:
        ast.parse(text)
    except SyntaxError:
        return
    assert parse_cell(text) is not None
    assert not parse_cell(text).space


@given(ANYTHING, st.integers(1, 99))
def test_any_text_is_a_cell_or_a_syntax_error_of_its_file(text, first):
    read = cell_or_error(text, "cell.py", first_line=first)
    if isinstance(read, SyntaxError):
        assert read.filename == "cell.py"
        assert read.lineno is not None
        assert read.lineno >= first
