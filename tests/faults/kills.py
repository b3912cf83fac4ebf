"""Studies killed with SIGKILL at random moments, resumed, killed again, and counted at the end.

    python tests/faults/kills.py [--kills 200] [--seed 0] [--victim kernel]

Each study is killed three times and then runs to its end. The victim is a Jupyter kernel that runs
a notebook, or a plain process. Every trial whose end was announced must
be in MLflow exactly once, no run may be left RUNNING, and the study must end with its total and
with the values that it has when nobody kills it.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from killed_study import in_kernel

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


class Process:
    """A victim that is a Python process of its own."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        pipe: Path,
        seed: int,
        *,
        resume: bool,
        trials: int = TRIALS,
    ) -> None:
        words = [sys.executable, str(SCRIPT), str(pipe), str(trials), str(seed)]
        with (folder / "errors.txt").open("ab") as errors:
            self.process = subprocess.Popen(
                [*words, *(["resume"] if resume else [])],
                cwd=folder,
                env=environment,
                stdout=errors,
                stderr=errors,
            )

    def kill(self) -> None:
        """At once, with SIGKILL."""
        self.process.kill()

    def end(self) -> None:
        """Wait for its end, which is near."""
        self.process.wait(300)


class Kernel:
    """A victim that is a Jupyter kernel, running a notebook's tune cell."""

    def __init__(
        self, folder: Path, environment: dict[str, str], pipe: Path, seed: int, *, resume: bool
    ) -> None:
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv[0] = sys.executable
        with (folder / "errors.txt").open("ab") as errors:
            self.manager.start_kernel(
                cwd=str(folder), env=environment, stdout=errors, stderr=errors
            )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        for cell in in_kernel(pipe, TRIALS, seed, resume=resume):
            self.client.execute(cell)

    def kill(self) -> None:
        """At once, with SIGKILL."""
        os.kill(self.manager.provisioner.pid, signal.SIGKILL)

    def end(self) -> None:
        """Shut down what is left of it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


Victim = type[Process] | type[Kernel]
VICTIMS: dict[str, Victim] = {"kernel": Kernel, "process": Process}


def torture(folder: Path, seed: int, victim: Victim = Kernel) -> Outcome:
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
        said, killed = run(folder, environment, seed, victim, rng, resume=begun)
        announced += [int(word) for word in said if word.isdigit()]
        begun = begun or in_store(environment)
        kills += killed
        if not killed:
            break
    said, _ = run(folder, environment, seed, victim, None, resume=begun)
    announced += [int(word) for word in said if word.isdigit()]
    return check(environment, announced, kills, seed)


def run(
    folder: Path,
    environment: dict[str, str],
    seed: int,
    victim: Victim,
    rng: random.Random | None,
    *,
    resume: bool,
) -> tuple[list[str], bool]:
    """One victim: what it said, and whether it was killed; without ``rng`` it runs to its end."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    living = victim(folder, environment, pipe, seed, resume=resume)
    with pipe.open() as told:
        said = [told.readline().strip()]
        death = threading.Timer(0.0 if rng is None else rng.uniform(0.0, 0.9), living.kill)
        if rng is not None and said == ["begun"]:
            death.start()
        for word in told:
            said.append(word.strip())
            if word == "done\n":
                break
    death.cancel()
    living.end()
    pipe.unlink()
    killed = said[-1] != "done"
    if (killed and rng is None) or said[0] != "begun":
        raise AssertionError((folder / "errors.txt").read_text())
    return said, killed


def in_store(environment: dict[str, str]) -> bool:
    """Whether the study has come to the store, where it can be resumed."""
    from hpmagic.results import studies
    from hpmagic.tracking.pending import deliver_pending

    os.environ.update({name: environment[name] for name in ("MLFLOW_TRACKING_URI", "HPMAGIC_HOME")})
    deliver_pending()
    return len(studies(tracking_uri=environment["MLFLOW_TRACKING_URI"])) > 0


def check(
    environment: dict[str, str], announced: list[int], kills: int, seed: int, count: int = TRIALS
) -> Outcome:
    """See that everything is there, once, closed, and with the values it should have."""
    import numpy as np

    from hpmagic.records import Origin, TrialState
    from hpmagic.results import load
    from hpmagic.tracking.store import connect, search

    uri = environment["MLFLOW_TRACKING_URI"]
    client = connect(uri)
    only = environment.get("MLFLOW_EXPERIMENT_NAME") or None
    every = client.search_experiments()
    experiments = [e.experiment_id for e in every if only in (None, e.name)]
    runs = list(search(client, experiments, "tags.`hpmagic.kind` = 'trial'"))
    numbers = Counter(int(run.data.tags["hpmagic.trial"]) for run in runs)
    assert len(announced) == len(set(announced)), "a number was announced twice"
    assert set(announced) <= set(numbers), "an announced trial is not in MLflow"
    assert max(numbers.values()) == 1, "a trial is in MLflow twice"
    everything = list(search(client, experiments, ""))
    assert all(run.info.status != "RUNNING" for run in everything), "a run was left open"
    assert len(everything) == len(runs) + 1, "there is more than one study"
    trials = load("victim", experiment=only, tracking_uri=uri).record.trials
    ended = [trial for trial in trials if trial.state is not TrialState.INTERRUPTED]
    assert len(ended) == count, f"{len(ended)} trials in the end, not {count}"
    assert {trial.number for trial in ended} >= set(announced)
    drawn = [trial.params["lr"] for trial in ended if trial.origin is Origin.TUNER]
    for turn, value in enumerate(drawn):
        unit = np.random.default_rng([seed, turn]).random()
        assert value == ended[-1].distributions["lr"].from_unit(float(unit)), "another value"
    values = [trial.params for trial in ended]
    for trial in trials:
        whole = trial.state is TrialState.INTERRUPTED and len(trial.params) == 2
        assert not whole or trial.params in values, "an interrupted trial did not run again"
    return Outcome(kills, len(announced), len(runs), len(trials) - len(ended))


def main() -> None:
    """Kill as often as asked, and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victim", choices=VICTIMS, default="kernel")
    asked = parser.parse_args()
    total, seed = Outcome(0, 0, 0, 0), asked.seed
    while total.kills < asked.kills:
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            total += torture(Path(folder), seed, VICTIMS[asked.victim])
        seed += 1
        print(f"seed {seed - 1}: {total}", flush=True)


if __name__ == "__main__":
    main()
