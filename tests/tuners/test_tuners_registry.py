"""The registry: our tuners, and those that other packages bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import PLANE, params_of, study_of

from hpmagic.errors import TunerError
from hpmagic.tuners import registry
from hpmagic.tuners.registry import OPTIONAL, get_tuner, known_tuners, summaries

PLUGIN = '''
from hpmagic.tuners.base import TunerInfo

class Corner:
    """The upper end of every range, and then a little less."""

    def __init__(self, context):
        self.told = 0

    def ask(self):
        return self

    def suggest(self, parameter):
        return parameter.distribution.from_unit(1 - self.told / 100)

    def tell(self, trial):
        self.told += 1

corner = TunerInfo("another name", "goes into the corner", Corner)
not_a_tuner = Corner
'''

ENTRY_POINTS = """
[hpmagic.tuners]
corner = corner_tuner:corner
broken = no_such_module:tuner
odd = corner_tuner:not_a_tuner
bayes = corner_tuner:corner
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with a tuner, a broken one, an odd one and a name of ours."""
    (tmp_path / "corner_tuner.py").write_text(PLUGIN)
    info = tmp_path / "corner_tuner-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: corner-tuner\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "corner_tuner", raising=False)


def test_our_tuners_are_listed_with_what_they_do() -> None:
    """Every name has a line; the default comes first."""
    names = ("auto", "manual", "grid", "random", "bayes", "tpe", "cmaes", "qmc", "nsga2")
    assert known_tuners()[: len(names)] == names
    assert all(0 < len(line) < 90 for line in summaries().values())
    assert {"hyperopt", "nevergrad"} <= set(known_tuners())
    assert [name for name in names if get_tuner(name).plans] == ["manual", "grid"]
    assert [name for name in names if not get_tuner(name).many_objectives] == ["bayes", "cmaes"]


def test_an_unknown_tuner_names_the_nearest() -> None:
    """A slip of the finger, and something else altogether."""
    with pytest.raises(TunerError, match="unknown tuner `bayse`; did you mean `bayes`"):
        get_tuner("bayse")
    with pytest.raises(TunerError, match="there are auto, manual, grid"):
        get_tuner("xyz")


@pytest.mark.parametrize("name", list(OPTIONAL))
def test_a_tuner_whose_package_is_missing_says_what_to_install(name, monkeypatch) -> None:
    """It is known, listed with what it needs, and refused with what to type."""
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    assert name in known_tuners()
    assert summaries()[name].endswith(f"(pip install {name})")
    with pytest.raises(TunerError, match=rf"needs the package {name}.*`%pip install {name}`"):
        get_tuner(name)


def test_another_package_adds_a_tuner_by_entry_point(package: None) -> None:
    """It is listed without being loaded, and a study runs with it."""
    assert "corner" in known_tuners()
    assert summaries()["corner"] == "from the package corner-tuner"
    assert "corner_tuner" not in sys.modules
    assert get_tuner("corner").name == "corner"
    rows = params_of(study_of(PLANE, "corner", 3))
    assert rows == [{"x": 0.5, "y": -0.5}, {"x": 0.98, "y": 0.98}, {"x": 0.96, "y": 0.96}]


def test_a_broken_plug_in_is_named_when_it_is_asked_for(package: None) -> None:
    """It stops nobody else."""
    assert "broken" in known_tuners()
    get_tuner("corner")
    with pytest.raises(TunerError, match=r"`broken` of the package corner-tuner \(no_such_module"):
        get_tuner("broken")


def test_an_entry_point_must_give_a_tuner_info(package: None) -> None:
    """A class by itself does not say what it can do."""
    with pytest.raises(TunerError, match=r"`odd` of the package corner-tuner .* is no TunerInfo"):
        get_tuner("odd")


def test_our_names_cannot_be_taken(package: None) -> None:
    """`bayes` is ours, whatever is installed."""
    assert known_tuners().count("bayes") == 1
    assert get_tuner("bayes").summary == summaries()["bayes"]
    assert "corner_tuner" not in sys.modules


def test_the_registry_loads_nothing_heavy() -> None:
    """Names and summaries are there for completion, long before a study begins."""
    code = (
        "import sys; from hpmagic.tuners import registry; registry.summaries();"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'optuna', 'mlflow', 'pandas', 'IPython'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
