"""One file a study: held by one owner, appended, read back, set aside when it is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from studies import PLACE, events

from hpmagic.records import TrialFinished
from hpmagic.tracking import ledger as ledger_module
from hpmagic.tracking import spool as spool_module
from hpmagic.tracking.frames import HEAD, encode
from hpmagic.tracking.home import home as hpmagic_home
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.ledger import Ledger
from hpmagic.tracking.spool import Spool, SpoolBusy, waiting


def frame(number: int) -> bytes:
    return encode("trial", {"number": number})


def numbers(spool: Spool) -> list[int]:
    return [record.data["number"] for record in spool.reader()]


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Records that are appended later are read later, each once."""
    spool = Spool.create(tmp_path, "a")
    reader = spool.reader()
    spool.append(frame(1))
    assert [r.data["number"] for r in reader] == [1]
    assert not reader.behind
    spool.append(frame(2), durable=True)
    assert reader.behind
    assert [r.data["number"] for r in reader] == [2]


def test_a_spool_has_one_owner(tmp_path: Path) -> None:
    """While somebody holds a spool nobody else can open it; afterwards anybody can."""
    spool = Spool.create(tmp_path, "a")
    spool.append(frame(1))
    with pytest.raises(SpoolBusy):
        Spool.open(spool.path)
    spool.close()
    assert numbers(Spool.open(spool.path)) == [1]


def test_a_spool_of_a_dead_process_is_free(tmp_path: Path) -> None:
    """The lock ends with the process that held it, even when it was killed."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from hpmagic.tracking.spool import Spool\n"
        "from hpmagic.tracking.frames import encode\n"
        "spool = Spool.create(Path(sys.argv[1]), 'a')\n"
        "spool.append(encode('trial', {'number': 5}))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert numbers(Spool.open(tmp_path / "a.spool")) == [5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_does_not_keep_the_spool(tmp_path: Path) -> None:
    """A child that outlives its parent's study holds no lock on it."""
    spool = Spool.create(tmp_path, "a")
    waits, release = os.pipe()
    started, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(release)
        os.write(tell, b"!")
        os.read(waits, 1)
        os._exit(0)
    try:
        os.read(started, 1)
        spool.close()
        Spool.open(spool.path).close()
    finally:
        os.close(release)
        os.waitpid(child, 0)


def test_a_full_disk_loses_nothing_while_the_process_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk does not take is kept in memory and read behind what it took."""
    spool = Spool.create(tmp_path, "a")
    spool.append(frame(1))

    def full(descriptor: int, data: memoryview) -> int:
        os.pwrite(descriptor, data[:5], spool.end)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool_module.os, "write", full)
        spool.append(frame(2), durable=True)
    spool.append(frame(3))
    assert spool.failure is not None
    assert numbers(spool) == [1, 2, 3]
    assert spool.path.stat().st_size == spool.end


def test_damage_is_set_aside(tmp_path: Path) -> None:
    """The bytes that are no record are kept in a file beside, and the records are read."""
    spool = Spool.create(tmp_path, "a")
    spool.append(frame(1))
    spool.close()
    with spool.path.open("ab") as file:
        file.write(b"torn")
    again = Spool.open(spool.path)
    reader = again.reader()
    assert [r.data["number"] for r in reader] == [1]
    assert again.set_aside(reader.damage).read_bytes() == b"torn"


def test_a_file_without_its_beginning_is_read_all_the_same(tmp_path: Path) -> None:
    """Records are found though the head of the file is gone."""
    path = tmp_path / "a.spool"
    path.write_bytes(HEAD[3:] + frame(4))
    assert numbers(Spool.open(path)) == [4]


def test_a_delivered_spool_is_gone(tmp_path: Path) -> None:
    """After `remove` no file is left, and none waits."""
    spool = Spool.create(tmp_path, "a")
    assert waiting(tmp_path) == [spool.path]
    spool.remove()
    assert list(tmp_path.iterdir()) == []


def test_spools_wait_in_the_order_of_their_age(tmp_path: Path) -> None:
    """The oldest comes first; other files are not spools."""
    for name, age in (("new", 2000), ("old", 1000)):
        spool = Spool.create(tmp_path, name)
        spool.close()
        os.utime(spool.path, (age, age))
    (tmp_path / "note.txt").write_text("")
    assert [path.stem for path in waiting(tmp_path)] == ["old", "new"]


def test_the_directory_is_private_and_where_the_person_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``HPMAGIC_HOME`` decides; nobody else can look into what trials printed."""
    monkeypatch.setenv("HPMAGIC_HOME", str(tmp_path / "mine"))
    assert spool_directory() == tmp_path / "mine" / "spool"
    if os.name == "posix":
        assert spool_directory().stat().st_mode & 0o077 == 0


def test_without_a_home_the_platforms_place_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data go where programs keep data, under the program's name."""
    monkeypatch.delenv("HPMAGIC_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert hpmagic_home().name == "hpmagic"
    if sys.platform == "linux":
        assert hpmagic_home() == tmp_path / "hpmagic"


def test_a_home_that_cannot_be_made_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the home is a file, spools go to a directory among the temporary files."""
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HPMAGIC_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    assert spool_directory().is_relative_to(tmp_path / "temporary")


def test_room_that_no_record_took_is_no_damage(tmp_path: Path) -> None:
    """The file grows ahead of its records; what is left of that when its owner dies is nothing."""
    spool = Spool.create(tmp_path, "a")
    for number in range(3):
        spool.append(frame(number), durable=True)
    assert spool.path.stat().st_size > spool.end
    spool.forget()  # as a process that dies does
    again = Spool.open(spool.path)
    reader = again.reader()
    assert [record.data["number"] for record in reader] == [0, 1, 2]
    assert reader.damage == []


def test_a_spool_that_is_closed_is_as_long_as_its_records(tmp_path: Path) -> None:
    """Left for later, the file holds no more than it must."""
    spool = Spool.create(tmp_path, "a")
    spool.append(frame(1))
    spool.close()
    assert spool.path.stat().st_size == spool.end


def test_records_longer_than_the_room_are_records_like_any_other(tmp_path: Path) -> None:
    """Long output and short records follow each other."""
    spool = Spool.create(tmp_path, "a")
    for size in (10, 200_000, 10, 70_000, 10):
        spool.append(encode("trial", {"number": size}, {"stdout": b"x" * size}))
    assert numbers(spool) == [10, 200_000, 10, 70_000, 10]


def test_a_spool_that_changed_under_its_owner_is_an_error(tmp_path: Path) -> None:
    """What this very process wrote and cannot read back is never passed over in silence."""
    spool = Spool.create(tmp_path, "a")
    spool.append(frame(1))
    with spool.path.open("r+b") as file:
        file.seek(len(HEAD) + 20)
        file.write(b"?")
    with pytest.raises(OSError, match="cannot be read back"):
        numbers(spool)


@pytest.mark.parametrize(("seconds", "waits"), [(0.3, 6), (0.1, 3), (0.01, 2)])
def test_trials_wait_for_the_medium_at_most_four_times_a_second(
    seconds: float, waits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first and the last record always do; four trials between them as they last."""
    synced: list[int] = []
    monkeypatch.setattr(spool_module, "_sync", synced.append)
    monkeypatch.setattr(ledger_module, "time", SimpleNamespace(monotonic=lambda: now))
    now = 0.0
    ledger = Ledger(tmp_path, PLACE, exact=False)
    for event in events(4):
        if isinstance(event, TrialFinished):
            now += seconds
        ledger(event)
    assert ledger.spool is not None
    assert len(synced) == waits
