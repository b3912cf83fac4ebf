"""Repeats of a trial are runs under the trial's run, each exactly once."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from fake_store import FakeClient, FaultyClient
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import PLACE, events_of, info, records, trial

from hpmagic.records import Repeat, Trial
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import Record
from hpmagic.tracking.store import is_final, open_store


def repeated(number: int, count: int) -> Trial:
    """A trial that ran with so many seeds."""
    made = trial(number)
    runs = tuple(
        Repeat(seed, {"accuracy": seed / 10, "time": 1.0}, {"accuracy": seed / 10}, made.start, 0.5)
        for seed in range(count)
    )
    return replace(made, repeats=runs)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    trials = [repeated(0, 3), repeated(1, 1), repeated(2, 2)]
    stream = events_of(info("svm", 3, repeats=3), trials)
    return records(stream, tmp_path_factory.mktemp("told"))


def deliver(client: FakeClient | FaultyClient, told: list[Record], *, fresh: bool = True) -> None:
    store = _until(lambda: open_store(client, PLACE))
    delivery = Delivery(Header.of(told[0]), store, fresh=fresh)
    for record in told:
        _until(lambda record=record: delivery.accept(record))


def _until(action):
    for _ in range(400):
        try:
            return action()
        except Exception as error:
            if is_final(error):
                raise
    raise AssertionError("it never worked")


def repeats(client: FakeClient) -> list[tuple[str, str, str, float]]:
    """(trial, seed, status, accuracy) of each repeat's run that is there."""
    live = {i: r for i, r in client.stored.items() if r.info.lifecycle_stage == "active"}
    return sorted(
        (
            live[run.data.tags["mlflow.parentRunId"]].data.tags["hpmagic.trial"],
            run.data.tags["hpmagic.seed"],
            run.info.status,
            {key: value for key, _, _, value in run.data.points}["accuracy"],
        )
        for run in live.values()
        if run.data.tags["hpmagic.kind"] == "repeat"
    )


EXPECTED = [
    ("0", "0", "FINISHED", 0.0),
    ("0", "1", "FINISHED", 0.1),
    ("0", "2", "FINISHED", 0.2),
    ("1", "0", "FINISHED", 0.0),
    ("2", "0", "FINISHED", 0.0),
    ("2", "1", "FAILED", 0.1),
]


def test_each_repeat_is_a_run_under_its_trial(told: list[Record]) -> None:
    """With its seed and metrics; the last one of a failed trial has failed."""
    client = FakeClient()
    deliver(client, told)
    assert repeats(client) == EXPECTED


def test_repeats_are_no_trials_of_the_study(told: list[Record]) -> None:
    """Who asks for the study's trials does not meet its repeats."""
    client = FakeClient()
    deliver(client, told)
    assert len(client.children()) == 3


@given(st.integers(0, 2**32), st.floats(0.05, 0.6))
@settings(max_examples=25, deadline=None)
def test_failed_requests_make_no_repeat_twice(told: list[Record], seed: int, share: float) -> None:
    """Refused requests and lost answers end in the same store."""
    rng = random.Random(seed)

    def fate(_: int) -> str:
        return rng.choice(["refused", "lost"]) if rng.random() < share else "fine"

    client = FakeClient()
    deliver(FaultyClient(client, fate), told)
    assert repeats(client) == EXPECTED


def test_a_kill_at_any_request_loses_no_repeat(told: list[Record]) -> None:
    """What a process left half done the next one completes."""

    class Killed(BaseException):
        pass

    counter = FaultyClient(FakeClient(), lambda _: "fine")
    deliver(counter, told)
    for last in range(counter.count):
        client = FakeClient()

        def dies(count: int, last: int = last) -> str:
            if count >= last:
                raise Killed
            return "fine"

        with pytest.raises(Killed):
            deliver(FaultyClient(client, dies), told)
        deliver(client, told, fresh=False)
        assert repeats(client) == EXPECTED
