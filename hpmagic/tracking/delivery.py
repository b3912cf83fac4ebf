"""From the records of a spool to runs in MLflow, each exactly once however often it is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpmagic.ranking import best_trial
from hpmagic.records import (
    Origin,
    Output,
    Report,
    StudyFinished,
    StudyInfo,
    StudyRecord,
    Trial,
)
from hpmagic.tracking import closing, runs, schema
from hpmagic.tracking.catalogue import Catalogue
from hpmagic.tracking.codec import (
    info_from_json,
    output_from_blobs,
    reports_of,
    trial_from_json,
)
from hpmagic.tracking.frames import Record
from hpmagic.tracking.naming import free_name, settle_name
from hpmagic.tracking.place import Place
from hpmagic.tracking.repeat_runs import deliver_repeats
from hpmagic.tracking.schema import Kind, MlflowTag, Tag
from hpmagic.tracking.store import Point, Store, first_line, is_final
from hpmagic.tracking.unfinished import Unfinished

__all__ = ["ABANDONED", "Delivery", "Header"]

LONG = 2.0
"""Seconds after which a trial that still runs is shown in MLflow."""
OFTEN = 1.0
"""Seconds between two updates of the parent run, or of a trial that runs."""


@dataclass(frozen=True)
class Header:
    """The first record of a spool: which study, and where it goes.

    ``common`` are tags of every run. ``exact`` says that the cell itself logs to the runs too.
    ``session`` tells the times apart that the study was started or resumed; ``after`` is the
    session before, None when the study is new.
    """

    study_id: str
    info: StudyInfo
    place: Place
    common: Mapping[str, str]
    exact: bool
    session: str = ""
    after: str | None = None

    @classmethod
    def of(cls, record: Record) -> Header:
        """Read it.

        Raises:
            ValueError: it is no such record.
        """
        data = record.data
        try:
            if record.kind != "study":
                raise ValueError(f"a spool begins with a study, not with `{record.kind}`")
            return cls(
                str(data["id"]),
                info_from_json(data["info"]),
                Place.from_json(data["place"]),
                {str(name): str(text) for name, text in data["common"].items()},
                bool(data["exact"]),
                str(data.get("session", "")),
                None if data.get("after") is None else str(data["after"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the beginning of a spool: {error!r}") from error


class Delivery:
    """Brings a study's records into a store.

    Every method may be called again after it raised. A trial's identity is the study's id and its
    number, both tags of its run: after a request whose outcome is unknown, the store is asked which
    runs there are before another is made.

    Args:
        header: the study.
        store: where it goes.
        fresh: nothing of the study can be in the store yet.
        quiet: warnings may be turned off for a moment; not while a trial runs, since that would
            meddle with its own.
        clock: seconds since the epoch.
        earlier: the trials of before, when the study is resumed.
    """

    def __init__(
        self,
        header: Header,
        store: Store,
        *,
        fresh: bool,
        quiet: bool = True,
        clock: Callable[[], float] = time.time,
        earlier: Sequence[Trial] = (),
    ) -> None:
        self.header = header
        self.store = store
        self.name = header.info.name
        self.trials: dict[int, Trial] = {}
        self._runs = Catalogue(
            store, header.study_id, fresh=fresh, session=header.session, after=header.after
        )
        self._known = runs.known_of(header.info)
        self._quiet = quiet
        self._clock = clock
        self._parent_ready = False
        self._running: dict[int, Unfinished] = {}
        self._tried: set[int] = set()
        """Trials of whose repeats the store may have some."""
        self._best: dict[str, float] = {}
        self._points: list[Point] = []
        self._parent_told = 0.0
        self._told: dict[str, dict[str, str]] = {}
        """The tags that this session has given to the parent run, by the run's id."""
        self._common = dict(header.common)
        if header.session:
            self._common[Tag.SESSION] = header.session
        self.go_on_after(earlier)
        self._closing: Mapping[str, bytes] | None = None

    @property
    def parent_id(self) -> str | None:
        """The parent run."""
        return self._runs.parent_id

    @property
    def run_ids(self) -> dict[int, str]:
        """The run of each trial, by number."""
        return self._runs.run_ids

    @property
    def done(self) -> frozenset[int]:
        """The numbers of the trials that are in the store, whole."""
        return frozenset(self._runs.done)

    @property
    def closed(self) -> bool:
        """Whether the study is in the store to its end."""
        return self._runs.parent_ended

    def go_on_after(self, earlier: Sequence[Trial]) -> None:
        """Take in trials of earlier sessions: they are in the store, and count for the best."""
        for trial in earlier:
            self.trials[trial.number] = trial
            _, self._best = runs.best_points(trial, self._best, self.header.info.objectives)

    def accept(self, record: Record) -> None:
        """Deliver one record.

        Raises:
            Exception: what MLflow raises; ask `is_final` whether to try again.
        """
        self._runs.make_sure()
        if self.closed:
            return
        match record.kind:
            case "study":
                self.ensure_parent()
            case "began":
                number = int(record.data["number"])
                origin, start = Origin(record.data["origin"]), float(record.data["start"])
                self._running.setdefault(number, Unfinished(origin, start))
            case "drew":
                running = self._running.get(int(record.data["number"]))
                if running is not None:
                    running.drew(record.data, self._known)
            case "reports":
                running = self._running.get(int(record.data["number"]))
                if running is not None:
                    running.reports += reports_of(record.data)
            case "trial":
                self._trial(record)
            case "end":
                data = record.data
                best = data["best"]
                self.finish(
                    StudyFinished(str(data["state"]), str(data["reason"]), float(data["end"]), best)
                )

    def tick(self) -> None:
        """Show what runs for long, and the best so far: for when there is nothing to deliver."""
        now = self._clock()
        for number, running in list(self._running.items()):
            if now - running.start < LONG or now - running.looked < OFTEN:
                continue
            running.looked = now
            self.ensure_run(number)
            self._send_params(number, running)
            self._send_points(number, running)
        if self._points and now - self._parent_told >= OFTEN:
            self._tell_parent()

    def ensure_parent(self) -> str:
        """The parent run's id; the run is made if need be."""
        self._runs.make_sure()
        parent_id = self._runs.parent_id
        if parent_id is not None and self._runs.superseded:
            self.name = self._runs.parent_name or self.name
        elif parent_id is not None and not self._runs.reopened:
            self._reopen(parent_id)
        elif self.header.after is not None and parent_id is not None:
            self.name = self._runs.parent_name or self.name
        elif parent_id is None or not self._parent_ready:
            facts = runs.parent_facts(self.header.study_id, self.header.info, self._common)
            if parent_id is None:
                self.name = free_name(self.store, facts.name)
                start = schema.milliseconds(self.header.info.start)
                parent_id = self._runs.add_parent(self.name, start, facts.tags)
            else:
                self.name = self._runs.parent_name or self.name
            self.name = settle_name(self.store, parent_id, self.name, facts.name)
            self.store.log(parent_id, params=facts.params)
            self.store.put(parent_id, facts.files)
            for stray in self._runs.strays:
                self.store.log(stray, tags={MlflowTag.PARENT: parent_id})
            self._parent_ready = True
        return parent_id

    def _reopen(self, parent_id: str) -> None:
        """The parent run goes on; its params stay as they are, since params cannot be changed."""
        self.name = self._runs.parent_name or self.name
        facts = runs.parent_facts(self.header.study_id, self.header.info, self._common)
        self.store.reopen_run(parent_id)
        self.store.put(parent_id, facts.files)
        tags = {name: text for name, text in facts.tags.items() if name != Tag.TRIALS}
        self.store.log(parent_id, tags=tags)  # last: from here on the run is this session's
        self._runs.reopened = True

    def ensure_run(self, number: int) -> str:
        """The run's id of a trial that has begun; the run is made if need be."""
        parent_id = self.ensure_parent()
        if number not in self.run_ids:
            running = self._running[number]
            tags = {
                **self._common,
                MlflowTag.PARENT: parent_id,
                Tag.KIND: Kind.TRIAL,
                Tag.STUDY: self.header.study_id,
                Tag.NUMBER: str(number),
                Tag.STATE: schema.RUNNING,
                Tag.ORIGIN: running.origin.value,
            }
            self._runs.add(number, f"trial {number}", schema.milliseconds(running.start), tags)
        return self.run_ids[number]

    def begin(self, number: int, origin: Origin, start: float) -> str:
        """A trial begins and its run must be there at once; the run's id."""
        self._running.setdefault(number, Unfinished(origin, start))
        return self.ensure_run(number)

    def refuse(self, record: Record, error: Exception) -> None:
        """The store will not have a record; its run, if there is one, is closed all the same."""
        running = self._running.get(record.data.get("number", -1))
        if running is not None:
            running.refused = f"MLflow refused it: {first_line(error)}"

    def finish(self, finished: StudyFinished, *, abandoned: bool = False) -> None:
        """Close what is open, and the study."""
        parent_id = self.ensure_parent()
        if self.closed:
            return
        for number in list(self._running):
            if abandoned or number in self.run_ids:
                self._interrupt(number, finished)
        if self._runs.superseded:
            self._runs.parent_ended = True
            return
        if self._runs.doubted or (self.store.remote and self.header.exact):
            self._runs.refresh()
        record = self._record(finished)
        if self._closing is None:
            self._closing = closing.closing_files(record, quiet=self._quiet)
        self.store.put(parent_id, self._closing)
        self._tell_parent(
            {
                Tag.STATE: finished.state,
                Tag.REASON: finished.reason,
                Tag.COLUMNS: schema.as_json(self._columns()),
                MlflowTag.NOTE: closing.note(record),
            }
        )
        status = {"complete": "FINISHED", "failed": "FAILED"}.get(finished.state, "KILLED")
        self.store.end_run(parent_id, status, schema.milliseconds(finished.end))
        self._runs.parent_ended = True

    def abandon(self) -> None:
        """The kernel died: close its trials and its study as interrupted."""
        ends = [t.start + t.duration for t in self.trials.values()]
        ends += [r.reports[-1].time if r.reports else r.start for r in self._running.values()]
        end = max([self.header.info.start, *ends])
        best = best_trial(list(self.trials.values()), self.header.info.objectives)
        self.finish(
            StudyFinished("interrupted", ABANDONED, end, None if best is None else best.number),
            abandoned=True,
        )

    def _trial(self, record: Record) -> None:
        trial = trial_from_json(record.data, self._known)
        reports = reports_of(record.data)
        if trial.number not in self._runs.done:
            others = record.data["distributions"]
            self._deliver(trial, reports, others, output_from_blobs(record.blobs))
        self._running.pop(trial.number, None)
        self._remember(trial)
        if self._clock() - self._parent_told >= OFTEN:
            self._tell_parent()

    def _deliver(
        self,
        trial: Trial,
        reports: list[Report],
        distributions: Mapping[str, Any],
        output: Output,
    ) -> None:
        facts = self._facts(trial, reports, distributions)
        number, points, tags = trial.number, list(facts.points), dict(facts.tags)
        if number in self._runs.done:  # found when the store was asked
            return
        running = self._running.get(number)
        if running is not None and running.reports[: running.sent] == reports[: running.sent]:
            points = points[running.sent :]
        if number not in self.run_ids:
            self._runs.add(number, facts.name, schema.milliseconds(trial.start), tags)
            tags = {}
        else:
            tags[MlflowTag.RUN_NAME] = facts.name
            if number in self._runs.renumbered:
                tags[Tag.NUMBER] = str(self._runs.renumbered[number])
        run_id = self.run_ids[number]
        self._log(run_id, points, facts.params, tags)
        self.store.put(run_id, {**facts.files, **runs.output_files(output)})
        doubted = self._runs.doubted or number in self._tried
        self._tried.add(number)
        deliver_repeats(self.store, trial, run_id, self._common, doubted=doubted)
        end = schema.milliseconds(trial.start + trial.duration)
        self.store.end_run(run_id, schema.STATUS[trial.state], end)
        self._runs.done.add(number)

    def _facts(
        self, trial: Trial, reports: list[Report], distributions: Mapping[str, Any]
    ) -> runs.RunFacts:
        return runs.child_facts(
            trial,
            reports,
            study_id=self.header.study_id,
            parent_id=self.ensure_parent(),
            common=self._common,
            known=self._known,
            distributions=distributions,
            exact=self.header.exact,
        )

    def _log(
        self, run_id: str, points: list[Point], params: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        try:
            self.store.log(run_id, points, params, tags)
        except Exception as error:
            # The cell may have logged a parameter of the same name: then its text stands, since
            # params cannot be changed, and the record has ours.
            if not self.header.exact or not is_final(error):
                raise
            there = self.store.run(run_id).data.params
            free = {name: text for name, text in params.items() if there.get(name, text) == text}
            if len(free) == len(params):
                raise
            self.store.log(run_id, points, free, tags)

    def _interrupt(self, number: int, finished: StudyFinished) -> None:
        """Close the run of a trial that never ended."""
        running = self._running[number]
        trial = running.interrupted(number, finished.end, finished.reason)
        self._deliver(trial, running.reports, running.others, Output())
        del self._running[number]
        self._remember(trial)

    def _send_params(self, number: int, running: Unfinished) -> None:
        """Show what was drawn, so that the trial can be run again from the store alone."""
        if running.shown == len(running.params):
            return
        facts = self._facts(running.as_drawn(number), [], running.others)
        self.store.put(self.run_ids[number], facts.files)
        tags = {Tag.RECORD: facts.tags[Tag.RECORD], **schema.name_tags(running.params)}
        self._log(self.run_ids[number], [], facts.params, tags)
        running.shown = len(running.params)

    def _send_points(self, number: int, running: Unfinished) -> None:
        points = [runs.point_of(report) for report in running.reports[running.sent :]]
        if points:
            self.store.log(self.run_ids[number], points)
            running.sent += len(points)

    def _remember(self, trial: Trial) -> None:
        if trial.number in self.trials:
            return
        self.trials[trial.number] = replace(trial, run_id=self.run_ids.get(trial.number))
        points, self._best = runs.best_points(trial, self._best, self.header.info.objectives)
        self._points += points

    def _tell_parent(self, more: Mapping[str, str] | None = None) -> None:
        """The best so far, as metrics and tags."""
        if self._runs.superseded:
            self._points = []
            return
        tags = {Tag.TRIALS: str(len(self.trials)), **(more or {})}
        tags |= runs.best_tags(list(self.trials.values()), self.header.info.objectives)
        tags |= schema.name_tags(self._best)
        parent_id = self.ensure_parent()
        told = self._told.setdefault(parent_id, {})
        news = {name: text for name, text in tags.items() if told.get(name) != text}
        points, self._points = self._points, []
        try:
            self.store.log(parent_id, points, tags=news)
        except BaseException:
            self._points = points + self._points
            raise
        told |= news
        self._parent_told = self._clock()

    def _record(self, finished: StudyFinished) -> StudyRecord:
        return StudyRecord(
            replace(self.header.info, name=self.name),
            tuple(self.trials[number] for number in sorted(self.trials)),
            finished,
            self.parent_id,
            self.store.experiment_id,
            self.store.uri,
        )

    def _columns(self) -> dict[str, list[str]]:
        trials = [self.trials[number] for number in sorted(self.trials)]
        return {
            "params": list(dict.fromkeys(name for t in trials for name in t.params)),
            "metrics": list(dict.fromkeys(name for t in trials for name in t.metrics)),
        }


ABANDONED = "the kernel ended before the study did"
"""Why a study is interrupted that nobody closed."""
