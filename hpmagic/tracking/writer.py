"""The listener that remembers a study: on disk at once, in MLflow soon."""

from __future__ import annotations

import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from hpmagic import __version__
from hpmagic.errors import HpmagicWarning, StoreError
from hpmagic.execution.interrupt import held
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
)
from hpmagic.tracking.active import active_trial
from hpmagic.tracking.codec import info_to_json, trial_to_json
from hpmagic.tracking.courier import Courier, first_line
from hpmagic.tracking.delivery import Header, blobs_of
from hpmagic.tracking.frames import encode
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.origin import person_tags
from hpmagic.tracking.place import place_of, redacted, study_environment
from hpmagic.tracking.runs import known_of
from hpmagic.tracking.spool import Spool, SpoolReader
from hpmagic.tracking.store import connect

__all__ = ["MlflowWriter"]

FLUSH: Final = 1.0
"""Seconds after which the reports of a trial that still runs go to the disk."""
PATIENCE: Final = 15.0
"""Seconds that a trial whose cell uses MLflow waits for its run."""


@dataclass
class _Open:
    """A trial that runs: who chose its values, and its reports so far."""

    origin: Origin
    start: float
    flushed: float
    reports: list[Report] = field(default_factory=list)
    written: int = 0


class MlflowWriter:
    """A `Listener` that records a study in MLflow.

    Every event that must survive is appended to a spool on disk, on the loop's thread; a `Courier`
    brings the spool to MLflow on a thread of its own. The loop never waits for MLflow, unless the
    cell itself uses it.

    Args:
        experiment: the experiment's name, when the person gave one.
        fallback_experiment: its name when neither the person nor MLflow's settings name one.
        uses_mlflow: the cell may log to MLflow by itself, so that each trial's run must exist, and
            be active, while it runs.
        make_client: gives MLflow's client for a URI.

    Raises:
        StoreError: nothing can be written to disk.
    """

    def __init__(
        self,
        *,
        experiment: str | None,
        fallback_experiment: str,
        uses_mlflow: bool,
        make_client: Callable[[str], Any] = connect,
    ) -> None:
        self.remarks: list[str] = []
        """What the person should know, one sentence each; also given as warnings."""
        self._place = place_of(experiment, fallback_experiment)
        self._uses_mlflow = uses_mlflow
        try:
            self._directory = spool_directory()
        except OSError as error:
            raise StoreError(
                f"trials cannot be kept on disk ({error}); set HPMAGIC_HOME to a folder that can "
                "be written to"
            ) from None
        self._courier = Courier(self._place, make_client)
        self._settings = ExitStack()
        self._spool: Spool | None = None
        self._reader: SpoolReader | None = None
        self._known: Mapping[str, Any] = {}
        self._open: dict[int, _Open] = {}
        self._said_failing = False
        self._ended = self._drained = False

    @property
    def run_ids(self) -> dict[int, str]:
        """The run of each trial that has reached MLflow, by number."""
        delivery = self._courier.delivery
        return dict(delivery.run_ids) if delivery is not None else {}

    @property
    def study_name(self) -> str | None:
        """The study's name in MLflow, which differs from the one asked for if that was taken."""
        delivery = self._courier.delivery
        return delivery.name if delivery is not None and delivery.parent_id else None

    @property
    def run_id(self) -> str | None:
        """The parent run."""
        delivery = self._courier.delivery
        return delivery.parent_id if delivery is not None else None

    @property
    def experiment_id(self) -> str | None:
        """The experiment's id."""
        return self._courier.store.experiment_id if self._courier.store is not None else None

    @property
    def tracking_uri(self) -> str:
        """Where MLflow's store is, without credentials."""
        return redacted(self._place.uri)

    def open(self, seconds: float = 60.0) -> bool:
        """Open the store now and wait for it; whether it is open. A study does without."""
        self._begin_settings()
        self._courier.start()
        return self._courier.wait_until_ready(seconds)

    def __call__(self, event: Event) -> None:
        """Take down an event."""
        with held():
            match event:
                case MetricReported(number=number, report=report):
                    self._reported(number, report)
                case TrialStarted(number=number, origin=origin, start=start):
                    self._open[number] = _Open(origin, start, start)
                    self._write("began", asdict(event))
                case TrialFinished(trial=trial):
                    self._finished(trial)
                case StudyStarted(info=info):
                    self._started(info)
                case StudyFinished():
                    self._ended = True
                    self._write("end", asdict(event), durable=True)

    def trial_run(self, number: int) -> AbstractContextManager[None]:
        """A context for a trial: within, MLflow's own calls go to the trial's run."""
        return self._active(number) if self._uses_mlflow else nullcontext()

    def drain(self) -> None:
        """Wait until everything is in MLflow, or until that has no prospect.

        What could not be delivered stays on disk, which is said in one warning; the next study that
        uses the same store delivers it, and so does `deliver_pending`.
        """
        if self._drained:
            return
        self._drained = True
        try:
            self._drain()
        finally:
            self._settings.close()
        for remark in self.remarks:
            warnings.warn(remark, HpmagicWarning, stacklevel=2)

    def _drain(self) -> None:
        spool, reader, courier = self._spool, self._reader, self._courier
        if spool is None or reader is None:
            courier.stop()
            return
        if not self._ended:
            self(StudyFinished("interrupted", "nobody closed the study", time.time(), None))
        whole = False
        with suppress(KeyboardInterrupt):
            whole = courier.finish()
        if courier.leftovers is not None:
            self.remarks += map(str, courier.leftovers.delivered)
        reader.close()
        if not whole:
            self._left(spool)
        elif courier.rejected:
            kept = spool.retire(".refused")
            self.remarks += [*courier.rejected[:3], f"what MLflow refused is in {kept}"]
        else:
            spool.remove()

    def _left(self, spool: Spool) -> None:
        spool.close()
        courier = self._courier
        done = len(courier.delivery.done) if courier.delivery is not None else 0
        why = f" ({first_line(courier.error)})" if courier.error is not None else ""
        self.remarks.append(
            f"MLflow at {self.tracking_uri} could not take everything{why}; {done} trials are in "
            f"it. The others are safe in {spool.path} and will be delivered by the next study with "
            "this store, or by `hpmagic deliver`"
        )
        if spool.failure is not None:
            self.remarks.append(
                f"the disk took no more ({spool.failure}), so {len(spool.in_memory)} records that "
                "MLflow did not take are lost when this process ends"
            )

    def _started(self, info: StudyInfo) -> None:
        self._begin_settings()
        header = Header(
            uuid.uuid4().hex, info, self._place, person_tags(info.source_name), self._uses_mlflow
        )
        try:
            self._spool = Spool.create(self._directory, header.study_id)
        except OSError as error:
            raise StoreError(
                f"trials cannot be kept on disk ({error}); set HPMAGIC_HOME to a folder that can "
                "be written to"
            ) from None
        self._known = known_of(info)
        self._reader = self._spool.reader()
        data = {
            "id": header.study_id,
            "info": info_to_json(info),
            "place": self._place.as_json(),
            "common": dict(header.common),
            "exact": header.exact,
            "version": __version__,
            "process": os.getpid(),
        }
        self._write("study", data, durable=True)
        self._courier.give(header, self._reader)
        self._courier.start()

    def _begin_settings(self) -> None:
        self._settings.close()
        self._settings.enter_context(
            study_environment(self._place.uri, own_retries=not self._uses_mlflow)
        )

    def _reported(self, number: int, report: Report) -> None:
        running = self._open.get(number)
        if running is None:
            return
        running.reports.append(report)
        if report.time - running.flushed >= FLUSH:
            new = running.reports[running.written :]
            lines = [[r.name, r.value, r.step, r.time] for r in new]
            self._write("reports", {"number": number, "reports": lines})
            running.written, running.flushed = len(running.reports), report.time

    def _finished(self, trial: Trial) -> None:
        running = self._open.pop(trial.number, None)
        reports = running.reports if running is not None else []
        data = trial_to_json(trial, self._known, reports)
        self._write("trial", data, blobs_of(trial.output), durable=True)
        self._say_if_failing()

    def _write(
        self,
        kind: str,
        data: Mapping[str, Any],
        blobs: Mapping[str, bytes] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        if self._spool is not None:
            self._spool.append(encode(kind, data, blobs), durable=durable)

    def _say_if_failing(self) -> None:
        """Once, while trials run, so that nobody learns in the morning that nothing got through."""
        error = self._courier.error
        if error is None or self._said_failing or not self._courier.stuck:
            return
        self._said_failing = True
        warnings.warn(
            f"MLflow at {self.tracking_uri} does not answer ({first_line(error)}); the trials are "
            "kept on disk until it does",
            HpmagicWarning,
            stacklevel=2,
        )

    @contextmanager
    def _active(self, number: int) -> Iterator[None]:
        running = self._open.get(number) or _Open(Origin.TUNER, time.time(), time.time())
        run = self._courier.begin_trial(number, running.origin, running.start, PATIENCE)
        with active_trial(run) if run is not None else nullcontext():
            yield
