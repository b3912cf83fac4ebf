"""``%%tune`` and the comment form in a real shell: one code path, the person's own lines."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from IPython.core.error import UsageError

import hpmagic
from hpmagic.errors import AnnotationError
from hpmagic.notebook.faults import CellSyntaxError, StudyInterrupted
from hpmagic.results import Study

BODY = "lr = 0.1  # tune: loguniform(1e-4, 1)\nloss = lr * 2  # tune: minimize\n"
HEADERS = ["%%tune", "# @tune", "#! %%tune"]
ABOVE = ["", "\n\n", "# first look\n\n", "\n# a look\n"]


def cell(header, above="", body=BODY, words="random -n 3 --seed 1 -q"):
    return f"{above}{header} {words}\n{body}"


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("above", ABOVE)
def test_every_spelling_runs_the_study(notebook, header, above):
    """A study runs, its best trial's variables are published, and `study` holds it."""
    said = notebook.run(cell(header, above))
    assert said.error is None, said.err
    study, lr, loss = notebook.names("study", "lr", "loss")
    assert isinstance(study, Study)
    assert len(study) == 3
    assert (lr, loss) == (study.best_params["lr"], study.best.value)
    assert notebook.shell.user_ns["_study"] is study


def test_spellings_give_the_same_study(notebook):
    """The same words and the same seed give the same trials, however they are spelled."""
    tables = []
    for header in HEADERS:
        notebook.run(cell(header))
        tables.append(notebook.names("study")[0].trials["params.lr"].tolist())
    assert tables[0] == tables[1] == tables[2]


def test_the_history_holds_what_was_written(notebook):
    """`In` and the raw history are the person's own text."""
    notebook.run(cell("# @tune"))
    assert notebook.shell.history_manager.input_hist_raw[1] == cell("# @tune").strip("\n")


@pytest.mark.few(4)
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("above", ABOVE)
def test_tracebacks_point_at_the_persons_line(notebook, header, above):
    """An error shows the cell's name, the true line, that line, and none of our frames."""
    text = cell(header, above, "def f(x):\n    return 1 / (x - x)\nloss = f(2)  # tune: minimize\n")
    notebook.run("pass")
    said = notebook.run(text)
    assert isinstance(said.error, ZeroDivisionError)
    line = text.split("\n").index("    return 1 / (x - x)") + 1
    assert f"Cell In[2], line {line}, in f(x)" in said.out
    assert f"Cell In[2], line {line + 1}\n" in said.out
    assert f"----> {line}     return 1 / (x - x)" in said.out
    assert said.out.count("Cell In[2], line ") == 2
    assert "skipping hidden" not in said.out
    assert "hpmagic/" not in said.out
    assert "hpmagic: study loss-random-" in said.out


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("above", ABOVE)
def test_wrong_annotations_point_at_the_persons_line(notebook, header, above):
    """A mistake in an annotation shows as a syntax error of the cell, and nothing has run."""
    text = cell(header, above, "ran = True\nlr = 0.1  # tune: loguniform(2, 1)\n")
    said = notebook.run(text)
    assert isinstance(said.error, CellSyntaxError)
    assert isinstance(said.error.error, AnnotationError)
    line = text.split("\n").index("lr = 0.1  # tune: loguniform(2, 1)") + 1
    assert f"Cell In[1], line {line}\n" in said.out
    assert "^" in said.out
    assert "AnnotationError: loguniform: low <= high must hold" in said.out
    assert "Traceback" not in said.out
    assert "ran" not in notebook.shell.user_ns


def test_a_second_wrong_annotation_is_told_once(notebook):
    """Its place is a note of the error, which newer IPythons print and older ones do not."""
    wrong = "x = 1  # tune: unifrom(1, 3)\ny = 2  # tune: int(1 3)\n"
    said = notebook.run(cell("%%tune", body=wrong))
    assert said.out.count("also at line 3: ") == 1


def test_notes_that_ipython_does_not_print_are_shown():
    """As in IPython 8.18."""

    class Table:
        def structured_traceback(self, *_):
            return ["SyntaxError: no"]

    error = SyntaxError("no")
    error.add_note("also at line 3: no")
    shown = CellSyntaxError(error, SimpleNamespace(SyntaxTB=Table()))._render_traceback_()
    assert shown == ["SyntaxError: no", "also at line 3: no\n"]


@pytest.mark.parametrize("header", HEADERS)
def test_syntax_errors_point_at_the_persons_line(notebook, header):
    """A cell that is not Python says so as any cell does."""
    said = notebook.run(cell(header, "# note\n", "x = 1\ny = = 2\n"))
    assert isinstance(said.error, CellSyntaxError)
    assert "Cell In[1], line 4\n    y = = 2\n" in said.out
    assert "SyntaxError: invalid syntax" in said.out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("if x > 2:\n    return\n", "'return' outside function"),
        ("if x > 2:\n    yield x\n", "'yield' outside function"),
        ("if x > 2:\n    break\n", "'break' outside loop"),
    ],
)
def test_what_python_can_read_and_not_run_is_a_syntax_error_of_the_cell(notebook, wrong, message):
    """The place and the sentence are shown, and nothing of the machinery."""
    said = notebook.run(cell("# @tune", "# é\n", f"x = 1  # tune: int(1, 3)\n{wrong}"))
    assert isinstance(said.error, CellSyntaxError)
    assert "Cell In[1], line 5\n" in said.out
    assert "    ^" in said.out
    assert f"SyntaxError: {message}" in said.out
    assert "Traceback" not in said.out


def test_a_syntax_error_of_a_file_that_the_cell_imports_keeps_its_traceback(notebook, tmp_path):
    """It is not an error of the cell's text: the line that imports is shown, and the file's."""
    (tmp_path / "half_done.py").write_text("def f():\n    pass\nreturn 1\n")
    notebook.shell.run_cell(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    text = "x = 1  # tune: int(1, 3)\nimport half_done\nloss = x  # tune: minimize\n"
    said = notebook.run(cell("%%tune", "", text))
    notebook.shell.run_cell("sys.path.pop(0)")
    assert type(said.error) is SyntaxError
    assert "half_done.py:3" in said.out or "half_done.py, line 3" in said.out.replace('"', "")
    assert "import half_done" in said.out


def test_top_level_await_is_no_syntax_error(notebook):
    """The cell is checked as IPython would run it."""
    text = f"import asyncio\nawait asyncio.sleep(0)\n{BODY}"
    said = notebook.run(cell("%%tune", "", text))
    assert said.error is None


def test_the_code_is_named_and_numbered_for_debuggers(notebook):
    """The cell's code has the outer cell's file name and the lines of the cell as written."""
    body = "def f():\n    return 1\ncode = f.__code__\nloss = f()  # tune: minimize\n"
    notebook.run(cell("# @tune", "# note\n", body))
    (code,) = notebook.names("code")
    assert code.co_firstlineno == 3
    assert notebook.shell.compile.format_code_name(code.co_filename) == ("Cell", "In[1]")


@pytest.mark.parametrize("outer", ["%%time", "%%capture"])
@pytest.mark.parametrize("header", HEADERS)
def test_other_cell_magics_may_stand_above(notebook, outer, header):
    """A study inside another cell magic runs."""
    said = notebook.run(f"{outer}\n{cell(header)}")
    assert said.error is None
    assert len(notebook.names("study")[0]) == 3


def test_a_cell_magic_inside_is_refused(notebook):
    """The sentence says where it may stand."""
    said = notebook.run(cell("%%tune", body=f"%%time\n{BODY}"))
    assert isinstance(said.error, UsageError)
    assert (
        said.err == "UsageError: %%time cannot stand inside a study; put it above the tune line\n"
    )


def test_two_tune_lines_are_refused(notebook):
    """One of them would be ignored."""
    said = notebook.run(cell("%%tune", body=f"# @tune grid\n{BODY}"))
    assert "two tune lines" in said.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (cell("%%tune", words="bays"), "unknown tuner `bays`; did you mean `bayes`?"),
        (
            cell("# @tune", words="--trails 3"),
            "unknown option `--trails`; did you mean `--trials`?",
        ),
        ("# @tune random\nx = 1  # tune: int(1, 3)\n", "nothing says which trial is better"),
        ("%tune bst", "unknown verb `bst`; did you mean `best`?"),
        ("%tune best", "no study has run in this kernel yet"),
        ("%tune resume", "no study has run in this kernel yet"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_stops_run_all(notebook, text, sentence):
    """No traceback; the cell has failed, so that the cells below do not run."""
    said = notebook.run(text)
    assert not said.result.success
    assert isinstance(said.error, UsageError)
    assert sentence in said.err
    assert "Traceback" not in said.out + said.err


def test_an_interrupted_study_stops_run_all_and_is_kept(notebook):
    """A stopped study is an error of one line; its trials are there."""
    body = (
        "import os, signal\n"
        "lr = 0.1  # tune: loguniform(1e-4, 1)\n"
        "loss = lr  # tune: minimize\n"
        "with open('runs.txt', 'a') as runs:\n"
        "    runs.write('.')\n"
        "if os.path.getsize('runs.txt') == 2:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    said = notebook.run(cell("# @tune", body=body))
    assert isinstance(said.error, KeyboardInterrupt)
    assert isinstance(said.error, StudyInterrupted)
    assert "stopped by hand after 1 trial; its results are usable" in said.out
    assert "Traceback" not in said.out
    assert len(notebook.names("study")[0]) == 2


def test_a_study_within_a_study_is_refused(notebook):
    """The magic is not re-entrant: the inner cell is a failed trial that says so."""
    said = notebook.run(
        "# @tune random -n 3 -q\n"
        "x = 1  # tune: int(1, 9)\n"
        f"get_ipython().run_cell_magic('tune', 'random -n 2', {BODY!r})\n"
        "loss = x  # tune: minimize\n"
    )
    assert "a study is running in this kernel already" in said.err + said.out
    assert notebook.run(cell("# @tune")).error is None


def test_study_is_never_bound_over_something_else(notebook):
    """A variable `study` of the person's stays, and they are told where the Study is."""
    notebook.run("study = 'of mine'")
    said = notebook.run(cell("%%tune"))
    assert notebook.names("study") == ("of mine",)
    assert isinstance(notebook.shell.user_ns["_study"], Study)
    assert "in `_study`" in said.out


def test_output_names_the_variable(notebook):
    """``-o`` binds the Study to a name, and only to that."""
    notebook.run(cell("%%tune", words="random -n 2 -q -o found"))
    assert isinstance(notebook.names("found")[0], Study)
    assert "study" not in notebook.shell.user_ns


def test_words_may_come_from_the_notebook(notebook):
    """``$name`` and ``{expression}`` are evaluated; a wrong one is a sentence."""
    notebook.run("budget = 1")
    notebook.run(cell("# @tune", words="random -n {budget+1} --seed $budget -q"))
    assert len(notebook.names("study")[0]) == 2
    assert "`nothing`: NameError" in notebook.run(cell("%%tune", words="-n $nothing")).err


def test_the_plan_runs_nothing(notebook):
    """``--plan`` prints what would run."""
    said = notebook.run(cell("%%tune", words="random -n 4 --plan"))
    assert "random would minimize loss with 4 trials." in said.out
    assert "lr" not in notebook.shell.user_ns


def test_quiet_shows_the_result_only(notebook):
    """With ``-q`` the cell's value is the Study."""
    assert isinstance(notebook.run(cell("%%tune")).result.result, Study)


def test_ipythons_own_lines_work_inside(notebook):
    """``%`` and ``!`` lines run in each trial, and lines below them keep their numbers."""
    body = (
        "%time x = 2  # a timed line\nlisted = !echo a \\\n  b\nlr = 0.5  # tune: uniform(0, 1)\n"
    )
    said = notebook.run(cell("%%tune", body=f"{body}loss = lr * x / 0  # tune: minimize\n"))
    assert isinstance(said.error, ZeroDivisionError)
    assert "Cell In[1], line 6" in said.out
    notebook.run(cell("%%tune", body=f"{body}loss = lr * x  # tune: minimize\n"))
    assert notebook.names("listed")[0] == ["a b"]


def test_pasted_prompts_and_indentation_are_seen_through(notebook):
    """A cell pasted with prompts, or indented, is a study too."""
    pasted = (
        ">>> # @tune random -n 2 -q\n>>> x = 1  # tune: int(1, 9)\n>>> loss = x  # tune: minimize"
    )
    assert notebook.run(pasted).error is None
    indented = (
        "    # @tune random -n 2 -q\n    x = 1  # tune: int(1, 9)\n    loss = x  # tune: minimize"
    )
    assert notebook.run(indented).error is None
    assert len(notebook.names("study")[0]) == 2


@pytest.mark.parametrize("text", ["%%tune?", "%tune?", "%%tune -h\npass", "# @tune --help\npass"])
def test_the_page_can_be_read(notebook, text):
    """The page holds the syntax, each tuner, each option that works and each verb."""
    said = notebook.run(text)
    assert said.error is None
    for words in ("loguniform(low, high)", "--trials N", "a Gaussian process", "%tune best"):
        assert words in said.out
    assert "not available" not in said.out


def test_loading_twice_is_loading_once(notebook):
    """``%reload_ext`` leaves one of everything."""
    notebook.run("%reload_ext hpmagic")
    notebook.run("import hpmagic; hpmagic.load_ipython_extension(get_ipython())")
    shell = notebook.shell
    hoists = [t for t in shell.input_transformers_cleanup if t.__module__.startswith("hpmagic")]
    matchers = [m for m in shell.Completer.custom_matchers if m.__module__.startswith("hpmagic")]
    notes = [c for c in shell.events.callbacks["pre_run_cell"] if "hpmagic" in c.__module__]
    assert (len(hoists), len(matchers), len(notes)) == (2, 1, 1)
    assert notebook.run(cell("# @tune")).error is None


def test_unloading_takes_everything_out(notebook):
    """After ``%unload_ext`` a comment is a comment and the magics are gone."""
    shell = notebook.shell
    notebook.run("%unload_ext hpmagic")
    ours = [
        *shell.input_transformers_cleanup,
        *shell.Completer.custom_matchers,
        *shell.events.callbacks["pre_run_cell"],
    ]
    assert not [f for f in ours if getattr(f, "__module__", "").startswith("hpmagic")]
    assert notebook.run(cell("# @tune")).error is None
    assert "study" not in notebook.shell.user_ns
    assert shell.find_cell_magic("tune") is None
    assert shell.find_line_magic("tune") is None


def test_loading_is_light():
    """Nothing heavy is imported before a study begins."""
    program = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import hpmagic\n"
        "hpmagic.load_ipython_extension(InteractiveShell.instance())\n"
        "heavy = 'numpy pandas mlflow optuna sklearn matplotlib hpmagic.language hpmagic.options'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_study_that_ran_from_python_goes_on_as_it_was_begun(stored_notebook):
    """It has no words in a cell: its tuner and its objective are the record's."""
    text = "x = 3  # tune: int(1, 99)\nmy_loss = x\n"
    hpmagic.tune(text, "qmc", trials=2, minimize="my_loss", study="py", quiet=True)
    stored_notebook.run("%tune load py")
    assert stored_notebook.run("%tune resume 4").error is None
    (study,) = stored_notebook.names("study")
    assert (len(study), study.record.info.tuner) == (4, "qmc")
    assert study.objectives[0].name == "my_loss"
