"""Which pruner a study gets when nobody says, and what may be asked for."""

import pytest

from hpmagic.errors import OptionError
from hpmagic.pruning import PRUNERS, choose_pruner
from hpmagic.records import Direction, Objective

ONE = (Objective("loss", Direction.MINIMIZE),)
TWO = (*ONE, Objective("size", Direction.MINIMIZE))


def test_the_default_is_median_and_says_so():
    choice = choose_pruner(None, ONE, curves=True, plans=False)
    assert choice.name == "median"
    assert "median pruner" in choice.remark
    assert "--pruner none" in choice.remark


@pytest.mark.parametrize(
    ("objectives", "curves", "plans"),
    [(ONE, False, False), (TWO, True, False), (ONE, True, True)],
    ids=["no curves", "several objectives", "a plan of its own"],
)
def test_the_default_is_none_where_there_is_nothing_to_judge(objectives, curves, plans):
    choice = choose_pruner(None, objectives, curves=curves, plans=plans)
    assert (choice.name, choice.remark) == ("none", "")


@pytest.mark.parametrize("name", PRUNERS)
@pytest.mark.parametrize("plans", [False, True])
def test_what_is_asked_for_is_taken_without_a_word(name, plans):
    choice = choose_pruner(name, ONE, curves=False, plans=plans)
    assert (choice.name, choice.remark) == (name, "")


def test_a_pruner_for_several_objectives_is_refused_by_name():
    with pytest.raises(OptionError, match=r"one objective, but the cell has 2 \(loss, size\)"):
        choose_pruner("asha", TWO, curves=True, plans=False)
    assert choose_pruner("none", TWO, curves=True, plans=False).name == "none"


@pytest.mark.parametrize("asked", [None, "none"])
def test_warmup_without_a_pruner_is_refused(asked):
    with pytest.raises(OptionError, match="this study has none"):
        choose_pruner(asked, ONE, curves=False, plans=False, tuned=True)
