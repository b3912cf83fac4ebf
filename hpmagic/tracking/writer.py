"""The listener that remembers a study: on disk at once, in MLflow soon."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any, Final

from hpmagic.errors import HpmagicWarning, warn
from hpmagic.execution.interrupt import held
from hpmagic.records import Event, StudyFinished, StudyStarted, TrialFinished, ValueDrawn
from hpmagic.tracking.active import active_trial
from hpmagic.tracking.courier import Courier
from hpmagic.tracking.ledger import Ledger, writable_directory
from hpmagic.tracking.place import place_of, redacted, study_environment
from hpmagic.tracking.resumption import Resumable
from hpmagic.tracking.spool import Spool
from hpmagic.tracking.store import connect, first_line

__all__ = ["MlflowWriter"]

PATIENCE: Final = 15.0
"""Seconds that a trial whose cell uses MLflow waits for its run."""
IMPATIENCE: Final = 0.5
"""The same after a trial that waited in vain."""
MOMENT: Final = 1.0
"""Seconds that the first trial waits to hear of an earlier study, where MLflow is loaded."""


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
        resumed: the study that goes on, when it is not a new one.
        fresh: say nothing of earlier studies of the cell.

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
        resumed: Resumable | None = None,
        fresh: bool = True,
    ) -> None:
        self.remarks: list[str] = []
        """What the person should know, one sentence each; also given as warnings."""
        self._place = place_of(experiment, fallback_experiment)
        if resumed is not None:
            self._place = resumed.place
        self._uses_mlflow = uses_mlflow
        self._ledger = Ledger(
            writable_directory(),
            self._place,
            exact=uses_mlflow,
            study_id=resumed.study_id if resumed is not None else None,
            after=resumed.session if resumed is not None else None,
        )
        self._courier = Courier(
            self._place, make_client, look_for_earlier=not fresh and resumed is None
        )
        self._settings, self._opening = ExitStack(), ExitStack()
        self._patience = PATIENCE
        self._set = self._said_stuck = self._said_earlier = self._drained = False

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
        self._start()
        return self._courier.wait_until_ready(seconds)

    def __call__(self, event: Event) -> None:
        """Take down an event."""
        if isinstance(event, ValueDrawn):  # the most frequent one; no interrupt arrives in a draw
            self._ledger(event)
            return
        loaded = "mlflow" in sys.modules
        with held():
            self._ledger(event)
            if isinstance(event, StudyStarted):
                assert self._ledger.spool is not None
                assert self._ledger.header is not None
                reader = self._ledger.spool.reader()
                self._courier.give(self._ledger.header, reader, event.earlier)
                self._start()
                if loaded:
                    self._courier.wait_until_looked(MOMENT)
            elif isinstance(event, TrialFinished):
                self._say_if_stuck()
            if self._courier.earlier_study and not self._said_earlier:
                self._say_of_earlier(self._courier.earlier_study)

    def trial_run(self, number: int) -> AbstractContextManager[None]:
        """A context for a trial: within, MLflow's own calls go to the trial's run."""
        return self._active(number) if self._uses_mlflow else nullcontext()

    def run_of(self, number: int) -> tuple[str, str] | None:
        """MLflow's URI and the run of a trial that begins, for a cell that runs elsewhere.

        None unless the cell uses MLflow, and when the store does not answer in time.
        """
        run = self._begin(number) if self._uses_mlflow else None
        return None if run is None else (self._place.uri, run.info.run_id)

    def drain(self) -> None:
        """Wait until everything is in MLflow, or until that has no prospect.

        What could not be delivered stays on disk, which is said in one warning; the next study that
        uses the same store delivers it, and so does `deliver_pending`.
        """
        if self._drained:
            return
        self._drained = True
        try:
            if self._ledger.spool is None:
                self._courier.stop()
            else:
                self._finish(self._ledger.spool)
        finally:
            self._opening.close()
            self._settings.close()
        for remark in self.remarks:
            warn(remark)

    def _start(self) -> None:
        if not self._set:
            self._set = True
            uri, theirs = self._place.uri, self._uses_mlflow
            self._settings.enter_context(study_environment(uri, own_retries=not theirs))
            # Until the store has answered, a cell's own calls would only fail later.
            self._opening.enter_context(study_environment(uri, own_retries=True))
        self._courier.start()

    def _finish(self, spool: Spool) -> None:
        if not self._ledger.ended:
            self(StudyFinished("interrupted", "nobody closed the study", time.time(), None))
        courier, whole = self._courier, False
        with suppress(KeyboardInterrupt):
            whole = courier.finish()
        if courier.earlier_study and not self._said_earlier:
            self.remarks.append(courier.earlier_study)
        if courier.leftovers is not None:
            self.remarks += map(str, courier.leftovers.delivered)
        if not whole:
            self._leave(spool)
        elif courier.rejected:
            kept = spool.retire(".refused")
            self.remarks += [*courier.rejected[:3], f"what MLflow refused is in {kept}"]
        else:
            spool.remove()

    def _leave(self, spool: Spool) -> None:
        """Say what is still to be delivered."""
        courier = self._courier
        courier.when_over(spool.close)
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

    def _say_of_earlier(self, sentence: str) -> None:
        """As soon as it is known, so that the person can stop and take the other study up."""
        with suppress(HpmagicWarning):  # where warnings are errors it is said at the end
            warn(sentence)
            self._said_earlier = True

    def _say_if_stuck(self) -> None:
        """Once, while trials run, so that nobody learns in the morning that nothing got through."""
        error = self._courier.error
        if error is None or self._said_stuck or not self._courier.stuck:
            return
        self._said_stuck = True
        warn(
            f"MLflow at {self.tracking_uri} does not answer ({first_line(error)}); the trials are "
            "kept on disk until it does"
        )

    @contextmanager
    def _active(self, number: int) -> Iterator[None]:
        run = self._begin(number)
        with active_trial(run, self._remark) if run is not None else nullcontext():
            yield

    def _remark(self, sentence: str) -> None:
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def _begin(self, number: int) -> Any | None:
        """The run of a trial that begins; None when the store does not answer in time."""
        running = self._ledger.running[number]
        run = self._courier.begin_trial(number, running.origin, running.start, self._patience)
        self._patience = IMPATIENCE if run is None else PATIENCE
        if run is not None:
            self._opening.close()
        return run
