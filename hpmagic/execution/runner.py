"""Runs a cell once per trial, in the person's own namespace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpmagic.errors import warn
from hpmagic.execution.capture import Capture
from hpmagic.execution.current import running
from hpmagic.execution.deadline import overdue
from hpmagic.execution.earlier import default_limit, line_of, start_ground
from hpmagic.execution.ground import Grounds
from hpmagic.execution.heap.kind import Keeper, Original
from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.snapshot import Lost
from hpmagic.execution.heap.world import World
from hpmagic.execution.hooks import CallbackFault, TrialHooks
from hpmagic.execution.instrument import compile_cell
from hpmagic.execution.interrupt import exposed, held, interrupt_requested
from hpmagic.execution.isolation import Isolation
from hpmagic.execution.namespace import Changes, Namespace
from hpmagic.execution.objectives import Metrics
from hpmagic.execution.outcome import WRITTEN, DrawValue, Pruned, TrialOutcome, TrialTimeout
from hpmagic.execution.reuse.account import Account
from hpmagic.execution.reuse.check import can_be_checked, same_reports
from hpmagic.execution.reuse.run import Run
from hpmagic.execution.reuse.stages import Stages
from hpmagic.execution.reuse.tree import Checkpoint
from hpmagic.execution.seeds import set_seeds
from hpmagic.execution.tracebacks import plain_text, provide_source, reason_of, strip_frames
from hpmagic.language.cell import TunableCell
from hpmagic.records import Objective, Report, TrialState

__all__ = ["KernelRunner"]

_FIRST = 3
"""So many trials are looked at whatever that costs."""
_QUICK = 0.1
"""Seconds that looking at the objects may take after every trial."""
_SHARE = 0.25
"""A longer look may take this share of the trials' time."""


class KernelRunner:
    """Runs the cell in a namespace of this process, which it finds and leaves as it was.

    The state in which each trial begins is that at the time the runner is made: variables, the
    objects of earlier cells that the cell can reach, random states and settings. Work before the
    first use of a tuned value, and later work whose values are the same as in another trial, is
    not repeated as long as everything it made is seen to be unchanged.

    Args:
        cell: the cell; it is compiled once.
        namespace: the person's variables, a dict. Functions of earlier cells see a trial's values.
        shell: IPython's shell, if there is one: its displays are captured, its compile flags used.
        objectives: what the study optimises; by default what the cell annotates.
        extra_metrics: names without annotation, whose values are read when the cell has ended.
        reuse: whether work may be reused.
        memory: bytes for copies and checkpoints; a quarter of what is free when None.
        folders: where modules are the person's own; the working directory when empty.
        original: memory that variables stand in, and its unchanged contents, if there is such.
        say: hears, in one sentence, what the person has to know; a warning when None.
    """

    def __init__(
        self,
        cell: TunableCell,
        namespace: MutableMapping[str, Any],
        shell: Any = None,
        *,
        objectives: tuple[Objective, ...] | None = None,
        extra_metrics: tuple[str, ...] = (),
        reuse: bool = True,
        memory: int | None = None,
        folders: Iterable[Path] = (),
        original: Original | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if not isinstance(namespace, dict):
            raise TypeError(f"the namespace must be a dict, not {type(namespace).__name__}")
        self._cell = cell
        self._metrics = Metrics(
            cell, cell.objectives if objectives is None else objectives, extra_metrics
        )
        self._program = compile_cell(cell, _unused_name(namespace), shell)
        self._namespace = Namespace(namespace, frozenset({self._program.hidden}))
        self._capture = Capture(shell)
        self._say = warn if say is None else say
        world = World(namespace, folders)
        kinds = Kinds(world)
        limit = default_limit() if memory is None else memory
        self._isolation = Isolation(world)
        keeper = Keeper(limit, original=original)
        start = start_ground(cell, self._program.parts, world, kinds, keeper)
        self._grounds = Grounds(start, self._namespace)
        self._stages = Stages(
            self._program,
            self._namespace,
            self._isolation,
            self._grounds,
            world=world,
            kinds=kinds,
            limit=limit,
            enabled=reuse and not _is_debugged(),
        )
        self._account = Account(self._program.parts)
        self._checked = not self._stages.enabled
        self._trials = 0
        self._looked = 0
        self._idle = 0
        self._told: set[str] = set()
        self._published = False
        # Where copies had no room, the state of the study's start has none either.
        room = not keeper.refused and 2 * keeper.kept <= limit
        self.fragile = room and start.snapshot.lasting()
        """Whether a trial might change small objects in a way that can be seen, and not undone."""
        self.remedy = "Trials see what earlier ones left in it"
        """What is said where that has happened."""
        provide_source(cell)

    def run(
        self, draw: DrawValue, report: Callable[[Report], None], seed: int | None = None
    ) -> TrialOutcome:
        """See `Runner.run`."""
        hooks = TrialHooks(
            self._cell,
            draw,
            report,
            show=self._capture.show,
            outside=self._capture.outside,
            seed=seed,
        )
        with held():
            outcome, run, error = self._attempt(hooks, fresh=not self._checked)
            missed = run.waiting and _missed(outcome.error)
            if (run.begun is not None or missed) and _failed(outcome, error):
                hooks = hooks.again(_after(len(hooks.reports), report))
                when = "when reused" if run.begun is not None else "when a value was bound late"
                reason = outcome.reason
                outcome, run, error = self._attempt(hooks, fresh=True, plain=True)
                if outcome.state is TrialState.COMPLETE:
                    self._distrust(f"a trial failed only {when} ({reason})")
            notes = self._account.notes(run, self._stages.why_not)
            if not self._checked and outcome.state is TrialState.COMPLETE:
                self._check(run, hooks)
            return replace(outcome, notes={**outcome.notes, **notes}) if notes else outcome

    def publish(self, outcome: TrialOutcome) -> None:
        """Put the bindings of ``outcome`` into the namespace, and what it did to objects.

        Functions among them that draw when they are called go on with the outcome's values.
        """
        if outcome.carry is not None and not self._grounds.restore(outcome.carry):
            outcome = self._rerun(outcome)
        if outcome.carry is not None:
            self._isolation.add_modules(outcome.carry.modules)
        self._published = True
        self._namespace.apply(outcome.bindings, outcome.deleted)

    @contextmanager
    def as_left(self, outcome: TrialOutcome) -> Iterator[dict[str, Any]]:
        """Within, objects are as the trial left them; gives the variables that it bound."""
        with held():
            if outcome.carry is not None and not self._grounds.restore(outcome.carry):
                outcome = self._rerun(outcome)
            try:
                yield dict(outcome.bindings)
            finally:
                self._grounds.leave()

    def close(self) -> None:
        """Leave the process as the study found it."""
        self._isolation.reset_random()
        if not self._published:
            if self._grounds.overlooked:
                self._grounds.leave()
            self._tell(self._grounds.stand_on(self._grounds.start))

    def _attempt(
        self,
        hooks: TrialHooks,
        *,
        fresh: bool,
        plain: bool = False,
        at: Checkpoint | None = None,
        keep: bool = False,
    ) -> tuple[TrialOutcome, Run, BaseException | None]:
        """Run the cell; put everything back; say what it bound and how it ended.

        With ``fresh`` it begins at the start, with ``plain`` nothing of it is reused either. With
        ``keep``, objects stay as the trial left them.
        """
        start, clock = time.time(), time.perf_counter()
        self._isolation.begin()
        if hooks.seed is not None:
            set_seeds(hooks.seed)
        try:
            run, changes, error = self._trial(hooks, fresh=fresh, plain=plain, at=at)
            duration = time.perf_counter() - clock
        finally:
            modules = self._isolation.end()
        overlooked = self._grounds.overlooked
        lost: list[Lost] = []
        if keep or (run.ground is self._grounds.start and not self._due(duration)):
            carry = self._grounds.skip(modules)
        else:
            carry, lost = self._grounds.settle(
                run.ground, modules, duration, self._stages.companions
            )
        if overlooked and (carry.changes or lost):
            self._say(
                f"The last {overlooked + 1} trials changed objects of earlier cells, and may have "
                "seen each other's changes: looking after each trial would have taken too long."
            )
        if self._grounds.surprised:
            self._grounds.surprised = False
            self._distrust("an object was changed that no line after the checkpoint names")
        independence = self._lost(run, lost)
        state, error = _verdict(hooks, error, meddled=self._isolation.meddled)
        if error is not None:
            strip_frames(error, self._cell.filename)
        bindings, deleted = changes
        outcome = TrialOutcome(
            state=state,
            params=hooks.params,
            distributions=hooks.distributions,
            reports=tuple(hooks.reports),
            start=start,
            duration=duration,
            values=self._metrics.values(hooks.reports),
            bindings=bindings,
            deleted=deleted,
            error=error,
            reason=self._reason(state, error, hooks),
            output=self._capture.output("" if error is None else plain_text(error)),
            notes=_notes(hooks) | self._metrics.notes(hooks.reports) | independence,
            carry=carry if hooks.seed is None else replace(carry, seed=hooks.seed),
        )
        return outcome, run, error

    def _trial(
        self, hooks: TrialHooks, *, fresh: bool, plain: bool, at: Checkpoint | None
    ) -> tuple[Run, Changes, BaseException | None]:
        error: BaseException | None = None
        watch = not self._checked
        run = self._stages.begin(hooks, None, watch=watch)
        self._namespace.variables[self._program.hidden] = hooks
        try:
            with self._capture.trial():
                try:
                    with exposed():
                        if at is None and not fresh:
                            at = self._stages.choose(hooks)
                        if at is None:
                            self._tell(self._grounds.stand_on(self._grounds.start))
                        else:
                            self._grounds.stand_on(at.ground, whole=False)
                        run = self._stages.begin(hooks, at, watch=watch, plain=plain)
                        try:
                            with running(hooks):
                                self._stages.go(run)
                        finally:
                            self._isolation.put_builtins_back()
                        if hooks.stop is None and hooks.fault is None:
                            bindings, _ = self._namespace.changes()
                            self._metrics.finish(hooks, bindings, self._namespace.variables)
                            hooks.count_learned(bindings)
                except BaseException as raised:  # noqa: BLE001 - it becomes the outcome
                    error = raised
                hooks.close()
                hooks.stop = hooks.stop or overdue()
                if interrupt_requested():
                    hooks.stop = KeyboardInterrupt()
            run.waiting = bool(run.pending)
            self._stages.bind_all(run)
            bindings, deleted = self._namespace.changes()
            if self._program.outlives:
                bindings[self._program.hidden] = hooks.answers()
        finally:
            self._namespace.restore()
        return run, (bindings, deleted), error

    def _due(self, duration: float) -> bool:
        """Whether to look, after this trial, at what it did to objects."""
        self._trials += 1
        cost = self._grounds.checking
        if self._looked < _FIRST or cost < _QUICK or cost < _SHARE * duration:
            due = True
        else:
            due = self._trials % max(1, round(cost / (_SHARE * duration))) == 0
        self._looked += due
        return due

    def _lost(self, run: Run, lost: list[Lost]) -> dict[str, str]:
        """What a trial did to objects that cannot be undone."""
        if not lost:
            return {}
        start = self._grounds.start
        if run.ground is not start:
            for checkpoint in (*run.made, *([run.begun] if run.begun else [])):
                if checkpoint.ground.spoiled:
                    self._stages.discard(checkpoint)
            lost = self._grounds.stand_on(start)
        return self._tell(lost)

    def _tell(self, lost: list[Lost]) -> dict[str, str]:
        texts = []
        for item in lost:
            if item.root in self._told:
                continue
            self._told.add(item.root)
            line = line_of(self._cell, item.root)
            where = f" (line {line})" if line else ""
            texts.append(
                f"`{item.root}`{where} is changed by the cell and cannot be put back: {item.why}"
            )
        for text in texts:
            self._say(f"{text}. {self.remedy}.")
        return {"isolation": "; ".join(texts)} if texts else {}

    def _check(self, run: Run, hooks: TrialHooks) -> None:
        """Run the rest once more from a checkpoint: its metrics have to be the same to the bit."""
        kept = [c for c in (*run.passed, *run.made) if not c.ground.spoiled and c.kept]
        checkpoint = next(iter(kept), None)
        if checkpoint is None:
            self._check_later()
            return
        if not can_be_checked(run, checkpoint):
            self._checked = True
            return
        again = hooks.again(lambda _: None)
        outcome, _, _ = self._attempt(again, fresh=False, at=checkpoint)
        if outcome.state is TrialState.INTERRUPTED:
            return
        if isinstance(outcome.error, TrialTimeout):  # the trial has left too little of its time
            self._check_later()
            return
        self._checked = True
        if not same_reports(hooks.reports, outcome.reports):
            self._distrust("a trial gave other metrics when it was continued from a checkpoint")

    def _check_later(self) -> None:
        self._idle += 1
        if self._idle >= _FIRST:  # there is nothing to gain: do not look for it any more
            self._checked, self._stages.enabled = True, False

    def _distrust(self, why: str) -> None:
        self._stages.clear()
        self._say(f"Nothing is reused from here on: {why}.")

    def _rerun(self, outcome: TrialOutcome) -> TrialOutcome:
        """The outcome once more from the start, since its objects have not been kept."""
        if self._stages.logs:  # it would log once more
            self._say("The best trial's changes to objects of earlier cells have not been kept.")
            return replace(outcome, carry=None)
        assert outcome.carry is not None
        params = outcome.params
        hooks = TrialHooks(
            self._cell,
            lambda parameter: params.get(parameter.name, WRITTEN),
            lambda _: None,
            show=self._capture.show,
            outside=self._capture.outside,
            seed=outcome.carry.seed,
        )
        again, _, _ = self._attempt(hooks, fresh=True, plain=True, keep=True)
        if again.state is TrialState.COMPLETE:
            return again
        self._say(f"The best trial could not be repeated for its objects: {again.reason}")
        return replace(outcome, carry=None)

    def _reason(self, state: TrialState, error: BaseException | None, hooks: TrialHooks) -> str:
        if state is TrialState.PRUNED:
            last = hooks.reports[-1] if hooks.reports else None
            where = f"pruned at step {last.step} of {last.name}" if last else "pruned"
            return f"{where}: {hooks.stop}" if str(hooks.stop) else where
        if state is TrialState.INTERRUPTED:
            return "stopped by hand"
        return "" if error is None else reason_of(error, self._cell.filename)


def _is_debugged() -> bool:
    """Whether a debugger follows the code: it wants each line of each trial, once."""
    monitoring = getattr(sys, "monitoring", None)
    tool = monitoring and monitoring.get_tool(monitoring.DEBUGGER_ID)
    return sys.gettrace() is not None or tool is not None


def _verdict(
    hooks: TrialHooks, error: BaseException | None, *, meddled: bool
) -> tuple[TrialState, BaseException | None]:
    """How the trial ended, also when the cell swallowed what should have ended it.

    Where the cell ``meddled`` with Python's own functions, a callback that failed is its fault.

    Raises:
        Exception: what a callback of the study raised.
    """
    ends = error if hooks.stop is None else hooks.stop
    if isinstance(error, KeyboardInterrupt) or isinstance(ends, KeyboardInterrupt):
        return TrialState.INTERRUPTED, None
    if meddled and ends is not None and not isinstance(ends, Exception) and ends.__cause__:
        return TrialState.FAILED, ends.__cause__
    if isinstance(ends, CallbackFault):
        assert ends.__cause__ is not None
        raise ends.__cause__
    if isinstance(ends, Pruned):
        return TrialState.PRUNED, None
    ends = hooks.fault if ends is None else ends
    return (TrialState.COMPLETE, None) if ends is None else (TrialState.FAILED, ends)


def _failed(outcome: TrialOutcome, error: BaseException | None) -> bool:
    """Whether the cell's own doing ended the trial."""
    return outcome.state is TrialState.FAILED and isinstance(error, Exception)


def _missed(error: BaseException | None) -> bool:
    """Whether the error, or one behind it, may be that of a variable that is not bound yet."""
    seen: set[int] = set()  # `raise error from error` is its own cause
    while error is not None and id(error) not in seen:
        if isinstance(error, NameError | AttributeError | ImportError | LookupError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _after(sent: int, report: Callable[[Report], None]) -> Callable[[Report], None]:
    """A report callback that leaves out what the study has heard already."""
    heard = 0

    def tell(one: Report) -> None:
        nonlocal heard
        heard += 1
        if heard > sent:
            report(one)

    return tell


def _notes(hooks: TrialHooks) -> dict[str, str]:
    stops = list(dict.fromkeys(hooks.stopped_early))
    more = f"; and {len(stops) - 5} more" if len(stops) > 5 else ""
    learned = "; ".join(f"{name} {many}" for name, many in hooks.learned.items())
    notes = {"stopped_early": "; ".join(stops[:5]) + more, "learned": learned}
    return {name: text for name, text in notes.items() if text}


def _unused_name(namespace: MutableMapping[str, Any]) -> str:
    number = 1
    while f"_hpmagic_{number}_" in namespace:
        number += 1
    return f"_hpmagic_{number}_"
