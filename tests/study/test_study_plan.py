"""What a study would do, said before it does anything."""

from __future__ import annotations

from typing import Any

import pytest

from hpmagic.language import parse_cell
from hpmagic.launch import Setting, plan_of, prepare, study_info
from hpmagic.options import parse_line
from hpmagic.tuners.registry import known_tuners

SVM = """\
C = 1.0  # tune: loguniform(1e-3, 1e3), n=5
kernel = "rbf"  # tune: choice("linear", "rbf", "poly")
if kernel == "poly":
    degree = 3  # tune: int(2, 5)
loss = C  # tune: minimize
"""

LISTS = """\
rate = 0.1  # tune: [0.05, 0.2]
leaves = 31  # tune: [15, 8]
loss = rate * leaves  # tune: minimize
"""


def plan(text: str, words: str = "", **namespace: Any) -> str:
    config = parse_line(words, known_tuners())
    return str(plan_of(parse_cell(text), config, Setting(namespace)))


def test_a_plan_says_what_would_run_and_in_what_order() -> None:
    """Tuner, aim, number of trials; the default, then the hunches."""
    text = plan(SVM, "random --trials 7 --try C=10,kernel=poly")
    assert text.startswith("random would minimize loss with 7 trials.")
    assert (
        "First: the values written in the code (default)\nFirst: C=10.0, kernel=poly (try)" in text
    )
    assert "Size: a continuum (C)" in text


def test_a_plan_without_the_default_does_not_mention_it() -> None:
    """`--no-default` is understood."""
    assert "the values written" not in plan(SVM, "random --no-default")


def test_the_plan_of_a_grid_has_the_arithmetic() -> None:
    """Its size is said before it starts."""
    text = plan(SVM, "grid")
    assert "grid would minimize loss with as many trials as its plan has." in text
    assert "Note: grid: C 5 x kernel 3 x degree 4 = at most 60 combinations" in text


def test_the_plan_of_manual_lists_its_combinations() -> None:
    """Tries first, then the lists side by side."""
    text = plan(LISTS, "manual --try rate=0.3")
    rows = [line for line in text.splitlines() if line.startswith("First:")]
    assert rows == [
        "First: the values written in the code (default)",
        "First: rate=0.3 (try)",
        "First: rate=0.05, leaves=15 (try)",
        "First: rate=0.2, leaves=8 (try)",
    ]


def test_the_plan_of_auto_says_what_it_chose() -> None:
    """And why."""
    assert "Note: auto: bayes, because 30 trials" in plan(SVM)
    assert "Note: auto: grid, because all 4 combinations fit" in plan(LISTS)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (LISTS, "rate 2 x leaves 2 = 4 combinations"),
        ("n = 2  # tune: int(1, top)\nloss = n  # tune: minimize", "n 9 = 9 combinations"),
        (
            "low = 1\nn = 2  # tune: int(low, 9)\nloss = n  # tune: minimize",
            "known once n is drawn",
        ),
        ("loss = 1  # tune: minimize", "nothing is tuned"),
    ],
)
def test_a_plan_says_how_large_the_space_is(text: str, size: str) -> None:
    """As far as it is known; ranges over the notebook's names are."""
    assert f"Size: {size}" in plan(text, "random", top=9)


def test_an_object_is_shown_by_its_name() -> None:
    """Not by its address."""
    text = "kind = dict  # tune: choice(dict, list)\nloss = len(kind())  # tune: minimize"
    assert "First: kind=list (try)" in plan(text, "random --try kind=list")


def test_a_warning_says_the_line_and_not_the_name_that_a_kernel_gave_the_cell() -> None:
    """That name is nowhere to be seen."""
    text = "x = 9  # tune: int(1, 5)\nloss = x  # tune: minimize"
    (said,) = [line for line in plan(text, "random").split("\n") if line.startswith("Warning")]
    assert said.startswith("Warning: line 1: ")


GRID = """\
depth = 3  # tune: int(2, 5)
rate = 0.1  # tune: uniform(0, 1), n=3
loss = rate * depth  # tune: minimize
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("grid", 13),  # the written 0.1 is no value of the grid
        ("grid --no-default", 12),
        ("grid --try rate=0.5", 13),
        ("grid --try rate=0.7,depth=2", 14),
        ("grid --trials 5", None),
        ("random", None),
        ("manual --try rate=0.5 --try rate=0.5 --try depth=3", 2),
    ],
)
def test_a_study_knows_how_many_trials_its_own_plan_has(words: str, expected: int | None) -> None:
    """Combinations of the grid count once, whoever asks for them."""
    config = parse_line(words, known_tuners())
    ready = prepare(parse_cell(GRID), config, Setting({}))
    assert study_info(ready, Setting({})).expected == expected
