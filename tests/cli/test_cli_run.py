"""``hpmagic run``: files run as a notebook would run them."""

import json
import subprocess
import sys

import pytest

import hpmagic
from hpmagic.cli import FAILED, INTERRUPTED, MISUSED, OK, main
from hpmagic.errors import HpmagicWarning

SCRIPT = """\
# %%
start = 2
print("above")

# %%
# @tune random -n 3 --seed 1
x = 4  # tune: int(1, 9)
cost = x + start  # tune: minimize

# %%
print("between", x, cost)

# %%
# the second
# @tune random -n 2 --seed 1
y = 5  # tune: int(1, 9)
loss = x * 100 + y  # tune: minimize

# %%
print("below")
"""


@pytest.fixture
def script(store, tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def notebook(path, *sources):
    cells = [
        {"cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None}
        for s in sources
    ]
    facts = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return path


def names():
    studies = hpmagic.studies()
    return studies["name"].tolist() if len(studies) else []


def test_all_cells_run_in_order_and_once(script, capsys):
    """Every tune cell is a study; the other cells run once, and later ones see the best values."""
    assert main(["run", str(script)]) == OK
    out = capsys.readouterr().out
    assert [out.count(word) for word in ("above", "between", "below")] == [1, 1, 1]
    best = hpmagic.load(names()[1])
    assert f"between {best.best_params['x']} {best.best.value:.0f}" in out
    assert [len(hpmagic.load(name)) for name in names()] == [2, 3]


def test_one_cell_can_be_chosen(script, capsys):
    """The cells above run once, the earlier tune cell with its written values, nothing after."""
    assert main(["run", str(script), "2"]) == OK
    out = capsys.readouterr().out
    assert "between 4 6" in out
    assert "below" not in out
    (name,) = names()
    study = hpmagic.load(name)
    assert study.objectives[0].name == "loss"
    assert study.best.value >= 401


def test_the_words_of_the_shell_win(script):
    """Tuner and options replace those of the header."""
    assert main(["run", str(script), "1", "grid", "--trials", "4", "--study", "mine"]) == OK
    study = hpmagic.load("mine")
    assert (study.record.info.tuner, len(study)) == ("grid", 4)


def test_the_options_may_stand_before_the_file(script):
    """The file is found wherever it stands."""
    assert main(["run", "--trials", "2", str(script), "1"]) == OK
    assert len(hpmagic.load(names()[0])) == 2


def test_loading_the_extension_in_the_file_keeps_the_words(store, tmp_path):
    """A notebook's own ``%load_ext`` does not forget what the shell said."""
    path = notebook(
        tmp_path / "nb.ipynb",
        "%load_ext hpmagic",
        "%%tune random -n 5\nx = 4  # tune: int(1, 9)\nloss = x  # tune: minimize",
    )
    assert main(["run", str(path), "-n", "2"]) == OK
    assert len(hpmagic.load(names()[0])) == 2


def test_a_notebook_runs_with_magics_and_displays(store, tmp_path, capsys):
    """IPython's lines work and the values of cells are printed."""
    path = notebook(
        tmp_path / "nb.ipynb",
        "%matplotlib inline\nfiles = !echo a\nfiles[0] * 3",
        "# @tune random -n 2 -q\n%time z = 1\nx = 4  # tune: int(1, 9)\nloss = x  # tune: minimize",
        "%tune best",
    )
    assert main(["run", str(path)]) == OK
    out = capsys.readouterr().out
    assert "'aaa'" in out
    assert "<Best: loss =" in out
    assert "Out[" not in out


def test_a_failing_cell_ends_the_run(store, tmp_path, capsys):
    """The traceback has the script's own line; the exit code says that a cell failed."""
    path = tmp_path / "bad.py"
    path.write_text("# %%\nx = 1\n\n# %%\n# note\n1 / 0\n# %%\n# @tune\ny = 1  # tune: minimize\n")
    assert main(["run", str(path)]) == FAILED
    out = capsys.readouterr().out
    assert f"File {path}, line 6" in out
    assert "----> 6 1 / 0" in out
    assert names() == []


def test_a_failing_study_ends_the_run_at_its_own_line(store, tmp_path, capsys):
    """The first three trials fail: the traceback points into the file, and nothing runs after."""
    path = tmp_path / "bad.py"
    text = "# %%\nx = 1\n\n# %%\n# @tune random\ny = 1  # tune: int(1, 9)\n"
    path.write_text(f"{text}loss = y / 0  # tune: minimize\n# %%\nprint('af' + 'ter')\n")
    assert main(["run", str(path)]) == FAILED
    out = capsys.readouterr().out
    assert f"File {path}, line 7" in out
    assert "after" not in out


def test_errors_in_notebooks_name_the_cell(store, tmp_path, capsys):
    """A notebook has no lines of its own: the cell's number and line are said."""
    path = notebook(tmp_path / "nb.ipynb", "x = 1", "def f():\n    return 1 / 0\nf()", "# @tune\n1")
    assert main(["run", str(path), "-n", "1"]) == FAILED
    out = capsys.readouterr().out
    assert f"{path}, cell 2, line 2, in f()" in out


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (SCRIPT, ["bays"], "unknown tuner `bays`; did you mean `bayes`?"),
        (SCRIPT, ["--trails", "3"], "unknown option `--trails`; did you mean `--trials`?"),
        (SCRIPT, ["3"], "has 2 tune cells, but got cell 3"),
        (SCRIPT, ["0"], "has 2 tune cells, but got cell 0"),
        ("x = 1\n", [], "has no tune cell: begin one with `# @tune` or `%%tune`"),
        ("print('ran')\n# %%\n# @tune bays\nx = 1\n", [], "unknown tuner `bays`"),
        ("print('ran')\n# %%\n# @tune\nx = 1  # tune: inf(1)\n", [], "train.py, line 4, column 16"),
        ("print('ran')\n# %%\n# @tune\nx = = 1\n", [], "line 4"),
        ("print('ran')\n# %%\n# @tune\nreturn 1\n", [], "line 4\n    return 1\n    ^\nSyntaxError"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(script, capsys, text, words, sentence):
    """Words, headers and annotations are checked first; the exit code says misused."""
    script.write_text(text)
    assert main(["run", str(script), *words]) == MISUSED
    out, err = capsys.readouterr()
    assert sentence in err
    assert "ran" not in out
    assert "above" not in out


def test_a_missing_file_is_named(store, capsys):
    """A file that is not there is a mistake in the words."""
    assert main(["run", "nowhere.py"]) == MISUSED
    assert "cannot read nowhere.py" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 3])
def test_a_cell_that_exits_decides_the_code(script, code):
    """``sys.exit`` in a cell ends the run with its code."""
    script.write_text(f"import sys\nsys.exit({code})\n# %%\n# @tune\nx = 1  # tune: minimize\n")
    assert main(["run", str(script)]) == code


def test_a_study_whose_trials_all_exit_is_a_failure(script):
    """Also where they exit with 0: no trial ran to its end."""
    script.write_text(
        "import sys\n# %%\n# @tune -n 2\nx = 1  # tune: int(1, 9)\nsys.exit(0)\n"
        "loss = x  # tune: minimize\n"
    )
    assert main(["run", str(script)]) == FAILED


def test_an_interrupt_is_told_from_a_failure(script):
    """A run that was stopped by hand has an exit code of its own; the study is closed."""
    script.write_text(
        "import os, signal\n# %%\n# @tune random -n 5\nx = 1  # tune: int(1, 99)\n"
        "if x != 1:\n    os.kill(os.getpid(), signal.SIGINT)\nloss = x  # tune: minimize\n"
    )
    assert main(["run", str(script)]) == INTERRUPTED
    assert hpmagic.studies()["state"].tolist() == ["interrupted"]


def test_the_plan_runs_no_trial(script, capsys):
    """``--plan`` prints what would run."""
    assert main(["run", str(script), "1", "--plan"]) == OK
    assert "random would minimize cost with 3 trials." in capsys.readouterr().out
    assert names() == []


PLANNED = """\
# %%
models = ["a", "b"]
# %%
# @tune grid
n = "b"  # tune: choice(*models)
sizes = [len(n), 9]  # noqa
loss = sizes[0]  # tune: minimize
# %%
print("between", n)
# %%
# @tune grid
m = 9  # tune: choice(*sizes)
loss = m  # tune: minimize
# %%
print("below", study.best)
"""


@pytest.mark.parametrize("more", [[], ["--write"]])
def test_the_plan_of_a_whole_file_runs_no_study(script, capsys, more):
    """Tune cells above the last run once, for its plan; what needs studies does not run at all."""
    script.write_text(PLANNED)
    assert main(["run", str(script), "--plan", *more]) == OK
    out = capsys.readouterr().out
    assert out.count("grid would minimize loss") == 2
    assert "between b" in out
    assert "below" not in out
    assert names() == []
    assert script.read_text() == PLANNED


@pytest.mark.parametrize("words", [["-qh"], []])
def test_help_among_the_words_of_a_header_shows_the_page(script, capsys, words):
    """Nothing runs then."""
    script.write_text(SCRIPT.replace("-n 2", "-n 2 -h"))
    assert main(["run", str(script), *words]) == OK
    out = capsys.readouterr().out
    assert "hpmagic run FILE.py|FILE.ipynb" in out
    assert "above" not in out.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["grid", "grid --study one"])
def test_write_leaves_a_cell_alone_that_started_no_study(script, begun):
    """A cell that shows its plan has no best values, and gets none of another cell's."""
    text = (
        f"# @tune {begun}\nn = 3  # tune: int(1, 3)\nloss = n  # tune: minimize\n"
        "# %%\n# @tune random --plan\nm = 3  # tune: int(1, 3)\nloss = n + m  # tune: minimize\n"
        "print(n, m)\n"
    )
    script.write_text(text)
    assert main(["run", str(script), "--write"]) == OK
    assert script.read_text() == text.replace("n = 3 ", "n = 1 ")


@pytest.mark.slow
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("above", [b"", b"import math\r\n\r\n# %%\r\n"])
def test_write_keeps_line_ends_and_byte_order_mark_of_a_script(script, mark, above):
    """Only the value changes, whatever the editor that wrote the file."""
    text = mark + above + b"# @tune grid\r\nn = 3  # tune: int(1, 3)\r\nloss = n  # tune: minimize"
    script.write_bytes(text)
    assert main(["run", str(script), "--write"]) == OK
    assert script.read_bytes() == text.replace(b"n = 3 ", b"n = 1 ")


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_write_keeps_the_form_of_a_notebook(store, tmp_path, mark, indent, ends):
    """Its indentation, line ends, escapes and byte order mark."""
    path = notebook(
        tmp_path / "nb.ipynb",
        "print('\f')",
        "# @tune grid  # ü\nn = 3  # tune: int(1, 3)\nloss = n  # tune: minimize",
    )
    text = mark + json.dumps(json.loads(path.read_text()), indent=indent).replace("\n", ends) + ends
    path.write_bytes(text.encode())
    assert main(["run", str(path), "--write"]) == OK
    assert path.read_bytes().decode() == text.replace("n = 3 ", "n = 1 ")


def test_lines_are_counted_as_editors_do(store, tmp_path, capsys):
    """A form feed ends no line: tracebacks below it have the right number."""
    path = tmp_path / "ff.py"
    path.write_text(
        "# %%\n\f\nx = '\u2028'\n# %%\n# @tune random -n 3\nn = 1  # tune: int(1, 3)\n1 / 0\n"
    )
    assert main(["run", str(path), "--minimize", "n"]) == FAILED
    out = capsys.readouterr().out
    assert f"File {path}, line 7" in out
    assert "----> 7 1 / 0" in out


@pytest.mark.slow
def test_warnings_name_the_line_of_the_header(script):
    """A script's warnings about a study can be told apart."""
    assert main(["run", str(script)]) == OK
    with pytest.warns(HpmagicWarning, match="is in MLflow already") as told:
        assert main(["run", str(script)]) == OK
    assert [(warned.filename, warned.lineno) for warned in told] == [
        (str(script), 6),
        (str(script), 15),
    ]


@pytest.mark.slow
def test_write_changes_the_values_in_the_script(script, capsys):
    """The file gets the best values; every other byte stays, and the difference is shown."""
    assert main(["run", str(script), "--write"]) == OK
    best = {**hpmagic.load(names()[0]).best_params, **hpmagic.load(names()[1]).best_params}
    expected = SCRIPT.replace("x = 4", f"x = {best['x']}").replace("y = 5", f"y = {best['y']}")
    assert script.read_text() == expected
    assert f"+ x = {best['x']}  # tune: int(1, 9)" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("as_lines", [True, False])
def test_write_changes_the_values_in_the_notebook(store, tmp_path, as_lines):
    """Only the source of the tune cell changes, in the form that the notebook has."""
    source = (
        "%%tune random -n 4 --seed 1\nx = 4  # tune: int(1, 9)  # ü\nloss = x  # tune: minimize"
    )
    path = notebook(
        tmp_path / "nb.ipynb", "a = 1", source.splitlines(keepends=True) if as_lines else source
    )
    before = path.read_text()
    assert main(["run", str(path), "--write"]) == OK
    best = hpmagic.load(names()[0]).best_params["x"]
    assert path.read_text() == before.replace("x = 4", f"x = {best}")


@pytest.mark.slow
def test_write_says_which_values_it_could_not_write(script, capsys):
    """Values that one line makes stay as they are; the values that are the best already, too."""
    text = (
        "# @tune random -n 2 --seed 1\nx = 0\nfor i in range(2):\n"
        '    x += 2  # tune: int(1, 3), name=f"w{i}"\nloss = x  # tune: minimize\n'
        "# %%\n# @tune random -n 1\ny = 4  # tune: int(1, 9)\nloss = y  # tune: minimize\n"
    )
    script.write_text(text)
    assert main(["run", str(script), "--write"]) == OK
    said = capsys.readouterr().out.splitlines()[-3:]
    assert said[0] == "nothing could be written"
    assert said[1].startswith("# not written, because one line makes several values: w0, w1")
    assert said[2] == "the cell has the best values already"
    assert script.read_text() == text


@pytest.mark.slow
def test_a_file_that_changed_meanwhile_is_left_alone(script, capsys):
    """What somebody has edited while it ran is not overwritten."""
    text = SCRIPT.replace('print("below")', f"open({str(script)!r}, 'a').write('z = 1\\n')")
    script.write_text(text)
    assert main(["run", str(script), "--write"]) == MISUSED
    assert "has changed while it ran" in capsys.readouterr().err
    assert script.read_text() == f"{text}z = 1\n"


@pytest.mark.parametrize("words", [["run", "-h"], ["run", "x.py", "--help"]])
def test_help_shows_tuners_options_and_exit_codes(words, capsys):
    """The page can be read without a file."""
    assert main(words) == OK
    out = capsys.readouterr().out
    for piece in ("hpmagic run FILE.py|FILE.ipynb", "bayes", "--trials N", "--write", "Exit codes"):
        assert piece in out


def test_the_process_is_left_as_it_was(script):
    """Running a file in this process changes neither ``__main__`` nor the import path."""
    before = sys.modules["__main__"], list(sys.path)
    main(["run", str(script), "1"])
    assert (sys.modules["__main__"], list(sys.path)) == before


@pytest.mark.slow
def test_piped_output_is_a_line_a_trial(script):
    """Without a terminal there are plain lines, no control codes and no colours."""
    done = subprocess.run(
        [sys.executable, "-m", "hpmagic", "run", script.name, "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == OK, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout
    assert done.stdout.count("hpmagic trial=") == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_a_terminal_gets_a_bar(script):
    """On a terminal the lines change in place, and a summary stays."""
    import os
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hpmagic", "run", script.name, "1"],
        stdout=follower,
        stderr=follower,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    assert process.wait() == OK
    text = shown.decode()
    assert "3/3" in text or "Study cost-random" in text
    assert "hpmagic trial=" not in text
