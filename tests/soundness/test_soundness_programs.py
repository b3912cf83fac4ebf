"""Random cells with mutation and aliasing give, trial by trial, what runs from scratch give.

``HPMAGIC_RANDOM_CELLS=20000`` tries so many of them.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from nasty_cells import VALUES
from random_programs import EARLIER, SHOW, cells
from scratch_runs import SEED, patched

from hpmagic.execution.outcome import WRITTEN
from hpmagic.execution.reuse import stages
from hpmagic.execution.runner import KernelRunner
from hpmagic.language import parse_cell

LEFT, LOOK = (compile(text, "<earlier>", "exec") for text in (EARLIER, SHOW))
EXAMPLES = int(os.environ.get("HPMAGIC_RANDOM_CELLS", "2000"))
PARTS = 8
"""So that the cells are shared among the processes that test."""


@pytest.fixture(autouse=True, scope="module")
def eager():
    """Checkpoints wherever they are possible, however little they save."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "WORTH", 0.0)
        patch.setattr(stages, "COST", float("inf"))
        yield


def earlier() -> dict[str, object]:
    random.seed(SEED)
    np.random.seed(SEED)
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(LEFT, namespace)
    return namespace


def from_scratch(text: str, values: dict[str, object]) -> str:
    namespace = earlier()
    try:
        exec(compile(patched(text, values), "<cell>", "exec"), namespace)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return str(namespace["seen"])


def shown(namespace: dict[str, object]) -> str:
    exec(LOOK, namespace)
    return str(namespace.pop("seen"))


def as_from_scratch(text: str, *, reuse: bool) -> None:
    by_values = {str(values): from_scratch(text, values) for values in VALUES}
    expected = [by_values[str(values)] for values in VALUES]
    before = shown(earlier())
    namespace = earlier()
    runner = KernelRunner(parse_cell(text), namespace, reuse=reuse, say=lambda _: None)
    found = []
    for values in VALUES:
        outcome = runner.run(lambda p, v=values: v.get(p.name, WRITTEN), lambda _: None)
        error = outcome.error
        seen = outcome.bindings.get("seen")
        found.append(seen if error is None else f"{type(error).__name__}: {error}")
    runner.close()
    assert found == expected
    assert shown(namespace) == before


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(cells())
def test_few_random_cells(text):
    as_from_scratch(text, reuse=True)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@settings(
    max_examples=-(-EXAMPLES // PARTS),
    derandomize=False,  # the parts would be the same
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(text=cells())
def test_many_random_cells(part, text):
    as_from_scratch(text, reuse=True)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(cells())
def test_many_random_cells_without_reuse(text):
    as_from_scratch(text, reuse=False)
