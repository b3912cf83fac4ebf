"""Lines that log, read a clock or draw what no seed fixes run in every trial."""

from __future__ import annotations

import random
import sys
from types import ModuleType

import pytest
from reuse_cells import Study, outputs

from hpmagic.execution.heap.kinds import Kinds
from hpmagic.execution.heap.world import World
from hpmagic.execution.reuse.effects import watching
from hpmagic.execution.reuse.forecast import forecast
from hpmagic.execution.reuse.reach import Reach
from hpmagic.language import parse_cell

CELL = "lr = 0.5  # tune: uniform(0, 1)\nprint('lead')\n{}\nscore = lr  # tune: maximize\n"


@pytest.fixture
def mlflow(monkeypatch) -> None:
    """A module that calls itself MLflow and prints what it logs."""
    module = ModuleType("mlflow")
    exec("def log_param(value): print('logged', value)", vars(module))
    monkeypatch.setitem(sys.modules, "mlflow", module)


@pytest.mark.parametrize(
    ("lines", "earlier"),
    [
        ("import mlflow\nmlflow.log_param(1)", ""),
        ("import mlflow as ml\nml.log_param(1)", ""),
        ("from mlflow import log_param as log\nlog(1)", ""),
        ("log(1)", "from mlflow import log_param as log"),
        ("log()", "def log():\n    import mlflow\n    mlflow.log_param(1)"),
        ("log()", "import mlflow\ndef log(): mlflow.log_param(1)"),
    ],
)
@pytest.mark.usefixtures("mlflow")
def test_leading_line_that_logs_to_a_service_does_so_in_every_trial(lines, earlier):
    """It logs once in each, and the work before it is shared all the same."""
    namespace: dict[str, object] = {}
    exec(earlier, namespace)
    study = Study(CELL.format(lines), namespace)
    assert outputs(study, {}, {"lr": 0.1}) == ["lead\nlogged 1\n", "logged 1\n"]


@pytest.mark.usefixtures("mlflow")
def test_import_of_a_service_alone_keeps_no_work_from_being_shared():
    """Only a line that uses it runs again."""
    study = Study(CELL.format("import mlflow\nprint('more')\nx = lr\nmlflow.log_param(x)"))
    assert outputs(study, {}, {"lr": 0.1}) == ["lead\nmore\nlogged 0.5\n", "logged 0.1\n"]


@pytest.mark.parametrize(
    "lines",
    [
        "from uuid import uuid4\nx = uuid4()",
        "from uuid import uuid4 as new\nx = new()",
        "from os import urandom\nx = urandom(8)",
        "from time import time\nx = time()",
        "from time import time as clock\nx = clock()",
        "import time as t\nx = t.time()",
        "import secrets\nx = secrets.randbelow(1 << 60)",
        "import secrets as s\nx = s.choice(range(1 << 60))",
        "import numpy as np\nx = np.random.RandomState().randint(1 << 30)",
        "import numpy as np\nx = np.random.default_rng(None).random()",
        "import numpy as np\nx = np.random.default_rng(seed=None).random()",
        "from numpy.random import default_rng\nx = default_rng(None).random()",
        "import numpy as np\nnp.random.seed()\nx = np.random.random()",
        "import random\nx = random.Random().random()",
        "import random\nrandom.seed(None)\nx = random.random()",
        "def f():\n    from time import time\n    return time()\nx = f()",
        "def f():\n    import time as t\n    return t.time()\nx = f()",
        "def f():\n    from uuid import uuid4\n    return uuid4()\nx = f()",
    ],
)
def test_draw_or_clock_of_a_leading_line_is_each_trials_own(lines):
    """Whatever name the line gives it."""
    study = Study(CELL.format(f"{lines}\nseen = x"))
    outputs(study, {}, {"lr": 0.1}, {"lr": 0.2})
    assert len({outcome.bindings["seen"] for outcome in study.outcomes}) == 3


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("import mlflow\nmlflow.log_param(1)", "uses `mlflow`"),
        ("from uuid import uuid4\nx = uuid4()", "draws numbers that no seed fixes"),
        ("from time import time\nx = time()", "reads the clock"),
    ],
)
def test_plan_says_so_before_anything_is_imported(lines, why):
    """Its names tell, where there is no object yet."""
    plan = forecast(parse_cell(CELL.format(lines)), {})
    assert any(text.startswith(f"line 4 {why}, so it and what follows") for text in plan)


@pytest.mark.parametrize(
    "lines",
    [
        "import numpy as np\nx = np.random.default_rng(0).random()",
        "import random\nrandom.seed(3)\nx = random.Random(1).random()",
        "import time\ntime.sleep(0)",
        "import time as t\nt.sleep(0)",
        "time = 3\nx = time",
    ],
)
def test_seeded_draw_or_wait_is_shared(lines):
    """These are the same in every trial."""
    study = Study(CELL.format(f"{lines}\nprint('after')"))
    assert outputs(study, {}, {"lr": 0.1}) == ["lead\nafter\n", ""]


def test_object_that_cannot_be_looked_at_counts_as_unseen():
    """`SystemRandom` raises when it is asked for its state."""
    variables = {"r": random.SystemRandom(), "__name__": "__main__"}
    world = World(variables)
    reached = Reach(world, Kinds(world)).of([compile("r.random()", "<cell>", "exec")])
    assert "SystemRandom" in reached.unseen


def test_file_in_shared_memory_is_a_file_and_a_device_is_none(monkeypatch):
    """Nothing is opened: the events are those that opening would cause."""
    with watching() as effects:
        sys.audit("open", "/dev/shm/hpmagic-none.npy", "w", 0)
        sys.audit("open", "/dev/null", "w", 0)
    assert effects.acts == ["writes files"]
