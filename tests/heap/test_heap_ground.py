"""Objects are brought back to a ground: near ones each time, far ones as often as is quick."""

import pytest

from hpmagic.execution import ground as grounds_module
from hpmagic.execution.ground import Ground, Grounds
from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import take_snapshot
from hpmagic.execution.heap.world import World
from hpmagic.execution.namespace import Namespace


@pytest.fixture
def seldom(monkeypatch):
    """Far objects are looked at once, and then only when told."""
    monkeypatch.setattr(grounds_module, "_FIRST", 1)
    monkeypatch.setattr(grounds_module, "_QUICK", 0.0)
    monkeypatch.setattr(grounds_module, "_SHARE", 0.0)


def ground_of(namespace, near=None):
    world = World(namespace)
    is_near = None if near is None else near.__contains__
    snapshot = take_snapshot(world, namespace, Keeper(1 << 20), kinds=Kinds(world), near=is_near)
    return Ground(snapshot, dict(namespace))


def made():
    variables = {"near": [1], "far": [2]}
    start = ground_of(variables)
    grounds = Grounds(start, Namespace(variables))
    return variables, grounds, ground_of(variables, near={"near"})


def test_changes_of_a_trial_are_undone_and_can_be_made_again():
    variables, grounds, ground = made()
    variables["near"].append(5)
    carry, lost = grounds.settle(ground, {}, 1.0)
    assert (variables["near"], lost) == ([1], [])
    assert grounds.restore(carry)
    assert variables["near"] == [1, 5]


def test_far_objects_are_near_ones_when_nobody_says(seldom):
    variables, grounds, _ = made()
    for _ in range(3):
        variables["far"].append(5)
        grounds.settle(grounds.start, {}, 1.0)
        assert variables["far"] == [2]


def test_far_object_changed_between_looks_is_put_back_later_and_a_surprise(seldom, monkeypatch):
    variables, grounds, ground = made()
    grounds.settle(ground, {}, 1.0)
    variables["far"].append(5)
    grounds.settle(ground, {}, 1.0)
    assert variables["far"] == [2, 5]
    monkeypatch.setattr(grounds_module, "_SHARE", 1.0)
    grounds.settle(ground, {}, 1.0)
    assert variables["far"] == [2]
    assert grounds.surprised


def test_what_trials_from_another_ground_change_is_no_surprise(seldom):
    variables, grounds, ground = made()
    grounds.settle(ground, {}, 1.0)
    grounds.settle(ground, {}, 1.0)
    grounds.stand_on(grounds.start)
    variables["far"].append(5)
    grounds.settle(ground_of({}), {}, 1.0)
    assert grounds.stand_on(ground) == []
    assert variables["far"] == [2]
    assert not grounds.surprised


def test_standing_whole_looks_at_far_objects(seldom):
    variables, grounds, ground = made()
    grounds.settle(ground, {}, 1.0)
    grounds.leave()
    variables["far"].append(5)
    grounds.stand_on(ground, whole=False)
    assert variables["far"] == [2, 5]
    grounds.stand_on(ground)
    assert variables["far"] == [2]
