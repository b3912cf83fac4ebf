"""How long `bayes` takes to suggest a trial, and the findings to be worked out.

    python benchmarks/suggestion.py [--dimensions 10]

Trials at random points of a space of floats, a logarithm, an integer and a choice are told; then a
dozen suggestions are timed, by the wall clock and by the processor's. The latter is what counts
where other work runs beside it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from hpmagic.display.findings import findings
from hpmagic.distributions import Choice, Int, LogUniform, Uniform
from hpmagic.records import Direction, Objective, Origin, StudyInfo, StudyRecord, Trial, TrialState
from hpmagic.space import Parameter, SearchSpace
from hpmagic.tuners.base import TunerContext
from hpmagic.tuners.bayes import BayesTuner
from hpmagic.tuners.tree import ExecutionTree

COUNTS = (20, 50, 100, 200, 500, 1000)
TIMED = 12
LOSS = (Objective("loss", Direction.MINIMIZE),)


def space_of(dimensions: int) -> SearchSpace:
    floats = [Parameter(f"x{i}", Uniform(0, 1)) for i in range(dimensions - 3)]
    others = [LogUniform(1e-4, 1), Int(1, 50), Choice(("a", "b", "c"))]
    named = [Parameter(n, d) for n, d in zip(("rate", "units", "kind"), others, strict=True)]
    return SearchSpace((*floats, *named))


def trial_of(number: int, values: dict[str, Any], space: SearchSpace, origin: Origin) -> Trial:
    squares = sum((v - 0.3) ** 2 for name, v in values.items() if name.startswith("x"))
    cost = squares + values["rate"] + 0.1 * (values["kind"] == "a")
    return Trial(
        number=number,
        state=TrialState.COMPLETE,
        params=values,
        distributions={n: p.distribution for n, p in space.items() if p.distribution},
        values=(cost,),
        metrics={"loss": cost},
        curves={},
        origin=origin,
        start=0.0,
        duration=0.0,
    )


def measured(dimensions: int, count: int) -> tuple[float, float, list[Trial]]:
    """Median milliseconds of a suggestion after ``count`` trials: wall, processor; the trials."""
    space = space_of(dimensions)
    tuner = BayesTuner(TunerContext(space, LOSS, count + TIMED, 0, ExecutionTree()))
    rng = np.random.default_rng(0)
    trials: list[Trial] = []
    for number in range(count):
        values = {
            n: p.distribution.from_unit(rng.random()) for n, p in space.items() if p.distribution
        }
        trials.append(trial_of(number, values, space, Origin.TRY))
        tuner.tell(trials[-1])
    walls, processors = [], []
    for number in range(count, count + TIMED):
        wall, processor = time.perf_counter(), time.process_time()
        proposal = tuner.ask()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
        values = {name: proposal.suggest(parameter) for name, parameter in space.items()}
        trials.append(trial_of(number, values, space, Origin.TUNER))
        tuner.tell(trials[-1])
    late = slice(TIMED // 2, None)  # the first ones still import
    return 1000 * np.median(walls[late]), 1000 * np.median(processors[late]), trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dimensions", type=int, default=10)
    dimensions = parser.parse_args().dimensions
    print(f"{dimensions} dimensions; median ms a suggestion, wall clock and processor")
    for count in COUNTS:
        wall, processor, trials = measured(dimensions, count)
        print(f"{count:6d} trials {wall:6.0f} {processor:6.0f}")
        if count == 50:
            info = StudyInfo(
                "study", "", "bayes", {}, count, 0, LOSS, space_of(dimensions), {}, "", "", 0.0
            )
            begun = time.process_time()
            findings(StudyRecord(info, tuple(trials[:50])))
            print(f"       findings of 50 trials: {1000 * (time.process_time() - begun):.0f} ms")


if __name__ == "__main__":
    main()
