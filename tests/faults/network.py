"""Studies behind a network that spoils requests to a real ``mlflow server``, counted at the end.

    python tests/faults/network.py [--studies 16] [--seed 0]

Each study runs, and is resumed, through a proxy; the first ones meet one kind of fault each, the
others all of them. When the network is well again, every trial whose end was announced must be in
MLflow exactly once, no run may be left RUNNING, and the study must have its total.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kills import Process, check

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))
from server import FaultyProxy, mlflow_server

FIRST, TOTAL = 8, 14
ATTEMPTS = 12
"""How often a person tries to resume while the network is bad."""


@dataclass(frozen=True)
class Outcome:
    """What became of one study, counted."""

    announced: int
    stored: int
    attempts: int
    passed: int
    spoiled: dict[str, int]


def spoil(folder: Path, server: str, seed: int, kinds: tuple[str, ...]) -> Outcome:
    """One study in a folder of its own.

    Raises:
        AssertionError: something was lost, doubled or left open.
    """
    rng = random.Random(seed)
    proxy = FaultyProxy(server, rng.uniform(0.15, 0.4), seed, kinds)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": proxy.uri,
        "MLFLOW_EXPERIMENT_NAME": f"spoiled-{folder.name}-{seed}",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
        "HPMAGIC_HOME": str(folder / "home"),
    }
    try:
        announced = run(folder, environment, seed, FIRST, resume=False)
        more: list[int] | None = None
        attempts = 0
        while more is None and attempts < ATTEMPTS:
            attempts += 1
            if attempts == ATTEMPTS:
                proxy.share = 0.0
            more = run(folder, environment, seed, TOTAL, resume=True)
        assert announced is not None, "a study did not run"
        assert more is not None, "a study could not be resumed"
        proxy.share = 0.0
        deliver(environment)
        found = check(environment, [*announced, *more], 0, seed, TOTAL)
    finally:
        proxy.close()
    return Outcome(found.announced, found.stored, attempts, proxy.passed, proxy.spoiled)


def run(
    folder: Path, environment: dict[str, str], seed: int, trials: int, *, resume: bool
) -> list[int] | None:
    """The trials that one process announced; None when its study did not begin."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    process = Process(folder, environment, pipe, seed, resume=resume, trials=trials)
    said = pipe.read_text().split()
    process.end()
    pipe.unlink()
    if not said:
        return None
    assert said[-1] == "done", (folder / "errors.txt").read_text()
    return [int(word) for word in said if word.isdigit()]


def deliver(environment: dict[str, str]) -> None:
    """What is still on disk, as `hpmagic deliver` does."""
    from hpmagic.tracking.pending import deliver_pending

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "HPMAGIC_HOME")
    os.environ.update({name: environment[name] for name in names})
    left = [each.problem for each in deliver_pending() if each.problem]
    assert not left, left


def kinds_of(seed: int) -> tuple[str, ...]:
    """One kind of fault for each of the first seeds, then all."""
    every = FaultyProxy.FAULTS
    return every[seed : seed + 1] or every


def main() -> None:
    """Spoil as many studies as asked, and print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="network-") as name,
        mlflow_server(Path(name)) as server,
    ):
        for seed in range(asked.seed, asked.seed + asked.studies):
            place = Path(name) / str(seed)
            place.mkdir()
            kinds = kinds_of(seed)
            found = spoil(place, server, seed, kinds)
            print(f"seed {seed} ({', '.join(kinds)}): {found}", flush=True)


if __name__ == "__main__":
    main()
