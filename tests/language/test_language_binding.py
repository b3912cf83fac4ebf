"""An annotation belongs to what stands on its line, or below it."""

import ast
from textwrap import dedent

import pytest

from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell


def cell_of(text, **options):
    return parse_cell(dedent(text).lstrip("\n"), **options)


def tuned(text, **options):
    """The tuned expressions of a cell, by name."""
    cell = cell_of(text, **options)
    return {draw.parameter.name: ast.unparse(draw.expression) for draw in cell.draws}


SITES = {
    "assignment": ("lr = 1e-3  # tune: uniform(0, 1)", {"lr": "0.001"}),
    "annotated assignment": ("lr: float = 1e-3  # tune: uniform(0, 1)", {"lr": "0.001"}),
    "chained assignment": ("a = b = 3  # tune: int(1, 9)", {"a": "3"}),
    "attribute": ("model.lr = 0.1  # tune: uniform(0, 1)", {"lr": "0.1"}),
    "attribute of self": (
        "class Net:\n    def f(self):\n        self.lr = 0.1  # tune: uniform(0, 1)",
        {"lr": "0.1"},
    ),
    "subscript with a text": ('cfg["lr"] = 0.1  # tune: uniform(0, 1)', {"lr": "0.1"}),
    "subscript with a number": ("sizes[0] = 64  # tune: int(1, 99)", {"sizes.0": "64"}),
    "subscript with a name of its own": (
        'cfg[key] = 0.1  # tune: uniform(0, 1), name="lr"',
        {"lr": "0.1"},
    ),
    "augmented with a name of its own": (
        'total += 0.1  # tune: uniform(0, 1), name="increment"',
        {"increment": "0.1"},
    ),
    "keyword argument": ("m = SVC(\n    C=1.0,  # tune: uniform(0, 9)\n)", {"C": "1.0"}),
    "keyword argument beside the bracket": (
        'm = SVC(C=1.0,  # tune: uniform(0, 9)\n        kernel="rbf")',
        {"C": "1.0"},
    ),
    "last keyword argument": ("m = SVC(\n    C=1.0  # tune: uniform(0, 9)\n)", {"C": "1.0"}),
    "keyword argument behind positional ones": (
        "m = f(\n    X, y, C=1.0,  # tune: uniform(0, 9)\n)",
        {"C": "1.0"},
    ),
    "keyword argument below a comment": (
        "m = SVC(\n    # tune: uniform(0, 9)\n\n    # how soft\n    C=1.0,\n)",
        {"C": "1.0"},
    ),
    "keyword argument in parentheses": (
        "m = SVC(\n    C=(\n        1.0  # tune: uniform(0, 9)\n    ),\n)",
        {"C": "1.0"},
    ),
    "value over several lines, at its end": (
        "f(\n    a=[\n        1,\n    ],  # tune: choice([1], [2])\n)",
        {"a": "[1]"},
    ),
    "value over several lines, at its beginning": (
        "f(\n    a=[  # tune: choice([1], [2])\n        1,\n    ],\n)",
        {"a": "[1]"},
    ),
    "the only named argument": ("fit(X, epochs=10)  # tune: int(1, 99)", {"epochs": "10"}),
    "the only named argument, moved by a formatter": (
        "fit(\n    X,\n    epochs=10,\n)  # tune: int(1, 99)",
        {"epochs": "10"},
    ),
    "argument inside an element": (
        'p = Pipeline([\n    ("svc", SVC(C=1.0)),  # tune: uniform(0, 9)\n])',
        {"C": "1.0"},
    ),
    "argument of a decorator": (
        "@app(\n    n=1,  # tune: int(1, 9)\n)\ndef f(): ...",
        {"n": "1"},
    ),
    "argument behind its decorator": ("@app(n=1)  # tune: int(1, 9)\ndef f(k=2): ...", {"n": "1"}),
    "argument behind its decorator, moved by a formatter": (
        "@first(k=2)\n@app(\n    n=1,\n)  # tune: int(1, 9)\nclass A(B, j=3): ...",
        {"n": "1"},
    ),
    "argument of a class": (
        "class A(Base, lr=0.1):  # tune: uniform(0, 1)\n    x = 1",
        {"lr": "0.1"},
    ),
    "dict item": ('cfg = {\n    "lr": 0.1,  # tune: uniform(0, 1)\n}', {"lr": "0.1"}),
    "dict item by number": ("cfg = {\n    0: 0.1,  # tune: uniform(0, 1)\n}", {"cfg.0": "0.1"}),
    "item of an inner dict": (
        'cfg = {"opt": {\n    "lr": 0.1,  # tune: uniform(0, 1)\n}}',
        {"lr": "0.1"},
    ),
    "parameter default": ("def fit(lr=0.1):  # tune: uniform(0, 1)\n    return lr", {"lr": "0.1"}),
    "parameter default on its line": (
        "def fit(\n    X,\n    lr=0.1,  # tune: uniform(0, 1)\n    *,\n"
        "    n: int = 3,  # tune: int(1, 9)\n):\n    return lr",
        {"lr": "0.1", "n": "3"},
    ),
    "parameter default, moved by a formatter": (
        "def fit(\n    X,\n    lr=0.1,\n) -> None:  # tune: uniform(0, 1)\n    return lr",
        {"lr": "0.1"},
    ),
    "parameter default behind the bracket": (
        "async def fit(\n    X,\n    lr=0.1,\n):  # tune: uniform(0, 1)\n    return lr",
        {"lr": "0.1"},
    ),
    "parameter of a lambda": (
        "f = lambda x, lr=0.1: (  # tune: uniform(0, 1)\n    x * lr\n)",
        {"lr": "0.1"},
    ),
    "assignment expression": ("if (n := 10) > 3:  # tune: int(1, 20)\n    pass", {"n": "10"}),
    "assignment expression as an argument": (
        "f(\n    (n := 10),  # tune: int(1, 20)\n)",
        {"n": "10"},
    ),
    "element with a name of its own": (
        'sizes = [\n    64,  # tune: int(1, 99), name="first"\n    32,\n]',
        {"first": "64"},
    ),
    "element beside another call": (
        'x = [f(k=3), [1,  # tune: int(1, 9), name="q"\n    2]]',
        {"q": "1"},
    ),
    "statement below": ("# tune: int(1, 9)\nn = 3", {"n": "3"}),
    "statement below, behind other comments": (
        "# tune: int(1, 9)\n# how many\n\nn = 3",
        {"n": "3"},
    ),
    "statement below in a block": ("if x:\n    # tune: int(1, 9)\n    n = 3", {"n": "3"}),
    "call below": ("# tune: int(1, 9)\nfit(X, epochs=10)", {"epochs": "10"}),
    "bracket of an exploded call": (
        "n = f(\n    a,\n    b,\n)  # tune: int(1, 9)",
        {"n": "f(a, b)"},
    ),
    "bracket of a list that hangs": (
        "n = [64,\n     32]  # tune: choice([64, 32], [8])",
        {"n": "[64, 32]"},
    ),
    "statement below that hangs": (
        "# tune: int(1, 9)\nm = SVC(C=1.0,\n        gamma=0.1)",
        {"m": "SVC(C=1.0, gamma=0.1)"},
    ),
    "bracket that opens": ("n = f(  # tune: int(1, 9)\n    a,\n    b,\n)", {"n": "f(a, b)"}),
    "parentheses around the value": ("n = (\n    3  # tune: int(1, 9)\n)", {"n": "3"}),
    "comment inside parentheses": ("n = (\n    # tune: int(1, 9)\n    3\n)", {"n": "3"}),
    "text over several lines": ('s = """\na\n"""  # tune: choice("a", "b")', {"s": "'\\na\\n'"}),
    "one-line block": ("with f() as g: n = 3  # tune: int(1, 9)", {"n": "3"}),
    "one-line else": ("if x: pass\nelse: n = 3  # tune: int(1, 9)", {"n": "3"}),
    "one assignment among statements": ("import x; n = 3  # tune: int(1, 9)", {"n": "3"}),
    "behind another comment": ("n = 3  # noqa: F841  # tune: int(1, 9)", {"n": "3"}),
    "in every kind of block": (
        """
        try:
            a = 1  # tune: int(1, 9)
        except E:
            b = 1  # tune: int(1, 9)
        else:
            c = 1  # tune: int(1, 9)
        finally:
            d = 1  # tune: int(1, 9)
        match x:
            case 1:
                e = 1  # tune: int(1, 9)
            case _:
                f = 1  # tune: int(1, 9)
        while x:
            g = 1  # tune: int(1, 9)
        else:
            h = 1  # tune: int(1, 9)
        """,
        dict.fromkeys("abcdefgh", "1"),
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_annotation_belongs_to(name):
    text, expected = SITES[name]
    assert tuned(text) == expected


NOTHING = {
    "text": 's = "# tune: int(1, 9)"',
    "text over lines": 's = """\nx = 1  # tune: int(1, 9)\n"""',
    "f-string": 's = f"""\n{1}  # tune: int(1, 9)\n"""',
    "line commented out": "# n = 3  # tune: int(1, 9)\nm = 4",
    "annotation commented out": "n = 3  # # tune: int(1, 9)",
    "prose": 'n = 3  # write "# tune: int(1, 9)" here',
    "header": "# @tune bayes --trials 3\nn = 3",
    "another word": "n = 3  # attune: int(1, 9)",
}


@pytest.mark.parametrize("name", NOTHING)
def test_no_annotation_is_found_in(name):
    cell = cell_of(NOTHING[name])
    assert not cell.draws
    assert not cell.space


def test_draws_are_expressions_of_the_tree():
    cell = cell_of("a = f(\n    b=1,  # tune: int(1, 9)\n)\nc = 2  # tune: int(1, 9)\n")
    nodes = {id(node) for node in ast.walk(cell.tree)}
    assert all(id(draw.expression) in nodes for draw in cell.draws)


CONDITIONAL = {
    "top level": ("x = 1  # tune: int(1, 9)", False),
    "with": ("with f():\n    x = 1  # tune: int(1, 9)", False),
    "class body": ("class A:\n    x = 1  # tune: int(1, 9)", False),
    "parameter default": ("def f(\n    x=1,  # tune: int(1, 9)\n): ...", False),
    "argument": ("f(\n    x=1,  # tune: int(1, 9)\n)", False),
    "if": ("if a:\n    x = 1  # tune: int(1, 9)", True),
    "loop": ("for a in b:\n    x = 1  # tune: int(1, 9)", True),
    "function": ("def f():\n    x = 1  # tune: int(1, 9)", True),
    "handler": ("try:\n    a\nexcept E:\n    x = 1  # tune: int(1, 9)", True),
    "conditional expression": ("a = f(\n    x=1,  # tune: int(1, 9)\n) if b else 3", True),
    "its condition": ("a = 3 if f(\n    x=1,  # tune: int(1, 9)\n) else 4", False),
    "second of an or": ("a = b or f(\n    x=1,  # tune: int(1, 9)\n)", True),
    "comprehension": ("a = [f(\n    x=1,  # tune: int(1, 9)\n) for b in c]", True),
    "what a comprehension goes through": (
        "a = [b for b in f(\n    x=1,  # tune: int(1, 9)\n)]",
        False,
    ),
    "body of a lambda": ("a = lambda: f(\n    x=1,  # tune: int(1, 9)\n)", True),
}


@pytest.mark.parametrize("name", CONDITIONAL)
def test_parameter_is_conditional_where_its_line_may_not_be_reached(name):
    text, expected = CONDITIONAL[name]
    assert cell_of(text).space["x"].conditional is expected


def test_name_in_several_branches_is_unconditional_if_one_of_them_is():
    cell = cell_of("if a:\n    x = 1  # tune: int(1, 9)\nx = 1  # tune: int(1, 9)\n")
    assert not cell.space["x"].conditional


def test_names_that_occur_twice_are_qualified_by_callee_dict_function_or_class():
    names = tuned("""
        C = 1.0  # tune: uniform(0, 1)
        a = SVC(
            C=1.0,  # tune: uniform(0, 2)
        )
        b = svm.LinearSVC(
            C=1.0,  # tune: uniform(0, 3)
        )
        c = dict(
            C=1.0,  # tune: uniform(0, 4)
        )
        d = {"inner": {
            "C": 1.0,  # tune: uniform(0, 5)
        }}
        def f(
            C=1.0,  # tune: uniform(0, 6)
        ): return C
        class Net:
            def g(self):
                self.C = 1.0  # tune: uniform(0, 7)
                other.C = 1.0  # tune: uniform(0, 8)
        e.C = 1.0  # tune: uniform(0, 8)
        """)
    assert list(names) == [
        "C",
        "SVC.C",
        "LinearSVC.C",
        "c.C",
        "inner.C",
        "f.C",
        "Net.C",
        "other.C",
        "e.C",
    ]


def test_names_that_occur_twice_are_qualified_by_class_body_or_inner_key():
    names = tuned("""
        class Gen:
            lr: float = 1e-3  # tune: uniform(0, 1)
            def f(self):
                lr = 3e-3  # tune: uniform(0, 3)
        class Disc:
            lr = 1e-4  # tune: uniform(0, 1)
        cfg["gen"]["lr"] = 0.1  # tune: uniform(0, 1)
        cfg["disc"][0]["lr"] = 0.2  # tune: uniform(0, 1)
        """)
    assert list(names) == ["Gen.lr", "lr", "Disc.lr", "gen.lr", "disc.0.lr"]


def test_number_is_named_by_the_key_before_it():
    assert list(tuned('cfg["sizes"][0] = 8  # tune: int(1, 9)')) == ["sizes.0"]


def test_name_that_occurs_once_is_not_qualified():
    assert list(tuned("a = SVC(\n    C=1.0,  # tune: uniform(0, 2)\n)\nC = 3\n")) == ["C"]


def test_name_given_wins_over_the_target():
    names = tuned("""
        a = SVC(
            C=1.0,  # tune: uniform(0, 2), name="C"
        )
        b = SVC(
            C=1.0,  # tune: uniform(0, 3), name="second C"
        )
        """)
    assert list(names) == ["C", "second C"]


def test_one_name_with_one_space_is_one_hyperparameter():
    cell = cell_of("""
        if a:
            d = 3  # tune: int(2, 5), n=3
        else:
            d = 4  # tune: int(low=2, high=5), kind="model"
        """)
    assert len(cell.draws) == 2
    assert [draw.parameter.default for draw in cell.draws] == [3, 4]
    (parameter,) = cell.space.parameters
    assert (parameter.default, parameter.grid_points, parameter.kind) == (3, 3, "model")


TWO_VALUES = {
    "one after the other": ("x = 1  # tune: int(1, 9)\nx = 2  # tune: int(1, 9)", False),
    "the same value": ("x = 1  # tune: int(1, 9)\nx = 1  # tune: int(1, 9)", True),
    "a value that is not known": ("x = 1  # tune: int(1, 9)\nx = n  # tune: int(1, 9)", True),
    "if and else": (
        "if a:\n    x = 1  # tune: int(1, 9)\nelse:\n    x = 2  # tune: int(1, 9)",
        True,
    ),
    "if and elif, further in": (
        "if a:\n    def f(x=1):  # tune: int(1, 9), name='y'\n        x\nelif b:\n    with c:\n"
        "        x = 2  # tune: int(1, 9), name='y'",
        True,
    ),
    "if and what follows": ("if a:\n    x = 1  # tune: int(1, 9)\nx = 2  # tune: int(1, 9)", False),
    "else and what follows both": (
        "if a:\n    x = 1  # tune: int(1, 9)\nelse:\n    x = 2  # tune: int(1, 9)\n"
        "x = 2  # tune: int(1, 9)",
        False,
    ),
    "if and else in a loop": (
        "for a in b:\n    if a:\n        x = 1  # tune: int(1, 9)\n    else:\n"
        "        x = 2  # tune: int(1, 9)",
        False,
    ),
    "cases": (
        "match a:\n    case 1:\n        x = 1  # tune: int(1, 9)\n    case _:\n"
        "        x = 2  # tune: int(1, 9)",
        True,
    ),
    "handler and else": (
        "try:\n    a()\nexcept E:\n    x = 1  # tune: int(1, 9)\nelse:\n"
        "    x = 2  # tune: int(1, 9)",
        True,
    ),
    "body and handler": (
        "try:\n    x = 1  # tune: int(1, 9)\n    a()\nexcept E:\n    x = 2  # tune: int(1, 9)",
        False,
    ),
    "loop and its else": (
        "for a in b:\n    x = 1  # tune: int(1, 9)\nelse:\n    x = 2  # tune: int(1, 9)",
        False,
    ),
    "names that are made where they stand": (
        "for i in a:\n    x = 1  # tune: int(1, 9), name='{i}'\n"
        "for i in b:\n    x = 2  # tune: int(1, 9), name='{i}'",
        True,
    ),
}


@pytest.mark.parametrize("name", TWO_VALUES)
def test_one_name_has_two_written_values_only_where_a_trial_reaches_one_of_them(name):
    """Else the first trial would not be the cell as it is written."""
    text, taken = TWO_VALUES[name]
    if taken:
        assert len(cell_of(text).space) == 1
    else:
        with pytest.raises(AnnotationError, match=r"is written as 1 at line \d and as 2 here"):
            cell_of(text)


def test_equal_expressions_are_one_space_however_they_are_spaced():
    cell = cell_of("d = 3  # tune: int(2, n*2)\nprint(d)\nd = 3  # tune: int(2, max=n * 2)\n")
    assert list(cell.space) == ["d"]


def test_name_with_braces_becomes_an_f_string_at_the_place_of_the_annotation():
    cell = cell_of(
        """
        for i in range(2):
            units = 64  # tune: int(16, 256), name="units_{i}"
        """,
        first_line=10,
    )
    (draw,) = cell.draws
    assert draw.parameter.name == "units_{i}"
    assert draw.name is not None
    assert {node.lineno for node in ast.walk(draw.name) if hasattr(node, "lineno")} == {11}
    code = compile(ast.fix_missing_locations(ast.Expression(draw.name)), "x", "eval")
    assert eval(code, {"i": 3}) == "units_3"


@pytest.mark.parametrize(
    ("written", "pattern", "value"),
    [
        ('"a_{i}"', "a_{i}", "a_2"),
        ("'a_{i + 1:03}'", "a_{i + 1:03}", "a_003"),
        ('f"a_{i}"', "a_{i}", "a_2"),
        ("f'{d[\"k\"]!r:>4}_x'", "{d['k']!r:>4}_x", "   5_x"),
        ("'{d[\"k\"]}'", '{d["k"]}', "5"),
    ],
)
def test_patterns_of_names(written, pattern, value):
    (draw,) = cell_of(f"x = 1  # tune: int(1, 9), name={written}").draws
    assert draw.parameter.name == pattern
    code = compile(ast.fix_missing_locations(ast.Expression(draw.name)), "x", "eval")
    assert eval(code, {"i": 2, "d": {"k": 5}}) == value


def test_braces_that_are_doubled_are_no_pattern_and_no_name():
    for written in ('"{{plain}}_{i}"', '"{{plain}}"', 'f"{{plain}}"'):
        with pytest.raises(AnnotationError, match="name can hold"):
            cell_of(f"x = 1  # tune: int(1, 9), name={written}")


def test_default_is_the_written_literal_and_missing_otherwise():
    from hpmagic.distributions import MISSING

    defaults = {
        "3": 3,
        "-1e-3": -0.001,
        "2**10": 1024,
        "1 / 4": 0.25,
        "2.0**10": 1024.0,
        "10**-2": 0.01,
        "(-8) ** 3": -512,
        "+7 // 2 - 1": 2,
        "7 % 4 * 2": 6,
        "(-8) ** 0.5": MISSING,
        "-'a'": MISSING,
        "True + 1": MISSING,
        "1 << 3": MISSING,
        "...": MISSING,
        "1j": MISSING,
        "None": None,
        "True": True,
        '"rbf"': "rbf",
        "(64, 32)": (64, 32),
        "[8, [9]]": [8, [9]],
        "{'a': 1}": {"a": 1},
        "1e999": MISSING,
        "n": MISSING,
        "len(x)": MISSING,
        "{1, 2}": MISSING,
        "2 ** 10 ** 10": MISSING,
        "1 if x else 2": MISSING,
    }
    for text, expected in defaults.items():
        (draw,) = cell_of(f"x = {text}  # tune: choice(a, b)").draws
        found = draw.parameter.default
        assert found is expected or (type(found) is type(expected) and found == expected), text


def test_nothing_but_literals_is_evaluated():
    cell = cell_of("x = 1 / zero()  # tune: int(1, boom(), step=1 + n)\n")
    assert cell.space["x"].distribution is None
    assert cell.space["x"].text == "int(1, boom(), step=1 + n)"


@pytest.mark.parametrize("first", [1, 2, 100])
def test_lines_are_counted_from_the_first_line_and_columns_are_the_persons_own(first):
    cell = cell_of(
        "a = 1\nb = é = 2  # tune: int(1, 9)\nloss = 1  # tune: minimize\n", first_line=first
    )
    (draw,), (mark,) = cell.draws, cell.marks
    assert (draw.expression.lineno, draw.place.line, draw.parameter.line) == (first + 1,) * 3
    assert (draw.expression.col_offset, draw.place.column) == (9, 19)
    assert mark.statement.lineno == mark.place.line == first + 2
    with pytest.raises(AnnotationError) as caught:
        cell_of("a = 1\nb = 2  # tune: intt(1, 9)\n", first_line=first)
    assert caught.value.lineno == first + 1
    with pytest.raises(SyntaxError) as wrong:
        cell_of("a = 1\nb = = 2\n", first_line=first)
    assert wrong.value.lineno == first + 1


def test_error_points_behind_wide_and_many_byte_characters():
    with pytest.raises(AnnotationError) as caught:
        cell_of('größe = "日本"  # tune: choice("日本", "日本")\n')
    assert caught.value.pointed().splitlines()[2].index("^") == len(
        'größe = "    "  # tune: choice("    ", '
    )
    place = caught.value.place
    assert place.text[place.column : place.end_column] == '"日本"'
