"""What a cell waits for a draw and for a report, on each engine with one worker.

    python benchmarks/waits.py [--engines local processes dask ray] [--trials 5]

The cell itself takes the time of 200 draws and of 200 reports; shown are medians over trials, in
milliseconds for one. A judged report waits for the pruner's verdict. The first two trials do not
count: in them it is seen what can be reused.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

import hpmagic
from hpmagic.errors import HpmagicError

CELL = """
import time
begun = time.perf_counter()
for i in range(200):
    x = 0.5  # tune: uniform(0, 1), name="x{i}"
draw_ms = 5 * (time.perf_counter() - begun)  # tune: metric
begun = time.perf_counter()
for step in range(200):
    loss = float(step)  # tune: minimize
report_ms = 5 * (time.perf_counter() - begun)  # tune: metric
"""
ENGINES: dict[str, dict[str, Any]] = {
    "local": {},
    "processes": {"isolation": "process"},
    "dask": {"engine": "dask", "jobs": 1},
    "ray": {"engine": "ray", "jobs": 1},
}
SETTLING = 2


def waits(engine: str, pruner: str, trials: int) -> tuple[float, float]:
    """Milliseconds for a draw and for a report."""
    study = hpmagic.tune(
        CELL,
        "random",
        namespace={},
        trials=trials + SETTLING,
        pruner=pruner,
        quiet=True,
        **ENGINES[engine],
    )
    counted = study.trials.iloc[SETTLING:]
    draw, report = (counted[f"metrics.{name}"].median() for name in ("draw_ms", "report_ms"))
    return float(draw), float(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--trials", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'engine':12}{'draw':>10}{'report':>10}{'judged':>10}   ms")
    for engine in options.engines:
        with tempfile.TemporaryDirectory(prefix="waits-") as folder:
            os.environ["HPMAGIC_HOME"] = str(Path(folder) / "home")
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
            try:
                draw, report = waits(engine, "none", options.trials)
                _, judged = waits(engine, "median", options.trials)
            except HpmagicError as error:
                print(f"{engine:12}left out: {error}")
                continue
        print(f"{engine:12}{draw:10.3f}{report:10.3f}{judged:10.3f}", flush=True)


if __name__ == "__main__":
    main()
