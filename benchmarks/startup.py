"""How long a person waits before anything happens.

    python benchmarks/startup.py [--rounds 5]

Each figure is the median of fresh processes: the import of IPython; the import of hpmagic with
`load_ipython_extension` in a shell that is there; and the time from pressing run to trial 0, and to
the end of the cell, on a new store.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

IPYTHON = """
import time
begin = time.perf_counter()
import IPython
print("seconds", time.perf_counter() - begin)
"""
HPMAGIC = """
from IPython.core.interactiveshell import InteractiveShell
import time
shell = InteractiveShell.instance()
begin = time.perf_counter()
import hpmagic
hpmagic.load_ipython_extension(shell)
print("seconds", time.perf_counter() - begin)
"""
CELL = """
%%tune tpe --trials 2 --quiet
import time
began = time.time()
x = 0.5  # tune: uniform(0, 1)
loss = (x - 0.3) ** 2  # tune: minimize
"""
FIRST = f"""
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import hpmagic
hpmagic.load_ipython_extension(shell)
pressed = time.time()
shell.run_cell({CELL.strip()!r})
first = shell.user_ns["study"].record.trials[0].start
print("first", first - pressed)
print("whole", time.time() - pressed)
"""


def run(code: str) -> dict[str, float]:
    """What a fresh process in an empty folder prints: names and seconds."""
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        environment = {**os.environ, "HPMAGIC_HOME": str(Path(folder) / "home")}
        environment.pop("MLFLOW_TRACKING_URI", None)
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    words = done.stdout.split()
    names = ("seconds", "first", "whole")
    return {name: float(words[words.index(name) + 1]) for name in names if name in words}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, code in (("IPython", IPYTHON), ("hpmagic", HPMAGIC)):
            found.setdefault(name, []).append(run(code)["seconds"])
        for name, value in run(FIRST).items():
            found.setdefault(name, []).append(value)
    seconds = {name: statistics.median(times) for name, times in found.items()}
    print(f"import IPython                       {seconds['IPython']:7.3f} s")
    print(f"import hpmagic, load_ipython_extension {seconds['hpmagic']:5.3f} s")
    ratio = seconds["hpmagic"] / seconds["IPython"]
    print(f"  their ratio                        {ratio:7.2f}   (at most 1.5)")
    print(f"from pressing run to trial 0         {seconds['first']:7.3f} s (at most 2)")
    print(
        f"from pressing run to the cell's end  {seconds['whole']:7.3f} s, two trials, a new store"
    )


if __name__ == "__main__":
    main()
