"""Ruff's and Black's formatters leave every annotation bound to the same target."""

import ast
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_up_spaces import SPACES

from hpmagic.distributions import is_literal, literal_text
from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell

black = pytest.importorskip("black")

NAMES = ["C", "lr", "units", "max_depth", "learning_rate_of_the_optimizer", "a" * 45]
WIDTHS = st.sampled_from([30, 60, 88, 120])
ROLES = ["minimize", "maximize", "metric", "minimize(patience=3)", "once"]
PROSE = ["# prose", "# noqa: E501", "#:", "# type: ignore"]
ANNOTATIONS = st.one_of(
    SPACES.map(str).map(lambda text: f"# tune: {text}"),
    SPACES.map(str).map(lambda text: f'#tune: {text}, name="a name"  # why'),
    st.sampled_from(["# tune: int(1, 9)", "# tune: [8, 16]", "# noqa  # tune: bool()"]),
    st.sampled_from(ROLES).map(lambda role: f"# tune: {role}"),
)
LITERALS = SPACES.map(lambda space: space.from_unit(0.4)).filter(is_literal).map(literal_text)
SHORT = st.sampled_from(["0.1", "8", '"rbf"', "None", "[1, 2]", "-1e-3", "(0.5)", "size", "1_000"])


@st.composite
def bracketed(draw, begin, end, elements):
    """Elements in brackets: on one line or several, with comments behind some of them."""
    text, count = begin, len(elements)
    breaks = draw(st.sampled_from(["never", "always", "sometimes"]))
    for at, element in enumerate(elements):
        if breaks == "always" or (breaks == "sometimes" and draw(st.booleans())):
            comment = draw(st.sampled_from(["", "", "  # prose"]))
            text += f"{comment}\n" if at == 0 else f"{draw(behind())}\n"
            if draw(st.integers(0, 5)) == 0:
                text += f"    {draw(ANNOTATIONS)}\n"
            text += "    "
        text += element + ("," if at < count - 1 else "")
        text += " " if at < count - 1 else ""
    if breaks == "always" or (breaks == "sometimes" and draw(st.booleans())):
        text += f"{draw(st.sampled_from(['', ',', ',']))}{draw(behind())}\n"
    return text + end


def behind():
    """A comment behind a line, or nothing."""
    some = st.one_of(ANNOTATIONS, ANNOTATIONS, st.sampled_from(PROSE))
    return st.one_of(st.just(""), some.map(lambda text: f"  {text}"))


@st.composite
def values(draw, depth=2):
    """An expression: a literal, or a call, dict, list or sum of others."""
    kinds = ["literal", "call", "dict", "list", "group", "sum"]
    kind = draw(st.sampled_from(kinds)) if depth else "literal"
    if kind == "literal":
        return draw(st.one_of(SHORT, SHORT, LITERALS))
    if kind == "group":
        return f"(\n    {draw(values(depth - 1))}{draw(behind())}\n)"
    if kind == "sum":
        return f"({draw(SHORT)}{draw(behind())}\n    + {draw(values(depth - 1))})"
    count = draw(st.integers(1, 3))
    names = draw(st.permutations(NAMES))[:count]
    inner = [draw(values(depth - 1)) for _ in range(count)]
    if kind == "list":
        return draw(bracketed("[", "]", inner))
    if kind == "dict":
        items = [f'"{name}": {value}' for name, value in zip(names, inner, strict=True)]
        return draw(bracketed("{", "}", items))
    first = draw(st.sampled_from([[], ["X_train"], ["*steps"]]))
    arguments = [f"{name}={value}" for name, value in zip(names, inner, strict=True)]
    return draw(
        bracketed(f"{draw(st.sampled_from(['SVC', 'f', 'a.b.c']))}(", ")", first + arguments)
    )


@st.composite
def statements(draw):
    """A statement, or two on a line, with comments above and behind."""
    name = draw(st.sampled_from(NAMES))
    value = draw(values())
    text = draw(
        st.sampled_from(
            [
                f"{name} = {value}",
                f"{name} = {value}",
                f"{name}: float = {value}",
                f"self.{name} = {value}",
                f'cfg["{name}"] = {value}',
                f"{name} += {value}",
                f"{name} = other = {value}",
                f"print({name}, {value})",
                f"print({name} := {value})",
                f"x = 1; {name} = {value}",
                f"{name} = {value}; print({name})",
                f"assert {value}",
            ]
        )
    )
    above = draw(st.one_of(st.just(""), st.just(""), ANNOTATIONS.map(lambda text: f"{text}\n")))
    return f"{above}{text}{draw(behind())}"


@st.composite
def cells(draw):
    """Statements, some of them in blocks whose headers are annotated, too."""
    text = ""
    for _ in range(draw(st.integers(1, 3))):
        inner = draw(statements())
        value = draw(values())
        header = draw(
            st.sampled_from(
                [
                    None,
                    None,
                    f"if {value}",
                    f"if (n := {value}) and x",
                    "for i in range(9)",
                    f"while f(n={value})",
                    f"with f(n={value}) as g",
                    draw(bracketed("def g(", ")", ["x", f"n={value}"])),
                    draw(bracketed("class A(", ")", ["B", f"n={value}"])),
                    f"@f(n={value}){draw(behind())}\ndef g()",
                ]
            )
        )
        if header is not None:
            lines = "\n".join(f"    {line}" for line in inner.split("\n"))
            inner = f"{header}:{draw(behind())}\n{lines}"
        text += f"{inner}\n{draw(st.sampled_from(['', '', chr(10)]))}"
    return text


def with_black(text, width):
    """The cell as Black writes it, None when it would not."""
    try:
        return black.format_str(text, mode=black.Mode(line_length=width))
    except (black.InvalidInput, black.parsing.ASTSafetyError):
        return None


def with_ruff(text, width):
    """The cell as Ruff writes it, None when it would not."""
    words = ["format", "--isolated", f"--line-length={width}", "--no-cache", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def bound(text):
    """Each annotation of a cell, and the nodes of the tree that it belongs to, by number."""
    cell = parse_cell(text)
    numbers = {id(node): number for number, node in enumerate(ast.walk(cell.tree))}
    return {
        *((d.parameter.name, d.parameter.text, numbers[id(d.expression)]) for d in cell.draws),
        *((m.name, str(m.objective), numbers[id(m.statement)]) for m in cell.marks),
        *((m.name, ast.dump(m.target), m.loop and numbers[id(m.loop)]) for m in cell.marks),
        *(("once", numbers[id(once.statement)]) for once in cell.once),
    }


def without_faults(text):
    """The cell with the annotations that are bound to nothing made prose; None if it is no cell."""
    try:
        while True:
            try:
                parse_cell(text)
            except AnnotationError as error:
                lines = text.split("\n")
                at = [n for n, line in enumerate(lines) if "tune:" in line]
                # The caret may be under the value, above its comment.
                first = next((n for n in at if n >= error.place.line - 1), at[-1])
                lines[first] = lines[first].replace("tune:", "prose:")
                text = "\n".join(lines)
            else:
                return text
    except SyntaxError:
        return None


@pytest.mark.slow
@settings(
    max_examples=60,
    derandomize=True,  # the same cells in each run
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(cells(), WIDTHS)
@example("model = SVC(C=1.0, gamma=0.1, degree=3)  # tune: once\n", 30)
@example("model = SVC(\n    C=1.0  # tune: int(1, 9)\n)\n", 88)
@example("@f(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, n=3)  # tune: int(1, 3)\ndef g(): ...\n", 30)
@example("x = 1; loss = f()  # tune: minimize\n", 88)
@example("while f(aaaaaaaaaaaaaaaaaaaaaaaa, n=3):  # tune: int(1, 3)\n    pass\n", 30)
def test_formatters_leave_annotations_where_they_belong(text, width):
    """What is bound before is bound to the same node after; what Black would move has a lint."""
    text = without_faults(text)
    if text is None:
        return
    before = bound(text)
    movable = any(lint.code == "no-last-comma" for lint in parse_cell(text).lints)
    formatted = [with_ruff(text, width), None if movable else with_black(text, width)]
    for after in formatted:
        if after is not None:
            assert bound(after) == before, f"{text}\n--- became ---\n{after}"
