"""``--repeats K`` from the cell to MLflow and back."""

from __future__ import annotations

import random

import mlflow
import numpy as np
import pandas as pd
import pytest

import hpmagic

CELL = """import random
import hpmagic, numpy as np
x = 1.0  # tune: uniform(0, 1)
seed = hpmagic.seed
draw = random.random() + np.random.rand()  # tune: metric
noise = np.random.default_rng(seed).normal(0, 0.01)
loss = (x - 0.3) ** 2 + noise  # tune: minimize
"""
LOOP = """import hpmagic
x = 0.5  # tune: uniform(0, 1)
for step in range(4):
    loss = x + hpmagic.seed * 0.001 - step * 0.1  # tune: minimize
"""


def tune(source: str, tuner: str = "random", **options):
    options = {"trials": 6, "repeats": 3, "seed": 5, "namespace": {}, **options}
    return hpmagic.tune(source, tuner, quiet=True, **options)


def seeds(study) -> list[int]:
    return study.repeats().loc[study.repeats()["number"] == 0, "seed"].tolist()


@pytest.mark.slow
def test_the_default_runs_with_each_seed(store) -> None:
    """`hpmagic.seed` is 0, 1, 2; the global random states follow it, alike for every trial."""
    study = tune(CELL)
    assert seeds(study) == [0, 1, 2]
    draws = study.repeats().groupby("seed")["metrics.draw"].nunique()
    assert draws.tolist() == [1, 1, 1]
    random.seed(1)
    np.random.seed(1)
    second = random.random() + np.random.rand()
    assert study.repeats()["metrics.draw"][1] == second


def test_outside_a_study_the_seed_is_zero(store) -> None:
    """A cell that is run by itself is its first repeat."""
    assert hpmagic.seed == 0
    namespace: dict[str, object] = {}
    exec(CELL, namespace)
    assert namespace["seed"] == 0


def test_without_repeats_nothing_changes(store) -> None:
    """No seed is set, and no column is added."""
    study = tune(CELL, repeats=None)
    assert len(study.repeats()) == 0
    assert not [c for c in study.trials if c.endswith((".std", ".repeats"))]


def test_mean_spread_and_count_are_logged(store) -> None:
    """In the table, and in MLflow on the trial's run; each repeat has a run under it."""
    study = tune(CELL)
    first = study.repeats().query("number == 0")["metrics.loss"]
    row = study.trials.iloc[0]
    assert row["metrics.loss"] == pytest.approx(first.mean())
    assert row["metrics.loss.std"] == pytest.approx(first.std())
    assert row["metrics.loss.repeats"] == 3
    client = mlflow.MlflowClient(store)
    run = client.get_run(row["run_id"])
    assert run.data.metrics["loss"] == row["metrics.loss"]
    under = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{row['run_id']}'"
    )
    assert sorted(r.data.metrics["loss"] for r in under) == sorted(first)


@pytest.mark.slow
def test_the_best_comes_with_its_error_and_its_rivals(store) -> None:
    """Clearly worse trials ran once; the final view names who cannot be told apart."""
    study = tune(CELL, trials=12)
    assert study.standard_error == pytest.approx(
        study.trials.set_index("number")["metrics.loss.std"][study.best.number] / 3**0.5
    )
    assert 1.0 in study.trials["metrics.loss.repeats"].tolist()
    assert "±" in repr(study)
    assert study.best.number not in study.indistinguishable["number"].tolist()


def test_a_loaded_study_has_its_repeats(store) -> None:
    """MLflow alone gives back what the study knew."""
    study = tune(LOOP)
    loaded = hpmagic.load(study.name)
    pd.testing.assert_frame_equal(loaded.repeats(), study.repeats())
    pd.testing.assert_frame_equal(loaded.trials, study.trials)
    pd.testing.assert_frame_equal(loaded.history(), study.history())
    assert loaded.record.info.repeats == 3


def test_curves_are_means_over_the_seeds(store) -> None:
    """Step by step."""
    study = tune(LOOP, trials=2)
    lines = study.history().query("number == 0")["value"]
    assert lines.tolist() == pytest.approx([0.501, 0.401, 0.301, 0.201])


@pytest.mark.slow
def test_a_pruner_judges_the_first_repeat(store) -> None:
    """A trial is pruned before it is repeated, or not at all."""
    study = tune(LOOP, trials=20, pruner="median", warmup=2)
    states = study.trials.set_index("number")["state"]
    counts = study.repeats().groupby("number").size()
    assert (states == "pruned").any()
    assert (counts[states == "pruned"] == 1).all()


def test_a_failing_seed_fails_the_trial(store) -> None:
    """The reason names it, and the traceback is kept."""
    study = tune(CELL + "assert seed < 2 or x == 1.0\n", trials=4)
    failed = study.trials.query("state == 'failed'")
    assert failed["reason"].str.startswith("repeat 3 (seed 2): AssertionError").all()
    assert study.trials["state"][0] == "complete"


@pytest.mark.slow
def test_workers_repeat_like_the_kernel(store) -> None:
    """Two processes give the same seeds and the same numbers for the default."""
    here, there = tune(CELL, trials=1), tune(CELL, trials=1, jobs=2, fresh=True)
    columns = ["seed", "metrics.loss", "metrics.draw"]
    pd.testing.assert_frame_equal(here.repeats()[columns], there.repeats()[columns])


@pytest.mark.slow
def test_a_resumed_study_goes_on_repeating(store) -> None:
    """The number of repeats is the study's; what is worse than an earlier best is known."""
    study = tune(CELL, trials=3, study="again")
    more = hpmagic.tune(
        CELL, "random", quiet=True, namespace={}, study="again", resume=True, trials=5
    )
    assert len(more) == 5
    assert more.record.info.repeats == 3
    assert more.repeats()["number"].nunique() == 5
    assert len(more.repeats()) > len(study.repeats())


def test_a_resumed_study_publishes_the_repeat_that_an_uninterrupted_one_would(store) -> None:
    """The last one's variables, with its seed."""
    first, second = {}, {}
    tune(CELL, trials=1, study="again", namespace=first)
    tune(CELL, trials=1, study="again", namespace=second, resume=True)
    assert first["seed"] == 2
    assert [second[name] for name in ("seed", "draw")] == [first[name] for name in ("seed", "draw")]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("best", [0, 1])
@pytest.mark.parametrize("counts", [(1, 3), (3, 1)])
def test_a_resumed_study_may_repeat_more_or_less(store, counts, best) -> None:
    """Whichever trial is the best, the one with repeats or the one without, the other is close."""
    worse = "x < 1" if best == 0 else "x == 1"
    cell = CELL.replace("(x - 0.3) ** 2", f"0.002 * ({worse})")
    tune(cell, study="mixed", trials=1, repeats=counts[0])
    study = tune(cell, study="mixed", trials=2, repeats=counts[1], resume=True)
    assert [max(len(trial.repeats), 1) for trial in study.record.trials] == list(counts)
    assert study.best.number == best
    assert (study.standard_error is None) is (counts[best] == 1)
    assert study.indistinguishable["number"].tolist() == [1 - best]
    assert "mixed" in study._repr_html_()
    single = "in a single run; others are means of several. Trial "
    assert (single in repr(study)) is (counts[best] == 1)
    assert "cannot be told apart from it" in repr(study)


def test_the_plan_says_how_often(store) -> None:
    """``--plan`` tells the repeats."""
    assert "each run with up to 3 seeds" in str(tune(CELL, plan=True))
