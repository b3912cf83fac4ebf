"""Events of a study into its spool, on the loop's own thread: all that a trial has to wait for."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from hpmagic import __version__
from hpmagic.errors import StoreError
from hpmagic.records import (
    Event,
    MetricReported,
    Origin,
    Report,
    StudyFinished,
    StudyInfo,
    StudyStarted,
    Trial,
    TrialFinished,
    TrialStarted,
    ValueDrawn,
)
from hpmagic.tracking.codec import draw_to_json, info_to_json, output_to_blobs, trial_to_json
from hpmagic.tracking.delivery import Header
from hpmagic.tracking.frames import encode
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.origin import person_tags
from hpmagic.tracking.place import Place
from hpmagic.tracking.runs import known_of
from hpmagic.tracking.spool import Spool

__all__ = ["Ledger", "RunningTrial", "writable_directory"]

FLUSH: Final = 1.0
"""Seconds after which the reports of a trial that still runs go to the disk."""
APART: Final = 0.25
"""Seconds between two waits for the medium, where trials end sooner than that."""

_HINT = "set HPMAGIC_HOME to a folder that can be written to"


@dataclass
class RunningTrial:
    """A trial that has begun: who chose its values, and its reports so far."""

    origin: Origin
    start: float
    flushed: float
    reports: list[Report] = field(default_factory=list)
    written: int = 0


class Ledger:
    """A `Listener` that takes events down.

    A trial's end outlives the process, whatever ends that, and is on the medium when the call
    returns; but no more often than every `APART` seconds, so a power cut may cost the work of so
    long. Of a trial that still runs, each value it has drawn outlives the process; the reports are
    written about once a second.

    Args:
        directory: for the spool.
        place: where the study is to be delivered.
        exact: the cell may log to its runs by itself.
        study_id: of a study that is resumed; a new one when None.
        after: the session before, of a study that is resumed.
    """

    def __init__(
        self,
        directory: Path,
        place: Place,
        *,
        exact: bool,
        study_id: str | None = None,
        after: str | None = None,
    ) -> None:
        self.spool: Spool | None = None
        self.header: Header | None = None
        self.running: dict[int, RunningTrial] = {}
        self.ended = False
        self._directory = directory
        self._place = place
        self._exact = exact
        self._study_id = study_id
        self._after = after
        self._known: Mapping[str, Any] = {}
        self._synced = -APART

    def __call__(self, event: Event) -> None:
        """Take down an event.

        Raises:
            StoreError: the study's spool cannot be made.
        """
        match event:
            case ValueDrawn():
                self._write("drew", draw_to_json(event, self._known))
            case MetricReported(number=number, report=report):
                self._reported(number, report)
            case TrialStarted(number=number, origin=origin, start=start):
                self.running[number] = RunningTrial(origin, start, start)
                self._write("began", {"number": number, "origin": origin, "start": start})
            case TrialFinished(trial=trial):
                self._finished(trial)
            case StudyStarted(info=info):
                self._started(info)
            case StudyFinished():
                self.ended = True
                self._write("end", asdict(event), durable=True)

    def _started(self, info: StudyInfo) -> None:
        session = uuid.uuid4().hex
        header = Header(
            self._study_id or uuid.uuid4().hex,
            info,
            self._place,
            person_tags(info.source_name),
            self._exact,
            session,
            self._after,
        )
        again = "" if self._after is None else f"-{session[:8]}"
        try:
            self.spool = Spool.create(self._directory, header.study_id + again)
        except OSError as error:
            raise StoreError(f"trials cannot be kept on disk ({error}); {_HINT}") from None
        self.header, self._known = header, known_of(info)
        data = {
            "id": header.study_id,
            "info": info_to_json(info),
            "place": self._place.as_json(),
            "common": dict(header.common),
            "exact": header.exact,
            "session": header.session,
            "after": header.after,
            "version": __version__,
            "process": os.getpid(),
        }
        self._write("study", data, durable=True)

    def _reported(self, number: int, report: Report) -> None:
        running = self.running.get(number)
        if running is None or self.header is None or self.header.info.repeats > 1:
            return  # what counts of a repeated trial are means, known at its end
        running.reports.append(report)
        if report.time - running.flushed >= FLUSH:
            new = running.reports[running.written :]
            lines = [[r.name, r.value, r.step, r.time] for r in new]
            self._write("reports", {"number": number, "reports": lines})
            running.written, running.flushed = len(running.reports), report.time

    def _finished(self, trial: Trial) -> None:
        running = self.running.pop(trial.number, None)
        reports = running.reports if running is not None else []
        data = trial_to_json(trial, self._known, reports)
        due = time.monotonic() - self._synced >= APART
        self._write("trial", data, output_to_blobs(trial.output), durable=due)

    def _write(
        self,
        kind: str,
        data: Mapping[str, Any],
        blobs: Mapping[str, bytes] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        if self.spool is not None:
            self.spool.append(encode(kind, data, blobs), durable=durable)
            if durable:
                self._synced = time.monotonic()


def writable_directory() -> Path:
    """Where spools go.

    Raises:
        StoreError: nowhere can be written to.
    """
    try:
        return spool_directory()
    except OSError as error:
        raise StoreError(f"trials cannot be kept on disk ({error}); {_HINT}") from None
