"""Every word, argument name and option of the language, and what it means."""

from enum import Enum

import numpy as np
import pytest

from hpmagic.distributions import Choice, Int, LogNormal, LogUniform, Normal, Ordinal, Uniform
from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell
from hpmagic.language.canonical import annotation_text
from hpmagic.language.vocabulary import DISTRIBUTIONS, OPTIONS, ROLES, SPELLINGS


def parameter_of(item):
    (parameter,) = parse_cell(f"x = 1  # tune: {item}\nprint(x)\n").space.parameters
    return parameter


MEANINGS = {
    "uniform(0, 1)": Uniform(0, 1),
    "uniform(0, 1, step=0.25)": Uniform(0, 1, 0.25),
    "uniform(1, 2, log=False)": Uniform(1, 2),
    "uniform(1, 2, log=True)": LogUniform(1, 2),
    "float(0, 1)": Uniform(0, 1),
    "float(0, 1, step=0.25)": Uniform(0, 1, 0.25),
    "float(1, 2, log=True)": LogUniform(1, 2),
    "quniform(0, 1, 0.25)": Uniform(0, 1, 0.25),
    "quniform(0, 1, q=0.25)": Uniform(0, 1, 0.25),
    "discrete_uniform(0, 1, 0.25)": Uniform(0, 1, 0.25),
    "loguniform(1e-3, 1e3)": LogUniform(1e-3, 1e3),
    "log_uniform(1e-3, 1e3)": LogUniform(1e-3, 1e3),
    "logfloat(1e-3, 1e3)": LogUniform(1e-3, 1e3),
    "int(1, 9)": Int(1, 9),
    "int(1, 9, step=2)": Int(1, 9, step=2),
    "int(1, 9, log=True)": Int(1, 9, log=True),
    "int(1, 2**10)": Int(1, 1024),
    "int(-3, -1)": Int(-3, -1),
    "int_uniform(1, 9, step=2)": Int(1, 9, step=2),
    "logint(1, 9)": Int(1, 9, log=True),
    "lograndint(1, 9)": Int(1, 9, log=True),
    'choice("a", "b")': Choice(("a", "b")),
    'choice(["a", "b"])': Choice(("a", "b")),
    'choice(("a", "b"))': Choice(("a", "b")),
    'categorical("a", "b")': Choice(("a", "b")),
    '["a", "b"]': Choice(("a", "b")),
    "[(64,), (32, 32), None, True, -1, 1e-3]": Choice(((64,), (32, 32), None, True, -1, 1e-3)),
    "[[8], [16]]": Choice(([8], [16])),
    "[[8]]": Choice(([8],)),
    "choice([8])": Choice((8,)),
    '[{"a": 1}, {}]': Choice(({"a": 1}, {})),
    '["a # b", "# tune: c"]': Choice(("a # b", "# tune: c")),
    "bool()": Choice((False, True)),
    "bool": Choice((False, True)),
    "ordinal(16, 32, 64)": Ordinal((16, 32, 64)),
    "ordinal([16, 32, 64])": Ordinal((16, 32, 64)),
    "normal(0, 1)": Normal(0, 1),
    "normal(mu=0, sigma=1)": Normal(0, 1),
    "randn(mean=0, sd=1)": Normal(0, 1),
    "randn(0, std=1)": Normal(0, 1),
    "lognormal(-1, 0.5)": LogNormal(-1, 0.5),
    "uniform(0, 1)  # tuned by hand once": Uniform(0, 1),
    "  uniform ( 0 , 1 ) ,": Uniform(0, 1),
}


@pytest.mark.parametrize("item", MEANINGS)
def test_item_means(item):
    assert parameter_of(item).distribution == MEANINGS[item]


def test_every_word_of_the_vocabulary_is_tried_here():
    words = {item.strip().partition("(")[0].strip() for item in MEANINGS}
    assert set(DISTRIBUTIONS) <= words


@pytest.mark.parametrize("low", SPELLINGS["low"])
@pytest.mark.parametrize("high", SPELLINGS["high"])
def test_bounds_have_four_spellings_in_any_order(low, high):
    assert parameter_of(f"int({high}=9, {low}=1)").distribution == Int(1, 9)


def test_options_follow_the_item():
    parameter = parameter_of('uniform(0, 1), n=5, kind="training", name="rate"  # as read')
    assert (parameter.name, parameter.grid_points, parameter.kind) == ("rate", 5, "training")


def test_vocabulary_tells_what_each_word_means():
    for word in (*DISTRIBUTIONS.values(), *ROLES.values(), *OPTIONS.values()):
        assert word.meaning
        assert not word.meaning.endswith(".")
    for word in DISTRIBUTIONS.values():
        assert word.usage.startswith(word.name)
        assert word.kind in DISTRIBUTIONS
        assert set(word.arguments) <= set(SPELLINGS)


def test_canonical_text_has_the_options():
    parameter = parameter_of("float(1e-3, upper=1, log=True), n=5, kind='model'")
    assert annotation_text(parameter) == 'loguniform(0.001, 1), n=5, kind="model"'
    assert annotation_text(parameter, named=True).endswith(', name="x"')


def recipe_of(item):
    (draw,) = parse_cell(f"x = 1  # tune: {item}\nprint(x)\n").draws
    return draw.recipe


def test_expressions_are_left_to_the_kernel_in_the_order_of_writing():
    recipe = recipe_of("int(high=2 * n, low=len(a))")
    assert [argument.text for argument in recipe.deferred] == ["2 * n", "len(a)"]
    assert recipe.text == "int(len(a), 2 * n)"
    assert recipe.build((9, 2)) == Int(2, 9)


def test_expressions_have_the_line_and_columns_of_the_comment():
    (draw,) = parse_cell("é = 1  # tune: int(1, f(n) + 2)\n", first_line=7).draws
    (argument,) = draw.recipe.deferred
    assert argument.expression.lineno == 7
    assert argument.expression.col_offset == len("é = 1  # tune: int(1, ".encode())
    assert argument.expression.end_col_offset == len("é = 1  # tune: int(1, f(n) + 2".encode())
    assert argument.place.column == len("é = 1  # tune: int(1, ")
    assert argument.place.end_column == len("é = 1  # tune: int(1, f(n) + 2")


def test_numbers_of_numpy_are_numbers():
    assert recipe_of("int(1, n)").build((np.int64(9),)) == Int(1, 9)
    assert recipe_of("uniform(0, n)").build((np.float32(0.5),)) == Uniform(0, 0.5)


def test_options_that_are_objects_are_labelled_by_their_expressions():
    recipe = recipe_of('choice(dict, make(list), "auto")')
    built = recipe.build((dict, list))
    assert built.options == (dict, list, "auto")
    assert built.labels == ("dict", "make(list)", "auto")
    assert recipe.text == 'choice(dict, make(list), "auto")'


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), np.array(["a", "b"])])
def test_one_name_may_hold_all_options(value):
    recipe = recipe_of("choice(names)")
    assert recipe.spread
    assert recipe.build((value,)) == Choice(("a", "b"))


def test_anything_that_holds_many_may_be_the_one_option():
    color = Enum("Color", "RED BLUE")
    assert recipe_of("choice(colors)").build((color,)).options == tuple(color)
    assert recipe_of("choice(a.values())").build(({"x": 1, "y": 2}.values(),)) == Choice((1, 2))
    assert recipe_of("choice(2 * x for x in y)").build((iter([2, 4]),)) == Choice((2, 4))


def test_ranges_and_scalars_as_the_one_option():
    assert recipe_of("ordinal(sizes)").build((range(2, 4),)) == Ordinal((2, 3))
    assert recipe_of("choice(name)").build(("ab",)) == Choice(("ab",))


def test_names_in_a_list_are_options_themselves():
    recipe = recipe_of("[names]")
    assert not recipe.spread
    assert recipe.text == "choice([names])"
    assert recipe.build((["a", "b"],)).options == (["a", "b"],)


def test_starred_options_are_put_together_in_the_kernel():
    recipe = recipe_of("choice(*names, None)")
    (argument,) = recipe.deferred
    assert argument.text == "[*names, None]"
    assert recipe.build((["a", None],)) == Choice(("a", None))
    assert parse_cell(f"x = 1  # tune: {recipe.text}\n").draws[0].recipe.text == recipe.text


def test_dict_as_the_one_option_is_refused_with_what_to_write():
    with pytest.raises(AnnotationError, match=r"is a dict: write `\[\*models\]`") as caught:
        recipe_of("choice(models)").build(({"a": 1},))
    assert caught.value.place.column == len("x = 1  # tune: choice(")


@pytest.mark.parametrize(
    ("item", "values", "under"),
    [
        ("int(1, n)", (0,), "1, n"),
        ("int(1, n)", (2.5,), "n"),
        ("int(lower=n, upper=3)", ("a",), "n"),
        ("int(1, n)", (np.array([9]),), "n"),
        ("loguniform(low, 1)", (-1,), "low"),
        ("normal(0, s)", (0,), "s"),
        ("choice(names)", ((),), "names"),
        ("choice(names)", ([1, 1],), "names"),
    ],
)
def test_value_of_the_kernel_that_breaks_a_rule_is_pointed_at(item, values, under):
    with pytest.raises(AnnotationError) as caught:
        recipe_of(item).build(values)
    place = caught.value.place
    assert place.text[place.column : place.end_column] == under


def test_same_space_is_seen_through_its_spellings():
    assert recipe_of("int(1, n)").same_as(recipe_of("int(max=n, min=1)"))
    assert not recipe_of("int(1, n)").same_as(recipe_of("int(1, m)"))
    assert not recipe_of("int(1, n)").same_as(recipe_of("int(1, 3)"))
    assert recipe_of("float(1, 2, log=True)").same_as(recipe_of("loguniform(1, 2)"))
