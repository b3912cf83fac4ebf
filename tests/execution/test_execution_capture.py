"""What a trial prints and draws is kept with it, bounded."""

import io
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_trial import run, runner_of, trial

from hpmagic.execution.stream import BoundedText

DONE = "\ndone = 1.0  # tune: maximize\n"


def test_streams_are_kept_apart(capsys):
    outcome = trial("import sys\nprint('out')\nprint('err', file=sys.stderr)" + DONE)
    assert (outcome.output.stdout, outcome.output.stderr) == ("out\n", "err\n")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "nasty",
    [
        "sys.stdout.close()",
        "sys.stdout = io.StringIO()",
        "sys.stdout = None",
        "del sys.stdout",
        "sys.stdout.buffer.write(b'bytes')",
        "sys.stdout.flush(); sys.stdout.isatty()",
    ],
)
def test_streams_survive_what_the_cell_does_to_them(nasty):
    before = sys.stdout
    outcome = trial(f"import io, sys\nprint('first')\n{nasty}" + DONE)
    assert outcome.output.stdout.startswith("first\n")
    assert sys.stdout is before


def test_writing_something_else_than_text_is_refused_as_usual():
    outcome = trial("import sys\nsys.stdout.write(1)" + DONE)
    assert outcome.reason == "TypeError: write() argument must be str, not int (line 2)"


def test_callbacks_print_to_the_notebook(capsys):
    outcome = trial(
        "print('cell')\nfor i in range(1):\n    acc = 1.0  # tune: maximize\n",
        report=lambda _: print("view"),
    )
    assert outcome.output.stdout == "cell\n"
    assert capsys.readouterr().out == "view\n"


def test_redirection_of_the_cell_outlasts_a_report():
    outcome = trial("""
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as mine:
            acc = 1.0  # tune: maximize
            print("mine")
        text = mine.getvalue()
        """)
    assert outcome.bindings["text"] == "mine\n"
    assert outcome.output.stdout == ""


def test_logging_handler_of_one_trial_serves_the_next(capsys):
    logger = logging.getLogger("hpmagic.test.capture")
    logger.propagate = False
    runner = runner_of(
        """
        import logging
        if not log.handlers:
            log.addHandler(logging.StreamHandler())
        log.warning("heard")
        """
        + "done = 1.0  # tune: maximize\n",
        {"log": logger},
    )
    assert [run(runner).output.stderr for _ in range(2)] == ["heard\n"] * 2
    logger.warning("later")
    assert capsys.readouterr().err == "later\n"


@given(st.lists(st.text(max_size=30), max_size=30), st.integers(2, 40))
def test_bounded_text_keeps_both_ends(pieces, limit):
    kept = BoundedText(limit)
    for piece in pieces:
        kept.add(piece)
    whole, half = "".join(pieces), limit // 2
    if len(whole) <= 2 * half:
        assert str(kept) == whole
    else:
        lost = len(whole) - 2 * half
        middle = f"\n... [{lost:,} characters left out] ...\n"
        assert str(kept) == whole[:half] + middle + whole[-half:]


def test_flood_of_prints_is_bounded():
    outcome = trial("for i in range(20_000):\n    print('x' * 50)" + DONE)
    assert len(outcome.output.stdout) < 270_000
    assert "characters left out" in outcome.output.stdout


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        ("x", "3\n"),
        ("x;", ""),
        ("x  # a comment;", "3\n"),
        ("x; # quiet", ""),
        ("None", ""),
        ("x = 4", ""),
        ("'text'", "'text'\n"),
        ("(x,\n x)", "(3, 3)\n"),
    ],
)
def test_last_expression_is_shown_unless_silenced(last, shown):
    outcome = trial(f"x = 3\ndone = 1.0  # tune: maximize\n{last}")
    assert outcome.output.stdout == shown


def test_figures_left_open_are_kept_and_closed():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    mine = plt.figure()
    outcome = trial(
        "for i in range(12):\n    fig, ax = plt.subplots(figsize=(1, 1))\n    ax.plot([i])" + DONE,
        {"plt": plt},
    )
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)
    assert len(outcome.output.figures) == 10
    assert all(png.startswith(b"\x89PNG") for png in outcome.output.figures)


def test_cell_without_plots_imports_no_matplotlib(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    trial("x = 1" + DONE)
    assert "matplotlib.pyplot" not in sys.modules


def test_output_of_one_trial_is_not_in_the_next():
    runner = runner_of("n = 1  # tune: int(1, 9)\nprint(n)" + DONE)
    assert [run(runner, {"n": n}).output.stdout for n in (1, 2)] == ["1\n", "2\n"]


def test_real_streams_are_those_of_the_moment():
    runner = runner_of("print('in')" + DONE)
    elsewhere = io.StringIO()
    before, sys.stdout = sys.stdout, elsewhere
    try:
        run(runner)
        assert sys.stdout is elsewhere
    finally:
        sys.stdout = before


@pytest.mark.filterwarnings("error")
def test_logging_handler_of_an_earlier_cell_writes_to_the_trial(capsys):
    """The notebook is not flooded; afterwards the handler writes there again."""
    logger = logging.getLogger("hpmagic.test.earlier")
    logger.propagate = False
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        runner = runner_of(
            "log.warning('heard')\ndone = 1.0  # tune: maximize\n",
            {"log": logger, "handler": handler},
        )
        assert [run(runner).output.stderr for _ in range(3)] == ["heard\n"] * 3
        assert capsys.readouterr().err == ""
        logger.warning("later")
        assert capsys.readouterr().err == "later\n"
    finally:
        logger.removeHandler(handler)
