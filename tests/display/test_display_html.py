"""The panel as HTML: what it says, and that nothing hostile gets out of its text."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import simulated

from hpmagic.display import html
from hpmagic.display.progress import Progress
from hpmagic.distributions import Choice, LogUniform
from hpmagic.records import (
    Direction,
    MetricReported,
    Objective,
    Origin,
    Output,
    Report,
    StudyFinished,
    StudyStarted,
    TrialFinished,
    TrialStarted,
)

VOID = {"img", "br", "wbr"}


class Page(HTMLParser):
    """Collects tags and text, and checks that every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+([,:])", r"\1", re.sub(r"\s+", " ", " ".join(self.text)))


def folded(events):
    progress = Progress()
    for event in events:
        progress.fold(event)
    return progress


def midway(trials=17, **options):
    kept = []
    for event in simulated.events(40, **options):
        kept.append(event)
        if isinstance(event, TrialStarted) and event.number == trials:
            break
    return folded(kept), kept[-1].start + 1.0


def charts(text):
    found = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    return [base64.b64decode(f).decode() for f in found]


def test_live_panel_says_how_far_how_good_and_against_what():
    """Progress, time left, best, gain and the running trial are all there as words."""
    progress, now = midway(failing=0.2)
    words = Page(html.live(progress, now)).words
    assert "17 of 40 trials" in words
    assert "left" in words
    assert "best accuracy" in words
    assert "better than your 0.8915" in words
    assert "running" in words
    assert "failed" in words


def study_of(*values, direction=Direction.MINIMIZE, params=None):
    """A study of one objective, ``mse``, whose first trial is the person's own."""
    told = simulated.info(len(values), [Objective("mse", direction)], table=params or {})
    stream = [StudyStarted(told)]
    for number, value in enumerate(values):
        drawn = {name: default for name, (_, default) in (params or {}).items()}
        distributions = {name: d for name, (d, _) in (params or {}).items()}
        trial = simulated.trial_of(number, value, params=drawn, distributions=distributions)
        stream.append(TrialFinished(trial))
    end = StudyFinished("complete", "done", simulated.BEGIN + 9, 0)
    return simulated.record_of([*stream, end])


@pytest.mark.parametrize(
    ("values", "hero", "cells"),
    [
        (
            [7e-7, 3.546e-7, 0.6138, 10.67],
            "3.546e-07 best mse, trial 1 ▼ 3.454e-07 (49.3%) better than your 7e-07",
            ["1 best 3.546e-07", "0 yours 7e-07", "2 0.6138", "3 10.67"],
        ),
        ([1e-9, 0.01, 0.04], "1e-09 best mse, trial 0", ["0 best 1e-09", "1 0.01", "2 0.04"]),
        (
            [0.0012, 0.0005198, 0.62],
            "0.000520 best mse, trial 1 ▼ 0.000680 (56.7%) better than your 0.001200",
            ["1 best 0.000520", "0 yours 0.001200", "2 0.620000"],
        ),
        (
            [0.9688, 0.9679, 0.9712],
            "0.9679 best mse, trial 1 ▼ 0.0009 (0.1%) better than your 0.9688",
            ["1 best 0.9679", "0 yours 0.9688", "2 0.9712"],
        ),
        (
            [4000.3, 0.00155, 0.3],
            "0.00155 best mse, trial 1 ▼ 4000 (100.0%) better than your 4000",
            ["1 best 0.00155", "2 0.3", "0 yours 4000"],
        ),
    ],
    ids=["decades", "nearly zero", "small", "close", "far default"],
)
def test_the_best_the_persons_own_and_the_gain_are_never_rounded_away(values, hero, cells):
    """They have three digits, and the head and the table of a view show a value alike."""
    record = study_of(*values)
    for words in (
        Page(html.final(record)).words,
        Page(html.live(Progress.of(record), simulated.BEGIN + 9)).words,
    ):
        assert hero in words
        for cell in cells:
            assert f" {cell} " in words


def test_best_values_stand_beside_the_chart_only_where_they_have_room():
    """A wide table has the panel's whole width, so that its ranges can be seen."""
    narrow = {"lr": (LogUniform(1e-3, 1.0), 0.1)}
    wide = {"a_name_of_twenty_four_ch": (LogUniform(1e-3, 1.0), 0.123456789)}
    wide |= {"path": (Choice(("/a/long/path/to/the/data", "b")), "/a/long/path/to/the/data")}
    below = [
        html.final(study_of(2.0, 1.0, params=table)).index("best values")
        > html.final(study_of(2.0, 1.0, params=table)).index("<figure")
        for table in (narrow, wide)
    ]
    assert below == [False, True]


def test_live_panel_has_the_same_number_of_rows_from_start_to_end():
    """The panel must not jump while the study runs."""
    counts = set()
    for trials in (0, 1, 3, 30):
        progress, now = midway(trials)
        counts.add(Page(html.live(progress, now)).tags.count("tr"))
    assert len(counts) == 1


def test_running_curve_is_drawn_when_the_trial_reports_steps():
    """The second chart appears with the first step."""
    progress, now = midway(5)
    assert html.live(progress, now).count("<svg") == 1
    progress.fold(MetricReported(5, Report("accuracy", 0.5, 0, now)))
    progress.fold(MetricReported(5, Report("accuracy", 0.6, 1, now)))
    text = html.live(progress, now)
    assert text.count("<svg") == 2
    assert "accuracy by step, trial 5" in text


def test_progress_bar_and_charts_have_text_alternatives():
    """Nothing is told by a picture or a colour alone."""
    progress, now = midway(17, failing=0.3, pruning=0.2)
    text = html.live(progress, now)
    assert 'role="progressbar"' in text
    assert 'aria-valuenow="17"' in text
    assert 'role="img" aria-label="accuracy of 17 trials; best' in text
    assert "✕" in text
    final = html.final(simulated.record(40))
    assert re.search(
        r'<img [^>]*alt="accuracy of 40 trials; best 0\.9\d+ in trial \d+; your', final
    )


def test_final_view_names_best_values_findings_and_failures():
    """It is the study's representation: what to set, what was learnt, what went wrong."""
    words = Page(html.final(simulated.record(40, failing=0.1))).words
    assert "best values" in words
    assert "searched in" in words
    assert "mattered most" in words or "No pattern yet" in words
    assert "failed trial" in words
    assert "MLflow: digits, run ffffffff" in words


def test_final_view_reads_well_without_style_and_svg():
    """In an untrusted notebook both are dropped: the chart is an image, the rest plain tables."""
    text = html.final(simulated.record(40))
    assert "<svg" not in text.replace("image/svg", "")
    stripped = re.sub(r"<style>.*?</style>", "", text)
    page = Page(stripped)
    assert {"table", "img", "details"} <= set(page.tags)
    assert "best accuracy, trial" in page.words
    (chart,) = charts(text)
    assert "prefers-color-scheme:dark" in chart


def test_views_hold_no_script():
    """No script and no handler, in any view."""
    progress, now = midway(9)
    for text in (html.live(progress, now), html.final(simulated.record(20))):
        page = Page(text)
        assert "script" not in page.tags
        assert not any(name.startswith("on") for name, _ in page.attributes)


def test_an_interrupted_study_says_so():
    """The reason stands beside the count."""
    record = simulated.record(9, planned=40, state="interrupted")
    assert "stopped by hand after 9 trials" in Page(html.final(record)).words


def test_a_study_without_a_complete_trial_shows_its_errors():
    """The first thing a person needs then is the reason."""
    trials = [
        simulated.trial_of(i, None, reason="ValueError: no data", output=Output(traceback="Tr\nVE"))
        for i in range(3)
    ]
    finished = StudyFinished("failed", "the first 3 trials all failed", simulated.BEGIN + 9, None)
    stream = [StudyStarted(simulated.info()), *map(TrialFinished, trials), finished]
    words = Page(html.final(simulated.record_of(stream))).words
    assert "No trial ran to its end" in words
    assert "ValueError: no data" in words
    assert "Tr VE" in words


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_tiny_studies_have_a_view(trials):
    """Also one that has only just begun, or ended at once."""
    Page(html.final(simulated.record(trials)))
    events = list(simulated.events(max(trials, 1)))[: 1 + 2 * trials]
    Page(html.live(folded(events), simulated.BEGIN + 1))


def test_several_objectives_show_the_front():
    """There is no single best then."""
    words = Page(html.final(simulated.record(40, two=True))).words
    assert "best accuracy" in words
    assert "best latency" in words
    assert "on the Pareto front" in words


def test_two_thousand_trials_stay_small():
    """Under 200 KB, and a usual study under 20."""
    assert len(html.final(simulated.record(40, pruning=0.2, steps=10)).encode()) < 20_000
    assert len(html.final(simulated.record(2000, failing=0.3, pruning=0.3)).encode()) < 60_000
    progress = folded(list(simulated.events(2000))[:-1])
    assert len(html.live(progress, simulated.BEGIN + 9999).encode()) < 60_000


HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></svg><b>",
    "\x1b[31mred\x1b[0m",
    "x" * 1_000_000,
    "😀" * 50,
    "\u202etxt.exe",
    "שלום עולם",
    "a\nb\x00c\udcff",
    "&lt;script&gt;",
    "]]>--><!--",
]


def hostile_record(bad):
    objective = Objective(bad, Direction.MAXIMIZE)
    table = {bad: (Choice((bad, "b")), bad)}
    told = replace(
        simulated.info(3, (objective,), table, name=bad), experiment=bad, tuner=bad, pruner=bad,
        remarks=(bad,),
    )  # fmt: skip
    good = simulated.trial_of(
        0, 0.5, params={bad: bad}, distributions={bad: Choice((bad, "b"))}, notes={"reused": bad}
    )
    other = replace(good, number=1, origin=Origin.TUNER, values=(0.7,))
    lost = simulated.trial_of(2, None, reason=bad, output=Output(traceback=bad))
    finished = StudyFinished("interrupted", bad, simulated.BEGIN + 3, 1)
    return [StudyStarted(told), *map(TrialFinished, (good, other, lost)), finished]


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: repr(bad[:12]))
def test_hostile_names_values_and_tracebacks_stay_text(bad):
    """Everything is escaped and cut, wherever it stands."""
    stream = hostile_record(bad)
    final = html.final(simulated.record_of(stream))
    running = [*stream[:-1], TrialStarted(3, Origin.TUNER, 0.0)]
    running.append(MetricReported(3, Report(bad, 0.5, 1, 0.0)))
    live = html.live(folded(running), simulated.BEGIN + 3)
    for text in (final, live, html.space_table(stream[0].info.space)):
        text.encode("utf-8")
        page = Page(text)
        assert "script" not in page.tags
        assert not any(name.startswith("on") for name, _ in page.attributes)
        assert not any(value == "x" for name, value in page.attributes if name == "src")
        assert len(text) < 60_000
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)
    for chart in charts(final):
        Page(chart)


def test_hostile_names_add_no_element():
    """The tags of a page with a hostile name are those of the page with a harmless one."""
    for view in (lambda s: html.final(simulated.record_of(s)), lambda s: html.live(folded(s), 0.0)):
        plain = Page(view(hostile_record("a" * 60))).tags
        for bad in HOSTILE[:3]:
            tags = [t for t in Page(view(hostile_record(bad))).tags if t != "span"]
            assert tags == [t for t in plain if t != "span"]


def test_space_table_lists_what_is_tuned():
    """Name, range and written value."""
    words = Page(html.space_table(simulated.info().space)).words
    assert "loguniform(0.001, 1000)" in words
    assert "only where its line is reached" in words
