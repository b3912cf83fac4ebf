"""The other verbs of ``hpmagic``."""

import json

import pandas as pd
import pytest

import hpmagic
from hpmagic.cli import FAILED, MISUSED, OK, main

SOURCE = """\
# @tune random -n 3 --seed 1 --study first
x = 4  # tune: int(1, 9)
kind = "a"  # tune: ["a", "b"]
loss = x / 2  # tune: minimize
"""


@pytest.fixture
def study(store):
    return hpmagic.tune(SOURCE, quiet=True)


@pytest.mark.slow
def test_studies_are_listed(study, capsys):
    """The names are there, in words and as JSON."""
    assert main(["studies"]) == OK
    assert "first" in capsys.readouterr().out
    assert main(["studies", "--json"]) == OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["trials"]) == ("first", 3)


def test_an_empty_store_has_no_studies(store, capsys):
    """No table, one sentence."""
    assert main(["studies"]) == OK
    assert capsys.readouterr().out == "no studies yet\n"


def test_trials_come_as_a_table_csv_json_and_parquet(study, capsys, tmp_path):
    """All forms hold the frame."""
    assert main(["trials", "first"]) == OK
    assert "params.x" in capsys.readouterr().out
    assert main(["trials", "first", "--csv"]) == OK
    (tmp_path / "t.csv").write_text(capsys.readouterr().out)
    assert pd.read_csv(tmp_path / "t.csv")["params.x"].tolist() == study.trials["params.x"].tolist()
    assert main(["trials", "first", "--json"]) == OK
    assert [row["params.kind"] for row in json.loads(capsys.readouterr().out)] == study.trials[
        "params.kind"
    ].tolist()
    pytest.importorskip("pyarrow")
    assert main(["trials", "first", "--parquet", str(tmp_path / "t.parquet")]) == OK
    back = pd.read_parquet(tmp_path / "t.parquet")
    assert back["metrics.loss"].tolist() == study.trials["metrics.loss"].tolist()


def test_best_is_python_or_json(study, capsys):
    """The plain form can be pasted into code."""
    assert main(["best", "first"]) == OK
    namespace = {}
    exec(capsys.readouterr().out, namespace)
    assert {name: namespace[name] for name in study.best_params} == study.best_params
    assert main(["best", "first", "--json"]) == OK
    facts = json.loads(capsys.readouterr().out)
    assert facts["params"] == study.best_params
    assert facts["value"] == study.best.value


@pytest.mark.slow
def test_small_numbers_and_odd_options_are_as_they_were(store, capsys, tmp_path):
    """JSON has every digit, and null or a text for what it lacks; Parquet has texts."""
    source = """
x = 1e-16     # tune: loguniform(1e-17, 1e-15)
most = None   # tune: choice(None, 3, float("inf"), (1, 2))
loss = -x     # tune: minimize
"""
    study = hpmagic.tune(
        source,
        "manual",
        study="odder",
        tries=[{"most": 'float("inf")'}, {"most": (1, 2)}, {"most": 3}],
        quiet=True,
    )
    assert main(["trials", "odder", "--json"]) == OK
    rows = json.loads(capsys.readouterr().out)
    assert [row["params.x"] for row in rows] == study.trials["params.x"].tolist()
    assert [row["params.most"] for row in rows] == [None, None, [1, 2], 3]
    assert rows[0]["start"].endswith("Z")
    assert main(["best", "odder"]) == OK
    exec(capsys.readouterr().out, {})
    pytest.importorskip("pyarrow")
    assert main(["trials", "odder", "--parquet", str(tmp_path / "t.parquet")]) == OK
    back = pd.read_parquet(tmp_path / "t.parquet")["params.most"]
    assert back.fillna("null").tolist() == ["null", "inf", "(1, 2)", "3"]
    assert main(["trials", "odder", "--parquet", str(tmp_path / "no" / "t.parquet")]) != OK
    assert "None" not in capsys.readouterr().err


@pytest.mark.few(1)
@pytest.mark.parametrize("verb", ["trials", "best", "ui"])
def test_an_unknown_study_is_a_failure_with_a_hint(study, capsys, verb):
    """The nearest name is suggested; the exit code is that of a failure."""
    assert main([verb, "frist"]) == FAILED
    assert "did you mean `first`?" in capsys.readouterr().err


def test_space_lists_what_a_file_tunes_and_runs_nothing(tmp_path, capsys):
    """Each tune cell with its place, its line, its space and its objective."""
    path = tmp_path / "train.py"
    path.write_text(f"raise SystemExit\n# %%\n{SOURCE}# %%\nz = 3  # tune: int(1, limit)\n")
    assert main(["space", str(path)]) == OK
    out = capsys.readouterr().out
    assert "1: # @tune random -n 3 --seed 1 --study first (line 3)" in out
    assert "int(1, 9)" in out
    assert "line 4" in out
    assert "minimize loss" in out
    assert "no tune line, so no study (line 8)" in out
    assert "int(1, limit)" in out


def test_space_reads_notebooks_with_magics(tmp_path, capsys):
    """IPython's lines do not disturb it."""
    path = tmp_path / "nb.ipynb"
    cell = {
        "cell_type": "code",
        "source": f"%%tune\n%time y = 2\n!ls\n{SOURCE}".replace("# @", "# "),
    }
    path.write_text(json.dumps({"cells": [cell]}))
    assert main(["space", str(path)]) == OK
    assert "1: %%tune (cell 1)" in capsys.readouterr().out


def test_space_points_at_mistakes(tmp_path, capsys):
    """A wrong annotation has its line and caret; the exit code says misused."""
    path = tmp_path / "train.py"
    path.write_text("x = 1\n# %%\n# @tune\ny = 2  # tune: int(5, 1)\n")
    assert main(["space", str(path)]) == MISUSED
    err = capsys.readouterr().err
    assert f"{path}, line 4" in err
    assert "^^^^" in err


def test_deliver_says_when_nothing_waits(store, capsys):
    """Nothing left from earlier is no failure."""
    assert main(["deliver"]) == OK
    assert capsys.readouterr().out == "nothing is waiting to be delivered\n"


@pytest.mark.parametrize("verb", ["space", "studies", "trials", "best", "ui", "deliver"])
def test_every_verb_has_help(verb, capsys):
    """``-h`` after any verb."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "-h"])
    assert ended.value.code == OK
    assert f"hpmagic {verb}" in capsys.readouterr().out


def test_help_and_version(capsys):
    """The page lists the verbs and the exit codes."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"hpmagic {hpmagic.__version__}\n"
    with pytest.raises(SystemExit):
        main(["-h"])
    out = capsys.readouterr().out
    assert all(verb in out for verb in ("run", "space", "studies", "deliver", "Exit codes"))


def test_an_unknown_command_names_the_nearest(capsys):
    """A slip of the fingers is told from a command; no words show the page."""
    assert main(["rnu"]) == MISUSED
    assert capsys.readouterr().err == "hpmagic: unknown command `rnu`; did you mean `run`?\n"
    assert main([]) == MISUSED
    assert "Exit codes" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["trials"], ["best", "a", "--csv"]])
def test_wrong_words_are_misuse(words, capsys):
    """The exit code is that of wrong words."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == MISUSED


def test_best_writes_an_option_as_its_annotation_does(store, capsys):
    """An object has no quotes, a text has them."""
    hpmagic.tune(
        "kind = list  # tune: choice(dict, list)\n"
        'name = "x"  # tune: choice("dict", "x")\n'
        "loss = len(kind()) + len(name)  # tune: minimize\n",
        "random",
        trials=2,
        study="objects",
        quiet=True,
    )
    assert main(["best", "objects"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] in ("kind = dict", "kind = list")
    assert lines[1] in ('name = "dict"', 'name = "x"')


def test_an_empty_store_has_the_columns_of_its_studies(store):
    """Code that reads the frame need not ask first whether there is a study."""
    table = hpmagic.studies()
    assert len(table) == 0
    assert {"name", "trials", "best", "start", "run_id"} <= set(table.columns)
