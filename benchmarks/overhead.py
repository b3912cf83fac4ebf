"""What remembering every trial costs, side by side in one run.

    python benchmarks/overhead.py [--trials 200] [--rounds 3]

Each contender runs the same objective on a fresh sqlite store of its own. *loop* is the time until
the loop is over, *total* the time until everything is in the store, both in milliseconds a trial
and without start-up (imports and the creation of the store happen before). All use Optuna's TPE
with one seed and the settings of hpmagic's `tpe`. What hpmagic adds at the end of a study (plots,
note, table) counts in its total.

The machine's own speed wanders by a tenth within a minute, which is most of what the 10 ms cell may
cost. So hpmagic and Optuna alone run right after each other, several times a round with that cell,
and the median of the ratios of such pairs is what their loops are judged by.

Optuna's MLflowCallback needs `optuna-integration`; it is left out, and said so, where that is
missing. The storage of `mlflow.optuna` gets slower with every trial, so it runs 30 only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

import mlflow
import optuna

from hpmagic.engines.local import LocalEngine
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell
from hpmagic.launch import Setting, prepare, study_info
from hpmagic.options import parse_line
from hpmagic.study import Limits, run_study
from hpmagic.tracking.writer import MlflowWriter

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")

TARGETS = {
    "loop of hpmagic / loop of Optuna alone": ("at most", 2.0),
    "loop of the fastest logger / loop of hpmagic": ("at least", 5.0),
    "total of hpmagic / total of the fastest logger": ("at most", 1.0),
    "10 ms cell: loop of hpmagic / loop of Optuna alone": ("at most", 1.15),
    "10 ms cell: (it - the empty one) / the work by itself": ("at most", 1.15),
    "wide: total of naive fluent calls / total of hpmagic": ("at least", 5.0),
}


@dataclass(frozen=True)
class Task:
    """One objective: as a cell, as a function of an Optuna trial, and its reports in a loop."""

    name: str
    cell: str
    objective: Callable[[Any], float]
    steps: int = 0
    others: tuple[str, ...] = ()


def spin(count: int, x: float = 0.0) -> float:
    """A fixed amount of pure-Python work: time taken from it is time lost.

    It reads the tuned value: work that does not would run once in a study of hpmagic's.
    """
    total = x
    for i in range(count):
        total += i * i % 7
    return total


def calibrated(seconds: float) -> int:
    """How much `spin` takes so long here, when nothing else runs."""
    count = 10_000
    best = min(timed(lambda: spin(count)) for _ in range(20))
    return round(count * seconds / best)


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def tasks(work: int) -> dict[str, Task]:
    def nothing(trial: Any) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2

    def ten_ms(trial: Any) -> float:
        spin(work)
        return nothing(trial)

    def wide(trial: Any) -> float:
        xs = [trial.suggest_float(f"x{i}", 0, 1) for i in range(6)]
        return xs[0] + 19

    return {
        "nothing": Task(
            "nothing",
            "x = 0.5  # tune: uniform(0, 1)\nloss = (x - 0.3) ** 2  # tune: minimize\n",
            nothing,
        ),
        "ten_ms": Task(
            "ten_ms",
            "x = 0.5  # tune: uniform(0, 1)\n"
            f"spin({work}, x)\n"
            "loss = (x - 0.3) ** 2  # tune: minimize\n",
            ten_ms,
        ),
        "wide": Task(
            "wide",
            "".join(f"x{i} = 0.5  # tune: uniform(0, 1)\n" for i in range(6))
            + "for step in range(20):\n"
            + "    a = x1 + step  # tune: metric\n"
            + "    b = x2 + step  # tune: metric\n"
            + "    loss = x0 + step  # tune: minimize\n",
            wide,
            steps=20,
            others=("a", "b"),
        ),
    }


def fresh_store(folder: Path) -> str:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bench")
    return uri


Times = tuple[float, float]
Contender = Callable[[Task, int, Path], Times]


def hpmagic(task: Task, trials: int, folder: Path) -> Times:
    """hpmagic on a store that it makes itself, as on a new machine."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    cell = parse_cell(task.cell)
    config = parse_line(f"tpe --trials {trials} --seed 0 --no-default --pruner none", ["tpe"])
    namespace: dict[str, Any] = {"spin": spin}
    setting = Setting(namespace)
    ready = prepare(cell, config, setting)
    writer = MlflowWriter(experiment="bench", fallback_experiment="", uses_mlflow=False)
    runner = KernelRunner(cell, namespace, objectives=ready.objectives)
    engine = LocalEngine(runner, around_trial=writer.trial_run)
    writer.open()
    begin = time.perf_counter()
    run_study(
        study_info(ready, setting),
        engine,
        ready.tuner,
        ready.tree,
        limits=Limits(trials),
        listeners=[writer],
    )
    loop = time.perf_counter() - begin
    engine.close()
    writer.drain()
    return loop, time.perf_counter() - begin


def hpmagic_elsewhere(task: Task, trials: int, folder: Path) -> Times:
    """hpmagic on a store that MLflow made."""
    fresh_store(folder)
    return hpmagic(task, trials, folder)


def study(**options: Any) -> optuna.Study:
    sampler = optuna.samplers.TPESampler(seed=0, multivariate=True, constant_liar=True)
    return optuna.create_study(sampler=sampler, **options)


def optuna_alone(task: Task, trials: int, folder: Path) -> Times:
    made = study()
    spent = timed(lambda: made.optimize(task.objective, n_trials=trials))
    return spent, spent


def fluent(task: Task, trials: int, folder: Path) -> Times:
    """Optuna with nested runs written by hand, one call for each value."""
    fresh_store(folder)

    def objective(trial: Any) -> float:
        with mlflow.start_run(nested=True):
            value = task.objective(trial)
            for name, param in trial.params.items():
                mlflow.log_param(name, param)
            for step in range(task.steps or 1):
                mlflow.log_metric("loss", value, step=step)
                for other in task.others:
                    mlflow.log_metric(other, value + step, step=step)
        return value

    def run() -> None:
        with mlflow.start_run():
            study().optimize(objective, n_trials=trials)

    spent = timed(run)
    return spent, spent


def callback(task: Task, trials: int, folder: Path) -> Times:
    """Optuna's own callback, which knows only the final value."""
    from optuna_integration.mlflow import MLflowCallback

    uri = fresh_store(folder)
    heard = MLflowCallback(tracking_uri=uri, metric_name="loss", mlflow_kwargs={"nested": True})
    made = study(study_name="bench")
    spent = timed(lambda: made.optimize(task.objective, n_trials=trials, callbacks=[heard]))
    return spent, spent


def storage(task: Task, trials: int, folder: Path) -> Times:
    """Optuna's trials kept in MLflow by MLflow's own storage."""
    from mlflow.optuna.storage import MlflowStorage

    fresh_store(folder)
    experiment = mlflow.get_experiment_by_name("bench")
    assert experiment is not None
    made = study(storage=MlflowStorage(experiment_id=experiment.experiment_id), study_name="bench")
    spent = timed(lambda: made.optimize(task.objective, n_trials=trials))
    return spent, spent


CONTENDERS: dict[str, Contender] = {
    "hpmagic": hpmagic,
    "Optuna alone": optuna_alone,
    "hpmagic, store made by MLflow": hpmagic_elsewhere,
    "Optuna, fluent nested runs": fluent,
    "Optuna, MLflowCallback": callback,
}
LOGGERS = ("Optuna, fluent nested runs", "Optuna, MLflowCallback")
SHORT = 30
"""Trials of what does not bear more."""
PAIRS = 3
"""How often a round runs the 10 ms cell in hpmagic and in Optuna alone."""

Results = dict[tuple[str, str], list[Times]]


def measure(results: Results, task: Task, name: str, contender: Contender, trials: int) -> None:
    """Run one contender once, in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        os.environ["HPMAGIC_HOME"] = str(Path(folder) / "home")
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
        back = Path.cwd()
        os.chdir(folder)
        try:
            loop, total = contender(task, trials, Path(folder))
        except ImportError as error:
            print(f"{name}: left out ({error})", file=sys.stderr)
            return
        finally:
            os.chdir(back)
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    per = (1000 * loop / trials, 1000 * total / trials)
    results.setdefault((task.name, name), []).append(per)
    print(f"  {task.name:8} {name:32} loop {per[0]:8.2f}  total {per[1]:8.2f}", flush=True)


def median(results: Results, task: str, name: str) -> Times:
    loops, totals = zip(*results[task, name], strict=True)
    return statistics.median(loops), statistics.median(totals)


def pairs(results: Results, task: str) -> list[float]:
    """The loop of hpmagic by that of Optuna alone right after it, each time they ran."""
    ours, theirs = results[task, "hpmagic"], results[task, "Optuna alone"]
    return [mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True)]


def table(results: Results) -> str:
    lines = ["", f"{'task':8} {'contender':32} {'loop':>9} {'total':>9}  ms a trial, medians"]
    for task, name in results:
        loop, total = median(results, task, name)
        lines.append(f"{task:8} {name:32} {loop:9.2f} {total:9.2f}")
    return "\n".join(lines)


def judged(results: Results, alone: float) -> str:
    """The targets, and whether they are met."""
    loop, total = median(results, "nothing", "hpmagic")
    loggers = [median(results, "nothing", n) for n in LOGGERS if ("nothing", n) in results]
    ten, _ = median(results, "ten_ms", "hpmagic")
    _, wide = median(results, "wide", "hpmagic")
    _, naive = median(results, "wide", "Optuna, fluent nested runs")
    found = dict(
        zip(
            TARGETS,
            (
                statistics.median(pairs(results, "nothing")),
                min(logger[0] for logger in loggers) / loop,
                total / min(logger[1] for logger in loggers),
                statistics.median(pairs(results, "ten_ms")),
                (ten - loop) / alone,
                naive / wide,
            ),
            strict=True,
        )
    )
    lines = [""]
    for name, value in found.items():
        word, bound = TARGETS[name]
        met = value <= bound if word == "at most" else value >= bound
        lines.append(f"{'met ' if met else 'MISS'} {name:55} {value:6.2f}  ({word} {bound})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    work = calibrated(0.010)
    chosen = tasks(work)
    results: Results = {}
    alone: list[float] = []
    for number in range(asked.rounds):
        print(f"round {number + 1}")
        for task in chosen.values():
            for name, contender in CONTENDERS.items():
                measure(results, task, name, contender, asked.trials)
            if task.name == "ten_ms":
                for _ in range(PAIRS - 1):
                    for name in ("hpmagic", "Optuna alone"):
                        measure(results, task, name, CONTENDERS[name], asked.trials)
                alone += [1000 * timed(lambda: spin(work)) for _ in range(50)]
        short = Task("short", chosen["nothing"].cell, chosen["nothing"].objective)
        measure(results, short, "hpmagic", hpmagic, SHORT)
        measure(results, short, "Optuna, MlflowStorage", storage, SHORT)
    print(table(results))
    print(f"{'ten_ms':8} {'the work by itself':32} {statistics.median(alone):9.2f}")
    print(judged(results, statistics.median(alone)))
    print(f"\n10 ms cell, pairs: {' '.join(f'{ratio:.2f}' for ratio in pairs(results, 'ten_ms'))}")


if __name__ == "__main__":
    main()
