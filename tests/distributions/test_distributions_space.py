"""The search space as a mapping, and its JSON."""

import json

import pytest

from hpmagic.distributions import MISSING, Choice, Int, LogUniform, Uniform
from hpmagic.errors import SpaceError
from hpmagic.space import Parameter, SearchSpace

SPACE = SearchSpace(
    (
        Parameter("lr", LogUniform(1e-4, 1), default=0.1, grid_points=3, kind="training", line=2),
        Parameter("model", None, "choice(SVC, Ridge)", conditional=True),
        Parameter("depth", Int(1, 4), default=None),
        Parameter("shape", Choice(((1, 2), [3])), default=(1, 2)),
    )
)


def test_space_is_a_mapping_in_the_order_of_writing():
    assert list(SPACE) == ["lr", "model", "depth", "shape"]
    assert len(SPACE) == 4
    assert SPACE["depth"].distribution == Int(1, 4)
    assert "zebra" not in SPACE
    with pytest.raises(KeyError):
        SPACE["zebra"]


def test_text_is_the_distributions_unless_given():
    assert SPACE["lr"].text == "loguniform(0.0001, 1)"
    assert SPACE["model"].text == "choice(SVC, Ridge)"


def test_defaults_are_those_that_are_written_as_literals():
    assert SPACE.defaults == {"lr": 0.1, "depth": None, "shape": (1, 2)}


def test_space_comes_back_from_json():
    again = SearchSpace.from_json(json.loads(json.dumps(SPACE.as_json())))
    assert again == SPACE
    assert again["model"].default is MISSING
    assert again["depth"].default is None


def test_grid_names_the_parameter_that_has_none():
    assert SPACE["lr"].grid() == (0.0001, 0.01, 1.0)
    with pytest.raises(SpaceError, match=r"model: choice\(SVC, Ridge\) is not known"):
        SPACE.grid_sizes()
    with pytest.raises(SpaceError, match=r"x: uniform\(0, 1\) is a continuum"):
        SearchSpace((Parameter("x", Uniform(0, 1)),)).grid_sizes()
    assert SearchSpace((SPACE["lr"], SPACE["depth"])).grid_sizes() == {"lr": 3, "depth": 4}
