"""What earlier studies could not deliver: found on disk, delivered later, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hpmagic.records import Trial
from hpmagic.tracking.delivery import Delivery, Header
from hpmagic.tracking.frames import Record
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.place import Place, check_store, redacted, study_environment
from hpmagic.tracking.spool import Spool, SpoolBusy, SpoolReader, waiting
from hpmagic.tracking.store import connect, first_line, hushed, is_final, open_store

__all__ = ["Delivered", "Leftovers", "deliver_pending"]

ATTEMPTS = 4
"""How often a request is tried before a spool is left for another time."""


@dataclass(frozen=True)
class Delivered:
    """What became of a spool.

    ``trials`` counts those that were brought to the store this time. ``problem`` says in one line
    why something is still to be delivered, or could not be read; empty when all is well.
    """

    study: str
    trials: int
    problem: str = ""

    def __str__(self) -> str:
        what = {0: "", 1: "1 trial of "}.get(self.trials, f"{self.trials} trials of ")
        verb = "are" if self.trials > 1 else "is"
        text = f"{what}study {self.study}, left from earlier, {verb} in MLflow now"
        if not self.problem:
            return text
        return f"{text}; {self.problem}" if self.trials else f"study {self.study}: {self.problem}"


def deliver_pending(
    directory: Path | None = None,
    *,
    make_client: Callable[[str], Any] = connect,
    uri: str | None = None,
) -> list[Delivered]:
    """Deliver every spool that nobody holds, each to the store its study began in.

    Args:
        directory: where the spools are; hpmagic's own place when None.
        make_client: gives MLflow's client for a URI.
        uri: only those for this store; all of them when None.

    Returns:
        One entry a spool.
    """
    folder = spool_directory() if directory is None else directory
    results: list[Delivered] = []
    for path in waiting(folder):
        only = None if uri is None else redacted(uri)
        for _ in steps(path, results, make_client, only=only, alone=True):
            pass
    return results


class Leftovers:
    """The spools for one store, delivered a record at a time between other work."""

    def __init__(self, place: Place, client: Any, directory: Path | None = None) -> None:
        self.delivered: list[Delivered] = []
        self._steps = self._all(redacted(place.uri), client, directory)

    def step(self) -> bool:
        """Deliver one more record; whether there was one."""
        return next(self._steps, None) is not None

    def close(self) -> None:
        """Leave the rest for another time."""
        self._steps.close()

    def _all(self, uri: str, client: Any, directory: Path | None) -> Any:
        try:
            paths = waiting(spool_directory() if directory is None else directory)
        except OSError:
            return
        for path in paths:
            yield from steps(path, self.delivered, lambda _: client, only=uri, attempts=1)


def steps(
    path: Path,
    results: list[Delivered],
    make_client: Callable[[str], Any],
    *,
    only: str | None = None,
    attempts: int = ATTEMPTS,
    alone: bool | None = None,
) -> Iterator[bool]:
    """Deliver one spool, yielding after each record; what became of it is added to ``results``.

    Args:
        path: the spool.
        results: gets the result, unless somebody else holds the spool.
        make_client: gives MLflow's client for a URI.
        only: leave spools for other stores than that of this redacted URI.
        attempts: how often each record is tried.
        alone: no study runs meanwhile, which would have made the settings.
    """
    alone = only is None if alone is None else alone
    try:
        spool = Spool.open(path)
    except (SpoolBusy, OSError):
        return
    try:
        yield from _Undelivered(spool, results, make_client, only, attempts, alone=alone).steps()
    finally:
        spool.close()


class _Undelivered:
    def __init__(
        self,
        spool: Spool,
        results: list[Delivered],
        make_client: Callable[[str], Any],
        only: str | None,
        attempts: int,
        *,
        alone: bool,
    ) -> None:
        self.spool = spool
        self.results = results
        self.make_client = make_client
        self.only = only
        self.attempts = attempts
        self.alone = alone
        self.name = "?"
        self.refused = 0

    def steps(self) -> Iterator[bool]:
        reader = self.spool.reader()
        try:
            records = iter(reader)
            first = next(records, None)
            if first is None and not reader.damage:
                self.spool.remove()
                return
            try:
                header = Header.of(first) if first is not None else None
            except ValueError:
                header = None
            if header is None:
                aside = self.spool.retire(".damaged")
                self._result(0, f"a spool could not be read; it is now {aside}")
            elif self.only in (None, redacted(header.place.uri)):
                yield from self._deliver(header, records, reader)
        finally:
            reader.close()

    def _deliver(
        self, header: Header, records: Iterator[Record], reader: SpoolReader
    ) -> Iterator[bool]:
        self.name = header.info.name
        alone = self.alone
        settings = study_environment(header.place.uri, own_retries=True)
        with settings if alone else nullcontext():
            try:
                check_store(header.place.uri)
                client = self._try(lambda: self.make_client(header.place.uri))
                store = self._try(lambda: open_store(client, header.place))
                yield from self._records(Delivery(header, store, fresh=False, quiet=alone), records)
            except Exception as error:  # noqa: BLE001 - MLflow raises all sorts
                self._result(0, f"still to be delivered ({first_line(error)})")
                return
        reader.close()
        problems: list[str] = []
        if reader.damage:
            problems.append(f"damaged parts are in {self.spool.set_aside(reader.damage)}")
        if self.refused:
            kept = self.spool.retire(".refused")
            problems.append(f"MLflow refused {self.refused} records, kept in {kept}")
        else:
            self.spool.remove()
        self.results[-1] = replace(self.results[-1], problem="; ".join(problems))

    def _records(self, delivery: Delivery, records: Iterator[Record]) -> Iterator[bool]:
        self._try(delivery.ensure_parent)
        self.name, before = delivery.name, len(delivery.done)
        if delivery.header.after is not None:
            delivery.go_on_after(self._try(lambda: _earlier(delivery)))
        for record in records:
            try:
                self._try(partial(delivery.accept, record))
            except Exception as error:
                if not is_final(error):
                    raise
                delivery.refuse(record, error)
                self.refused += 1
            yield True
        if not delivery.closed:
            self._try(delivery.abandon)
        self._result(len(delivery.done) - before, "")

    def _try(self, action: Callable[[], Any]) -> Any:
        delay = 0.3
        for attempt in range(1, self.attempts + 1):
            try:
                with hushed():
                    return action()
            except Exception as error:
                if is_final(error) or attempt == self.attempts:
                    raise
                time.sleep(delay)
                delay *= 3
        raise AssertionError

    def _result(self, trials: int, problem: str) -> None:
        self.results.append(Delivered(self.name, trials, problem))


def _earlier(delivery: Delivery) -> list[Trial]:
    """The trials of a resumed study that are in the store and not of this session."""
    from hpmagic.tracking.reader import read_study

    assert delivery.parent_id is not None
    own = set(delivery.run_ids.values())
    record = read_study(delivery.parent_id, tracking_uri=delivery.header.place.uri)
    return [trial for trial in record.trials if trial.run_id not in own]
