"""What a worker and the study say to each other. Plain facts, pickled one by one.

A worker's message travels behind one byte that says its kind, for those who pass it on unread.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from hpmagic.distributions import Choice, Distribution
from hpmagic.execution.outcome import TrialOutcome
from hpmagic.records import Report
from hpmagic.space import Parameter

__all__ = [
    "ASKS",
    "TELLS",
    "Asked",
    "Broken",
    "Died",
    "Ended",
    "GoOn",
    "Keep",
    "Kept",
    "MlflowRun",
    "Option",
    "Options",
    "Prune",
    "Ready",
    "RemoteTraceback",
    "Reported",
    "Run",
    "Value",
    "portable",
]


ASKS: Final = b"?"
TELLS: Final = b"!"


@dataclass(frozen=True, slots=True)
class MlflowRun:
    """A run that a trial's own MLflow calls are to go to."""

    uri: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Run:
    """To a worker: run a trial. ``seconds`` is how long it may take, None for ever."""

    number: int
    heeded: frozenset[str]
    seconds: float | None
    mlflow: MlflowRun | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """To a worker: the draw is the option with this number."""

    index: int


@dataclass(frozen=True, slots=True)
class Value:
    """To a worker: the draw is this value."""

    value: Any


@dataclass(frozen=True, slots=True)
class GoOn:
    """To a worker: a heeded report is no reason to end."""


@dataclass(frozen=True, slots=True)
class Prune:
    """To a worker: end the trial."""

    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """To a worker: send the variables of the trial that ended last."""

    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it can run trials."""

    kind: ClassVar[bytes] = b"y"


@dataclass(frozen=True, slots=True)
class Broken:
    """From a worker: it cannot run trials, and why."""

    kind: ClassVar[bytes] = b"b"
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """From a worker: a line that draws executes."""

    kind: ClassVar[bytes] = b"?"
    parameter: Parameter


@dataclass(frozen=True, slots=True)
class Reported:
    """From a worker: a metric; ``waits`` for `GoOn` or `Prune`."""

    report: Report
    waits: bool

    @property
    def kind(self) -> bytes:
        return ASKS if self.waits else TELLS


@dataclass(frozen=True, slots=True)
class Ended:
    """From a worker: the trial is over. Of the values only those are sent that it found itself."""

    kind: ClassVar[bytes] = b"e"
    outcome: TrialOutcome
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """From a worker: a trial's variables, pickled; and the names that cannot be."""

    kind: ClassVar[bytes] = b"k"
    number: int
    variables: bytes
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Died:
    """Of a worker, when no more will come from it.

    ``status`` is negative for a signal; ``overdue`` says that it was killed since its trial's time
    was over, ``ready`` that it had come so far as to run trials.
    """

    status: int | None
    last_words: str
    overdue: bool = False
    ready: bool = True


class RemoteTraceback(Exception):
    """Shown as the cause of an error from a worker: its traceback there, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass
class Options:
    """The study's own distributions in place of those that came by the wire.

    Options may be objects: each time they are sent they are new ones. The first ones known stand
    for all that follow, so that a study can tell that two trials had the same.
    """

    known: dict[tuple[str, str], Distribution]

    @classmethod
    def of(cls, space: Mapping[str, Parameter]) -> Options:
        known = {(p.name, str(p.distribution)): p.distribution for p in space.values()}
        return cls({key: distribution for key, distribution in known.items() if distribution})

    def own(self, parameter: Parameter) -> Parameter:
        """The parameter with the study's distribution."""
        distribution = parameter.distribution
        if not isinstance(distribution, Choice):
            return parameter
        own = self.known.setdefault((parameter.name, str(distribution)), distribution)
        return replace(parameter, distribution=own)

    def answer(self, parameter: Parameter, value: Any) -> Option | Value:
        """A drawn value in the words of the worker that asked."""
        if isinstance(parameter.distribution, Choice):
            index = parameter.distribution.index(value)
            if index is not None:
                return Option(index)
        return Value(value)


def portable(error: BaseException | None) -> BaseException | None:
    """An error that keeps its traceback as text when it is pickled."""
    import cloudpickle

    if error is None:
        return None
    text = "".join(traceback.format_exception(error)).rstrip()
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - classes of exceptions refuse in many ways
        error = RuntimeError(f"{type(error).__qualname__}: {error}")
    error.__cause__ = RemoteTraceback(text)
    return error.with_traceback(None)
