"""A worker process: builds a runner from a parcel and runs trials, one after another.

It is started as a plain new Python, never forked: a process that has used OpenMP hangs its forked
children. It talks through its standard input and output; what compiled code prints goes to its
standard error, which the study keeps.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import sys
import threading
import traceback
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from hpmagic.distributions import Choice
from hpmagic.engines import frames
from hpmagic.engines.memory import Buffers
from hpmagic.engines.messages import (
    Asked,
    Broken,
    Ended,
    GoOn,
    Keep,
    Kept,
    MlflowRun,
    Option,
    Prune,
    Ready,
    Reported,
    Run,
    Value,
    portable,
)
from hpmagic.engines.parcel import Contents, ShellFacts
from hpmagic.engines.pickling import Pickling
from hpmagic.engines.randomness import set_random_states
from hpmagic.execution.deadline import deadline
from hpmagic.execution.interrupt import InterruptGuard
from hpmagic.execution.outcome import WRITTEN, Pruned, TrialOutcome
from hpmagic.records import Report
from hpmagic.space import Parameter

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Serve the study at the other end of the standard streams until it closes them.

    Args:
        descriptor: the open file that holds the parcel's large buffers.
    """
    faulthandler.enable()
    source, sink = _take_streams()
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    state = _Busy()
    threading.Thread(target=_read, args=(source, inbox, state), daemon=True).start()
    # The notebook's interrupt goes to all its children; the study decides what becomes of them.
    with InterruptGuard():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        try:
            session = _Session(inbox, sink, descriptor)
        except BaseException as error:  # noqa: BLE001 - whatever an import or a reduction raises
            broken = Broken(_reason(error))
            frames.send(sink, broken.kind + Pickling({}).dumps(broken))
            return
        with contextlib.suppress(BrokenPipeError):
            session.serve(state)


class _Busy:
    """Whether a trial runs, for the thread that learns that the study is gone."""

    def __init__(self) -> None:
        self.now = True


def _read(source: BinaryIO, inbox: queue.SimpleQueue[bytes], busy: _Busy) -> None:
    """Pass messages on; when the study is gone, end, with everything a trial has started."""
    while (data := frames.receive(source)) is not None:
        inbox.put(data)
    if not busy.now:
        inbox.put(b"")
        return
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the study, moved away from where a cell might use them."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


class _Session:
    def __init__(self, inbox: queue.SimpleQueue[bytes], sink: BinaryIO, descriptor: int) -> None:
        self.inbox = inbox
        self.sink = sink
        contents: Contents = Pickling({}).loads(inbox.get())
        contents.check()
        with contextlib.suppress(OSError):
            os.chdir(contents.directory)
        sys.path += [entry for entry in contents.path if entry not in sys.path]
        namespace = _main_namespace()
        shell = _shell(contents.shell, namespace)
        buffers = Buffers(descriptor, contents.size, contents.spans)
        views, original = buffers.map()
        namespace.update(Pickling(namespace).loads(contents.variables, views))
        for name in contents.taken:
            namespace.setdefault(name)
        buffers.close()
        set_random_states(contents.random)
        self.pickling = Pickling(namespace, contents.names)
        self.runner = contents.spec.make(namespace, shell, original)
        self.last: TrialOutcome | None = None

    def serve(self, busy: _Busy) -> None:
        self.send(Ready())
        while True:
            busy.now = False
            data = self.inbox.get()
            busy.now = True
            if not data:
                return
            match self.pickling.loads(data):
                case Run() as run:
                    self.run(run)
                case Keep(number=number):
                    self.keep(number)

    def run(self, run: Run) -> None:
        found: set[str] = set()

        def draw(parameter: Parameter) -> Any:
            self.send(Asked(parameter))
            match self.receive():
                case Option(index=index):
                    assert isinstance(parameter.distribution, Choice)
                    return parameter.distribution.options[index]
                case Value(value=value):
                    if value is WRITTEN:
                        found.add(parameter.name)
                    return value
            raise AssertionError("a question was answered with something else")

        def report(report: Report) -> None:
            waits = report.name in run.heeded
            self.send(Reported(report, waits))
            if waits:
                match self.receive():
                    case Prune(arguments=arguments):
                        raise Pruned(*arguments)
                    case other:
                        assert isinstance(other, GoOn)

        with _mlflow_run(run.mlflow), deadline(run.seconds):
            outcome = self.last = self.runner.run(draw, report, run.seed)
        light = replace(
            outcome,
            params={n: self._sendable(v) for n, v in outcome.params.items() if n in found},
            distributions={n: d for n, d in outcome.distributions.items() if n in found},
            bindings={},
            error=portable(outcome.error),
            carry=None,
        )
        self.send(Ended(light, tuple(outcome.params)))

    def keep(self, number: int) -> None:
        assert self.last is not None
        with self.runner.as_left(self.last) as variables, self._bound(variables):
            bindings, left_out = _picklable(self.pickling, variables)
        self.send(Kept(number, bindings, left_out))

    @contextlib.contextmanager
    def _bound(self, variables: dict[str, Any]) -> Iterator[None]:
        """Within, a ``__getstate__`` of the cell finds what the cell has bound."""
        namespace = self.pickling.namespace
        before = {name: namespace[name] for name in variables if name in namespace}
        namespace.update(variables)
        try:
            yield
        finally:
            for name in variables.keys() - before.keys():
                namespace.pop(name, None)
            namespace.update(before)

    def send(self, message: Ready | Asked | Reported | Ended | Kept) -> None:
        frames.send(self.sink, message.kind + self.pickling.dumps(message))

    def receive(self) -> object:
        data = self.inbox.get()
        if not data:
            raise BrokenPipeError
        return self.pickling.loads(data)

    def _sendable(self, value: object) -> object:
        """A written value, or its text if it cannot be pickled."""
        try:
            self.pickling.dumps(value)
        except Exception:  # noqa: BLE001 - objects refuse in their own ways
            return repr(value)
        return value


def _picklable(pickling: Pickling, bindings: dict[str, Any]) -> tuple[bytes, tuple[str, ...]]:
    """The bindings in one pickle, so that what they share stays shared, without those that fail."""
    try:
        return pickling.dumps(bindings), ()
    except Exception:  # noqa: BLE001 - objects refuse in their own ways
        left_out = pickling.failing(bindings)
    kept = {name: value for name, value in bindings.items() if name not in left_out}
    return pickling.dumps(kept), left_out


def _main_namespace() -> dict[str, Any]:
    """The namespace of a fresh ``__main__``: what the cell defines can be pickled by its name."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return vars(module)


def _shell(facts: ShellFacts | None, namespace: dict[str, Any]) -> Any:
    """A shell like the kernel's, for ``display``, ``%time`` and ``!ls``."""
    if facts is None:
        return None
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.ast_node_interactivity = facts.interactivity
    shell = InteractiveShell.instance(
        config=config, user_module=sys.modules["__main__"], user_ns=namespace
    )
    shell.compile.flags = facts.flags
    return shell


@contextlib.contextmanager
def _mlflow_run(run: MlflowRun | None) -> Iterator[None]:
    """Within, the cell's own MLflow calls go to the trial's run; without it if MLflow is down."""
    if run is None:
        yield
        return
    import mlflow

    from hpmagic.tracking.active import active_trial

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Exception):
            mlflow.set_tracking_uri(run.uri)
            found = mlflow.MlflowClient(run.uri).get_run(run.run_id)
            stack.enter_context(active_trial(found))
        yield


def _reason(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)
    last = f" ({where[-1].filename}, line {where[-1].lineno})" if where else ""
    return f"{type(error).__name__}: {error}{last}"
