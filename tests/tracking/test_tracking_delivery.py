"""Records become runs, each exactly once, whatever fails on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deliveries import at_random, deliver, deliver_stubbornly, taken_up_after_each_kill
from fake_store import FakeClient, FaultyClient
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import BEGIN, PLACE, SPACE, events, events_of, info, records, trial

from hpmagic.distributions import Choice
from hpmagic.records import Origin, StudyStarted, TrialFinished, TrialStarted
from hpmagic.tracking import delivery as delivery_module
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import Record
from hpmagic.tracking.store import is_final, open_store


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The records of a study of five trials: complete, failed, pruned, with output and a note."""
    return records(events(5), tmp_path_factory.mktemp("told"))


def contents(client: FakeClient) -> dict[int, Any]:
    """All that is stored of each trial, by number; each must be there once."""
    children = client.children()
    found = {int(run.data.tags["hpmagic.trial"]): run for run in children}
    assert len(found) == len(children), "a trial is there twice"
    return {
        number: (
            run.info.run_name,
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId",)},
            run.data.params,
            sorted(run.data.points),
            run.files,
        )
        for number, run in sorted(found.items())
    }


def parents(client: FakeClient) -> list[Any]:
    return [
        run
        for run in client.stored.values()
        if run.data.tags["hpmagic.kind"] == "study" and run.info.lifecycle_stage == "active"
    ]


def without_ids(client: FakeClient) -> Any:
    """The parent run, apart from what holds run ids."""
    (parent,) = parents(client)
    tags = {k: v for k, v in parent.data.tags.items() if k != "mlflow.note.content"}
    files = {k: v for k, v in parent.files.items() if k not in ("trials.csv", "curves.json")}
    return parent.info.run_name, parent.info.status, tags, parent.data.params, files


def check(client: FakeClient, told: list[Record]) -> None:
    """The store holds what a delivery without faults leaves."""
    calm = FakeClient()
    study = told[0].data["id"]
    deliver(calm, told)
    assert contents(client) == contents(calm), study
    assert without_ids(client) == without_ids(calm)


def test_a_study_is_a_parent_and_its_trials_are_children(told: list[Record]) -> None:
    """One parent, a child for each trial, with the trial's own state and times."""
    client = FakeClient()
    delivery = deliver(client, told)
    (parent,) = parents(client)
    assert delivery.closed
    assert delivery.run_ids == {
        int(run.data.tags["hpmagic.trial"]): run.info.run_id for run in client.children()
    }
    statuses = [run.info.status for run in client.children()]
    assert statuses == ["FINISHED", "FINISHED", "FAILED", "KILLED", "FINISHED"]
    for number, run in enumerate(client.children()):
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.start_time == round((BEGIN + 1 + number) * 1000)
        assert run.info.end_time == round((BEGIN + 1.25 + number * 1.1234567) * 1000)
    assert client.children()[1].files == {"output/stdout.txt": b"hello from 1\n"}
    assert client.children()[0].files == {}


def test_the_parent_tells_the_best_so_far(told: list[Record]) -> None:
    """The objective's best is a metric of the parent with the trial's number as its step."""
    client = FakeClient()
    deliver(client, told)
    (parent,) = parents(client)
    steps = {step: value for key, step, _, value in parent.data.points if key == "accuracy"}
    assert steps == {0: 0.502, 1: 0.512, 4: 0.542}
    assert parent.data.tags["hpmagic.best_trial"] == "4"
    assert parent.data.tags["hpmagic.trials"] == "5"


def test_the_parent_is_told_only_what_is_new(
    told: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is updated, no tag is sent again with the value that it has."""
    monkeypatch.setattr(delivery_module, "OFTEN", -1.0)
    client = FakeClient()
    sent: list[tuple[str, str, str]] = []
    log = client.log_batch

    def heard(run_id: str, *, tags: Any = (), **others: Any) -> None:
        sent.extend((run_id, tag.key, tag.value) for tag in tags)
        log(run_id, tags=tags, **others)

    monkeypatch.setattr(client, "log_batch", heard)
    deliver(client, told)
    (parent,) = parents(client)
    of_parent = [(key, value) for run_id, key, value in sent if run_id == parent.info.run_id]
    assert [value for key, value in of_parent if key == "hpmagic.trials"] == list("12345")
    assert len(of_parent) == len(set(of_parent))


def test_constants_give_way_to_the_studys_own_params(told: list[Record]) -> None:
    """The cell's ``seed = 3`` does not hide the study's seed."""
    client = FakeClient()
    deliver(client, told)
    (parent,) = parents(client)
    assert parent.data.params["seed"] == "7"
    assert parent.data.params["cell.seed"] == "3"
    assert parent.data.params["test_size"] == "0.25"


@pytest.mark.parametrize("fate", ["refused", "lost"])
def test_one_failed_request_anywhere_changes_nothing(told: list[Record], fate: str) -> None:
    """Whichever request fails, before or after it was carried out, the store ends up the same."""
    counter = FaultyClient(FakeClient(), lambda _: "fine")
    deliver(counter, told)
    for failing in range(counter.count):
        client = FakeClient()
        faulty = FaultyClient(client, lambda n, at=failing: fate if n == at else "fine")
        deliver_stubbornly(faulty, told)
        check(client, told)


@pytest.mark.slow
@given(st.integers(0, 2**32), st.floats(0.05, 0.6))
@settings(max_examples=25, deadline=None)
def test_many_failed_requests_change_nothing(told: list[Record], seed: int, share: float) -> None:
    """Any mixture of refused requests and lost answers ends in the same store."""
    client = FakeClient()
    deliver_stubbornly(FaultyClient(client, at_random(seed, share)), told)
    check(client, told)


@pytest.mark.slow
def test_a_kill_at_any_request_is_made_good_by_the_next_process(told: list[Record]) -> None:
    """A process that dies between any two requests leaves work that another one completes."""
    for client in taken_up_after_each_kill(told):
        check(client, told)


def test_delivering_twice_is_delivering_once(told: list[Record]) -> None:
    """A spool that is delivered again, by mistake or after a crash, adds nothing."""
    client = FakeClient()
    deliver(client, told)
    deliver(client, told, fresh=False)
    check(client, told)


def test_a_dead_kernels_trials_are_closed_as_interrupted(tmp_path: Path) -> None:
    """A trial that had begun is KILLED with a reason and its curve; so is the study."""
    stream = events(3, end=False)[:-1]  # the last trial never ended
    told = records(stream, tmp_path)
    client = FakeClient()
    delivery = deliver(client, told)
    delivery.abandon()
    last = client.children()[-1]
    assert last.data.tags["hpmagic.state"] == "interrupted"
    assert last.info.status == "KILLED"
    assert "kernel" in last.data.tags["hpmagic.reason"]
    (parent,) = parents(client)
    assert parent.info.status == "KILLED"
    assert parent.data.tags["hpmagic.state"] == "interrupted"
    assert all(run.info.end_time is not None for run in client.stored.values())


def test_reports_of_a_killed_trial_survive(tmp_path: Path) -> None:
    """What a trial reported more than a second before its death is in its curve."""
    long = trial(0, duration=30.0)
    stream = events_of(info(), [long], end=False)[:-1]
    client = FakeClient()
    deliver(client, records(stream, tmp_path)).abandon()
    (run,) = client.children()
    assert [step for _, step, _, _ in sorted(run.data.points)] == [0, 1, 2]


def test_a_trial_that_died_has_the_values_it_had_drawn(tmp_path: Path) -> None:
    """Also one whose distribution only the trial itself knew, and one that no label tells."""
    odd = Choice(((1, 2), "1, 2"))
    params = {"C": 0.25, "units_0": (1, 2)}
    dead = trial(0, params=params, distributions={"C": SPACE["C"][0], "units_0": odd})
    stream = [e for e in events_of(info(), [dead], end=False) if not isinstance(e, TrialFinished)]
    client = FakeClient()
    delivery = deliver(client, records(stream, tmp_path))
    delivery.abandon()
    (run,) = client.children()
    assert run.data.tags["hpmagic.state"] == "interrupted"
    assert run.data.params["C"] == "0.25"
    assert delivery.trials[0].params == params
    assert delivery.trials[0].distributions["units_0"].as_json() == odd.as_json()


def test_a_trial_that_runs_for_long_is_shown_while_it_runs(tmp_path: Path) -> None:
    """After a while its run appears, with the points of its curve; its end adds the rest once."""
    long = trial(0, duration=30.0)
    told = records(events_of(info(), [long]), tmp_path)
    client, now = FakeClient(), [long.start]
    delivery = Delivery(
        Header.of(told[0]), open_store(client, PLACE), fresh=True, clock=lambda: now[0]
    )
    kinds = [record.kind for record in told]
    drew = ["drew"] * len(long.params)
    assert kinds == ["study", "began", *drew, "reports", "reports", "reports", "trial", "end"]
    reported = kinds.index("reports") + 1
    for record in told[:reported]:
        delivery.accept(record)
    delivery.tick()
    assert client.children() == []
    now[0] += 20
    delivery.tick()
    (run,) = client.children()
    assert (run.info.status, run.info.run_name) == ("RUNNING", "trial 0")
    assert len(run.data.points) == 1
    assert run.data.params == {"C": "0.1", "kernel": "rbf", "shrinking": "True"}
    for record in told[reported:]:
        delivery.accept(record)
    calm = FakeClient()
    deliver(calm, told)
    assert contents(client) == contents(calm)


def test_of_two_runs_for_one_trial_one_stays(told: list[Record]) -> None:
    """When a server carried out a request twice, the surplus run is deleted at the end."""
    client = FakeClient()

    class Doubling:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def create_run(self, *args: Any, **options: Any) -> Any:
            client.create_run(*args, **options)
            return client.create_run(*args, **options)

    stored = open_store(Doubling(), PLACE)
    delivery = Delivery(Header.of(told[0]), stored, fresh=False)
    for record in told:
        delivery.accept(record)
    assert len(client.children()) == 5
    assert len(parents(client)) == 1


def test_names_are_told_apart(tmp_path: Path) -> None:
    """A second study of a name gets ``-2``, a third ``-3``; others are left alone."""
    client = FakeClient()
    names = [
        deliver(client, records(events(1, name), tmp_path)).name
        for name in ("svm", "svm", "svm", "svm-2", "sv", 'it\'s "me"', 'it\'s "me"')
    ]
    assert names == ["svm", "svm-2", "svm-3", "svm-2-2", "sv", 'it\'s "me"', 'it\'s "me"-2']


def test_studies_that_take_a_name_at_the_same_moment_are_told_apart(tmp_path: Path) -> None:
    """Neither sees the other before both are there: one or both give way, none keeps the same."""
    client = FakeClient()
    both = [records(events(1), tmp_path) for _ in range(2)]
    other: list[Delivery] = []

    class Interleaved:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def create_run(self, *args: Any, **options: Any) -> Any:
            if not other:
                other.append(Delivery(Header.of(both[1][0]), open_store(client, PLACE), fresh=True))
                other[0].ensure_parent()
            return client.create_run(*args, **options)

    mine = Delivery(Header.of(both[0][0]), open_store(Interleaved(), PLACE), fresh=True)
    mine.ensure_parent()
    names = [run.info.run_name for run in parents(client)]
    assert len(set(names)) == 2
    assert {mine.name, other[0].name} == set(names)


def test_values_beyond_the_limits_are_cut_and_kept_whole_beside(tmp_path: Path) -> None:
    """A long value has a digest in the record and is whole in an artifact."""
    long = "x" * 10_000
    choice = Choice((long, "short"))
    one = trial(0, params={"text": long}, distributions={"text": choice})
    client = FakeClient()
    deliver(client, records(events_of(info(), [one]), tmp_path))
    (run,) = client.children()
    assert len(run.data.params["text"]) == 6000
    assert "... sha256:" in run.data.params["text"]
    assert json.loads(run.files["long_values.json"])["text"] == long


def test_five_hundred_hyperparameters_are_logged(tmp_path: Path) -> None:
    """Batches keep to MLflow's limits whatever the number of values."""
    params: dict[str, Any] = {f"x{i}": i for i in range(500)}
    distributions = dict.fromkeys(params, SPACE["degree"][0])
    points = tuple((step, 0.5) for step in range(2500))
    one = trial(0, 0.5, params=params, distributions=distributions, curves={"accuracy": points})
    sizes: list[tuple[int, int, int]] = []

    class Counting(FakeClient):
        def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
            sizes.append((len(metrics), len(params), len(tags)))
            super().log_batch(run_id, metrics, params, tags)

    client = Counting()
    deliver(client, records(events_of(info(), [one]), tmp_path))
    (run,) = client.children()
    assert len(run.data.params) == 500
    assert len(run.data.points) == 2500
    assert all(m + p + t <= 1000 and p <= 100 and t <= 100 for m, p, t in sizes)


def test_a_parameter_that_the_cell_logged_differently_is_kept_in_the_record(tmp_path: Path) -> None:
    """Params cannot be changed: the cell's text stands, the record has the value that was drawn."""
    told = records(events(1), tmp_path, exact=True)
    client = FakeClient()
    delivery = Delivery(Header.of(told[0]), open_store(client, PLACE), fresh=True)
    run_id = delivery.begin(0, Origin.DEFAULT, BEGIN)
    client.stored[run_id].data.params["C"] = "one"
    for record in told:
        delivery.accept(record)
    (run,) = client.children()
    assert run.data.params["C"] == "one"
    assert run.data.params["kernel"] == "rbf"
    assert json.loads(run.data.tags["hpmagic.record"])["params"]["C"] == "0.1"


def test_a_run_that_somebody_deleted_is_refused_for_good(told: list[Record]) -> None:
    """A person who deletes a run while the study goes on is not fought with."""
    client = FakeClient()
    delivery = Delivery(Header.of(told[0]), open_store(client, PLACE), fresh=True)
    delivery.accept(told[0])
    client.delete_run(delivery.begin(0, Origin.DEFAULT, BEGIN))
    with pytest.raises(Exception, match="active") as caught:
        delivery.accept(next(r for r in told if r.kind == "trial"))
    assert is_final(caught.value)


def test_trials_whose_parent_somebody_deleted_hang_below_the_next_one(
    told: list[Record],
) -> None:
    """The study is whole after its spool has been delivered: the trials are part of it again."""
    client = FakeClient()
    delivery = Delivery(Header.of(told[0]), open_store(client, PLACE), fresh=True)
    half = len(told) // 2
    for record in told[:half]:
        delivery.accept(record)
    assert delivery.parent_id is not None
    before = len(client.children())
    client.delete_run(delivery.parent_id)
    later = deliver(client, told, fresh=False)
    assert later.parent_id != delivery.parent_id
    assert 0 < before < len(client.children()) == 5
    assert {run.data.tags["mlflow.parentRunId"] for run in client.children()} == {later.parent_id}


def test_a_trial_that_began_and_never_ran_leaves_no_run(tmp_path: Path) -> None:
    """An interrupt before a trial's first line is no trial, in MLflow as in the loop."""
    stream = events(2)
    stream.insert(-1, TrialStarted(2, Origin.TUNER, BEGIN + 9))
    client = FakeClient()
    deliver(client, records(stream, tmp_path))
    assert len(client.children()) == 2


def test_a_study_without_trials_is_closed(tmp_path: Path) -> None:
    """Nothing to run is still a study with an end."""
    client = FakeClient()
    stream = events_of(info(), [])
    assert isinstance(stream[0], StudyStarted)
    deliver(client, records(stream, tmp_path))
    (parent,) = parents(client)
    assert parent.info.status == "FINISHED"
    assert "No trial" in parent.data.tags["mlflow.note.content"]
