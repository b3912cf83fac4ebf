"""Which runs of a study a store has: each trial one, though answers may be lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hpmagic.tracking import schema
from hpmagic.tracking.schema import Kind, MlflowTag, Tag
from hpmagic.tracking.store import Store

__all__ = ["Catalogue"]


class Catalogue:
    """The runs of one study, made through it and found again by their tags.

    A trial's identity is the study's id and its number. After a request whose outcome is unknown
    the store is asked which runs there are before another one is made.

    Args:
        store: where the runs are.
        study_id: the study's identity.
        fresh: nothing of the study can be in the store yet.
        session: which of the times that the study was started or resumed; others' runs are theirs.
        after: the session before, when the study is resumed.
    """

    def __init__(
        self,
        store: Store,
        study_id: str,
        *,
        fresh: bool,
        session: str = "",
        after: str | None = None,
    ) -> None:
        self.parent_id: str | None = None
        self.parent_name: str | None = None
        self.parent_ended = False
        self.reopened = after is None
        """Whether the parent run is this session's."""
        self.superseded = False
        """Whether a later session has the parent run."""
        self.run_ids: dict[int, str] = {}
        """The run of each trial, by number."""
        self.renumbered: dict[int, int] = {}
        """Numbers in the store that differ from those where the trial ran."""
        self.done: set[int] = set()
        """The trials that are in the store, whole."""
        self.strays: list[str] = []
        """Runs of trials that hang below a parent run which is gone: somebody deleted it."""
        self.doubted = not fresh
        """Whether the store may have runs that are not known here."""
        self._session = session
        self._after = after
        self._taken: set[int] = set()
        self._store = store
        self._study_id = study_id
        self._sure = fresh

    def make_sure(self) -> None:
        """Ask the store, if something is in doubt."""
        if not self._sure:
            self.refresh()
            self._sure = True

    def add_parent(self, name: str, start: int, tags: Mapping[str, str]) -> str:
        """Make the parent run."""
        with self._doubt():
            self.parent_id = self._store.create_run(name, start, tags)
        return self.parent_id

    def add(self, number: int, name: str, start: int, tags: Mapping[str, str]) -> str:
        """Make the run of a trial; one whose number another session has taken gets the next."""
        if number in self._taken:
            free = 1 + max(self._taken | set(self.run_ids))
            tags = {**tags, Tag.NUMBER: str(free), Tag.ASKED: str(number)}
            name = f"trial {free}"
        with self._doubt():
            self.run_ids[number] = self._store.create_run(name, start, tags)
        self._taken.discard(number)
        if Tag.ASKED in tags:
            self._taken.add(int(tags[Tag.NUMBER]))
            self.renumbered[number] = int(tags[Tag.NUMBER])
        return self.run_ids[number]

    @contextmanager
    def _doubt(self) -> Iterator[None]:
        """When a request within fails, it may have been carried out all the same."""
        try:
            yield
        except BaseException:
            self._sure, self.doubted = False, True
            raise

    def refresh(self) -> None:
        """Ask the store which runs there are; of several for one trial, one stays."""
        parents: list[Any] = []
        trials: dict[int, list[Any]] = {}
        named = {self.parent_id}
        below: dict[str, str | None] = {}
        for run in self._store.runs(Tag.STUDY, self._study_id):
            tags = run.data.tags
            if tags.get(Tag.KIND) == Kind.STUDY:
                parents.append(run)
            elif tags.get(Tag.NUMBER, "").isdecimal():
                number = int(tags[Tag.NUMBER])
                if tags.get(Tag.SESSION, "") != self._session:
                    self._taken.add(number)
                else:
                    asked = tags.get(Tag.ASKED, "")
                    own = int(asked) if asked.isdecimal() else number
                    if own != number:
                        self._taken.add(number)
                        self.renumbered[own] = number
                    trials.setdefault(own, []).append(run)
                below[run.info.run_id] = tags.get(MlflowTag.PARENT)
        named |= set(below.values())
        # The parent that the children name, should there be two.
        parents.sort(key=lambda run: (run.info.run_id not in named, run.info.run_id))
        if parents:
            kept = self._only(parents)
            self.parent_id, self.parent_name = kept.info.run_id, kept.info.run_name
            holder = kept.data.tags.get(Tag.SESSION, "")
            self.reopened = holder == self._session
            self.superseded = holder not in (self._session, self._after or "")
            self.parent_ended = self.reopened and kept.info.status != "RUNNING"
        for number, runs in trials.items():
            known = self.run_ids.get(number)
            runs.sort(key=lambda run: (run.info.run_id != known, not _ended(run), run.info.run_id))
            kept = self._only(runs)
            for surplus in runs[1:]:
                del below[surplus.info.run_id]
            self.run_ids[number] = kept.info.run_id
            if _ended(kept):
                self.done.add(number)
        self.strays = [run for run, parent in below.items() if parent != self.parent_id]

    def _only(self, runs: list[Any]) -> Any:
        for surplus in runs[1:]:
            self._store.delete_run(surplus.info.run_id)
        return runs[0]


def _ended(run: Any) -> bool:
    return run.info.status != "RUNNING" and run.data.tags.get(Tag.STATE) in schema.STATUS
