"""Lints warn of what is probably not meant, and of nothing else."""

from textwrap import dedent

import pytest

from hpmagic.language import parse_cell


def codes(text, **options):
    cell = parse_cell(dedent(text).lstrip("\n"), **options)
    return [lint.code for lint in cell.lints]


def test_clean_cell_has_no_lints():
    assert (
        codes("""
        C = 1.0  # tune: loguniform(1e-3, 1e3)
        kernel = "rbf"  # tune: choice("linear", "rbf", "poly")
        if kernel == "poly":
            degree = 3  # tune: int(2, 5)
        else:
            degree = 3
        model = SVC(C=C, kernel=kernel, degree=degree).fit(X, y)
        accuracy = model.score(X, y)  # tune: maximize
        """)
        == []
    )


@pytest.mark.parametrize(
    ("item", "wide"),
    [
        ("uniform(0.001, 1)", True),
        ("uniform(0.0011, 1)", False),
        ("uniform(0, 1e9)", False),
        ("uniform(-1, 1e9)", False),
        ("loguniform(1, 1e9)", False),
        ("int(1, 1000)", True),
        ("int(1, 999)", False),
        ("int(1, 1000, log=True)", False),
        ("int(1, 1001, step=10)", True),
        ("int(1, n)", False),
    ],
)
def test_linear_range_is_wide_from_three_decades_on(item, wide):
    assert codes(f"x = 1  # tune: {item}\nprint(x)") == (["wide-linear-range"] if wide else [])


@pytest.mark.parametrize(
    "text",
    [
        "print(x)",
        "y = x + 1",
        "x += 1",
        "del x",
        "f'{x}'",
        "df.query('a < @x')",
        "'{x}'.format_map(a)",
        "print(locals())",
        "eval('x')",
        "def f():\n    return x",
        "class A:\n    y = x",
        "f(lambda: x)",
        "[x for _ in y]",
        "match x:\n    case 1: pass",
        "n = 2  # tune: int(1, x)\nprint(n)",
        "n = 2  # tune: int(1, 3), name='n_{x}'\nprint(n)",
        "print(y.x)",
    ],
)
def test_name_is_read_by(text):
    assert codes(f"x = 1  # tune: int(1, 3)\n{text}\n") == []


def test_name_is_read_by_a_line_of_ipythons():
    text = "x = 1  # tune: int(1, 3)\n%time fit(x)\n"
    python = "x = 1  # tune: int(1, 3)\nget_ipython().run_line_magic('time', 'fit(x)')\n"
    assert codes(text, python=python) == []
    assert codes(text.replace("(x)", "(y)"), python=python.replace("(x)", "(y)")) == ["never-read"]


@pytest.mark.parametrize(
    "text",
    [
        "self.x = 1  # tune: int(1, 3)",
        "x['a'] = 1  # tune: int(1, 3)",
        "f(\n    x=1,  # tune: int(1, 3)\n)",
        "class A:\n    x: int = 1  # tune: int(1, 3)",
        "x = 1  # tune: int(1, 3)\n# tune: metric\ny = x",
    ],
)
def test_what_others_may_read_is_not_linted(text):
    assert codes(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 2",
        "a = 3\nx = a",
        "x, y = 2, 3",
        "x: int = 2",
        "x = f()",
        "def x(): pass",
        "if a:\n    b = 1\nx = 2",
    ],
)
def test_name_is_overwritten_by(text):
    assert codes(f"x = 1  # tune: int(1, 3)\n{text}\nprint(x)\n") == ["overwritten"]


@pytest.mark.parametrize(
    "text",
    [
        "x = x * 2",
        "print(x)\nx = 2",
        "helper()\nx = 2",
        "if a:\n    x = 2",
        "for x in y: pass",
        "def f():\n    return x\nx = 2",
        "x.y = 2",
        "x[0] = 2",
        "with a() as b:\n    pass\nx = 2",
    ],
)
def test_name_is_not_surely_overwritten_by(text):
    assert codes(f"x = 1  # tune: int(1, 3)\n{text}\nprint(x)\n") == []


def test_parameter_that_is_read_is_not_linted():
    assert codes("def f(\n    a=1,  # tune: int(1, 3)\n):\n    return a\n") == []


def test_call_in_a_function_cannot_read_its_local_names():
    assert codes("""
        def f():
            x = 1  # tune: int(1, 3)
            helper()
            x = 2
            return x
        """) == ["overwritten"]


def test_end_of_the_block_is_the_end_of_what_is_known():
    text = """
        def f():
            if a:
                x = 1  # tune: int(1, 3)
            x = 2
            return x
        """
    assert codes(text) == []


@pytest.mark.parametrize(
    "item",
    ["int(1, n)", "choice(1, 2)", "choice(1, n)", "normal(0, 1)", "uniform(1, 1.5)"],
)
def test_written_value_inside_or_unknown_is_not_linted(item):
    assert codes(f"x = 1  # tune: {item}\nprint(x)\n") == []


def test_integer_is_not_the_float_among_the_options():
    assert codes("x = 1  # tune: choice(1.0, 2)\nprint(x)\n") == ["default-not-an-option"]


def test_written_expression_has_no_default_to_lint():
    assert codes("x = len(a)  # tune: int(1, 3)\nprint(x)\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "model = SVC()  # tune: choice(SVC(C=1), other)",
        "x = max(1, y)  # tune: int(1, 3)",
        "x = f(a=b)  # tune: int(1, 3)",
    ],
)
def test_call_that_may_be_meant_as_a_whole_is_not_linted(text):
    name = text.partition(" ")[0]
    assert codes(f"{text}\nprint({name})\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "# Tune: int(1, 3)",
        "# tune int(1, 3)",
        "# TUNE: minimize",
        "# tuned: [1, 2]",
        "# tuen: int(1)",
    ],
)
def test_comment_that_nearly_is_an_annotation_is_pointed_at(text):
    assert codes(f"x = 1  {text}\n") == ["not-an-annotation"]


@pytest.mark.parametrize(
    "text",
    [
        "# tune the learning rate",
        "# Tune: see the notes",
        "# tune uniformly",
        "# we tune int(1, 3)",
        "# int(1, 3)",
        "# @tune bayes",
    ],
)
def test_comment_in_prose_is_not_linted(text):
    assert codes(f"x = 1  {text}\n") == []


def test_lints_come_in_the_order_of_their_places():
    cell = parse_cell("a = 9  # tune: int(3, 3)\nb = 1  # tune: int(1, 5000)\nprint(a, b)\n")
    assert [(lint.code, lint.place.line) for lint in cell.lints] == [
        ("default-outside", 1),
        ("single-value", 1),
        ("wide-linear-range", 2),
    ]
