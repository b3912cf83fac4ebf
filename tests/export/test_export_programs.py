"""Exported programs run without hpmagic and search what the cell searched."""

import ast
import subprocess
import sys
import textwrap

import pytest

from hpmagic.engines.local import LocalEngine
from hpmagic.errors import OptionError
from hpmagic.execution.runner import KernelRunner
from hpmagic.export import Search, export
from hpmagic.export.search import EarlierCell, ExportError
from hpmagic.language import parse_cell
from hpmagic.notebook.source import as_python, plain_transform
from hpmagic.records import Direction, Objective, Origin, StudyInfo
from hpmagic.study import Limits, Planned, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree


def search_of(text, *, earlier=(), tuner="random", trials=4, pruner="none", objectives=None):
    """A study of a cell after earlier cells, run in memory."""
    text = textwrap.dedent(text).lstrip("\n")
    cells = [EarlierCell(t, as_python(t, plain_transform)) for t in map(textwrap.dedent, earlier)]
    namespace = {}
    for each in cells:
        if "get_ipython" not in each.python:
            exec(each.python, namespace)
    python = as_python(text, plain_transform)
    cell = parse_cell(text, python=python)
    objectives = objectives or cell.objectives
    tree = ExecutionTree()
    kind = get_tuner(tuner)
    context = TunerContext(cell.space, objectives, trials, 1, tree)
    info = StudyInfo(
        name="study",
        experiment="",
        tuner=tuner,
        tuner_options={},
        trials=trials,
        seed=1,
        objectives=objectives,
        space=cell.space,
        constants={},
        source=text,
        fingerprint="",
        start=0.0,
        pruner=pruner,
    )
    extra = tuple(o.name for o in objectives if o.name not in {m.name for m in cell.marks})
    runner = KernelRunner(cell, namespace, objectives=objectives, extra_metrics=extra)
    result = run_study(
        info,
        LocalEngine(runner),
        kind.make(context),
        tree,
        plan=[Planned(Origin.DEFAULT)],
        limits=Limits(trials),
    )
    return Search(result.record, text, python, tuple(cells))


def run(program, tmp_path):
    """What the program prints, in a process of its own in which hpmagic is not to be found."""
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    alone = "import runpy, sys; sys.modules['hpmagic'] = None; "
    alone += "runpy.run_path('program.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", alone], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr + program
    assert "Warning" not in done.stderr.replace("ExperimentalWarning", ""), done.stderr
    return done.stdout


CONDITIONAL = """
    kernel = "rbf"      # tune: choice("linear", "rbf", "poly")
    if kernel == "poly":
        degree = 3      # tune: int(2, 5)
    else:
        degree = 1
    C = 1.0             # tune: loguniform(1e-3, 1e3)   # how much to trust the data

    note = '''kept
      as it is'''
    loss = abs(C - 2) + degree  # tune: minimize
    size = len(note)            # tune: metric
    assert note == 'kept\\n  as it is'
"""


def test_the_optuna_program_is_the_cell(tmp_path):
    """Draws stand where the values stood, conditions and comments stay, annotations are gone."""
    search = search_of(CONDITIONAL)
    program = export("optuna", search)
    ast.parse(program)
    assert 'kernel = trial.suggest_categorical("kernel", ["linear", "rbf", "poly"])' in program
    assert '        degree = trial.suggest_int("degree", 2, 5)' in program
    assert 'C = trial.suggest_float("C", 0.001, 1000.0, log=True)  # how much to trust' in program
    assert "# tune:" not in program
    assert "hpmagic" not in program.split('"""', 2)[2]
    assert 'enqueue_trial({"kernel": "rbf", "C": 1.0})' in program
    out = run(program + "    print(len(study.trials), study.trials[0].value)\n", tmp_path)
    assert out.splitlines()[-1] == f"4 {search.record.trials[0].value}"


def test_the_optuna_program_draws_every_kind(tmp_path):
    """Each distribution has its words, and the person's own values come first."""
    search = search_of(
        """
        a = 0.5      # tune: uniform(0, 1)
        b = 0.5      # tune: uniform(0, 1, step=0.25)
        c = 8        # tune: int(2, 64, log=True)
        d = 4        # tune: int(0, 10, step=2)
        e = "m"      # tune: ordinal("s", "m", "l")
        f = 0.25     # tune: normal(0, 2)
        g = 1.5      # tune: lognormal(0, 1)
        h = (1, 2)   # tune: choice((1, 2), (3,), None)
        k = abs      # tune: choice(abs, round)
        n = 2        # tune: int(1, most)
        m = fs[1]    # tune: choice(fs)
        for i in range(2):
            u = 8    # tune: int(4, 16), name="u_{i}"
            w = 30   # tune: choice(ws), name="w_{i}"
        q = True     # tune: bool()
        q += m(w, 7)
        loss = k(a + b + c + d + f + g + n + u + q) + len(e) + (h or (0,))[0]  # tune: minimize
        """,
        earlier=["most = 7\n", "fs = [min, max]\nws = [10, 20, 30]\n", "unused = 1\n"],
    )
    program = export("optuna", search)
    assert "unused" not in program
    assert 'trial.suggest_int("n", 1, most)' in program
    assert '["s", "m", "l"][trial.suggest_int("e_index", 0, 2)]' in program
    out = run(program + "    print(study.trials[0].value)\n", tmp_path)
    mine = search.record.trials[0].value
    assert float(out.splitlines()[-1]) == pytest.approx(mine, abs=1e-6)


@pytest.mark.parametrize("tuner", ["random", "grid"])
def test_an_option_that_is_a_name_is_enqueued_as_it_is_asked_for(tuner, tmp_path):
    """Where one option is written as an expression, all are asked for by their labels."""
    search = search_of(
        """
        width = 64  # tune: choice(64, WIDE)
        loss = width * 1.0  # tune: minimize
        """,
        earlier=["WIDE = 256\n"],
        tuner=tuner,
        trials=2,
    )
    program = export("optuna", search)
    assert 'enqueue_trial({"width": "64"})' in program
    out = run(program + "    print(study.trials[0].value)\n", tmp_path)
    assert out.splitlines()[-1] == "64.0"


def test_the_optuna_program_goes_on_where_a_trial_fails(tmp_path):
    """As the study did; a function's parameter may be called as Optuna's trial is."""
    search = search_of(
        """
        def half(trial):
            return trial / 2

        x = 1  # tune: int(1, 3)
        loss = half(1 / (x - 1))  # tune: minimize
        """,
        trials=6,
    )
    program = export("optuna", search)
    assert "def half(trial):" in program
    out = run(program + "    print(*(t.state.name for t in study.trials))\n", tmp_path)
    assert out.splitlines()[-1].startswith("FAIL ")
    assert "COMPLETE" in out.splitlines()[-1]


def test_steps_patience_and_pruning_go_along(tmp_path):
    """A training loop reports, may be pruned, and stops when it no longer improves."""
    search = search_of(
        """
        lr = 0.5  # tune: uniform(0.1, 1)
        for epoch in range(50):
            loss = max(1 - lr * epoch, 0)  # tune: minimize(patience=3)
        """,
        pruner="median",
    )
    program = export("optuna", search)
    assert "trial.report(float(loss), loss_step)" in program
    assert "pruner=optuna.pruners.MedianPruner()" in program
    out = run(program + "    print(max(study.trials[0].intermediate_values))\n", tmp_path)
    steps = [step for step, _ in search.record.trials[0].curves["loss"]]
    assert int(out.splitlines()[-1]) == max(steps) < 49


def test_the_best_of_a_curve_counts_where_it_is_asked_for(tmp_path):
    """``best`` returns the best report, not the last."""
    search = search_of(
        """
        lr = 0.5  # tune: uniform(0.1, 1)
        for epoch in range(5):
            loss = abs(epoch - 2) + lr  # tune: minimize(best)
        """
    )
    out = run(export("optuna", search) + "    print(study.trials[0].value)\n", tmp_path)
    assert float(out.splitlines()[-1]) == search.record.trials[0].value == 0.5


def test_an_objective_inside_a_function_is_returned(tmp_path):
    """What is measured in a function reaches the study."""
    search = search_of(
        """
        def fit(lr):
            loss = (lr - 0.3) ** 2  # tune: minimize
            return loss
        lr = 0.5  # tune: uniform(0, 1)
        fit(lr)
        """
    )
    out = run(export("optuna", search) + "    print(study.trials[0].value)\n", tmp_path)
    assert float(out.splitlines()[-1]) == pytest.approx(0.04)


def test_names_of_earlier_cells_are_as_each_trial_found_them(tmp_path):
    """A name that the cell rebinds, and one that a helper reads as a global, both work."""
    search = search_of(
        """
        x = x * 2
        scale = 2.0  # tune: uniform(1, 3)
        loss = scaled(x)  # tune: minimize
        """,
        earlier=["x = 10\n", "def scaled(value):\n    return value * scale\n", "print('hi')\n"],
    )
    program = export("optuna", search)
    assert "global scale" in program
    assert "print('hi')" not in program
    out = run(program + "    print(study.trials[0].value)\n", tmp_path)
    assert float(out.splitlines()[-1]) == 40.0


@pytest.mark.parametrize("form", ["optuna", "script"])
def test_ipythons_lines_and_setup_go_along(form, tmp_path):
    """Magics become comments, timed lines stay, future imports come first."""
    search = search_of(
        """
        from __future__ import annotations
        lr = 0.5  # tune: uniform(0, 1)
        loss = lr + base  # tune: minimize
        """,
        earlier=["import math\nbase = math.pi\n"],
    )
    text = "from __future__ import division\n%load_ext hpmagic\nimport math\n%config x=1\n"
    text += "if math:\n    !ls\n%time base = math.pi\n"
    cell = EarlierCell(text, as_python(text, plain_transform))
    search = Search(search.record, search.text, search.python, (cell,))
    program = export(form, search)
    assert "load_ext" not in program
    assert "# %config x=1" in program
    assert "pass  # !ls" in program
    assert "base = math.pi" in program
    run(program, tmp_path)


def test_the_grid_program_visits_the_grid(tmp_path):
    """Each combination once, as many as the study had."""
    search = search_of(
        """
        a = 0.5  # tune: uniform(0, 1), n=3
        b = "x"  # tune: ["x", "y"]
        if b == "y":
            c = 1  # tune: int(1, 2)
        else:
            c = 0
        loss = a + c  # tune: minimize
        """,
        tuner="grid",
        trials=None,
    )
    out = run(export("optuna", search) + "    print(len(study.trials))\n", tmp_path)
    assert int(out.splitlines()[-1]) == len(search.record.trials) == 9


def test_several_objectives_are_several_in_optuna(tmp_path):
    """A multi-objective study stays one."""
    search = search_of(
        """
        a = 0.5  # tune: uniform(0, 1)
        loss = a  # tune: minimize
        gain = a  # tune: maximize
        """
    )
    assert 'directions=["minimize", "maximize"]' in export("optuna", search)
    run(export("optuna", search), tmp_path)


def test_an_objective_named_by_an_option_is_returned(tmp_path):
    """``--maximize NAME`` needs no annotation."""
    search = search_of(
        "a = 0.5  # tune: uniform(0, 1)\nauc = a\n",
        objectives=(Objective("auc", Direction.MAXIMIZE),),
    )
    out = run(export("optuna", search) + "    print(study.trials[0].value)\n", tmp_path)
    assert float(out.splitlines()[-1]) == 0.5


def test_the_script_has_the_best_values(tmp_path):
    """The plain program gives the best trial's value, also of values made in loops."""
    search = search_of(
        """
        lr = 0.5  # tune: uniform(0, 1)
        total = 0
        for i in range(3):
            u = 8  # tune: int(4, 16), name="u_{i}"
            total += u
        pick = min  # tune: choice(min, max)
        loss = lr + pick(total, 20)  # tune: minimize
        """,
        trials=8,
    )
    program = export("script", search)
    assert "# tune:" not in program
    out = run(program, tmp_path)
    best = min(trial.value for trial in search.record.trials)
    assert out.splitlines()[-1] == f"loss = {best:.6g}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("from math import *\na = 1  # tune: int(1, 3)\nloss = a  # tune: minimize", "imports *"),
        ("a = 1  # tune: int(1, 3)\nif a: loss = a  # tune: minimize(best)", "a line of its own"),
    ],
)
def test_what_no_function_holds_is_refused(text, sentence):
    """The sentence says which line, and what to do."""
    with pytest.raises(ExportError) as caught:
        export("optuna", search_of(text))
    assert sentence in str(caught.value)


def test_forms_have_names():
    """An unknown form suggests the nearest."""
    with pytest.raises(OptionError) as caught:
        export("optuan", None)
    assert "did you mean `optuna`?" in str(caught.value)


def test_ray_takes_flat_spaces_only():
    """A conditional space is refused by name; a flat one becomes a program."""
    with pytest.raises(ExportError) as caught:
        export("ray", search_of(CONDITIONAL))
    assert "degree: drawn only where the line is reached" in str(caught.value)
    search = search_of(
        """
        a = 0.5  # tune: uniform(0, 1)
        b = 3    # tune: int(1, 9)
        c = 8    # tune: int(2, 64, log=True)
        d = "x"  # tune: ["x", "y"]
        e = 0.0  # tune: normal(0, 1)
        loss = a + b + c + e  # tune: minimize
        """
    )
    program = export("ray", search)
    ast.parse(program)
    for line in (
        '"a": tune.uniform(0.0, 1.0),',
        '"b": tune.randint(1, 10),',
        '"c": tune.lograndint(2, 65),',
        '"d": tune.choice(["x", "y"]),',
        '"e": tune.randn(0.0, 1.0),',
        'return {"loss": float(loss)}',
        'a = config["a"]',
    ):
        assert line in program


@pytest.mark.slow
def test_the_ray_program_runs(tmp_path):
    """Ray Tune runs the program where it is installed."""
    pytest.importorskip("ray.tune")
    search = search_of(
        """
        a = 0.5  # tune: uniform(0, 1), n=2
        b = "x"  # tune: ["x", "y"]
        loss = a + len(b)  # tune: minimize
        """,
        tuner="tpe",
    )
    path = tmp_path / "program.py"
    path.write_text(export("ray", search), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'b': 'x'" in done.stdout or "'b': 'y'" in done.stdout
