"""What the instrumented code talks to: within a trial, and once the study is over."""

from __future__ import annotations

import ast
import copy
import math
import operator
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from hpmagic.distributions import MISSING, Choice, Distribution, is_literal
from hpmagic.errors import AnnotationError, HpmagicError, ObjectiveError
from hpmagic.execution.interrupt import held, interrupt_requested
from hpmagic.execution.learned import learned_parameters
from hpmagic.execution.leftover import threads_within
from hpmagic.execution.numeric import as_float
from hpmagic.execution.outcome import WRITTEN, DrawValue, Pruned
from hpmagic.execution.patience import Patience
from hpmagic.language.cell import Draw, Mark, TunableCell
from hpmagic.records import Report
from hpmagic.space import Parameter

__all__ = ["Answers", "CallbackFault", "DrawMade", "TrialHooks"]

_MOST_RAISED = 20


class CallbackFault(BaseException):
    """Carries what a callback of the study raised past the cell's own ``except Exception``."""


@dataclass(frozen=True)
class DrawMade:
    """A draw, the first under its name in a run: which one, its bounds and its name."""

    number: int
    values: tuple[Any, ...]
    name: str


@dataclass
class _Drawn:
    distribution: Distribution
    value: Any
    written: bool = False


class _Pending:
    """Values between `tunes` and `take` or `written`, by the number of their draw."""

    def __init__(self) -> None:
        self._values: list[tuple[int, Any]] = []

    def push(self, number: int, value: Any) -> None:
        self._values.append((number, value))

    def pop(self, number: int) -> Any:
        """The last one pushed for ``number``; an expression that raised may have left others."""
        for at in range(len(self._values) - 1, -1, -1):
            if self._values[at][0] == number:
                return self._values.pop(at)[1]
        raise AssertionError("take or written without tunes")


class TrialHooks:
    """One trial's draws and reports, as the cell's lines make them.

    ``draw`` and ``report`` are the study's; they are called within ``outside()``, where the
    notebook's own streams are in place. ``show`` displays the value of the cell's last expression.
    ``seed`` is the repeat's; None where nothing is repeated.

    A forked process and a thread that another trial has left running are no part of the trial:
    their reports go nowhere; the one can draw only what is known, the other nothing.
    """

    def __init__(
        self,
        cell: TunableCell,
        draw: DrawValue,
        report: Callable[[Report], None],
        *,
        show: Callable[[Any], None] = lambda _: None,
        outside: Callable[[], AbstractContextManager[object]] = nullcontext,
        seed: int | None = None,
    ) -> None:
        self.show = show
        self.seed = seed
        self.drawn: dict[str, _Drawn] = {}
        self.reports: list[Report] = []
        self.stopped_early: list[str] = []
        self.learned: dict[str, int] = {}
        """How many numbers training found, by variable and attribute."""
        self.stop: BaseException | None = None
        """Why the trial must end, even if the cell swallows it."""
        self.fault: HpmagicError | None = None
        """The first mistake that a draw or report found, even if the cell swallows it."""
        self._cell = cell
        self._draw = draw
        self._report = report
        self._outside = outside
        self._lock = threading.RLock()
        self._pending = _Pending()
        self._counts: dict[str, int] = {}
        self._watches: dict[int, Patience] = {}
        self._stopping: set[int] = set()
        self.events: list[DrawMade | Report] = []
        """What this run has drawn and reported, in order."""
        self.touched: set[str] = set()
        """The names whose values lines have asked for; whoever watches the run empties it."""
        self._logged: set[str] = set()
        self._raised = 0
        self._process = os.getpid()
        self._strangers = threads_within(cell.filename)
        self._closed = False

    @property
    def params(self) -> dict[str, Any]:
        """What was drawn, by name, in order."""
        return {name: drawn.value for name, drawn in self._known()}

    @property
    def distributions(self) -> dict[str, Distribution]:
        """What it was drawn from."""
        return {name: drawn.distribution for name, drawn in self._known()}

    def draw(self, number: int, values: tuple[Any, ...] = (), name: str | None = None) -> Any:
        """The value of a hyperparameter whose written value is a literal."""
        return _fresh(self._lookup(number, values, name).value)

    def tunes(self, number: int, values: tuple[Any, ...] = (), name: str | None = None) -> bool:
        """Whether `take` has a value; else the written expression is evaluated for `written`."""
        drawn = self._lookup(number, values, name)
        self._pending.push(number, drawn)
        return not drawn.written

    def take(self, number: int) -> Any:
        return _fresh(self._pending.pop(number).value)

    def written(self, number: int, value: Any) -> Any:
        drawn = self._pending.pop(number)
        if drawn.value is WRITTEN:
            drawn.value = _fresh(value)
        return value

    def report(self, number: int, value: Any, step: object = None, *deferred: object) -> bool:
        """Record a metric; True when its loop is to be left.

        ``deferred`` are the values of the mark's patience and least gain, as far as they are
        expressions.
        """
        if self._is_stranger():
            return False
        mark = self._cell.marks[number]
        figure = self._figure(mark.name, value, f" at line {mark.statement.lineno}")
        report = self.record(mark.name, figure, self._step(mark, step))
        if mark.patience is None or mark.objective is None:
            return False
        watch = self._watches.get(number) or self._watch(number, mark, deferred)
        if not watch.exhausted(figure):
            return False
        self._stopping.add(number)
        self.stopped_early.append(f"{mark.name} at step {report.step}")
        return True

    def report_named(self, name: str, value: Any, step: int) -> None:
        """Record a metric that no line of the cell assigns: a framework's callback has it."""
        self.record(name, self._figure(name, value), step)

    def fail(self, error: HpmagicError) -> NoReturn:
        """End the trial with a mistake of the person's, even if the cell swallows it."""
        with self._noting_faults():
            raise error

    def record(self, name: str, value: float, step: int | None) -> Report:
        """Keep a report and hand it on, unless the trial should have ended by now."""
        report = Report(name, value, step, time.time())
        if os.getpid() != self._process or self._is_stranger():
            return report
        with self._lock:
            if self._closed or self._ends_by_itself():
                return report
            self._heed()
            self.reports.append(report)
            self.events.append(report)
            self._counts[name] = self._counts.get(name, 0) + 1
            self._call(self._report, report)
        return report

    def count_learned(self, bindings: Mapping[str, Any]) -> None:
        """Count what the cell's variables have learned, and record it as a metric."""
        self.learned = learned_parameters(bindings)
        if self.learned and "learned_parameters" not in self._counts:
            self.record("learned_parameters", float(sum(self.learned.values())), None)

    def close(self) -> None:
        """The trial is over: whatever still runs of it is no part of it any more."""
        with self._lock:
            self._closed = True

    def enter(self, number: int) -> None:
        """The loop of a mark with patience begins: it is patient anew."""
        self._watches.pop(number, None)
        self._stopping.discard(number)

    def stopping(self, number: int) -> bool:
        """Whether an inner loop was left because the outer one is to be left."""
        return number in self._stopping

    def __reduce__(self) -> tuple[Callable[..., Answers], tuple[object, ...]]:
        """In another process there is no study to ask: what has been drawn is known there."""
        return Answers, (*self._memory(), True)

    def answers(self) -> Answers:
        """What stays when the study is over."""
        return Answers(*self._memory())

    def again(self, report: Callable[[Report], None]) -> TrialHooks:
        """Hooks for another run with the values of this one."""
        hooks = TrialHooks(
            self._cell, self._draw, report, show=self.show, outside=self._outside, seed=self.seed
        )
        hooks.drawn = {name: replace(drawn) for name, drawn in self.drawn.items()}
        return hooks

    def rewind(self) -> None:
        """Begin to keep events anew; what has been drawn stays so."""
        self.events, self._logged = [], set()
        self.touched.clear()

    def ask(self, made: DrawMade) -> bool:
        """Draw as an earlier run did; False when the written expression is to be evaluated."""
        drawn = self._lookup(made.number, made.values, made.name)
        return not drawn.written

    def value_of(self, name: str) -> Any:
        """The value that a line which draws ``name`` would get."""
        return _fresh(self.drawn[name].value)

    def key_of(self, name: str) -> str | int:
        """What tells one value of ``name`` from another: the text of a literal, or the object."""
        drawn = self.drawn[name]
        if drawn.written:
            return "written"
        return f"={drawn.value!r}" if is_literal(drawn.value) else id(drawn.value)

    def memory(self) -> tuple[Any, ...]:
        """What the reports so far have left, for `recall`."""
        watches = {number: copy.copy(watch) for number, watch in self._watches.items()}
        return dict(self._counts), watches, set(self._stopping), list(self.stopped_early)

    def recall(self, events: Iterable[DrawMade | Report], memory: tuple[Any, ...]) -> None:
        """Go on from where another run was: make its draws and reports."""
        for event in events:
            if isinstance(event, Report):
                self.record(event.name, event.value, event.step)
            else:
                self.ask(event)
        counts, watches, stopping, stopped_early = memory
        self._counts = dict(counts)
        self._watches = {number: copy.copy(watch) for number, watch in watches.items()}
        self._stopping = set(stopping)
        self.stopped_early = list(stopped_early)

    def _known(self) -> list[tuple[str, _Drawn]]:
        """What was drawn; a written expression that raised gave no value."""
        return [(name, drawn) for name, drawn in self.drawn.items() if drawn.value is not WRITTEN]

    def _memory(self) -> tuple[list[tuple[str, object]], dict[str, Any]]:
        written = [(d.parameter.name, d.parameter.default) for d in self._cell.draws]
        return written, {n: MISSING if d.written else d.value for n, d in self.drawn.items()}

    def _lookup(self, number: int, values: tuple[Any, ...], name: str | None) -> _Drawn:
        draw = self._cell.draws[number]
        name = draw.parameter.name if name is None else name
        if self._is_stranger():
            raise _drawn_late(name)
        self.touched.add(name)
        drawn = self._drawn(draw, values, name)
        if name not in self._logged:
            self._logged.add(name)
            self.events.append(DrawMade(number, values, name))
        return drawn

    def _drawn(self, draw: Draw, values: tuple[Any, ...], name: str) -> _Drawn:
        known = self.drawn.get(name)
        if known is not None and known.distribution is draw.parameter.distribution:
            return known
        if known is None and os.getpid() != self._process:
            raise _drawn_elsewhere(name)
        with self._lock, self._noting_faults():
            distribution = draw.parameter.distribution
            if distribution is None or draw.recipe.deferred:
                distribution = draw.recipe.build(values)
            known = self.drawn.get(name)
            if known is not None:
                return _again(known, distribution, name, draw)
            if self._closed:
                raise _drawn_late(name)
            parameter = draw.parameter
            if name != parameter.name or distribution is not parameter.distribution:
                parameter = replace(parameter, name=name, distribution=distribution)
            value = self._call(self._draw, parameter)
            written = value is WRITTEN and parameter.default is MISSING
            if value is WRITTEN and not written:
                value = parameter.default
            self.drawn[name] = drawn = _Drawn(distribution, value, written)
            return drawn

    def _figure(self, name: str, value: Any, where: str = "") -> float:
        figure = as_float(value)
        if figure is None:
            self.fail(ObjectiveError(f"{name} must be a number, but is {_kind(value)}{where}"))
        return figure

    def _step(self, mark: Mark, counter: object) -> int | None:
        if not mark.curve:
            return None
        whole = _whole(counter)
        if whole is None and mark.step is not None:
            self._bad_option(mark, "step", "a whole number", counter)
        return self._counts.get(mark.name, 0) if whole is None else whole

    def _watch(self, number: int, mark: Mark, deferred: tuple[object, ...]) -> Patience:
        assert mark.objective is not None
        values = list(deferred)
        patience = values.pop(0) if isinstance(mark.patience, ast.expr) else mark.patience
        min_delta = values.pop(0) if isinstance(mark.min_delta, ast.expr) else mark.min_delta
        rounds, gain = _whole(patience), as_float(min_delta)
        if rounds is None or rounds < 1:
            self._bad_option(mark, "patience", "a whole number, 1 or more", patience)
        if gain is None or not 0 <= gain < math.inf:
            self._bad_option(mark, "min_delta", "a number, 0 or more", min_delta)
        watch = Patience(mark.objective.direction, rounds, gain)
        self._watches[number] = watch
        return watch

    def _bad_option(self, mark: Mark, option: str, rule: str, value: object) -> NoReturn:
        role = "metric" if mark.objective is None else mark.objective.direction
        self.fail(AnnotationError(f"{role}: {option} must be {rule}, but is {value!r}", mark.place))

    def _call(self, callback: Callable[[Any], Any], argument: Parameter | Report) -> Any:
        """Ask the study, unless the trial should have ended by now."""
        self._heed()
        try:
            with held(), self._outside():
                answer = callback(argument)
        except Exception as error:
            self.stop = CallbackFault(error)
            raise self.stop from error
        except BaseException as error:
            self.stop = error
            raise
        self._heed()
        return answer

    def _heed(self) -> None:
        """End the trial if something asked for that, whatever the cell made of it before."""
        if self.stop is None and interrupt_requested():
            self.stop = KeyboardInterrupt()
        if self.stop is not None:
            self._raised += 1
            raise self.stop

    def _is_stranger(self) -> bool:
        return bool(self._strangers) and threading.current_thread() in self._strangers

    def _ends_by_itself(self) -> bool:
        """Whether a pruned trial has swallowed its end so often that it would go on for ever.

        In ``while True: try: ... except: pass`` the line that leaves it would never be reached.
        """
        return isinstance(self.stop, Pruned) and self._raised >= _MOST_RAISED

    @contextmanager
    def _noting_faults(self) -> Iterator[None]:
        try:
            yield
        except HpmagicError as error:
            self.fault = self.fault or error
            raise


class Answers:
    """What functions of the cell are told when no trial runs: the values of the published trial.

    A name that trial did not draw has its written value. Reports go nowhere. With ``strict``, as
    in a worker process of a running trial, an unknown name is an error instead.
    """

    def __init__(
        self,
        defaults: list[tuple[str, object]],
        params: Mapping[str, Any],
        strict: bool = False,
    ) -> None:
        self.defaults = defaults
        self.params = dict(params)
        self.strict = strict
        self._pending = _Pending()

    def draw(self, number: int, _values: tuple[Any, ...] = (), name: str | None = None) -> Any:
        plain, default = self.defaults[number]
        name = plain if name is None else name
        if self.strict and name not in self.params:
            raise _drawn_elsewhere(name)
        return _fresh(self.params.get(name, default))

    def tunes(self, number: int, values: tuple[Any, ...] = (), name: str | None = None) -> bool:
        value = self.draw(number, values, name)
        if value is not MISSING:
            self._pending.push(number, value)
        return value is not MISSING

    def take(self, number: int) -> Any:
        return self._pending.pop(number)

    def written(self, _number: int, value: Any) -> Any:
        return value

    def report(self, _number: int, _value: Any, *_: object) -> bool:
        return False

    def enter(self, _number: int) -> None:
        return None

    def stopping(self, _number: int) -> bool:
        return False


def _drawn_elsewhere(name: str) -> RuntimeError:
    return RuntimeError(
        f"the hyperparameter `{name}` is first drawn in another process; "
        "give it a variable of its own, assigned before the work is handed out"
    )


def _drawn_late(name: str) -> RuntimeError:
    return RuntimeError(
        f"the hyperparameter `{name}` is drawn by a thread that another trial has left running"
    )


def _whole(value: object) -> int | None:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _again(known: _Drawn, distribution: Distribution, name: str, draw: Draw) -> _Drawn:
    """The same name once more: the same value, if it is the same space."""
    if known.distribution == distribution and not isinstance(distribution, Choice):
        return known
    if str(known.distribution) != str(distribution):
        raise AnnotationError(
            f"`{name}` has two different spaces in one trial: {known.distribution} "
            f"and {distribution}; give one of them another name with name=...",
            draw.place,
        )
    if known.written or not isinstance(distribution, Choice):
        return known
    # Options may be objects made anew by this very execution: the same one of them.
    assert isinstance(known.distribution, Choice)
    index = known.distribution.index(known.value)
    return known if index is None else replace(known, value=distribution.options[index])


def _fresh(value: Any) -> Any:
    """A list or dict is made anew by each execution of its line, as its literal would be."""
    if isinstance(value, list | dict | tuple) and is_literal(value):
        return copy.deepcopy(value)
    return value


def _kind(value: object) -> str:
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__.partition('.')[0]}.{name}"
    shape = getattr(value, "shape", None)
    return f"a {name} of shape {tuple(shape)}" if isinstance(shape, tuple) else f"of type {name}"
