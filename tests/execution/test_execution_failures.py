"""A cell that raises gives a failed trial that points into the cell."""

import traceback

import pytest
from one_trial import run, runner_of, trial

from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.records import TrialState


def test_reason_has_type_message_and_the_line_in_the_cell():
    outcome = trial("""
        def f():
            raise ValueError("too big\\nsecond line")
        f()
        """)
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, ValueError)
    assert outcome.reason == "ValueError: too big (line 2)"


def test_traceback_has_the_source_and_only_the_frames_of_the_cell():
    outcome = trial("x = 1\ny = x / 0  # why\n", filename="<first>")
    assert 'File "<first>", line 2, in <module>' in outcome.output.traceback
    assert "y = x / 0  # why" in outcome.output.traceback
    assert outcome.output.traceback.count("File ") == 1
    assert traceback.extract_tb(outcome.error.__traceback__)[0].filename == "<first>"


def test_numbers_of_columns_are_those_of_the_person():
    outcome = trial(
        "lr = 1  # tune: int(1, 9)\nbad = [lr] + dict(\n    a=2,  # tune: int(1, 9)\n)\n"
    )
    assert "bad = [lr] + dict(" in outcome.output.traceback
    assert "(line 2)" in outcome.reason


def test_source_is_found_for_a_body_that_begins_further_down():
    cell = parse_cell("x = 1\nraise ValueError('here')\n", "<padded>", first_line=2)
    outcome = run(KernelRunner(cell, {}))
    assert 'File "<padded>", line 3' in outcome.output.traceback
    assert "raise ValueError('here')" in outcome.output.traceback
    assert outcome.reason == "ValueError: here (line 3)"


def test_source_of_an_earlier_cell_of_the_same_name_is_replaced():
    trial("raise ValueError('old')\n", filename="<same>")
    outcome = trial("raise ValueError('new')\n", filename="<same>")
    assert "raise ValueError('new')" in outcome.output.traceback


def test_frames_of_hpmagic_are_left_out_at_the_end_and_in_between():
    outcome = trial(
        """
        class Odd:
            def __repr__(self):
                raise KeyError("repr")
        for i in range(2):
            x = 1  # tune: int(1, i)
        Odd()
        """
    )
    files = {frame.filename for frame in traceback.extract_tb(outcome.error.__traceback__)}
    assert files == {"<cell>"}
    outcome = trial("class Odd:\n    def __repr__(self):\n        raise KeyError('repr')\nOdd()")
    assert [f.lineno for f in traceback.extract_tb(outcome.error.__traceback__)] == [4, 3]


def test_chained_errors_are_shown():
    outcome = trial(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
    )
    assert "ZeroDivisionError" in outcome.output.traceback
    assert "direct cause" in outcome.output.traceback


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("raise SystemExit(3)", SystemExit),
        ("import sys; sys.exit()", SystemExit),
        ("def f(): f()\nf()", RecursionError),
        ("raise MemoryError", MemoryError),
        ("raise GeneratorExit", GeneratorExit),
        ("exec('x = = 1')", SyntaxError),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})()", Exception),
        ("raise type('Empty', (Exception,), {'__len__': lambda s: 0})()", Exception),
    ],
)
def test_everything_the_cell_may_raise_is_a_failed_trial(statement, kind):
    outcome = trial(statement + "\ndone = 1.0  # tune: maximize")
    assert outcome.state is TrialState.FAILED
    assert isinstance(outcome.error, kind)
    assert outcome.reason
    assert outcome.output.traceback


def test_keyboard_interrupt_raised_by_the_cell_is_an_interrupted_trial():
    outcome = trial("x = 1\nraise KeyboardInterrupt")
    assert outcome.state is TrialState.INTERRUPTED
    assert outcome.bindings == {"x": 1}


def test_output_before_the_failure_is_kept_and_the_next_trial_is_sound():
    runner = runner_of(
        "x = 1  # tune: int(0, 9)\nprint('before')\ny = 1 / x\ndone = y  # tune: maximize"
    )
    failed = run(runner, {"x": 0})
    assert (failed.state, failed.output.stdout) == (TrialState.FAILED, "before\n")
    assert run(runner, {"x": 2}).values == {"done": 0.5}


def test_error_can_be_raised_again_with_a_traceback_that_begins_in_the_cell():
    outcome = trial("def f():\n    raise ValueError\nf()")
    with pytest.raises(ValueError) as info:
        raise outcome.error
    frames = [f.path.name if hasattr(f.path, "name") else str(f.path) for f in info.traceback][1:]
    assert frames == ["<cell>", "<cell>"]
