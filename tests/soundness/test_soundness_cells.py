"""Every trial gives what running the cell from scratch in a fresh process gives."""

from __future__ import annotations

import decimal
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import scratch_runs as scratch
from nasty_cells import CELLS, VALUES, Nasty

from hpmagic.execution.outcome import WRITTEN
from hpmagic.execution.reuse import stages
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the truth comes from forks")

JOBS = {nasty.name: scratch.job_of(nasty) for nasty in CELLS}
QUICK = 20
"""One cell in so many is looked at by the fast tests, too."""
EVERY = [
    pytest.param(nasty, id=nasty.name, marks=[pytest.mark.slow] if place % QUICK else [])
    for place, nasty in enumerate(n for n in CELLS if not n.known)
]


class Truth:
    """What fresh processes give, by the name of a cell: asked when it is needed, of one helper."""

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known
        self._helper: subprocess.Popen[str] | None = None

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._known:
            self._known[name] = self._computed(JOBS[name])
        return self._known[name]

    def _computed(self, job: dict[str, object]) -> dict[str, Any]:
        if self._helper is None:
            self._helper = subprocess.Popen(
                [sys.executable, str(Path(scratch.__file__)), "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"},
            )
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        print(json.dumps(job), file=self._helper.stdin, flush=True)
        return json.loads(self._helper.stdout.readline())

    def close(self) -> None:
        if self._helper is not None:
            self._helper.communicate()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """What fresh processes gave, where that was on a machine like this one."""
    found = json.loads(scratch.GOLDEN.read_text())
    return found["cells"] if found["machine"] == scratch.machine() else {}


@pytest.fixture(scope="module")
def truth(golden: dict[str, Any]) -> Iterator[Truth]:
    """What fresh processes give."""
    known = {n: c for n, c in golden.items() if n in JOBS and c["job"] == scratch.digest(JOBS[n])}
    with closing(Truth(known)) as asked:
        yield asked


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory of its own, from which modules can be imported."""
    inner = tmp_path / "work"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.syspath_prepend(str(inner))
    yield inner
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def libraries():
    """What a published trial set in libraries is the person's; other tests must not see it."""
    things = (math, statistics, json.JSONEncoder, decimal.Decimal, tempfile)
    before = [dict(vars(thing)) for thing in things]
    yield
    for thing, attributes in zip(things, before, strict=True):
        changed = {n for n, v in vars(thing).items() if attributes.get(n) is not v}
        assert not changed - {"tempdir", "_name_sequence"}


@pytest.fixture
def eager(monkeypatch):
    """Checkpoints wherever they are possible, however little they save."""
    monkeypatch.setattr(stages, "WORTH", 0.0)
    monkeypatch.setattr(stages, "COST", float("inf"))


def study(nasty: Nasty, *, reuse: bool) -> tuple[list[dict[str, str]], KernelRunner, Any, Any]:
    job = JOBS[nasty.name]
    namespace = scratch.prepare(job)
    said: list[str] = []
    runner = KernelRunner(parse_cell(nasty.text), namespace, reuse=reuse, say=said.append)
    found, outcomes = [], []
    for values in VALUES:
        outcome = runner.run(lambda p, v=values: v.get(p.name, WRITTEN), lambda _: None)
        outcomes.append(outcome)
        if outcome.error is not None:
            found.append({"error": f"{type(outcome.error).__name__}: {outcome.error}"})
        else:
            seen = repr(outcome.bindings["seen"])
            found.append({"seen": seen, "score": repr(outcome.values["score"])})
    return found, runner, outcomes, (job, namespace, said)


def without_probe(trials: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{k: v for k, v in trial.items() if k != "probe"} for trial in trials]


@pytest.mark.parametrize("reuse", [True, False], ids=["reused", "fresh"])
@pytest.mark.parametrize("nasty", EVERY)
def test_trials_give_what_fresh_processes_give(nasty, reuse, truth, folder, eager):
    expected = truth[nasty.name]
    found, runner, _, (job, namespace, _) = study(nasty, reuse=reuse)
    runner.close()
    assert found == without_probe(expected["trials"])
    assert scratch.probe(job, namespace) == expected["before"]["probe"]


@pytest.mark.parametrize("nasty", EVERY)
def test_published_trial_leaves_what_running_it_would_leave(nasty, truth, folder, eager, libraries):
    expected = truth[nasty.name]
    found, runner, outcomes, (job, namespace, _) = study(nasty, reuse=True)
    best = next((n for n, trial in enumerate(found) if n and "score" in trial), None)
    if best is None:
        pytest.skip("no trial of it works")
    try:
        runner.publish(outcomes[best])
        runner.close()
        assert repr(namespace["seen"]) == expected["trials"][best]["seen"]
        if not nasty.settings:
            assert scratch.probe(job, namespace) == expected["trials"][best]["probe"]
    finally:
        grounds = runner._grounds
        grounds.stand_on(grounds.start)


@pytest.mark.slow
def test_golden_values_are_what_fresh_processes_give_on_this_machine(golden):
    if not golden:
        pytest.skip("they were made on another machine; the other tests compute their own")
    with closing(Truth({})) as now:
        for name in JOBS:
            assert {k: v for k, v in golden[name].items() if k != "job"} == now[name]
