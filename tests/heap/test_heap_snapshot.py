"""A snapshot sees what has changed in objects, and puts it back where it was."""

import itertools
import random
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpmagic.execution.heap.kind import Keeper, Original
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import take_snapshot
from hpmagic.execution.heap.world import World


def snapshot_of(namespace, limit=1 << 30, before=None):
    world = World(namespace)
    return take_snapshot(world, namespace, Keeper(limit), kinds=Kinds(world), before=before)


def put_back(snapshot):
    return snapshot.put_back(snapshot.changed())


def test_objects_that_nobody_touched_have_not_changed():
    namespace = {"xs": [1, [2]], "d": {"a": np.arange(3)}, "f": lambda x: x, "r": random.Random(1)}
    assert snapshot_of(namespace).changed() == []


def test_put_back_keeps_every_identity():
    inner = [1]
    namespace = {"xs": [inner, inner], "d": {"inner": inner}}
    snapshot = snapshot_of(namespace)
    namespace["xs"][0] = [5]
    inner.append(2)
    lost, swaps = put_back(snapshot)
    assert (lost, swaps) == ([], {})
    assert namespace["xs"][0] is namespace["xs"][1] is namespace["d"]["inner"] is inner
    assert inner == [1]
    assert snapshot.changed() == []


def test_roots_name_the_variables_that_lead_to_what_changed():
    namespace = {"xs": [1], "ys": [2]}
    snapshot = snapshot_of(namespace)
    namespace["ys"].append(3)
    assert snapshot.roots(snapshot.changed()) == ("ys",)


def test_equal_value_in_another_array_is_a_change_of_aliasing():
    base = np.zeros(3)
    namespace = {"pair": [base, base]}
    snapshot = snapshot_of(namespace)
    namespace["pair"][1] = base.copy()
    assert snapshot.changed()
    put_back(snapshot)
    assert namespace["pair"][1] is base


def test_view_and_owner_are_one_memory():
    base = np.arange(1000.0)
    snapshot = snapshot_of({"view": base[::2], "base": base})
    base[3] = -1
    assert len(snapshot.changed()) == 1
    assert snapshot.size < 2 * base.nbytes + 2000


def test_array_without_a_copy_is_seen_to_change_and_cannot_be_put_back():
    namespace = {"x": np.arange(1000.0)}
    snapshot = snapshot_of(namespace, limit=100)
    assert snapshot.missing == 8000
    namespace["x"][0] = 5
    lost, _ = put_back(snapshot)
    assert [item.root for item in lost] == ["x"]
    assert "no copy was kept" in lost[0].why


def test_memory_with_an_unchanged_second_view_is_not_copied():
    """Workers share one file of arrays: what one has written to is read from it again."""
    whole = np.arange(8.0)
    shared = whole.copy()
    namespace = {"a": np.frombuffer(shared.data, float, 4), "b": np.arange(3.0)}
    original = Original(shared.ctypes.data, memoryview(whole.tobytes()))
    world, keeper = World(namespace), Keeper(1 << 20, original=original)
    snapshot = take_snapshot(world, namespace, keeper, kinds=Kinds(world))
    assert keeper.kept == namespace["b"].nbytes
    namespace["a"][1] = 9.0
    assert put_back(snapshot) == ([], {})
    assert namespace["a"].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_second_view_that_differs_is_not_trusted():
    shared = np.arange(8.0)
    namespace = {"a": np.frombuffer(shared.data, float, 4)}
    keeper = Keeper(1 << 20, original=Original(shared.ctypes.data, memoryview(bytes(64))))
    world = World(namespace)
    take_snapshot(world, namespace, keeper, kinds=Kinds(world))
    assert keeper.kept == namespace["a"].nbytes + shared.nbytes


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_memory_mapped_files_are_neither_copied_nor_read(mode, tmp_path):
    """What is written to one is in the file, which is outside; lines that use it run again."""
    np.arange(4.0).tofile(tmp_path / "f")
    namespace = {"a": np.memmap(tmp_path / "f", float, mode)}
    keeper, world = Keeper(1 << 20), World(namespace)
    snapshot = take_snapshot(world, namespace, keeper, kinds=Kinds(world))
    assert keeper.kept == keeper.refused == 0
    assert [u.what for u in snapshot.unseen] == (["a memory-mapped file"] if mode == "r+" else [])


def test_forgotten_objects_are_looked_at_no_more():
    namespace = {"x": np.arange(1000.0)}
    snapshot = snapshot_of(namespace, limit=100)
    namespace["x"][0] = 5
    snapshot.forget(snapshot.changed())
    assert snapshot.changed() == []


def test_later_snapshot_shares_copies_of_what_has_not_changed():
    namespace = {"x": np.arange(100_000.0)}
    first = snapshot_of(namespace)
    keeper = Keeper(1 << 30)
    world = World(namespace)
    take_snapshot(world, namespace, keeper, kinds=Kinds(world), before=first)
    assert keeper.kept == 0


def test_used_iterator_is_replaced_by_a_copy_at_its_old_place():
    it = iter([1, 2, 3])
    next(it)
    namespace = {"box": {"it": it}}
    snapshot = snapshot_of(namespace)
    next(it)
    lost, swaps = put_back(snapshot)
    assert lost == []
    assert list(namespace["box"]["it"]) == [2, 3]
    assert set(swaps) == {id(it)}


def test_used_iterator_that_a_tuple_holds_is_lost():
    it = iter([1, 2])
    snapshot = snapshot_of({"t": (it,)})
    next(it)
    lost, _ = put_back(snapshot)
    assert "is held elsewhere too" in lost[0].why


def test_replay_gives_a_state_again_that_was_put_back():
    namespace = {"xs": [1], "x": np.zeros(3)}
    snapshot = snapshot_of(namespace)
    namespace["xs"].append(2)
    namespace["x"][0] = 7
    changes, enough = snapshot.changes(snapshot.changed(), Keeper(1 << 20))
    put_back(snapshot)
    assert enough
    snapshot.replay(changes)
    assert namespace["xs"] == [1, 2]
    assert namespace["x"].tolist() == [7, 0, 0]


def test_generators_and_open_files_are_said_to_be_unseen(tmp_path):
    (tmp_path / "f").write_text("a")
    with (tmp_path / "f").open() as file:
        namespace = {"file": file, "xs": [1]}
        exec("g = (i for i in range(3))", namespace)  # not of this module, which leads to more
        found = {unseen.root: unseen.what for unseen in snapshot_of(namespace).unseen}
    assert found == {"g": "a generator", "file": "an open file"}
    assert snapshot_of({"file": file}).unseen == ()


def test_objects_of_services_are_left_alone():
    import threading

    thread = threading.Thread(target=print)
    snapshot = snapshot_of({"t": thread})
    thread.name = "other"
    assert snapshot.changed() == []
    assert [unseen.what for unseen in snapshot.unseen] == ["threading.Thread"]


def test_bounded_cache_that_was_empty_is_emptied():
    @lru_cache(maxsize=4)
    def f(x):
        return [x]

    snapshot = snapshot_of({"f": f})
    f(1)
    assert put_back(snapshot)[0] == []
    assert f.cache_info().currsize == 0


FRAME = "pd.DataFrame({'a': [1.0, 2.0], 'b': list('xy'), 'c': pd.Categorical(['u', 'v'])})"
QUIET = [
    "df.groupby('b').sum(numeric_only=True)",
    "df.loc[0]",
    "df.merge(df, on='a')",
    "df['a'].to_numpy()",
    "df.describe()",
    "df.index.get_loc(0)",
    "df.isna().any()",
    "df['b'].str.upper()",
    "df.sort_values('a')",
    "df['c'].cat.codes",
    "df.to_dict()",
    "repr(df)",
    "df.copy().loc[0]",
]


@pytest.mark.parametrize("expression", QUIET)
def test_reading_a_frame_is_no_change(expression):
    df = eval(FRAME)
    snapshot = snapshot_of({"df": df})
    eval(expression)
    assert snapshot.changed() == []


def test_reading_models_is_no_change():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.random.default_rng(0).normal(size=(40, 3))
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(x, x[:, 0] > 0)
    snapshot = snapshot_of({"model": model, "x": x})
    model.predict_proba(x)
    model.score(x, x[:, 0] > 0)
    assert snapshot.changed() == []
    assert snapshot.unseen == ()


def test_torch_parameters_and_buffers_are_put_back():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(net.parameters())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    snapshot = snapshot_of({"net": net, "optimizer": optimizer})
    assert snapshot.changed() == []
    net(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    assert snapshot.changed()
    assert put_back(snapshot)[0] == []
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert all(p.grad is None for p in net.parameters())
    assert not optimizer.state


NESTED = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(NESTED, st.data())
def test_any_nest_of_containers_comes_back_as_it_was(thing, data):
    namespace = {"thing": [thing]}
    before = repr(namespace["thing"])
    snapshot = snapshot_of(namespace)
    containers = [namespace["thing"]]
    for container in containers:
        values = container.values() if isinstance(container, dict) else container
        containers += [v for v in values if isinstance(v, list | dict | tuple)]
    for container in data.draw(st.permutations(containers)):
        if isinstance(container, list):
            container.append(len(container))
            container.reverse()
        elif isinstance(container, dict):
            container[9] = container.pop(next(iter(container), 9), None)
    put_back(snapshot)
    assert repr(namespace["thing"]) == before


def test_many_small_objects_are_all_looked_at():
    rows = [{"n": n} for n in range(2000)]
    snapshot = snapshot_of({"rows": rows, "ids": itertools.count()})
    rows[1234]["n"] = None
    assert len(snapshot.changed()) == 1
    put_back(snapshot)
    assert rows[1234] == {"n": 1234}


def test_frame_is_put_back_after_each_kind_of_edit():
    df = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    snapshot = snapshot_of({"df": df})
    for edit in (
        lambda: df.__setitem__("z", 1),
        lambda: df.pop("a"),
        lambda: df.__setitem__("a", [9.0, 9.0]),
        lambda: df.insert(0, "q", 1),
        lambda: setattr(df, "columns", ["u", "v"]),
        lambda: df.loc.__setitem__((0, "b"), 77),
    ):
        edit()
        assert put_back(snapshot)[0] == []
        assert df.to_dict() == {"a": {0: 1.0, 1: 2.0}, "b": {0: 3, 1: 4}}
