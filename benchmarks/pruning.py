"""What pruning saves on a small network, against the same search written by hand with Optuna.

    python benchmarks/pruning.py [--tuner random|tpe] [--trials 40] [--epochs 30] [--seeds 5]

For each seed a study without pruner runs first: its best loss is the goal and its number of epochs
the budget. Each pruner then searches within that budget. Optuna, in the same run, is given the
very values that hpmagic tried, in a hand-written objective with `trial.report` and
`trial.should_prune`; "same decisions" counts the studies in which every trial ended at the same
epoch. A study that does not reach the goal counts with its whole budget. No MLflow on either side;
only hpmagic's seconds have the choosing of values in them.

The last lines are the time from the assignment of a loss to the next line of the cell, in a whole
study with MLflow, against an epoch of 50 ms: the median of the clock, and the mean of the thread's
own processor time, which leaves out waiting for other processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mlflow
import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import hpmagic
from hpmagic.engines.local import LocalEngine
from hpmagic.execution.ranges import known_space
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.pruning import PRUNERS, OptunaPruner
from hpmagic.records import (
    Direction,
    Event,
    MetricReported,
    Objective,
    StudyInfo,
    TrialFinished,
    TrialState,
)
from hpmagic.study import Limits, run_study
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.registry import get_tuner
from hpmagic.tuners.tree import ExecutionTree

CELL = """\
lr = 0.1  # tune: loguniform(1e-3, 3)
l2 = 1e-4  # tune: loguniform(1e-6, 1e-1)
units = 32  # tune: int(8, 128, log=True)
momentum = 0.5  # tune: uniform(0, 0.95)
for epoch, value in enumerate(training(lr, l2, units, momentum)):
    loss = value  # tune: minimize
"""
PACE = """\
x = 0.5  # tune: uniform(0, 1)
for step in range(20):
    spin_until(perf_counter() + 0.05)
    begin = perf_counter(), thread_time()
    loss = x + step  # tune: minimize
    gaps.append((perf_counter() - begin[0], thread_time() - begin[1]))
"""
LOSS = Objective("loss", Direction.MINIMIZE)

X, Y = load_digits(return_X_y=True)
X_TRAIN, X_VAL, Y_TRAIN, Y_VAL = train_test_split(
    X[:900] / 16, Y[:900], test_size=0.4, random_state=0
)


def training(epochs: int) -> Callable[..., Iterator[float]]:
    """A network with one hidden layer: gives the validation loss after each epoch."""

    def train(lr: float, l2: float, units: int, momentum: float) -> Iterator[float]:
        rng = np.random.default_rng(0)
        layers = [rng.normal(0, 0.1, (64, units)), rng.normal(0, 0.1, (units, 10))]
        speed = [np.zeros_like(layer) for layer in layers]
        for _ in range(epochs):
            order = rng.permutation(len(X_TRAIN))
            for batch in np.split(order, range(30, len(order), 30)):
                x, y = X_TRAIN[batch], Y_TRAIN[batch]
                hidden = np.tanh(x @ layers[0])
                delta = softmax(hidden @ layers[1])
                delta[np.arange(len(y)), y] -= 1
                delta /= len(y)
                slopes = [x.T @ (delta @ layers[1].T * (1 - hidden**2)), hidden.T @ delta]
                for n in range(2):
                    speed[n] = momentum * speed[n] - lr * (slopes[n] + l2 * layers[n])
                    layers[n] = layers[n] + speed[n]
            odds = softmax(np.tanh(X_VAL @ layers[0]) @ layers[1])
            yield float(-np.log(odds[np.arange(len(Y_VAL)), Y_VAL] + 1e-12).mean())

    return train


def softmax(logits: Any) -> Any:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@dataclass
class Course:
    """How a search went: each trial's values, end and loss; epochs and seconds at its end."""

    params: list[Mapping[str, Any]] = field(default_factory=list)
    ends: list[int | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    total: int = 0
    begun: float = field(default_factory=time.perf_counter)

    def end(self, params: Mapping[str, Any], value: float | None, stopped: int | None) -> None:
        self.params.append(params)
        self.ends.append(stopped)
        self.values.append(float("inf") if value is None else value)
        self.steps.append(self.total)
        self.seconds.append(time.perf_counter() - self.begun)

    def reached(self, goal: float) -> int | None:
        """The first trial that is as good as the goal."""
        return next((n for n, value in enumerate(self.values) if value <= goal), None)


def search(tuner: str, pruner: str, seed: int, trials: int, epochs: int, budget: int) -> Course:
    """hpmagic's study, until so many trials have run or so many epochs are spent."""
    namespace = {"training": training(epochs)}
    cell = parse_cell(CELL)
    space = known_space(cell, namespace)
    tree = ExecutionTree()
    chosen = get_tuner(tuner).make(TunerContext(space, (LOSS,), trials, seed, tree))
    info = StudyInfo("s", "e", tuner, {}, trials, seed, (LOSS,), space, {}, CELL, "", 0.0)
    judge = None if pruner == "none" else OptunaPruner(pruner, LOSS, seed=seed)
    runner = KernelRunner(cell, namespace)
    course = Course()

    def listen(event: Event) -> None:
        match event:
            case MetricReported():
                course.total += 1
            case TrialFinished(trial=trial):
                pruned = trial.state is TrialState.PRUNED
                complete = trial.state is TrialState.COMPLETE
                course.end(
                    trial.params,
                    trial.value if complete else None,
                    trial.curves["loss"][-1][0] if pruned else None,
                )

    run_study(
        info,
        LocalEngine(runner),
        chosen,
        tree,
        limits=Limits(trials),
        listeners=[listen] if judge is None else [judge, listen],
        judge=None if judge is None else judge.judge,
        stop=lambda: course.total >= budget,
    )
    runner.close()
    return course


def by_hand(pruner: str, seed: int, params: Sequence[Mapping[str, Any]], epochs: int) -> Course:
    """The same trials as somebody would write them with Optuna."""
    made = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "asha": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }[pruner]()
    study = optuna.create_study(pruner=made, study_name=str(seed))
    for values in params:
        study.enqueue_trial(dict(values))
    train = training(epochs)
    course = Course()

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-3, 3, log=True)
        l2 = trial.suggest_float("l2", 1e-6, 1e-1, log=True)
        units = trial.suggest_int("units", 8, 128, log=True)
        momentum = trial.suggest_float("momentum", 0, 0.95)
        value = float("nan")
        for epoch, value in enumerate(train(lr, l2, units, momentum)):
            course.total += 1
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    def ended(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        pruned = trial.state is optuna.trial.TrialState.PRUNED
        course.end(
            trial.params, None if pruned else trial.value, trial.last_step if pruned else None
        )

    study.optimize(objective, n_trials=len(params), callbacks=[ended])
    return course


@dataclass
class Row:
    """One pruner's figures, a value a seed."""

    trials: list[int] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    hand_steps: list[int] = field(default_factory=list)
    hand_seconds: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    hand_whole: list[float] = field(default_factory=list)
    reached: int = 0
    same: int = 0


def compare(tuner: str, trials: int, epochs: int, seeds: int) -> dict[str, Row]:
    rows = {pruner: Row() for pruner in PRUNERS}
    for seed in range(seeds):
        goal, budget = float("inf"), trials * epochs
        for pruner in PRUNERS:
            most = trials if pruner == "none" else 20 * trials
            ours = search(tuner, pruner, seed, most, epochs, budget)
            theirs = by_hand(pruner, seed, ours.params, epochs)
            row = rows[pruner]
            if pruner == "none":
                goal = min(ours.values)
            for course, steps, seconds in (
                (ours, row.steps, row.seconds),
                (theirs, row.hand_steps, row.hand_seconds),
            ):
                at = course.reached(goal)
                steps.append(course.total if at is None else course.steps[at])
                seconds.append(course.seconds[-1 if at is None else at])
            row.trials.append(len(ours.values))
            row.best.append(min(ours.values))
            row.whole.append(ours.seconds[-1])
            row.hand_whole.append(theirs.seconds[-1])
            row.reached += ours.reached(goal) is not None
            row.same += ours.ends == theirs.ends
    return rows


def show(rows: Mapping[str, Row], seeds: int) -> None:
    print(
        "| pruner | trials | best loss | reached | steps to goal | s to goal | Optuna: steps | s "
        "| whole study, s | Optuna, s | same decisions |"
    )
    print("|---" * 11 + "|")
    mean = statistics.fmean
    for name, row in rows.items():
        print(
            f"| {name} | {mean(row.trials):.0f} | {mean(row.best):.4f} | {row.reached} of {seeds} "
            f"| {mean(row.steps):.0f} | {mean(row.seconds):.2f} "
            f"| {mean(row.hand_steps):.0f} | {mean(row.hand_seconds):.2f} "
            f"| {mean(row.whole):.2f} | {mean(row.hand_whole):.2f} | {row.same} of {seeds} |"
        )


def spin_until(moment: float) -> None:
    while time.perf_counter() < moment:
        pass


def pace(pruner: str) -> list[tuple[float, float]]:
    """Seconds from each assignment of a loss to the next line: by the clock, of the processor."""
    gaps: list[tuple[float, float]] = []
    names = {
        "gaps": gaps,
        "spin_until": spin_until,
        "perf_counter": time.perf_counter,
        "thread_time": time.thread_time,
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        hpmagic.tune(PACE, "random", trials=25, seed=0, pruner=pruner, quiet=True, namespace=names)
        os.chdir("/")
    return gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tuner", default="random", choices=("random", "tpe", "bayes"))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    show(compare(given.tuner, given.trials, given.epochs, given.seeds), given.seeds)
    print("\nReporting, of an epoch of 50 ms:")
    for pruner in PRUNERS:
        clock, processor = zip(*pace(pruner))
        median, mean = statistics.median(clock), statistics.fmean(processor)
        print(
            f"- {pruner}: {1e6 * median:.0f} us by the clock ({median / 0.05:.2%}), "
            f"{1e6 * mean:.0f} us of the processor ({mean / 0.05:.2%}); {len(clock)} reports"
        )


if __name__ == "__main__":
    main()
