"""The thread that brings a spool's records to MLflow, beside the trials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from hpmagic.records import Origin, Trial
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import Record
from hpmagic.tracking.origin import git_tags
from hpmagic.tracking.pace import Pace
from hpmagic.tracking.pending import Leftovers
from hpmagic.tracking.place import Place
from hpmagic.tracking.schema import Tag
from hpmagic.tracking.spool import SpoolReader
from hpmagic.tracking.store import Store, connect, first_line, hushed, is_final, open_store

__all__ = ["Courier"]

T = TypeVar("T")

SHARE: Final = 0.02
"""Of the processor's time that delivering may take while trials run."""
POLL: Final = 0.05
"""Seconds between two looks for new records."""
SLOWEST: Final = 30.0
"""Seconds between two attempts, at most, while trials run; one second once they have ended."""
GIVE_UP: Final = 5.0
"""Seconds without success after which the end of a study no longer waits for a store that fails."""
STUCK: Final = 3.0
"""Seconds of failure after which the person should hear of it."""
LEFTOVERS: Final = 10.0
"""Seconds that the end of a study waits for what earlier ones left, at most."""
SILENCE: Final = 60.0
"""Seconds for which a store may say nothing at all."""


def said_of_earlier(run: Any) -> str:
    """One sentence about an earlier study of the same cell, and what the choices are."""
    count = run.data.tags.get(Tag.TRIALS, "0")
    trials = "1 trial" if count == "1" else f"{count} trials"
    return (
        f"study {run.info.run_name} of this cell is in MLflow already, with {trials}; this is a "
        "new study. --resume continues that one, --fresh leaves this out"
    )


class _Stopped(Exception):
    """Nobody waits any more."""


class Courier:
    """Delivers one study, on a thread of its own.

    Args:
        place: where to.
        make_client: gives MLflow's client for a URI.
        share: of the processor's time that it may take while trials run.
        look_for_earlier: whether to look for an earlier study of the same cell.
    """

    def __init__(
        self,
        place: Place,
        make_client: Callable[[str], Any] = connect,
        share: float = SHARE,
        *,
        look_for_earlier: bool = False,
    ) -> None:
        self.place = place
        self.store: Store | None = None
        self.delivery: Delivery | None = None
        self.error: Exception | None = None
        """What went wrong last; None while all is well."""
        self.rejected: list[str] = []
        """Sentences about records that the store refuses for good."""
        self.leftovers: Leftovers | None = None
        self._make_client = make_client
        self._pace = Pace(share)
        self._lock = threading.RLock()
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._failing_since: float | None = None
        self._moved = time.monotonic()
        self._study: tuple[Header, SpoolReader, tuple[Trial, ...]] | None = None
        self.earlier_study = ""
        """A sentence about an earlier study of the same cell, if there is one."""
        self._duty: Callable[[], object] | None = None
        self._over = False
        self._handing_over = threading.Lock()
        self._looked = threading.Event()
        if not look_for_earlier:
            self._looked.set()
        self._thread = threading.Thread(target=self._run, name="hpmagic-courier", daemon=True)
        # Where a debugger follows MLflow's code, too, a study's end takes three times as long.
        self._thread.pydev_do_not_trace = True  # type: ignore[attr-defined]

    def start(self) -> None:
        """Begin to open the store."""
        if self._thread.ident is None:
            self._thread.start()

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait until the store is open; whether it is."""
        deadline = time.monotonic() + seconds
        while not self._ready.wait(0.02):
            if time.monotonic() > deadline or not self._thread.is_alive():
                return False
        return True

    def wait_until_looked(self, seconds: float) -> None:
        """Wait until it is known whether there is an earlier study of the cell."""
        with self._pace.urgent():
            self._looked.wait(seconds)

    @property
    def stuck(self) -> bool:
        """Whether the store has failed for a while."""
        failing = self._failing_since
        return failing is not None and time.monotonic() - failing > STUCK

    def give(self, header: Header, reader: SpoolReader, earlier: tuple[Trial, ...] = ()) -> None:
        """The study to deliver, and its trials of before if it is resumed."""
        self._study = (header, reader, earlier)

    def begin_trial(self, number: int, origin: Origin, start: float, seconds: float) -> Any | None:
        """Make the run of a trial that begins now, and wait for it; MLflow's ``Run``.

        None when the store does not answer in time.
        """
        with self._pace.urgent():
            if not self.wait_until_ready(seconds):
                return None
            deadline = time.monotonic() + seconds
            while self.delivery is None and time.monotonic() < deadline:
                time.sleep(0.002)
            if self.delivery is None or not self._lock.acquire(timeout=seconds):
                return None
            try:
                run_id = self.delivery.begin(number, origin, start)
                return self.delivery.store.run(run_id)
            except Exception as error:  # noqa: BLE001 - the trial runs without; MLflow may be down
                self.error = error
                return None
            finally:
                self._lock.release()

    def stop(self) -> None:
        """There is nothing to deliver."""
        self._stop.set()
        self._pace.hurry()

    def finish(self) -> bool:
        """Deliver what is left, at full speed; whether all of it has been delivered.

        It gives up on a store that fails for `GIVE_UP` or says nothing for `SILENCE` seconds.
        """
        self._pace.hurry()
        begun = time.monotonic()
        try:
            while self._thread.is_alive():
                self._thread.join(0.02)
                now = time.monotonic()
                failing = self._failing_since
                if failing is not None and now - max(failing, begun) > GIVE_UP:
                    break
                if now - max(self._moved, begun) > SILENCE:
                    self.error = self.error or TimeoutError(f"it said nothing for {SILENCE:g} s")
                    break
        finally:
            self._stop.set()
        self._thread.join(0.5)
        if self._study is not None and not self._thread.is_alive():
            self._study[1].close()
        return self.delivery is not None and self.delivery.closed

    def when_over(self, duty: Callable[[], object]) -> None:
        """Do it when no request is under way any more, which may be now.

        Who gave up on a store has a request out that may still be carried out.
        """
        with self._handing_over:
            if self._thread.is_alive() and not self._over:
                self._duty = duty
                return
        duty()

    def _run(self) -> None:
        with hushed():
            try:
                self.store = self._insist(self._open)
                self._ready.set()
                self._pace.begin()
                self._deliver_study()
                self._deliver_leftovers()
            except _Stopped:
                pass
            except Exception as error:  # noqa: BLE001 - said at the end of the study
                self.error = error
        with self._handing_over:
            self._over = True
        if self._duty is not None:
            self._duty()

    def _open(self) -> Store:
        client = self._make_client(self.place.uri)
        return open_store(client, self.place, self._pace)

    def _deliver_study(self) -> None:
        header, reader, earlier = self._wait_for_study()
        assert self.store is not None
        facts: Mapping[str, str] = {**header.common, **git_tags(header.info.source_name)}
        if not self._looked.is_set():
            self._attempt(lambda: self._look(header.info.fingerprint))
            self._looked.set()
        fresh = header.after is None
        delivery = Delivery(replace(header, common=facts), self.store, fresh=fresh, earlier=earlier)
        self.delivery = delivery
        self.leftovers = Leftovers(self.place, self.store.client)
        while True:
            for record in reader:
                self._deliver(delivery, record)
            if delivery.closed:
                return
            self._attempt(delivery.tick)
            if not reader.behind:
                self.leftovers.step()
            self._nap()

    def _look(self, fingerprint: str) -> None:
        assert self.store is not None
        runs = self.store.runs(Tag.FINGERPRINT, fingerprint)
        if runs:
            self.earlier_study = said_of_earlier(runs[0])

    def _wait_for_study(self) -> tuple[Header, SpoolReader, tuple[Trial, ...]]:
        while True:
            study = self._study
            if study is not None:
                return study
            self._nap()

    def _deliver(self, delivery: Delivery, record: Record) -> None:
        def accept() -> None:
            with self._lock:
                delivery.accept(record)

        try:
            self._insist(accept)
        except _Stopped:
            raise
        except Exception as error:
            if record.kind in ("study", "end"):
                raise
            delivery.refuse(record, error)
            number = record.data.get("number")
            self.rejected.append(f"trial {number} was refused by MLflow: {first_line(error)}")

    def _deliver_leftovers(self) -> None:
        """What earlier studies left behind, as far as it goes in a few seconds."""
        deadline = time.monotonic() + LEFTOVERS
        while self.leftovers is not None and time.monotonic() < deadline and self.leftovers.step():
            self._moved = time.monotonic()
        if self.leftovers is not None:
            self.leftovers.close()

    def _attempt(self, action: Callable[[], object]) -> None:
        """Try something that will be tried again anyway."""
        try:
            with self._lock:
                action()
        except Exception as error:  # noqa: BLE001 - MLflow raises all sorts
            self._went_wrong(error)
        else:
            self._went_well()

    def _insist(self, action: Callable[[], T]) -> T:
        """Do it, however often it takes.

        Raises:
            _Stopped: nobody waits any more.
            Exception: trying again cannot help.
        """
        delay = 0.25
        while not self._stop.is_set():
            try:
                result = action()
            except Exception as error:
                if is_final(error):
                    raise
                self._went_wrong(error)
                self._pause(delay)
                delay = min(delay * 2, SLOWEST)
            else:
                self._went_well()
                return result
        raise _Stopped

    def _pause(self, seconds: float) -> None:
        """Wait before another attempt; not long when somebody waits for the end."""
        deadline = time.monotonic() + seconds
        while not self._stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._pace.hurried:
                self._stop.wait(min(left, 1.0))
                return
            self._pace.wait(left)

    def _nap(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        if self._pace.hurried:
            time.sleep(0.001)
        self._pace.wait(POLL)

    def _went_well(self) -> None:
        self._failing_since, self.error = None, None
        self._moved = time.monotonic()

    def _went_wrong(self, error: Exception) -> None:
        self.error = error
        if self._failing_since is None:
            self._failing_since = time.monotonic()
