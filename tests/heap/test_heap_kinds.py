"""Objects that keep their state where a plain look at attributes does not find it."""

import decimal
import functools
import hashlib
import logging
import random
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hpmagic.execution.heap.kind import Keeper
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import take_snapshot
from hpmagic.execution.heap.world import World


def snapshot_of(**namespace):
    world = World(namespace)
    return take_snapshot(world, namespace, Keeper(1 << 20), kinds=Kinds(world))


def put_back(snapshot):
    return snapshot.put_back(snapshot.changed())[0]


def unseen(snapshot):
    return {item.what for item in snapshot.unseen}


@pytest.fixture(scope="module")
def boosters():
    """A LightGBM model, and one that keeps its training data."""
    lightgbm = pytest.importorskip("lightgbm")
    x = np.random.default_rng(0).normal(size=(60, 2))
    settings = {"verbose": -1, "num_threads": 1}
    return [
        lightgbm.train(settings, lightgbm.Dataset(x, x[:, 0]), 2, keep_training_booster=keep)
        for keep in (False, True)
    ]


def test_booster_with_its_training_data_is_unseen_and_left_alone(boosters):
    """Its pickle is without the data: a booster made from that ends the process when it goes on."""
    _, booster = boosters
    handle = booster._handle
    snapshot = snapshot_of(booster=booster)
    booster.update()
    put_back(snapshot)
    assert "lightgbm.Booster" in unseen(snapshot)
    assert booster._handle is handle
    booster.update()
    assert booster.num_trees() == 4


def test_booster_without_training_data_is_put_back(boosters):
    booster, _ = boosters
    snapshot = snapshot_of(booster=booster)
    assert unseen(snapshot) == set()
    before = booster.model_to_string()
    booster.set_leaf_output(0, 0, 9.0)
    assert put_back(snapshot) == []
    assert booster.model_to_string() == before


def test_handle_of_an_unknown_library_is_unseen():
    """What a pickle of it leaves out is not known."""
    ctypes = pytest.importorskip("ctypes")

    class Client:
        def __init__(self):
            self.handle = ctypes.c_void_p(1)

        def __reduce__(self):
            return int, ()

    assert any("Client" in what for what in unseen(snapshot_of(thing=Client())))


@pytest.mark.parametrize("first", [False, True], ids=["the first ones", "one more"])
def test_hooks_on_gradients_of_a_tensor_are_taken_off(first):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(2))
    calls = []
    if first:
        weight.register_hook(lambda _: calls.append("before"))
        weight.register_post_accumulate_grad_hook(lambda _: calls.append("after"))
    snapshot = snapshot_of(weight=weight)
    weight.register_hook(lambda _: calls.append("new"))
    weight.register_post_accumulate_grad_hook(lambda _: calls.append("new"))
    assert snapshot.changed()
    assert put_back(snapshot) == []
    weight.sum().backward()
    assert calls == (["before", "after"] if first else [])


def test_hooks_on_gradients_that_were_taken_off_come_back():
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(2))
    handle = weight.register_hook(lambda gradient: gradient * 2)
    snapshot = snapshot_of(weight=weight)
    handle.remove()
    assert put_back(snapshot) == []
    weight.sum().backward()
    assert weight.grad.tolist() == [2.0, 2.0]


def test_objects_that_a_hook_of_a_tensor_holds_are_looked_at():
    torch = pytest.importorskip("torch")
    weight, seen = torch.nn.Parameter(torch.ones(2)), []
    weight.register_hook(seen.append)
    snapshot = snapshot_of(weight=weight)
    weight.sum().backward()
    assert put_back(snapshot) == []
    assert seen == []


TENSORS = {
    "sparse": "torch.eye(3).to_sparse()",
    "meta": "torch.ones(3, device='meta')",
    "nested": "torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])",
    "conjugate": "torch.ones(2, dtype=torch.complex64).conj()",
    "lazy": "torch.nn.LazyLinear(1).weight",
}


@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.filterwarnings("ignore")
def test_tensor_that_cannot_be_taken_is_unseen(tensor):
    torch = pytest.importorskip("torch")
    snapshot = snapshot_of(x=eval(TENSORS[tensor], {"torch": torch}), xs=[1])
    assert len(unseen(snapshot)) == 1
    assert snapshot.changed() == []


def test_object_that_cannot_be_taken_is_unseen_and_leads_on():
    """`SystemRandom` has no state, and says so with an exception."""
    chance = random.SystemRandom()
    chance.log = []
    snapshot = snapshot_of(chance=chance)
    chance.log.append(1)
    assert unseen(snapshot) == {"random.SystemRandom"}
    assert put_back(snapshot) == []
    assert chance.log == []


def test_object_that_can_be_taken_no_more_is_not_enough_to_go_on_from():
    class Fragile(random.Random):
        broken = False

        def getstate(self):
            if self.broken:
                raise OSError
            return super().getstate()

    chance = Fragile(1)
    snapshot = snapshot_of(chance=chance)
    chance.broken = True
    _, enough = snapshot.changes(snapshot.changed(), Keeper(1 << 20))
    assert not enough


@pytest.mark.parametrize("make", [hashlib.sha256, functools.partial(hashlib.new, "md5")])
def test_small_class_in_c_is_not_taken_for_an_empty_one(make):
    assert unseen(snapshot_of(thing=make(b"data"))) == {"hashlib.HASH"}


def test_classes_in_python_are_seen_with_all_their_room():
    class Plain:
        pass

    class Slots:
        __slots__ = ("__dict__", "__weakref__", "a")

    class Both(Slots, Plain):
        __slots__ = ("b",)

    for cls in (Plain, Slots, Both):
        thing = cls()
        thing.a = thing.b = 1
        snapshot = snapshot_of(thing=thing)
        thing.a = thing.b = thing.c = 2
        assert put_back(snapshot) == []
        assert (thing.a, thing.b, hasattr(thing, "c")) == (1, 1, False)
        assert snapshot.unseen == ()


def test_generators_that_were_spawned_are_counted_back():
    chance = np.random.default_rng(1)
    snapshot = snapshot_of(chance=chance)
    first = chance.spawn(1)[0].integers(1 << 40)
    assert put_back(snapshot) == []
    assert chance.spawn(1)[0].integers(1 << 40) == first


def test_parts_of_a_tree_in_c_keep_their_identity():
    root = ET.fromstring('<cfg><depth v="1"/></cfg>')
    depth = root.find("depth")
    snapshot = snapshot_of(root=root, depth=depth)
    depth.set("v", "2")
    assert put_back(snapshot) == []
    assert root.find("depth") is depth
    assert depth.get("v") == "1"


def test_change_in_c_that_no_part_can_undo_is_said_to_be_lost():
    """Putting its pickle back would tear it from the objects that others refer to."""
    root = ET.fromstring("<cfg><depth/></cfg>")
    depth = root.find("depth")
    snapshot = snapshot_of(root=root)
    root.text = "changed"
    assert [lost.root for lost in put_back(snapshot)] == ["root"]
    assert root.find("depth") is depth


def test_object_in_c_goes_on_sharing_an_array_that_is_put_back():
    spatial = pytest.importorskip("scipy.spatial")
    x = np.arange(12.0).reshape(6, 2)
    tree = spatial.cKDTree(x)
    snapshot = snapshot_of(tree=tree, x=x)
    x[0] = 100
    assert put_back(snapshot) == []
    assert np.shares_memory(tree.data, x)


def test_own_decimal_context_is_put_back():
    context = decimal.Context(prec=5)
    snapshot = snapshot_of(context=context)
    context.prec = 9
    context.traps[decimal.Inexact] = True
    context.flags[decimal.Rounded] = True
    assert put_back(snapshot) == []
    assert str(context.divide(1, 3)) == "0.33333"
    assert not context.traps[decimal.Inexact]


def test_attributes_of_a_thread_local_are_put_back():
    local = threading.local()
    local.xs = [0]
    snapshot = snapshot_of(local=local)
    local.xs.append(1)
    local.ys = 2
    assert put_back(snapshot) == []
    assert local.xs == [0]
    assert not hasattr(local, "ys")


def test_logger_leads_to_handlers_of_the_persons_own():
    class Handler(logging.Handler):
        def __init__(self):
            super().__init__()
            self.records = []

        def emit(self, record):
            self.records.append(record)

    Handler.__module__ = "__main__"  # as if written in a cell
    logger = logging.Logger("of a cell")
    logger.addHandler(Handler())
    snapshot = snapshot_of(logger=logger)
    logger.warning("hello")
    assert put_back(snapshot) == []
    assert logger.handlers[0].records == []


def test_universal_function_leads_to_the_function_it_was_made_of():
    seen = []
    each = np.frompyfunc(lambda x, seen=seen: seen.append(x), 1, 1)
    snapshot = snapshot_of(each=each)
    each(np.arange(2))
    assert put_back(snapshot) == []
    assert seen == []


def test_field_names_of_an_array_are_put_back():
    records = np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])
    snapshot = snapshot_of(records=records)
    records.dtype.names = ("x", "b")
    assert put_back(snapshot) == []
    assert records.dtype.names == ("a", "b")


def test_names_of_functions_and_bases_of_classes_are_put_back():
    namespace = {"__name__": "__main__"}
    exec("class A: pass\nclass B: pass\nclass C(A): pass\ndef f(): 'text'\n", namespace)
    cls, function = namespace["C"], namespace["f"]
    snapshot = snapshot_of(cls=cls, function=function)
    cls.__bases__ = (namespace["B"],)
    function.__name__ = function.__qualname__ = function.__doc__ = "g"
    assert put_back(snapshot) == []
    assert cls.__bases__ == (namespace["A"],)
    assert (function.__name__, function.__qualname__, function.__doc__) == ("f", "f", "text")
