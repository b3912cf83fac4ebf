"""Studies killed with SIGKILL at random moments, resumed, killed again, and counted at the end.

    python tests/faults/kills.py [--kills 200] [--seed 0]

Each study is killed three times and then runs to its end. Every trial whose end was announced must
be in MLflow exactly once, no run may be left RUNNING, and the study must end with its total and
with the values that it has when nobody kills it.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

TRIALS = 25
KILLS = 3
SCRIPT = Path(__file__).with_name("killed_study.py")


@dataclass(frozen=True)
class Outcome:
    """What became of one study, counted."""

    kills: int
    announced: int
    stored: int
    interrupted: int

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.kills + other.kills,
            self.announced + other.announced,
            self.stored + other.stored,
            self.interrupted + other.interrupted,
        )


def torture(folder: Path, seed: int) -> Outcome:
    """One study in a folder of its own.

    Raises:
        AssertionError: something was lost, doubled or left open.
    """
    rng = random.Random(seed)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "HPMAGIC_HOME": str(folder / "home"),
    }
    announced: list[int] = []
    kills, begun = 0, False
    while kills < KILLS:
        said, killed = run(folder, environment, seed, rng, resume=begun)
        announced += [int(word) for word in said if word.isdigit()]
        begun = begun or in_store(environment)
        kills += killed
        if not killed:
            break
    said, _ = run(folder, environment, seed, None, resume=begun)
    announced += [int(word) for word in said if word.isdigit()]
    return check(environment, announced, kills, seed)


def run(
    folder: Path,
    environment: dict[str, str],
    seed: int,
    rng: random.Random | None,
    *,
    resume: bool,
) -> tuple[list[str], bool]:
    """One process: what it said, and whether it was killed; without ``rng`` it runs to its end."""
    words = [sys.executable, str(SCRIPT), str(TRIALS), str(seed), *(["resume"] if resume else [])]
    with (folder / "errors.txt").open("ab") as errors:
        victim = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert victim.stdout is not None
        said = [victim.stdout.readline().strip()]
        if rng is not None and said == ["begun"]:
            threading.Timer(rng.uniform(0.0, 0.9), victim.kill).start()
        said += victim.stdout.read().split()
        victim.wait()
    if victim.returncode not in (0, -9):
        raise AssertionError((folder / "errors.txt").read_text())
    return said, victim.returncode == -9


def in_store(environment: dict[str, str]) -> bool:
    """Whether the study has come to the store, where it can be resumed."""
    from hpmagic.results import studies
    from hpmagic.tracking.pending import deliver_pending

    os.environ.update({name: environment[name] for name in ("MLFLOW_TRACKING_URI", "HPMAGIC_HOME")})
    deliver_pending()
    return len(studies(tracking_uri=environment["MLFLOW_TRACKING_URI"])) > 0


def check(environment: dict[str, str], announced: list[int], kills: int, seed: int) -> Outcome:
    """See that everything is there, once, closed, and with the values it should have."""
    import numpy as np

    from hpmagic.records import Origin, TrialState
    from hpmagic.results import load
    from hpmagic.tracking.store import connect, search

    uri = environment["MLFLOW_TRACKING_URI"]
    client = connect(uri)
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = list(search(client, experiments, "tags.`hpmagic.kind` = 'trial'"))
    numbers = Counter(int(run.data.tags["hpmagic.trial"]) for run in runs)
    assert len(announced) == len(set(announced)), "a number was announced twice"
    assert set(announced) <= set(numbers), "an announced trial is not in MLflow"
    assert max(numbers.values()) == 1, "a trial is in MLflow twice"
    everything = list(search(client, experiments, ""))
    assert all(run.info.status != "RUNNING" for run in everything), "a run was left open"
    assert len(everything) == len(runs) + 1, "there is more than one study"
    trials = load("victim", tracking_uri=uri).record.trials
    ended = [trial for trial in trials if trial.state is not TrialState.INTERRUPTED]
    assert len(ended) == TRIALS, f"{len(ended)} trials in the end, not {TRIALS}"
    assert {trial.number for trial in ended} >= set(announced)
    drawn = [trial.params["lr"] for trial in ended if trial.origin is Origin.TUNER]
    for turn, value in enumerate(drawn):
        unit = np.random.default_rng([seed, turn]).random()
        assert value == ended[-1].distributions["lr"].from_unit(float(unit)), "another value"
    return Outcome(kills, len(announced), len(runs), len(trials) - len(ended))


def main() -> None:
    """Kill as often as asked, and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    total, seed = Outcome(0, 0, 0, 0), asked.seed
    while total.kills < asked.kills:
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            total += torture(Path(folder), seed)
        seed += 1
        print(f"seed {seed - 1}: {total}", flush=True)


if __name__ == "__main__":
    main()
