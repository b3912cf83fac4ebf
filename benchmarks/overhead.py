"""What remembering every trial costs, side by side in one run.

    python benchmarks/overhead.py [--trials 200] [--rounds 3]

Each contender runs the same objective on a fresh sqlite store of its own. *loop* is the time until
the loop is over, *total* the time until everything is in the store, both per trial and without
start-up (imports and the creation of the store happen before). Optuna's MLflowCallback needs
`optuna-integration`; it is left out, and said so, where that is missing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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

NOTHING = "x = 0.5  # tune: uniform(0, 1)\nloss = (x - 0.3) ** 2  # tune: minimize\n"
TEN_MS = (
    "x = 0.5  # tune: uniform(0, 1)\n"
    "until = perf_counter() + 0.010\n"
    "count = 0\n"
    "while perf_counter() < until:\n"
    "    count += 1\n"
    "loss = (x - 0.3) ** 2  # tune: minimize\n"
)
WIDE = (
    "".join(f"x{i} = 0.5  # tune: uniform(0, 1)\n" for i in range(6))
    + "for step in range(20):\n"
    + "    loss = x0 + step  # tune: minimize\n"
    + "    a = x1 + step  # tune: metric\n"
    + "    b = x2 + step  # tune: metric\n"
)
WORK = 20_000


def spin() -> None:
    """A fixed amount of pure-Python work: time taken from it is time lost."""
    total = 0
    for i in range(WORK):
        total += i * i % 7


def fresh_store(folder: Path) -> str:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bench")
    return uri


Times = tuple[float, float]


def hpmagic(source: str, trials: int, folder: Path) -> Times:
    fresh_store(folder)
    cell = parse_cell(source)
    config = parse_line(f"tpe --trials {trials} --seed 0 --no-default", ["tpe"])
    namespace = {"perf_counter": time.perf_counter, "spin": spin}
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
