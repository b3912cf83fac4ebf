"""Repeats of a trial are runs under the trial's run, each exactly once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from deliveries import at_random, deliver, deliver_stubbornly, taken_up_after_each_kill
from fake_store import FakeClient, FaultyClient
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import events_of, info, records, trial

from hpmagic.records import Repeat, Trial
from hpmagic.tracking.frames import Record


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


@pytest.mark.slow
@given(st.integers(0, 2**32), st.floats(0.05, 0.6))
@settings(max_examples=25, deadline=None)
def test_failed_requests_make_no_repeat_twice(told: list[Record], seed: int, share: float) -> None:
    """Refused requests and lost answers end in the same store."""
    client = FakeClient()
    deliver_stubbornly(FaultyClient(client, at_random(seed, share)), told)
    assert repeats(client) == EXPECTED


def test_a_kill_at_any_request_loses_no_repeat(told: list[Record]) -> None:
    """What a process left half done the next one completes."""
    for client in taken_up_after_each_kill(told):
        assert repeats(client) == EXPECTED
