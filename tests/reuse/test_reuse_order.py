"""The order in which a cell uses its tuned values."""

from __future__ import annotations

import pytest

import hpmagic
from hpmagic.execution.reuse.forecast import reading_order
from hpmagic.language import parse_cell

CELL = """
C = 1.0  # tune: choice(0.1, 1.0, 10.0)
wide = 2  # tune: [2, 3]
unused = 0  # tune: [0, 1]
def scaled():
    return sum(data) * C
data = list(range(wide))
score = scaled()  # tune: maximize
"""


def test_the_order_of_use_is_that_of_the_statements_that_read_through_functions_too() -> None:
    """A function reads where it is called, not where it is defined; unread names are left out."""
    assert reading_order(parse_cell(CELL), {}) == ("wide", "C")


@pytest.mark.usefixtures("store")
def test_a_grid_does_what_is_used_first_once_for_each_value() -> None:
    """The first value of `wide` is through before the second begins, though `C` is drawn first."""
    cell = "".join(line for line in CELL.splitlines(keepends=True) if "unused" not in line)
    study = hpmagic.tune(cell, "grid", namespace={}, seed=0, quiet=True)
    widths = study.trials["params.wide"].tolist()
    assert widths == sorted(widths)
    assert len(widths) == 6
