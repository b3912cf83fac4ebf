"""What a dead process left on disk reaches the store later, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_store import FakeClient, FaultyClient
from studies import PLACE, events, events_of, info, records, spooled, trial

from hpmagic.tracking import pending
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import HEAD
from hpmagic.tracking.ledger import Ledger
from hpmagic.tracking.pending import Delivered, Leftovers, deliver_pending
from hpmagic.tracking.spool import Spool
from hpmagic.tracking.store import open_store


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts."""
    monkeypatch.setattr(pending.time, "sleep", lambda _: None)


def trials(client: FakeClient) -> list[str]:
    return [run.data.tags["hpmagic.state"] for run in client.children()]


def test_every_spool_is_delivered_and_gone(tmp_path: Path) -> None:
    """Two studies of dead kernels are brought to MLflow; what became of each is told."""
    spooled(events(2, "one"), tmp_path)
    spooled(events(3, "two", end=False), tmp_path)
    client = FakeClient()
    told = deliver_pending(tmp_path, make_client=lambda _: client)
    assert sorted((d.study, d.trials, d.problem) for d in told) == [("one", 2, ""), ("two", 3, "")]
    assert "2 trials of study one" in str(min(told, key=lambda d: d.study))
    assert len(client.children()) == 5
    assert list(tmp_path.iterdir()) == []
    assert all(run.info.status != "RUNNING" for run in client.stored.values())


def test_a_spool_in_use_is_left_alone(tmp_path: Path) -> None:
    """The study of a living kernel is its own affair."""
    path = spooled(events(2), tmp_path)
    owner = Spool.open(path)
    assert deliver_pending(tmp_path, make_client=lambda _: FakeClient()) == []
    owner.close()


def test_a_torn_tail_is_set_aside(tmp_path: Path) -> None:
    """A kernel killed while it wrote: the whole records count, the rest is kept beside."""
    path = spooled(events(3, end=False), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    client = FakeClient()
    (told,) = deliver_pending(tmp_path, make_client=lambda _: client)
    assert trials(client) == ["complete", "complete", "interrupted"]
    assert "damaged" in told.problem
    (aside,) = tmp_path.iterdir()
    assert whole[:-7].endswith(aside.read_bytes())


@pytest.mark.parametrize("content", [b"", HEAD, HEAD[:5]])
def test_an_empty_spool_is_no_study(content: bytes, tmp_path: Path) -> None:
    """A kernel that died before its study began leaves nothing to deliver."""
    (tmp_path / "a.spool").write_bytes(content)
    deliver_pending(tmp_path, make_client=lambda _: FakeClient())
    assert list(tmp_path.glob("*.spool")) == []


def test_a_spool_that_is_none_is_put_out_of_the_way(tmp_path: Path) -> None:
    """Bytes that mean nothing are kept, said, and never tried again."""
    (tmp_path / "a.spool").write_bytes(b"something else entirely" * 10)
    (told,) = deliver_pending(tmp_path, make_client=lambda _: FakeClient())
    assert "could not be read" in str(told)
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


def test_a_store_that_is_away_leaves_the_spool(tmp_path: Path) -> None:
    """Not delivered now, delivered later, said why."""
    spooled(events(2), tmp_path)
    client = FakeClient()

    def away(_: int) -> str:
        return "refused"

    (told,) = deliver_pending(tmp_path, make_client=lambda _: FaultyClient(client, away))
    assert "still to be delivered (connection refused)" in str(told)
    (told,) = deliver_pending(tmp_path, make_client=lambda _: client)
    assert told.trials == 2
    assert len(client.children()) == 2


def test_requests_that_fail_now_and_then_are_repeated(tmp_path: Path) -> None:
    """Each request has several attempts; lost answers make no second run."""
    spooled(events(3), tmp_path)
    client = FakeClient()
    faulty = FaultyClient(client, lambda n: "lost" if n % 7 == 6 else "fine")
    (told,) = deliver_pending(tmp_path, make_client=lambda _: faulty)
    assert told.problem == ""
    assert len(client.children()) == 3


def test_what_the_store_refuses_is_kept_and_the_rest_delivered(tmp_path: Path) -> None:
    """One trial that MLflow will not have does not hold up the others."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    spooled(events(3), tmp_path)

    class Picky(FakeClient):
        def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
            if status == "FAILED":
                raise MlflowException("not that", INVALID_PARAMETER_VALUE)
            super().set_terminated(run_id, status, end_time)

    client = Picky()
    (told,) = deliver_pending(tmp_path, make_client=lambda _: client)
    assert "refused 1 records" in told.problem
    assert trials(client) == ["complete", "complete", "interrupted"]
    assert "refused it: not that" in client.children()[2].data.tags["hpmagic.reason"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".refused"]


def test_leftovers_go_step_by_step_and_only_to_their_store(tmp_path: Path) -> None:
    """Between the trials of another study one record at a time is delivered, to the same store."""
    from hpmagic.tracking.place import Place

    spooled(events(2, "here"), tmp_path)
    other = spooled(events(2, "there"), tmp_path, Place("http://elsewhere", "things"))
    client = FakeClient()
    leftovers = Leftovers(PLACE, client, tmp_path)
    assert leftovers.step()
    assert len(client.children()) < 2
    while leftovers.step():
        pass
    assert [d.study for d in leftovers.delivered] == ["here"]
    assert list(tmp_path.iterdir()) == [other]


def test_nobody_else_delivers_what_is_being_delivered(tmp_path: Path) -> None:
    """While one process is at it, another finds nothing to do; stopped half way, it goes on."""
    spooled(events(3), tmp_path)
    client = FakeClient()
    leftovers = Leftovers(PLACE, client, tmp_path)
    for _ in range(4):
        leftovers.step()
    assert deliver_pending(tmp_path, make_client=lambda _: client) == []
    leftovers.close()
    deliver_pending(tmp_path, make_client=lambda _: client)
    assert len(client.children()) == 3


def test_artifacts_stay_in_their_directory(tmp_path: Path) -> None:
    """Names in a spool do not become paths: a spool can be anybody's file."""
    from hpmagic.tracking.frames import encode

    path = spooled(events(1, end=False)[:-1], tmp_path)
    records: list[Any] = []
    spool = Spool.open(path)
    records += list(spool.reader())
    trial: dict[str, Any] = {
        "number": 0,
        "state": "complete",
        "params": {},
        "distributions": {},
        "values": [1.0],
        "metrics": {"accuracy": 1.0},
        "reports": [],
        "origin": "default",
        "start": 1.0,
        "duration": 1.0,
        "reason": "",
        "notes": {},
    }
    spool.append(encode("trial", trial, {"../../evil": b"x", "figure/../../evil": b"y"}))
    spool.close()
    client = FakeClient()
    deliver_pending(tmp_path, make_client=lambda _: client)
    (run,) = client.children()
    assert set(run.files) <= {"output/figure_1.png"}


def test_a_late_spool_gets_free_numbers_for_trials_whose_own_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study went on elsewhere before its first kernel's disk was read: nobody's trial is lost."""
    monkeypatch.setattr(pending, "_earlier", lambda _: [])
    first, second = tmp_path / "first", tmp_path / "second"
    path = spooled(events(4, end=False), first)
    spool = Spool.open(path)
    header = Header.of(next(iter(spool.reader())))
    spool.close()
    client = FakeClient()
    kept = path.read_bytes()
    told = list(records(events(2, end=False), tmp_path / "seen"))
    delivery = Delivery(header, open_store(client, PLACE), fresh=True)
    for record in [replace(told[0], data={**told[0].data, "id": header.study_id}), *told[1:]]:
        delivery.accept(record)
    ledger = Ledger(second, PLACE, exact=False, study_id=header.study_id, after=header.session)
    second.mkdir()
    for event in events_of(info(), [trial(2, 0.25), trial(3, 0.75)]):
        ledger(event)
    assert ledger.spool is not None
    ledger.spool.close()
    (went_on,) = deliver_pending(second, make_client=lambda _: client)
    assert (went_on.trials, went_on.problem) == (2, "")
    assert path.read_bytes() == kept
    (late,) = deliver_pending(first, make_client=lambda _: client)
    assert (late.trials, late.problem) == (2, "")
    deliver_pending(first, make_client=lambda _: client)
    tags = [run.data.tags for run in client.children()]
    numbers = {tag["hpmagic.trial"]: tag.get("hpmagic.asked_number") for tag in tags}
    assert numbers == {"0": None, "1": None, "2": None, "3": None, "4": "2", "5": "3"}
    sessions = [tag["hpmagic.session"] for tag in sorted(tags, key=lambda t: t["hpmagic.trial"])]
    assert [session == header.session for session in sessions] == [True] * 2 + [False] * 2 + [
        True
    ] * 2
    (parent,) = (r for r in client.stored.values() if r.data.tags["hpmagic.kind"] == "study")
    assert parent.info.status == "FINISHED"
    assert list(first.iterdir()) == []


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        (0, "study one, left from earlier, is in MLflow now"),
        (1, "1 trial of study one, left from earlier, is in MLflow now"),
        (2, "2 trials of study one, left from earlier, are in MLflow now"),
    ],
)
def test_what_was_delivered_is_said_in_a_sentence_that_fits_the_number(
    trials: int, said: str
) -> None:
    """Also where only the study itself was still to be delivered."""
    assert str(Delivered("one", trials)) == said
