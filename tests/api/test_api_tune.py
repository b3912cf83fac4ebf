"""`hpmagic.tune` from Python."""

import json
import sys

import pytest

import hpmagic
from hpmagic.errors import AnnotationError, OptionError
from hpmagic.plan import Plan

SOURCE = "x = 4  # tune: int(1, 9)\nloss = x * factor  # tune: minimize\n"
HEADED = f"# @tune random -n 3 --seed 1 -q\n{SOURCE}"


def tune(source, *words, **options):
    return hpmagic.tune(source, *words, quiet=True, **options)


def test_code_runs_in_the_namespace(store):
    """The study reads the caller's names, and the best values end up there."""
    namespace = {"factor": 2}
    study = tune(SOURCE, "random", trials=3, seed=1, namespace=namespace)
    assert len(study) == 3
    assert namespace["x"] == study.best_params["x"]
    assert namespace["loss"] == study.best.value


@pytest.mark.few(1)
@pytest.mark.parametrize("header", ["# @tune", "%%tune", "# note\n#! %%tune"])
def test_a_header_is_honoured_where_the_call_is_silent(store, header):
    """The call's own options win, the header's others stay."""
    text = HEADED.replace("# @tune", header)
    study = hpmagic.tune(text, trials=2, namespace={"factor": 1})
    assert (study.record.info.tuner, study.record.info.seed, len(study)) == ("random", 1, 2)
    assert tune(text, "grid", namespace={"factor": 1}, fresh=True).record.info.tuner == "grid"


def test_a_plan_is_given_back(store):
    """``plan=True`` runs no trial."""
    plan = tune(HEADED, plan=True, namespace={"factor": 1})
    assert isinstance(plan, Plan)
    assert (plan.tuner, plan.trials) == ("random", 3)
    assert len(hpmagic.studies()) == 0


def test_a_script_runs_the_cells_above(store, tmp_path):
    """Earlier cells run once, an earlier tune cell with the values written in it."""
    path = tmp_path / "train.py"
    first = "# @tune random\ny = 7  # tune: int(1, 9)\ncost = y  # tune: minimize\n"
    path.write_text(f"# %%\nfactor = 2\n# %%\n{first}# %%\n{HEADED}# %%\n1 / 0\n")
    namespace = {}
    study = hpmagic.tune(path, cell=2, namespace=namespace)
    assert namespace["y"] == 7
    assert study.objectives[0].name == "loss"
    assert hpmagic.studies()["name"].tolist() == [study.name]
    with pytest.raises(OptionError, match="has 2 tune cells, so say which"):
        hpmagic.tune(path)


def test_a_script_knows_its_file_and_what_lies_beside_it(store, tmp_path, monkeypatch):
    """As under ``python``: `__file__` is its path, and it imports from its folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside_the_script.py").write_text("factor = 2\n")
    path = folder / "train.py"
    path.write_text(
        "# %%\nfrom beside_the_script import factor\nwhere = __file__\n# %%\n"
        f"{HEADED}from beside_the_script import factor as again\n"
    )
    monkeypatch.delitem(sys.modules, "beside_the_script", raising=False)
    paths = list(sys.path)
    namespace = {"__file__": "mine.py"}
    study = hpmagic.tune(path, namespace=namespace)
    monkeypatch.delitem(sys.modules, "beside_the_script")
    assert study.best.value == 2 * study.best_params["x"]
    assert namespace["where"] == str(path)
    assert namespace["__file__"] == "mine.py"
    assert sys.path == paths


def test_a_notebook_runs_too(store, tmp_path):
    """A notebook with magics needs no running shell."""
    path = tmp_path / "nb.ipynb"
    sources = ["%load_ext hpmagic\nfactor = 3", HEADED.replace("# @tune", "%%tune")]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    path.write_text(json.dumps({"cells": cells}))
    study = hpmagic.tune(str(path))
    assert study.best.value == 3 * study.best_params["x"]


def test_a_script_without_header_is_one_cell(store, tmp_path):
    """The whole file is the cell, and mistakes have its lines."""
    path = tmp_path / "train.py"
    path.write_text("factor = 1\n" + SOURCE)
    assert len(tune(path, "random", trials=2)) == 2
    path.write_text("factor = 1\nx = 1  # tune: int(3, 1)\n")
    with pytest.raises(AnnotationError) as caught:
        tune(path)
    assert (caught.value.filename, caught.value.lineno) == (str(path), 2)


def test_a_try_names_an_option_that_only_the_cell_knows(store):
    """By its label: what is imported in the cell is not there when the words are read."""
    text = (
        "from fractions import Fraction\nfrom decimal import Decimal\n"
        "kind = Fraction  # tune: choice(Fraction, Decimal)\n"
        "loss = float(kind(3)) + (kind is Fraction)  # tune: minimize\n"
    )
    study = hpmagic.tune(text, "manual", tries=[{"kind": "Decimal"}], quiet=True)
    assert [trial.value for trial in study.record.trials] == [4.0, 3.0]


def test_tries_that_do_not_fit_are_counted(store):
    """The number of trials goes before the hunches, and that is said."""
    text = "x = 1  # tune: int(1, 9)\nloss = x  # tune: minimize\n"
    tries = [{"x": value} for value in (2, 3, 4)]
    study = hpmagic.tune(text, "manual", trials=2, tries=tries, quiet=True)
    assert len(study) == 2
    said = "of 4 trials that are given the last 2 do not fit in --trials 2"
    assert said in study.record.info.remarks


def test_the_error_of_a_hopeless_study_is_raised(store):
    """The cell's own error, with the study named in a note."""
    with pytest.raises(NameError) as caught:
        tune(SOURCE, "random", trials=5)
    assert "hpmagic: study" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"trails": 3}, "unknown option `trails`; did you mean `trials`?"),
        ({"tuner": "bays"}, "unknown tuner `bays`; did you mean `bayes`?"),
    ],
)
def test_wrong_words_are_named(store, options, sentence):
    """Mistakes are found before anything runs."""
    with pytest.raises(OptionError) as caught:
        tune(SOURCE, **options)
    assert str(caught.value) == sentence
