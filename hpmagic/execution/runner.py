"""Runs a cell once per trial, in the person's own namespace."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from hpmagic.execution.awaiting import run_coroutine
from hpmagic.execution.capture import Capture
from hpmagic.execution.current import running
from hpmagic.execution.hooks import CallbackFault, TrialHooks
from hpmagic.execution.instrument import compile_cell
from hpmagic.execution.interrupt import exposed, held, interrupt_requested
from hpmagic.execution.isolation import Isolation
from hpmagic.execution.namespace import Namespace
from hpmagic.execution.objectives import Metrics
from hpmagic.execution.outcome import DrawValue, Pruned, TrialOutcome
from hpmagic.execution.seeds import set_seeds
from hpmagic.execution.tracebacks import plain_text, provide_source, reason_of, strip_frames
from hpmagic.language.cell import TunableCell
from hpmagic.records import Objective, Report, TrialState

__all__ = ["KernelRunner"]


class KernelRunner:
    """Runs the cell in a namespace of this process, which it finds and leaves as it was.

    The state in which each trial begins is that at the time the runner is made.

    Args:
        cell: the cell; it is compiled once.
        namespace: the person's variables, a dict. Functions of earlier cells see a trial's values.
        shell: IPython's shell, if there is one: its displays are captured, its compile flags used.
        objectives: what the study optimises; by default what the cell annotates.
        extra_metrics: names without annotation, whose values are read when the cell has ended.
    """

    def __init__(
        self,
        cell: TunableCell,
        namespace: MutableMapping[str, Any],
        shell: Any = None,
        *,
        objectives: tuple[Objective, ...] | None = None,
        extra_metrics: tuple[str, ...] = (),
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
        self._isolation = Isolation()
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
            start, clock = time.time(), time.perf_counter()
            bindings, deleted, error = self._trial(hooks)
            duration = time.perf_counter() - clock
            state, error = _verdict(hooks, error)
            if error is not None:
                strip_frames(error, self._cell.filename)
            return TrialOutcome(
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
                notes=_notes(hooks) | self._metrics.notes(hooks.reports),
            )

    def publish(self, outcome: TrialOutcome) -> None:
        """Put the bindings of ``outcome`` into the namespace.

        Functions among them that draw when they are called go on with the outcome's values.
        """
        self._namespace.apply(outcome.bindings, outcome.deleted)

    def close(self) -> None:
        """Leave the process as the study found it."""
        self._isolation.reset_random()

    def _trial(
        self, hooks: TrialHooks
    ) -> tuple[dict[str, Any], frozenset[str], BaseException | None]:
        """Run the cell; put everything back; say what it bound and how it ended."""
        error: BaseException | None = None
        self._isolation.begin()
        if hooks.seed is not None:
            set_seeds(hooks.seed)
        self._namespace.variables[self._program.hidden] = hooks
        try:
            with self._capture.trial():
                try:
                    with exposed():
                        with running(hooks):
                            self._execute()
                        if hooks.stop is None and hooks.fault is None:
                            bindings, _ = self._namespace.changes()
                            self._metrics.finish(hooks, bindings, self._namespace.variables)
                            hooks.count_learned(bindings)
                except BaseException as raised:  # noqa: BLE001 - it becomes the outcome
                    error = raised
                if interrupt_requested():
                    hooks.stop = KeyboardInterrupt()
            bindings, deleted = self._namespace.changes()
            if self._program.outlives:
                bindings[self._program.hidden] = hooks.answers()
        finally:
            self._namespace.restore()
            self._isolation.end()
        return bindings, deleted, error

    def _execute(self) -> None:
        """Run the code, in a context of its own: context variables do not leak either."""
        variables = self._namespace.variables
        context = contextvars.copy_context()
        if self._program.awaits:
            coroutine = eval(self._program.code, variables)  # noqa: S307 - the person's own cell
            context.run(run_coroutine, coroutine)
        else:
            context.run(exec, self._program.code, variables)

    def _reason(self, state: TrialState, error: BaseException | None, hooks: TrialHooks) -> str:
        if state is TrialState.PRUNED:
            last = hooks.reports[-1] if hooks.reports else None
            where = f"pruned at step {last.step} of {last.name}" if last else "pruned"
            return f"{where}: {hooks.stop}" if str(hooks.stop) else where
        if state is TrialState.INTERRUPTED:
            return "stopped by hand"
        return "" if error is None else reason_of(error, self._cell.filename)


def _verdict(
    hooks: TrialHooks, error: BaseException | None
) -> tuple[TrialState, BaseException | None]:
    """How the trial ended, also when the cell swallowed what should have ended it.

    Raises:
        Exception: what a callback of the study raised.
    """
    ends = error if hooks.stop is None else hooks.stop
    if isinstance(error, KeyboardInterrupt) or isinstance(ends, KeyboardInterrupt):
        return TrialState.INTERRUPTED, None
    if isinstance(ends, CallbackFault):
        assert ends.__cause__ is not None
        raise ends.__cause__
    if isinstance(ends, Pruned):
        return TrialState.PRUNED, None
    ends = hooks.fault if ends is None else ends
    return (TrialState.COMPLETE, None) if ends is None else (TrialState.FAILED, ends)


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
