"""Work that no changed value can influence runs once, and only while that is safe."""

import random
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from reuse_cells import Study, outputs

from hpmagic.execution.outcome import Pruned
from hpmagic.records import TrialState

DONE = "\nscore = float(lr)  # tune: maximize\n"
LR = "lr = 0.5  # tune: uniform(0, 1)\n"
K = "k = 1  # tune: int(1, 3)\n"
NAMES = "tempfile._get_candidate_names()"
"""Random texts from a generator that nobody can seed."""


def test_lines_before_the_first_use_of_a_tuned_value_run_once():
    study = Study(LR + "print('load')\ndata = [1, 2]\nprint('use', lr)" + DONE)
    assert outputs(study, {}, {"lr": 0.25}) == ["load\nuse 0.5\n", "use 0.25\n"]
    assert study.outcomes[1].bindings["data"] == [1, 2]
    assert study.outcomes[1].notes["reused"].startswith("lines 1-3 ran once (")
    assert "from_scratch" in study.outcomes[1].notes


def test_fresh_trials_run_every_line():
    study = Study(LR + "print('load')\nprint('use', lr)" + DONE, reuse=False)
    assert outputs(study, {}, {"lr": 0.25}) == ["load\nuse 0.5\n", "load\nuse 0.25\n"]
    assert "reused" not in study.outcomes[1].notes


def test_stage_is_reused_when_its_values_are_the_same():
    study = Study(K + LR + "print('lead')\nprint('stage', k)\nx = k\nprint('use', lr)" + DONE)
    found = outputs(study, {"k": 1}, {"k": 2}, {"k": 1, "lr": 0.1}, {"k": 2, "lr": 0.2})
    assert found == ["lead\nstage 1\nuse 0.5\n", "stage 2\nuse 0.5\n", "use 0.1\n", "use 0.2\n"]
    assert "for each value of k" in study.outcomes[3].notes["reused"]


def test_values_of_a_continuum_are_not_waited_for_again():
    study = Study(LR + K + "print('lead')\nprint('lr', lr)\nprint('k', k)" + DONE)
    assert outputs(study, {}, {"lr": 0.1}, {"lr": 0.1, "k": 2})[2] == "lr 0.1\nk 2\n"


def test_value_drawn_where_it_is_used_ends_the_leading_part():
    study = Study("print('lead')\nmade = dict(\n    lr=0.5,  # tune: uniform(0, 1)\n)\n"
                  "score = made['lr']  # tune: maximize\nprint(score)\n")  # fmt: skip
    assert outputs(study, {}, {"lr": 0.25}) == ["lead\n0.5\n", "0.25\n"]


def test_reports_of_reused_lines_are_made_in_every_trial():
    study = Study(LR + "base = 2.0  # tune: metric\nx = lr" + DONE)
    outputs(study, {}, {"lr": 0.25})
    assert [[(r.name, r.value) for r in o.reports] for o in study.outcomes] == [
        [("base", 2.0), ("score", 0.5)],
        [("base", 2.0), ("score", 0.25)],
    ]
    assert "reused" in study.outcomes[1].notes


def test_trial_may_be_pruned_by_a_report_of_a_reused_line():
    study = Study(LR + "base = 2.0  # tune: metric\nx = lr" + DONE)

    def prune(report):
        if report.name == "base":
            raise Pruned

    outputs(study, {})
    assert study.run({"lr": 0.25}, prune).state is TrialState.PRUNED


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("open('out.txt', 'w').close()", "writes files"),
        ("import os; os.makedirs('d', exist_ok=True)", "makes folders"),
        ("import subprocess; subprocess.run(['true'])", "starts a process"),
        ("import time; t = time.perf_counter()", "reads the clock"),
        ("import numpy as np; r = np.random.default_rng()", "draws numbers that no seed fixes"),
        ("g = (i for i in 'ab')", "holds a generator"),
        ("fh = open(__file__)", "holds an open file"),
        ("import builtins; builtins.sum = max", "changes Python's builtins"),
    ],
)
def test_what_cannot_be_reused_runs_in_every_trial(statement, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.txt"
    path.write_text("a")
    study = Study(
        LR + "print('lead')\nx = k\n" + statement + "\nprint('after')\nprint(lr)" + DONE,
        {"k": 3, "__file__": str(path)},
    )
    assert outputs(study, {}, {"lr": 0.25})[1] == "lead\nafter\n0.25\n"
    assert why in " ".join(study.runner._stages.why_not.values())


def test_file_that_was_read_is_read_again_when_it_has_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("a")
    study = Study(LR + "with open('data.txt') as f: data = f.read()\nseen = data, lr" + DONE)
    outputs(study, {}, {"lr": 0.25})
    assert "reused" in study.outcomes[1].notes
    (tmp_path / "data.txt").write_text("bcd")
    assert study.run({"lr": 0.1}).bindings["seen"] == ("bcd", 0.1)


def test_vouched_statement_runs_once_whatever_it_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "n = open('log.txt', 'a').write('x')  # tune: once\nprint(lr)\nseen = n"
    study = Study(LR + text + DONE)
    outputs(study, {}, {"lr": 0.25}, {"lr": 0.1})
    assert (tmp_path / "log.txt").read_text() == "x"
    assert [o.bindings["seen"] for o in study.outcomes] == [1, 1, 1]


def test_vouched_statement_after_a_use_runs_once_too():
    text = LR + "x = lr\ndata = load()  # tune: once\ndata.append(x)\nprint(data)" + DONE
    study = Study(text, {"load": lambda: print("load") or [0]})
    assert outputs(study, {}, {"lr": 0.25}) == ["load\n[0, 0.5]\n", "[0, 0.25]\n"]


def test_checkpoint_that_later_lines_spoil_is_made_again_with_copies():
    text = LR + "print('lead')\nx = np.ones(400_000)\nx *= lr\nseen = float(x[0])" + DONE
    study = Study(text, {"np": np})
    found = outputs(study, {}, {"lr": 0.25}, {"lr": 0.1})
    assert [o.bindings["seen"] for o in study.outcomes] == [0.5, 0.25, 0.1]
    assert found == ["lead\n", "lead\n", ""]


def test_other_metrics_from_a_checkpoint_turn_reuse_off():
    text = "x = 1\nscore = lr + hash(next(names))  # tune: maximize\n"
    study = Study(LR + f"import tempfile\n{text}".replace("names", NAMES))
    outputs(study, {}, {"lr": 0.25})
    assert "reused" not in study.outcomes[1].notes
    assert study.said == [
        "Nothing is reused from here on: a trial gave other metrics when it was continued from a "
        "checkpoint."
    ]


def test_integrations_of_mlflow_that_log_nothing_leave_the_check_of_a_checkpoint(monkeypatch):
    """Importing one is enough for MLflow to list it; only switched on does it log."""
    settings: dict[str, dict[str, object]] = {"mlflow": {}, "sklearn": {"disable": True}}
    utils = SimpleNamespace(AUTOLOGGING_INTEGRATIONS=settings)
    monkeypatch.setitem(sys.modules, "mlflow.utils.autologging_utils", utils)
    text = LR + f"import tempfile\nx = 1\nscore = lr + hash(next({NAMES}))  # tune: maximize\n"
    study = Study(text)
    outputs(study, {})
    assert len(study.said) == 1
    settings["sklearn"] = {"disable": False}
    study = Study(text)
    outputs(study, {})
    assert study.said == []


def test_repeats_share_leading_work_with_those_of_the_same_seed():
    """What a leading line drew belongs to its seed."""
    text = (
        "import hpmagic, random\nprint('lead')\nx = random.random() + hpmagic.seed\nscore = lr + x"
    )
    study = Study(LR + text + "  # tune: maximize\n")
    found = [
        study.run({"lr": lr}, seed=seed).values["score"] for lr in (0.25, 0.125) for seed in (0, 1)
    ]
    drawn = [random.Random(seed).random() + seed for seed in (0, 1)]
    assert found == [lr + x for lr in (0.25, 0.125) for x in drawn]
    assert ["reused" in o.notes for o in study.outcomes] == [False, False, True, True]


def test_published_repeat_is_run_again_with_its_seed():
    text = "import random\nbox.append(random.random())\nscore = lr"
    box: list[float] = []
    study = Study(LR + text + "  # tune: maximize\n", {"box": box})
    for seed in (3, 4, 5):
        study.run({}, seed=seed)
    outcome = study.outcomes[1]
    study.runner.publish(replace(outcome, carry=replace(outcome.carry, whole=False)))
    assert box == [random.Random(4).random()]


def test_failure_of_a_reused_trial_is_repeated_from_the_start():
    """The logging module remembers the name of a level where nobody looks."""
    text = (
        "logging.addLevelName(33, 'HERE')\nassert logging.getLevelName(33) == 'HERE'\n"
        "assert logging.getLevelName(33) == 'HERE', lr\n"
        "if lr > 0.9: logging.addLevelName(33, 'GONE')"
    )
    study = Study(LR + text + DONE, {"logging": __import__("logging")})
    outputs(study, {}, {"lr": 0.95}, {"lr": 0.25})
    assert [o.state for o in study.outcomes] == [TrialState.COMPLETE] * 3
    assert "a trial failed only when reused" in study.said[0]


def test_real_failure_is_reported_once_and_costs_no_trust():
    heard = []
    study = Study(LR + "base = 1.0  # tune: metric\nif lr > 0.9: raise ValueError(lr)" + DONE)
    outputs(study, {})
    outcome = study.run({"lr": 0.95}, heard.append)
    assert outcome.state is TrialState.FAILED
    assert [report.name for report in heard] == ["base"]
    assert study.said == []
    outputs(study, {"lr": 0.1})
    assert "reused" in study.outcomes[-1].notes


def test_published_trial_has_its_own_state_of_shared_objects():
    study = Study(LR + "data = {'n': [1]}\ndata['n'].append(lr)" + DONE)
    outputs(study, {}, {"lr": 0.25}, {"lr": 0.1})
    study.runner.publish(study.outcomes[1])
    study.runner.close()
    assert study.namespace["data"] == {"n": [1, 0.25]}
    assert study.namespace["data"] is study.outcomes[1].bindings["data"]


def test_published_trial_whose_objects_are_gone_is_run_again():
    text = LR + "x = np.ones(20_000_000)\nx *= lr\nseen = float(x[0])" + DONE
    study = Study(text, {"np": np}, memory=0)
    outputs(study, {}, {"lr": 0.25}, {"lr": 0.1})
    study.runner.publish(study.outcomes[1])
    assert float(study.namespace["x"][0]) == 0.25


def test_without_memory_nothing_is_kept():
    study = Study(LR + "print('lead')\ndata = [1]\nx = lr" + DONE, memory=0)
    assert outputs(study, {}, {"lr": 0.25}) == ["lead\n", "lead\n"]


def test_cell_that_awaits_runs_whole():
    study = Study(
        "import asyncio\n" + LR + "print('lead')\nawait asyncio.sleep(0)\nprint(lr)" + DONE
    )
    assert outputs(study, {}, {"lr": 0.25})[1] == "lead\n0.25\n"


def test_draws_are_asked_for_once_and_in_their_order():
    study = Study(LR + K + "data = [1]\nx = k\ny = lr" + DONE)
    outputs(study, {}, {"lr": 0.25, "k": 2})
    assert study.asked == [["lr", "k"], ["lr", "k"]]
    assert list(study.outcomes[1].params) == ["lr", "k"]


def test_quick_cells_are_not_looked_at_for_long(monkeypatch):
    from hpmagic.execution.reuse import stages

    monkeypatch.setattr(stages, "WORTH", 0.02)
    study = Study(LR + "x = 1\ny = lr" + DONE)
    outputs(study, {}, {"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3})
    assert not study.runner._stages.enabled


def test_lines_that_could_stand_higher_are_named(monkeypatch):
    from hpmagic.execution.reuse import account

    monkeypatch.setattr(account, "LONG", 0.0)
    study = Study(LR + "x = lr\ndata = [sum(range(200_000)) for _ in range(3)]" + DONE)
    outputs(study, {})
    assert study.outcomes[0].notes["reuse"] == (
        "line 3 runs in every trial because line 2 above, which uses `lr`, comes first"
    )


def test_object_that_no_later_line_names_is_looked_at_all_the_same():
    """A handler that a library holds changes what only it can reach."""
    text = """
class Count(logging.Handler):
    seen = 0
    def emit(self, record):
        self.seen += 1
handler = Count()
lg = logging.getLogger("hpmagic-far")
lg.addHandler(handler)
lg.warning("x") if lr > 0 else None
seen = logging.getLogger("hpmagic-far").handlers[0].seen
"""
    study = Study(LR + text + DONE, {"logging": __import__("logging")})
    outputs(study, {}, {"lr": 0.25}, {"lr": 0.1}, {"lr": 0.2})
    assert [o.bindings["seen"] for o in study.outcomes] == [1, 1, 1, 1]
