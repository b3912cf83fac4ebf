"""Who gets to see what, when."""

from __future__ import annotations

import io
import threading

import pytest
import simulated

from hpmagic.display import live_view
from hpmagic.display.view import LiveView, TerminalPainter, choose
from hpmagic.errors import HpmagicWarning
from hpmagic.records import (
    MetricReported,
    Origin,
    Report,
    StudyFinished,
    StudyStarted,
    TrialFinished,
    TrialStarted,
)


class Clock:
    def __init__(self):
        self.now = simulated.BEGIN

    def __call__(self):
        return self.now


class Publisher:
    """Stands for the kernel's: keeps what was published."""

    def __init__(self):
        self.messages = []

    def publish(self, data, metadata=None, *, transient=None, update=False):
        self.messages.append((data, transient, update))


class Shell:
    kernel = object()

    def __init__(self):
        self.display_pub = Publisher()


class Tty(io.StringIO):
    def isatty(self):
        return True


class Recorder:
    """A painter that counts."""

    def __init__(self):
        self.painted, self.finished, self.heard = [], [], []

    def paint(self, progress, now):
        self.painted.append((progress.done, now))

    def finish(self, progress):
        self.finished.append(progress.done)

    def event(self, progress, event):
        self.heard.append(event)


def viewed(painter, clock, **options):
    return LiveView(painter, clock=clock, threaded=False, **options)


def test_painting_is_limited_by_time_and_the_last_state_always_shows():
    """A thousand events in a second are five pictures and the final one."""
    clock, painter = Clock(), Recorder()
    view = viewed(painter, clock, interval=0.2)
    stream = list(simulated.events(500))
    for event in stream:
        clock.now += 0.001
        view(event)
        view.tick()
    assert 4 <= len(painter.painted) <= 7
    assert painter.finished == [500]
    assert len(painter.heard) == len(stream)


def test_what_came_too_early_is_painted_later_without_a_new_event():
    """A change held back by the limit is not lost."""
    clock, painter = Clock(), Recorder()
    view = viewed(painter, clock, interval=0.2, heartbeat=60)
    events = list(simulated.events(3))
    view(events[0])
    assert len(painter.painted) == 1
    clock.now += 0.1
    view(events[1])
    view(events[2])
    assert not view.tick()
    clock.now += 0.15
    assert view.tick()
    assert painter.painted[-1][0] == 1


def test_the_clock_goes_on_while_nothing_happens():
    """A long trial without reports still shows its time."""
    clock, painter = Clock(), Recorder()
    view = viewed(painter, clock, interval=0.2, heartbeat=1.0)
    view(next(iter(simulated.events(3))))
    clock.now += 0.5
    assert not view.tick()
    clock.now += 0.6
    assert view.tick()


def test_nothing_is_painted_after_the_end():
    """The final picture stays."""
    clock, painter = Clock(), Recorder()
    view = viewed(painter, clock)
    for event in simulated.events(2):
        view(event)
    clock.now += 100
    painted = len(painter.painted)
    assert not view.tick()
    assert len(painter.painted) == painted


def test_a_slow_painter_is_called_less_often(monkeypatch):
    """Pictures take less than one hundredth of the time, but come once a second at least."""
    from hpmagic.display import view as module

    clock, painter = Clock(), Recorder()
    ticks = iter([0.0, 0.005, 1.0, 9.0, 9.0, 9.0])
    monkeypatch.setattr(module.time, "thread_time", lambda: next(ticks))
    view = viewed(painter, clock, interval=0.2, heartbeat=60)
    events = list(simulated.events(5))
    view(events[0])
    clock.now += 0.7
    view(events[1])
    assert not view.tick()
    clock.now += 0.1
    assert view.tick()
    clock.now += module.SLOWEST
    view(events[2])
    assert view.tick()


def test_a_view_that_breaks_warns_once_and_lets_the_study_go_on():
    """A closed stream must not end a study."""

    class Broken(Recorder):
        def paint(self, progress, now):
            raise OSError("gone")

    clock = Clock()
    view = viewed(Broken(), clock)
    stream = list(simulated.events(3))
    with pytest.warns(HpmagicWarning, match="the live view stopped: OSError: gone"):
        view(stream[0])
    clock.now += 10
    view(stream[1])
    assert not view.tick()
    view(stream[-1])


def test_thread_ends_with_the_study_and_events_arrive_in_order():
    """No thread is left behind; the loop's thread paints the last picture."""
    painter = Recorder()
    view = LiveView(painter, interval=0.001)
    stream = list(simulated.events(50, steps=5))
    for event in stream:
        view(event)
    assert painter.heard == stream
    assert painter.finished == [50]
    assert not any(t.name == "hpmagic-view" for t in threading.enumerate())


def test_notebook_uses_one_handle_and_the_publisher_of_the_start():
    """What captures a trial's output replaces the shell's publisher; ours is kept."""
    shell, clock = Shell(), Clock()
    publisher = shell.display_pub
    view = live_view(shell=shell, clock=clock, threaded=False)
    shell.display_pub = None
    for event in simulated.events(30):
        clock.now += 0.5
        view(event)
        view.tick()
    assert len(publisher.messages) > 10
    assert len({transient["display_id"] for _, transient, _ in publisher.messages}) == 1
    assert [update for _, _, update in publisher.messages[:3]] == [False, True, True]
    assert all(set(data) == {"text/html", "text/plain"} for data, _, _ in publisher.messages)
    last = publisher.messages[-1][0]
    assert "best values" in last["text/html"]
    assert "30 trials" in last["text/plain"]


def test_log_has_a_line_for_each_trial_and_two_more():
    """Pipes and CI get plain lines."""
    out = io.StringIO()
    view = live_view(stream=out, threaded=False)
    for event in simulated.events(12):
        view(event)
    lines = out.getvalue().splitlines()
    assert len(lines) == 14
    assert all(line.startswith("hpmagic ") for line in lines)
    assert "\x1b" not in out.getvalue()


def test_terminal_repaints_its_three_lines_and_ends_with_the_summary(monkeypatch):
    """Each picture goes up as many lines as the last one had."""
    out, clock = Tty(), Clock()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    view = live_view(stream=out, clock=clock, threaded=False)
    assert isinstance(view.painter, TerminalPainter)
    for event in simulated.events(5):
        clock.now += 1
        view(event)
        view.tick()
    first, *rest = out.getvalue().split("\r\x1b[3A")
    assert first.count("\n") == 3
    assert all(part.count("\n") == 3 for part in rest[:-1])
    assert rest[-1].startswith("\x1b[JStudy svm-digits")
    assert all(len(line.removeprefix("\x1b[J")) < 60 for line in rest[-1].splitlines())


def test_a_stream_that_cannot_encode_gets_question_marks():
    """An ASCII log is still a log."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    view = live_view("log", stream=out, threaded=False)
    view(StudyStarted(simulated.info(1, name="שלום")))
    assert b"study=????" in raw.getvalue()


@pytest.mark.parametrize(
    ("shell", "stream", "term", "kind"),
    [
        (Shell(), io.StringIO(), "xterm", "notebook"),
        (None, Tty(), "xterm", "terminal"),
        (None, Tty(), "dumb", "log"),
        (None, io.StringIO(), "xterm", "log"),
        (object(), Tty(), "xterm", "terminal"),
    ],
)
def test_kind_is_chosen_by_where_the_study_runs(monkeypatch, shell, stream, term, kind):
    """Kernel, terminal, or anything else."""
    monkeypatch.setenv("TERM", term)
    assert choose(shell, stream) == kind


def test_a_closed_stream_is_a_log():
    """Asking it raises; that is no reason to stop."""
    closed = io.StringIO()
    closed.close()
    assert choose(None, closed) == "log"


def test_quiet_shows_nothing():
    """By either spelling."""
    out = io.StringIO()
    for view in (live_view("quiet", stream=out), live_view(stream=out, quiet=True)):
        for event in simulated.events(3):
            view(event)
    assert out.getvalue() == ""


def test_events_cost_the_loop_only_a_place_in_a_queue():
    """Rendering is not done where the event is told."""
    clock, painter = Clock(), Recorder()
    view = viewed(painter, clock)
    view(StudyStarted(simulated.info()))
    for number in range(100):
        clock.now += 10
        view(TrialStarted(number, Origin.TUNER, clock.now))
        view(MetricReported(number, Report("loss", 0.5, 0, clock.now)))
        view(TrialFinished(simulated.trial_of(number, 0.5)))
    assert len(painter.painted) == 1
    view(StudyFinished("complete", "done", clock.now, 0))
    assert painter.finished == [100]
