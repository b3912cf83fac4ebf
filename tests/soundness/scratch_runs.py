"""Runs cells from scratch, each trial in a process of its own, without hpmagic's execution.

    python tests/soundness/scratch_runs.py

writes `golden.json` anew: what fresh processes gave on this machine. Tests compute it again where
a cell has changed or the machine is another: with `-` a job comes in on each line, and what is true
of it goes out on one. A small process that has imported the libraries and uses one thread is forked
for each trial.
"""

from __future__ import annotations

import ast
import hashlib
import json
import marshal
import os
import platform
import random
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from nasty_cells import CELLS, VALUES, Nasty  # noqa: E402

from hpmagic.distributions import MISSING  # noqa: E402
from hpmagic.language import parse_cell  # noqa: E402

SEED = 12345
GOLDEN = Path(__file__).with_name("golden.json")


def job_of(nasty: Nasty) -> dict[str, object]:
    """A cell as plain data."""
    return {
        "text": nasty.text,
        "setup": nasty.before,
        "probe": nasty.probe,
        "files": nasty.files,
        "values": list(VALUES),
    }


def digest(job: dict[str, object]) -> str:
    """What tells a job from another."""
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:16]


@cache
def tuned(text: str) -> tuple[tuple[str, ast.expr], ...]:
    """What is tuned in a cell, from its end to its beginning: names, and where values stand."""
    draws = parse_cell(text).draws
    found = [(draw.parameter.name, draw.expression) for draw in draws]
    assert all(draw.parameter.default is not MISSING for draw in draws)
    return tuple(sorted(found, key=lambda f: (f[1].lineno, f[1].col_offset), reverse=True))


def patched(text: str, values: dict[str, object]) -> str:
    """The cell with values written in the place of what is tuned."""
    lines = text.encode().splitlines(keepends=True)
    for name, place in tuned(text):
        if name in values:
            first, last = place.lineno - 1, place.end_lineno - 1
            before, after = lines[first][: place.col_offset], lines[last][place.end_col_offset :]
            lines[first : last + 1] = [before + repr(values[name]).encode() + after]
    return b"".join(lines).decode()


def prepare(job: dict[str, object]) -> dict[str, object]:
    """The variables that earlier cells left, in a folder that holds the cell's files."""
    for name, content in job["files"].items():
        Path(name).write_text(content)
    random.seed(SEED)
    np.random.seed(SEED)
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(job["setup"], "<earlier>", "exec"), namespace)
    return namespace


def probe(job: dict[str, object], namespace: dict[str, object]) -> str:
    """What an expression says of the variables of earlier cells."""
    try:
        return repr(eval(job["probe"], dict(namespace)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def once(job: dict[str, object], values: dict[str, object] | None) -> dict[str, str]:
    """One trial, or with None just the earlier cells."""
    namespace = prepare(job)
    found: dict[str, str] = {}
    if values is not None:
        code = compile(patched(job["text"], values), "<cell>", "exec")
        try:
            exec(code, namespace)
            found = {"seen": repr(namespace["seen"]), "score": repr(float(namespace["score"]))}
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    return found | {"probe": probe(job, namespace)}


def forked(job: dict[str, object], values: dict[str, object] | None) -> dict[str, str]:
    """The same in a process of its own, which may be left in any state."""
    read, write = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "work"
        inner.mkdir()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.chdir(inner)
            sys.path.insert(0, str(inner))
            warnings.simplefilter("ignore")
            try:
                found = once(job, values)
            except BaseException as error:
                found = {"broken": repr(error)}
            os.write(write, marshal.dumps(found))
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            data = pipe.read()
        os.waitpid(child, 0)
    return marshal.loads(data)


def machine() -> str:
    """What results depend on to the last bit, in one text."""
    import pandas as pd
    import scipy
    import sklearn

    features = np._core._multiarray_umath.__cpu_features__
    parts = [
        platform.python_version(),
        platform.machine(),
        *(m.__version__ for m in (np, pd, scipy, sklearn)),
        *(name for name, there in features.items() if there),
    ]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def truth_of(job: dict[str, object]) -> dict[str, object]:
    """What fresh processes give for a job: the earlier cells alone, and the trials."""
    known: dict[str, dict[str, str]] = {}
    trials = []
    for values in job["values"]:
        key = json.dumps(values, sort_keys=True)
        if key not in known:
            known[key] = forked(job, values)
        trials.append(known[key])
    return {"before": forked(job, None), "trials": trials}


def main() -> None:
    import matplotlib as mpl  # noqa: F401
    import pandas as pd  # noqa: F401
    import scipy.sparse  # noqa: F401
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.model_selection
    import sklearn.pipeline
    import sklearn.preprocessing
    import sklearn.svm
    import sklearn.tree  # noqa: F401

    if "-" in sys.argv:
        for line in sys.stdin:
            print(json.dumps(truth_of(json.loads(line))), flush=True)
        return
    jobs = {nasty.name: job_of(nasty) for nasty in CELLS}
    cells = {name: {"job": digest(job), **truth_of(job)} for name, job in jobs.items()}
    GOLDEN.write_text(json.dumps({"machine": machine(), "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
