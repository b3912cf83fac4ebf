"""The live view: who listens to a study's events and shows them.

The loop only puts an event in a queue (well under a microsecond). A thread takes them out a few
times a second, folds them into a `Progress` and paints; the last picture is painted on the loop's
own thread when the study has finished, so that nothing follows it.
"""

from __future__ import annotations

import contextvars
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol, TextIO

from hpmagic.display import text
from hpmagic.display.progress import Progress
from hpmagic.errors import warn
from hpmagic.records import Event, Listener, StudyFinished, StudyStarted, TrialFinished, ValueDrawn

__all__ = [
    "Kind",
    "LiveView",
    "LogPainter",
    "NotebookPainter",
    "Painter",
    "TerminalPainter",
    "choose",
    "live_view",
]

Kind = Literal["notebook", "terminal", "log", "quiet"]

INTERVAL = 0.2
"""Seconds between two pictures, at least."""
SHARE = 150.0
"""A picture that took so long is not followed by another before this many times as long ..."""
SLOWEST = 1.0
"""... but at the latest after so many seconds: the first picture, which loads what it needs, would
stand for too long."""
HEARTBEAT = 1.0
"""Seconds after which the clock is brought up to date though nothing has happened."""


class Painter(Protocol):
    """Shows a study's state somewhere."""

    def paint(self, progress: Progress, now: float) -> None:
        """Show how it stands; called when something has changed or the clock has moved."""
        ...

    def finish(self, progress: Progress) -> None:
        """Show the final picture; nothing is painted after it."""
        ...

    def event(self, progress: Progress, event: Event) -> None:
        """Hear of one event just folded: for views that write a line for it."""
        ...


def live_view(
    kind: Kind | None = None,
    *,
    shell: Any = None,
    stream: TextIO | None = None,
    quiet: bool = False,
    clock: Callable[[], float] = time.time,
    threaded: bool = True,
) -> Listener:
    """A listener that shows a study while it runs.

    Make it before the first trial: trials' output is captured, and the view keeps hold of the
    streams as they are now.

    Args:
        kind: "notebook" (one HTML output that changes in place), "terminal" (three lines that
            change in place), "log" (a line for each trial) or "quiet"; see `choose` for None.
        shell: IPython's; the running one when None.
        stream: where text goes; ``sys.stdout`` when None.
        quiet: the same as ``kind="quiet"``.
        clock: seconds since the epoch.
        threaded: paint on a thread of its own; else only in `LiveView.tick`, for tests.

    >>> callable(live_view("quiet"))
    True
    """
    shell = _shell() if shell is None else shell
    stream = sys.stdout if stream is None else stream
    kind = "quiet" if quiet else kind or choose(shell, stream)
    if kind == "quiet":
        return _silent
    painter: Painter
    if kind == "notebook":
        painter = NotebookPainter(shell)
    elif kind == "terminal":
        painter = TerminalPainter(stream)
    else:
        painter = LogPainter(stream)
    return LiveView(painter, clock=clock, threaded=threaded)


def choose(shell: Any = None, stream: TextIO | None = None) -> Kind:
    """The kind of view: under a Jupyter kernel, on a terminal that moves its cursor, or else."""
    if shell is not None and getattr(shell, "kernel", None) is not None:
        return "notebook"
    try:
        terminal = stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # a closed stream
        terminal = False
    return "terminal" if terminal else "log"


def _silent(event: Event) -> None:
    """Shows nothing."""


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


class LiveView:
    """A `Listener` that hands events to a painter, a few times a second at most.

    A view that breaks (a closed stream, a front end gone) warns once and goes silent: a study never
    ends because it could not be shown.
    """

    def __init__(
        self,
        painter: Painter,
        *,
        clock: Callable[[], float] = time.time,
        threaded: bool = True,
        interval: float = INTERVAL,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self.painter = painter
        self.progress = Progress()
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._clock, self._fastest, self._heartbeat = clock, interval, heartbeat
        self._interval = interval
        self._threaded = threaded
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._painted: float | None = None
        self._changed = False
        self._broken = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, ValueDrawn):  # values are shown once the trial has ended
            return
        self._events.put(event)
        if isinstance(event, StudyStarted):
            self._begin()
        elif isinstance(event, StudyFinished):
            self._end()

    def tick(self) -> bool:
        """Fold what has come in, and paint if it is due. Returns whether it painted."""
        self._changed = self._drain() or self._changed
        now = self._clock()
        wait = self._interval if self._changed else self._heartbeat
        due = self._painted is None or not 0 <= now - self._painted < wait
        if not due or self.progress.info is None or self.progress.finished is not None:
            return False
        self._painted, self._changed = now, False
        begun = time.thread_time()
        painted = self._safely(lambda: self.painter.paint(self.progress, now))
        cost = time.thread_time() - begun
        self._interval = max(self._fastest, min(SHARE * cost, SLOWEST))
        return painted

    def _begin(self) -> None:
        self.tick()
        if self._threaded and self._thread is None:
            # The copied context tells the kernel to which cell the output belongs.
            context = contextvars.copy_context()
            self._thread = threading.Thread(
                target=context.run, args=(self._keep_painting,), name="hpmagic-view", daemon=True
            )
            self._thread.start()

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._drain()
        self._safely(lambda: self.painter.finish(self.progress))

    def _keep_painting(self) -> None:
        while not self._stop.wait(self._fastest / 2):
            self.tick()

    def _drain(self) -> bool:
        changed = False
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return changed
            self.progress.fold(event)
            self._safely(partial(self.painter.event, self.progress, event))
            changed = True

    def _safely(self, action: Callable[[], None]) -> bool:
        if self._broken:
            return False
        try:
            action()
        except Exception as error:  # noqa: BLE001 - the study must go on
            self._broken = True
            warn(f"the live view stopped: {type(error).__name__}: {error}")
        return not self._broken


class NotebookPainter:
    """One output of the cell that changes in place.

    It speaks to the kernel's own publisher, held from before the trials: what captures a trial's
    output replaces the shell's.
    """

    def __init__(self, shell: Any) -> None:
        self._publisher = shell.display_pub
        self._display_id = uuid.uuid4().hex
        self._shown = False

    def paint(self, progress: Progress, now: float) -> None:
        from hpmagic.display import html

        self._publish(html.live(progress, now), "\n".join(text.status_lines(progress, now, 100)))

    def finish(self, progress: Progress) -> None:
        from hpmagic.display import html

        record = progress.record()
        self._publish(html.final(record), text.summary(record))

    def event(self, progress: Progress, event: Event) -> None:
        """Nothing is written for a single event."""

    def _publish(self, html: str, plain: str) -> None:
        self._publisher.publish(
            {"text/html": html, "text/plain": plain},
            {},
            transient={"display_id": self._display_id},
            update=self._shown,
        )
        self._shown = True


class TerminalPainter:
    """Three lines at the foot of a terminal that change in place; a summary takes their room."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = 0

    def paint(self, progress: Progress, now: float) -> None:
        width = shutil.get_terminal_size((80, 24)).columns
        lines = text.status_lines(progress, now, width - 1)
        body = "\n".join(f"{line}\x1b[K" for line in lines)
        self._write(f"{self._home()}{body}\n")
        self._lines = len(lines)

    def finish(self, progress: Progress) -> None:
        width = shutil.get_terminal_size((80, 24)).columns
        self._write(f"{self._home()}\x1b[J{text.summary(progress.record(), width - 1)}\n")

    def event(self, progress: Progress, event: Event) -> None:
        """Nothing is written for a single event."""

    def _home(self) -> str:
        return f"\r\x1b[{self._lines}A" if self._lines else ""

    def _write(self, what: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(what.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


class LogPainter:
    """A line when the study starts, one for each trial, and a last one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def paint(self, progress: Progress, now: float) -> None:
        """Lines are written as events come in, so there is nothing to paint."""

    def finish(self, progress: Progress) -> None:
        """The last line has been written with the last event."""

    def event(self, progress: Progress, event: Event) -> None:
        match event:
            case StudyStarted():
                self._line(text.start_line(progress))
            case TrialFinished(trial=trial):
                self._line(text.trial_line(progress, trial))
            case StudyFinished():
                self._line(text.end_line(progress))

    def _line(self, line: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()
