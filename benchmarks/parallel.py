"""How much faster two workers are than one, side by side with others in one run.

    python benchmarks/parallel.py [--short] [--durations 0.1 1 5] [--trials 12] [--without ray]

CPU-bound trials of a given length on 200 MB of data from an earlier cell. Contenders: hpmagic with
``--jobs 1`` and ``--jobs 2``, joblib over ready values (no tuner, no record: the ceiling), Optuna's
own ``n_jobs=2`` (threads), and Ray Tune. Each tunes the same objective with random search, data
handed over in the contender's own best way. The work is a fixed count of operations, sized on this
machine first, so that a busy core shows as time. hpmagic records in MLflow as always.

Seconds are for the whole study: workers that start, data that is sent, and the end. "steady" leaves
out the start: it is the time between the first and the last trial's end, for the trials between.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")

import numpy as np  # noqa: E402 - after the limits of its thread pools

CELL = """
x = 0.5  # tune: uniform(0, 1)
loss = work(x, rounds, data)  # tune: minimize
"""
MEGABYTES = 200


def work(x: float, rounds: int, data: np.ndarray) -> float:
    """Pure Python, as trials of many small steps are, with a look at all of the data."""
    total = 0.0
    for i in range(rounds):
        total += (i * x) % 7.0
    return float(data[:: 4096 // 8].sum()) + total / max(rounds, 1)


def rounds_for(seconds: float, data: np.ndarray) -> int:
    """How many rounds take so long on this machine now."""
    begin = time.perf_counter()
    work(0.5, 2_000_000, data)
    return int(2_000_000 * seconds / (time.perf_counter() - begin))


Times = tuple[float, list[float]]
"""Seconds for the whole, and the ends of the trials on one clock."""


def hpmagic(jobs: int) -> Callable[[int, int, np.ndarray], Times]:
    def run(trials: int, rounds: int, data: np.ndarray) -> Times:
        import hpmagic as package

        namespace = {"__name__": "__main__", "work": work, "rounds": rounds, "data": data}
        begin = time.perf_counter()
        study = package.tune(
            CELL, "random", namespace=namespace, trials=trials, seed=0, jobs=jobs, quiet=True
        )
        whole = time.perf_counter() - begin
        return whole, [t.start + t.duration for t in study.record.trials]

    return run


def with_joblib(trials: int, rounds: int, data: np.ndarray) -> Times:
    from joblib import Parallel, delayed

    values = np.random.default_rng(0).random(trials)
    begin = time.perf_counter()
    ends = Parallel(n_jobs=2)(delayed(_timed)(float(x), rounds, data) for x in values)
    return time.perf_counter() - begin, ends


def _timed(x: float, rounds: int, data: np.ndarray) -> float:
    work(x, rounds, data)
    return time.time()


def with_optuna(trials: int, rounds: int, data: np.ndarray) -> Times:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ends: list[float] = []

    def objective(trial: Any) -> float:
        loss = work(trial.suggest_float("x", 0, 1), rounds, data)
        ends.append(time.time())
        return loss

    begin = time.perf_counter()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=trials, n_jobs=2)
    return time.perf_counter() - begin, ends


def with_ray_tune(trials: int, rounds: int, data: np.ndarray) -> Times:
    import logging

    import ray
    from ray import tune

    logging.getLogger("ray").setLevel(logging.ERROR)
    begin = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    folder = tempfile.mkdtemp()
    try:

        def objective(config: Any, data: Any) -> dict[str, float]:
            return {"loss": work(config["x"], rounds, data), "end": time.time()}

        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(objective, data=data), {"cpu": 1}),
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(
                num_samples=trials, metric="loss", mode="min", reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        with contextlib.redirect_stdout(io.StringIO()):  # its tables
            ends = [result.metrics["end"] for result in tuner.fit()]
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    return time.perf_counter() - begin, ends


CONTENDERS: dict[str, Callable[[int, int, np.ndarray], Times]] = {
    "hpmagic --jobs 1": hpmagic(1),
    "hpmagic --jobs 2": hpmagic(2),
    "joblib, no tuner": with_joblib,
    "optuna n_jobs=2": with_optuna,
    "ray tune": with_ray_tune,
}


def steady(ends: list[float]) -> float:
    """Seconds a trial once the workers are warm: from the second end to the last."""
    ends = sorted(ends)
    return (ends[-1] - ends[1]) / (len(ends) - 2)


def memory_per_worker(data: np.ndarray, rounds: int) -> None:
    """What a worker has for itself: its proportional share, less its share of the mapped data."""
    from hpmagic.engines.parcel import RunnerSpec, pack
    from hpmagic.engines.processes import ProcessEngine
    from hpmagic.execution.ranges import known_space
    from hpmagic.language import parse_cell

    cell = parse_cell(CELL)
    needs: list[float] = []
    for megabytes in (0, MEGABYTES):
        part = data[: megabytes * 131_072] if megabytes else data[:512].copy()
        namespace = {"__name__": "__main__", "work": work, "rounds": rounds, "data": part}
        spec = RunnerSpec(cell, cell.objectives)
        engine = ProcessEngine(
            pack(spec, namespace), namespace, 2, space=known_space(cell, namespace)
        )
        try:
            wait_until_idle(engine)
            for pid in engine.pids:
                fields = dict(
                    line.split(":", 1)
                    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
                )
                own = [int(fields[f"Private_{k}"].split()[0]) for k in ("Clean", "Dirty")]
                needs.append(sum(own) / 1024)
                print(f"  with {megabytes:>3} MB of data a worker has {needs[-1]:.0f} MB own")
        finally:
            engine.close()
    print(f"  memory per extra worker: {sum(needs[2:]) / sum(needs[:2]):.2f}x of its own needs")


def wait_until_idle(engine: Any) -> None:
    """Run one short trial on each worker, so that it has touched the data."""

    class Conversation:
        heeded: frozenset[str] = frozenset()
        seed = None

        def __init__(self, number: int) -> None:
            self.number = number

        def draw(self, _: Any) -> float:
            return 0.5

        def report(self, _: Any) -> None:
            pass

        def finished(self, outcome: Any, _: Any) -> Any:
            return outcome

        def lost(self, error: Exception) -> Any:
            raise error

    for number in range(2):
        engine.start(Conversation(number))
    ended = 0
    while ended < 2:
        ended += engine.wait() is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="0.1 s and 1 s, few trials, one round")
    parser.add_argument("--durations", type=float, nargs="*", default=[0.1, 1.0, 5.0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[])
    asked = parser.parse_args()
    if asked.short:
        asked.durations, asked.trials, asked.rounds = [0.1, 1.0], 10, 1
    warnings.simplefilter("ignore")
    data = np.random.default_rng(0).random(MEGABYTES * 131_072)
    names = [n for n in CONTENDERS if not any(word in n for word in asked.without)]
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ["HPMAGIC_HOME"] = f"{folder}/home"
        hpmagic(1)(2, 1, data)  # the store and the imports
        for seconds in asked.durations:
            rounds = rounds_for(seconds, data)
            print(f"\ntrials of {seconds:g} s, {asked.trials} of them, {MEGABYTES} MB of data")
            whole: dict[str, list[float]] = {name: [] for name in names}
            each: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(asked.rounds):
                for name in names:
                    total, ends = CONTENDERS[name](asked.trials, rounds, data)
                    whole[name].append(total)
                    each[name].append(steady(ends))
            base = statistics.median(whole[names[0]]), statistics.median(each[names[0]])
            for name in names:
                total, warm = statistics.median(whole[name]), statistics.median(each[name])
                print(
                    f"  {name:<18} {total:7.2f} s {base[0] / total:5.2f}x   "
                    f"steady {warm:6.3f} s a trial {base[1] / warm:5.2f}x"
                )
        os.chdir(here)
    print()
    memory_per_worker(data, 1000)


if __name__ == "__main__":
    main()
