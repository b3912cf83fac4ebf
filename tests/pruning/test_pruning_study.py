"""Pruning in a whole study: the cell has no pruning code, and ends as if it had."""

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpmagic.engines.local import LocalEngine
from hpmagic.errors import OptionError
from hpmagic.execution.ranges import known_space
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.launch import Setting, plan_of
from hpmagic.options import parse_line
from hpmagic.pruning import OptunaPruner
from hpmagic.records import Direction, Objective, StudyInfo, TrialState
from hpmagic.study import Limits, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.registry import get_tuner, known_tuners
from hpmagic.tuners.tree import ExecutionTree

CELL = """\
rate = 0.5  # tune: uniform(0.01, 1)
start = 5.0  # tune: uniform(1, 10)
with manager:
    try:
        for epoch in range(20):
            try:
                loss = start * (1 - rate) ** epoch + 0.1 * rate  # tune: minimize
            except Exception:
                loss = 0.0
    finally:
        print("finally")
"""
LOSS = Objective("loss", Direction.MINIMIZE)


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        print("exit")


def study(name, seed, trials=30, text=CELL, **options):
    """Run a study of the cell by random search; the record, and what the cell's clean-up said."""
    namespace = {"manager": Manager()}
    cell = parse_cell(text)
    space = known_space(cell, namespace)
    tree = ExecutionTree()
    context = TunerContext(space, (LOSS,), trials, seed, tree)
    pruner = OptunaPruner(name, LOSS, seed=seed, **options)
    info = StudyInfo("s", "e", "random", {}, trials, seed, (LOSS,), space, {}, text, "", 0.0)
    runner = KernelRunner(cell, namespace)
    try:
        result = run_study(
            info,
            LocalEngine(runner),
            get_tuner("random").make(context),
            tree,
            limits=Limits(trials),
            listeners=[pruner],
            judge=pruner.judge,
        )
    finally:
        runner.close()
    said = [line for trial in result.record.trials for line in trial.output.stdout.split()]
    return result.record, said


def by_hand(name, seed, params):
    """The same study in Optuna: each trial's last step, None where it ran to its end."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {"asha": "SuccessiveHalving", "hyperband": "Hyperband", "median": "Median"}
    pruner = getattr(optuna.pruners, f"{kinds[name]}Pruner")()
    hand = optuna.create_study(direction="minimize", pruner=pruner, study_name=str(seed))
    for each in params:
        hand.enqueue_trial(dict(each))

    def objective(trial):
        rate = trial.suggest_float("rate", 0.01, 1)
        start = trial.suggest_float("start", 1, 10)
        for epoch in range(20):
            loss = start * (1 - rate) ** epoch + 0.1 * rate
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    hand.optimize(objective, n_trials=len(params))
    pruned = optuna.trial.TrialState.PRUNED
    return [t.last_step if t.state is pruned else None for t in hand.trials]


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["median", "asha", "hyperband"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=4, deadline=None)
def test_annotated_cell_is_pruned_where_optuna_s_objective_is(name, seed):
    record, events = study(name, seed)
    stops = [
        t.curves["loss"][-1][0] if t.state is TrialState.PRUNED else None for t in record.trials
    ]
    assert stops == by_hand(name, seed, [t.params for t in record.trials])
    assert any(stop is not None for stop in stops)
    assert events == ["finally", "exit"] * 30


def test_a_pruned_trial_says_why_and_has_its_last_value():
    record, _ = study("median", 0, warmup=1, min_steps=3)
    pruned = next(t for t in record.trials if t.state is TrialState.PRUNED)
    step, value = pruned.curves["loss"][-1]
    assert step >= 3
    assert pruned.values == (value,)
    assert pruned.reason == (
        f"pruned at step {step} of loss: behind the median of the others at that step"
    )
    assert pruned.output.traceback == ""


def test_a_diverged_trial_that_is_pruned_has_no_value():
    text = "x = 0.5  # tune: uniform(0, 1)\nfor i in range(9):\n"
    text += "    loss = x if x < 0.5 else float('nan')  # tune: minimize\n"
    record, _ = study("median", 1, text=text, warmup=1)
    pruned = [t for t in record.trials if t.state is TrialState.PRUNED and t.params["x"] >= 0.5]
    assert pruned
    assert all(t.values is None for t in pruned)


LOOP = "x = 1  # tune: int(1, 3)\nfor i in range(9):\n    loss = i / x  # tune: minimize\n"
FLAT = "x = 1  # tune: int(1, 3)\nloss = 1 / x  # tune: minimize\n"
FIT = "import hpmagic\nx = 1  # tune: int(1, 3)\nfit(x, hpmagic.callback('val_loss'))\n"


def remarks(text, line):
    plan = plan_of(parse_cell(text), parse_line(line, known_tuners()), Setting({}))
    return [remark for remark in plan.remarks if "pruner" in remark]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LOOP, "tpe", True),
        (LOOP, "random", True),
        (FIT, "bayes --minimize val_loss", True),
        (FLAT, "tpe", False),
        (FIT, "bayes --minimize loss", False),
        (LOOP, "grid", False),
        (LOOP, "manual --try x=2", False),
        (LOOP + "size = x  # tune: minimize\n", "tpe", False),
        (LOOP, "tpe --pruner none", False),
        (LOOP, "tpe --pruner asha", False),
    ],
)
def test_the_choice_of_median_is_said_once_where_it_is_made(text, line, said):
    assert len(remarks(text, line)) == said


def test_a_pruner_for_several_objectives_is_refused_before_anything_runs():
    with pytest.raises(OptionError, match="--pruner median takes one objective"):
        remarks(LOOP + "size = x  # tune: minimize\n", "tpe --pruner median")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tpe --pruner medain", "did you mean `median`?"),
        ("tpe --warmup 0", "--warmup must be at least 1"),
        ("tpe --pruner none --min-steps 3", "this study has none"),
    ],
)
def test_options_of_pruning_say_what_is_wrong(line, message):
    with pytest.raises(OptionError, match=message.replace("?", r"\?")):
        remarks(LOOP, line)
