"""``%tune VERB`` after a study."""

import pandas as pd
import pytest

from hpmagic.notebook.verbs import VERBS
from hpmagic.options import parse_line
from hpmagic.results import Best, Study

CELL = """\
# the first look
# @tune random -n 4 --seed 2 -q
lr   = 1e-1   # tune: loguniform(1e-4, 1)   # guessed
deep = True   # tune: bool()
if deep:
    depth = 3  # tune: int(2, 8)
else:
    depth = 1

loss = lr * depth  # tune: minimize
"""


@pytest.fixture
def ran(notebook):
    said = notebook.run(CELL)
    assert said.error is None, said.err
    return notebook


def test_best_and_trials_are_the_studys(ran):
    """`%tune best` and `%tune trials` give what the Study holds."""
    (study,) = ran.names("study")
    best = ran.run("%tune best").result.result
    assert isinstance(best, Best)
    assert best == study.best
    pd.testing.assert_frame_equal(ran.run("%tune trials").result.result, study.trials)


@pytest.mark.parametrize("verb", ["best", "apply", "write"])
def test_with_several_objectives_it_is_said_which_is_the_best(notebook, verb):
    """There is no single best trial: the first objective decides, and the others have a place."""
    notebook.run(
        "%%tune random -n 3 -q --seed 1\n"
        "x = 0.5  # tune: uniform(0, 1)\n"
        "acc = x  # tune: maximize\n"
        "cost = x * x  # tune: minimize"
    )
    which = "# best by acc, the first of 2 objectives; study.front has the others\n"
    assert notebook.run(f"%tune {verb}").out.startswith(which)
    assert len(notebook.names("study")[0].front) > 1


@pytest.mark.parametrize("verb", ["best", "apply", "write"])
def test_with_one_objective_nothing_is_said_of_others(ran, verb):
    """It goes without saying which is the best."""
    assert "study.front" not in ran.run(f"%tune {verb}").out


def test_space_is_a_table(ran):
    """The space shows as text, and as HTML where there is a page."""
    table = ran.run("%tune space").result.result
    assert "loguniform(0.0001, 1)" in repr(table)
    assert "<table" in table._repr_html_()


def test_a_plot_outside_a_notebook_is_a_file(ran, tmp_path):
    """Where no figure can be shown it is saved, and the place is said."""
    said = ran.run("%tune plot parallel params=lr,depth")
    name = f"{ran.names('study')[0].name}-parallel.png"
    assert said.out == f"the figure is in {name}\n"
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_apply_sets_the_best_values(ran):
    """The variables get the best values and the values are said."""
    ran.run("lr = depth = deep = None")
    said = ran.run("%tune apply")
    for name, value in ran.names("study")[0].best_params.items():
        assert ran.names(name) == (value,)
        assert f"{name} = {value!r}" in said.out


def test_apply_sets_variables_only(notebook):
    """A value that the cell gives to no variable of the notebook is none, and that is said."""
    notebook.run(
        "%%tune random -n 2 -q\n"
        "a = dict(\n"
        "    max=1,  # tune: int(1, 9)\n"
        ")\n"
        "b = list(range(\n"
        "    2,  # tune: int(1, 9), name='b.stop'\n"
        "))\n"
        "c = {\n"
        "    'min': 3,  # tune: int(1, 9)\n"
        "}\n"
        "def f(\n"
        "    sum=4,  # tune: int(1, 9)\n"
        "):\n"
        "    all = 5  # tune: int(1, 9)\n"
        "    return sum + all\n"
        "loss = a['max'] + len(b) + c['min'] + f()  # tune: minimize"
    )
    names = ["max", "b.stop", "min", "sum", "all"]
    assert set(notebook.names("study")[0].best_params) == set(names)
    said = notebook.run("%tune apply")
    assert not set(names) & set(notebook.shell.user_ns)
    assert said.out.startswith(f"# {', '.join(names)}: nothing that the notebook could hold")


def test_apply_sets_the_variables_that_the_cell_assigns(notebook):
    """However it does so, and whatever the hyperparameter is called; a change is no value."""
    notebook.run(
        "%%tune random -n 3 -q --seed 1\n"
        "if True:\n"
        "    a: int = 1  # tune: int(1, 9)\n"
        'b = c = 2  # tune: int(1, 9), name="both"\n'
        "print(d := 3)  # tune: int(1, 9)\n"
        'a += 4  # tune: int(1, 9), name="more"\n'
        "loss = a + b + d  # tune: minimize"
    )
    best = notebook.names("study")[0].best_params
    notebook.run("del a, b, c, d")
    said = notebook.run("%tune apply")
    assert notebook.names("a", "b", "c", "d") == (best["a"], best["both"], best["both"], best["d"])
    assert "# more: nothing that the notebook could hold" in said.out
    assert not {"both", "more"} & set(notebook.shell.user_ns)


def test_write_offers_the_cell_with_the_best_values(ran):
    """The new cell has the header, the comments and the spacing of the old one."""
    offers = []
    ran.shell.set_next_input = lambda text, replace: offers.append((text, replace))
    said = ran.run("%tune write")
    best = ran.names("study")[0].best_params
    (offered,) = offers
    text, replace = offered
    assert replace
    lines, before = text.split("\n"), CELL.rstrip("\n").split("\n")
    assert lines[2].endswith("   # tune: loguniform(1e-4, 1)   # guessed")
    assert float(lines[2].split("=")[1].split("#")[0]) == best["lr"]
    assert "e-" in lines[2].split("#")[0]
    unchanged = [n for n in range(len(before)) if n not in (2, 3, 5)]
    assert [lines[n] for n in unchanged] == [before[n] for n in unchanged]
    assert f"- {before[2]}" in said.out
    assert f"+ {lines[2]}" in said.out


def test_the_written_cell_has_the_best_value_as_its_default(ran):
    """Running the new cell once gives the best value."""
    offers = []
    ran.shell.set_next_input = lambda text, replace: offers.append(text)
    ran.run("%tune write")
    best = ran.names("study")[0].best.value
    ran.run(offers[0].replace("random -n 4 --seed 2 -q", "random -n 1 -q"))
    assert ran.names("study")[0].best.value == best
    assert ran.names("study")[0].best.default == best


def test_write_says_when_there_is_nothing_to_do(notebook):
    """A cell whose own values are the best stays as it is."""
    notebook.run("%%tune random -n 1 -q\nx = 1  # tune: int(1, 9)\nloss = x  # tune: minimize")
    assert notebook.run("%tune write").out == "the cell has the best values already\n"


def test_a_study_without_a_complete_trial_has_no_best(notebook):
    """The verbs say so in one sentence."""
    notebook.run("%%tune random -n 1 -q\nx = 1  # tune: int(1, 9)\nloss = 1 / 0  # tune: minimize")
    for verb in ("best", "apply", "write"):
        assert "ran to its end, so there is no best one" in notebook.run(f"%tune {verb}").err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("best of all", "%tune best takes no words, but got `of all`"),
        ("plot histroy", "unknown plot `histroy`; did you mean `history`?"),
        ("plot history slice", "one figure at a time, but got history and slice"),
        ("export", "%tune export takes one of optuna, ray, script"),
        ("export optuan", "did you mean `optuna`?"),
        ("export script a b", "%tune export takes one file, but got `a b`"),
        ("export script nowhere/x.py", "cannot write nowhere/x.py"),
        ("export script nowhere\\x/y.py", r"cannot write nowhere\x/y.py"),
        ("export script 'open", "the line cannot be read: no closing quotation"),
        ("load", "%tune load needs a study's name"),
        ("ui", "is not in MLflow, so it has no page there"),
    ],
)
def test_wrong_words_are_one_sentence(ran, words, sentence):
    """Each mistake names what was wrong and what would be right."""
    said = ran.run(f"%tune {words}")
    assert not said.result.success
    assert sentence in said.err
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize("name", list(VERBS))
def test_every_verb_has_help(notebook, name):
    """``-h`` says what a verb does and takes, without a study."""
    said = notebook.run(f"%tune {name} -h")
    assert said.error is None
    assert VERBS[name].spelled in said.out


@pytest.mark.parametrize("words", ["", "-h", "help"])
def test_the_verbs_are_listed(notebook, words):
    """`%tune` alone lists all verbs."""
    said = notebook.run(f"%tune {words}")
    assert said.error is None
    assert all(f"%tune {name}" in said.out for name in VERBS)


def test_load_brings_a_study_from_mlflow(stored_notebook):
    """A study that ran earlier is loaded by name, bound, and can be written back."""
    notebook = stored_notebook
    assert notebook.run(CELL.replace("-q", "-q --study first")).error is None
    notebook.run("best = study.best.value; del study, _study")
    said = notebook.run("%tune load first")
    assert isinstance(said.result.result, Study)
    assert notebook.names("study")[0].best.value == notebook.names("best")[0]
    offers = []
    notebook.shell.set_next_input = lambda text, replace: offers.append(text)
    notebook.run("%tune write")
    header = "# @tune random -n 4 --seed 2 -q --study first\n"
    assert offers[0].startswith(f"# the first look\n{header}")
    assert "no study `frist`" in notebook.run("%tune load frist").err
    assert "no study `two  blanks`" in notebook.run("%tune load 'two  blanks'").err


def test_a_file_may_have_a_blank_in_its_name(ran, tmp_path):
    """A word in quotes is one word."""
    said = ran.run('%tune export script "my file.py"')
    assert said.out == "written to my file.py\n"
    assert (tmp_path / "my file.py").is_file()


@pytest.mark.parametrize(
    ("words", "trials", "end"),
    [
        ("", None, "yes"),
        ("6", 6, "yes"),
        ("6 anyway", 6, "anyway"),
        ("anyway 6", 6, "anyway"),
        ("anyway --trials 6", 6, "anyway"),
        ('6 --try "lr=0.125, depth=3"', 6, "yes"),
    ],
)
def test_resume_takes_trials_anyway_and_options(ran, monkeypatch, words, trials, end):
    """In any order; quotes hold a word together."""
    asked = []
    session = ran.shell.magics_manager.registry["TuneMagics"].session
    monkeypatch.setattr(session, "start", lambda *given: asked.append(given))
    assert ran.run(f"%tune resume {words}").error is None
    ((_, _, over),) = asked
    config = parse_line("", ["random"], over=over)
    assert (config.trials, config.resume) == (trials, end)
    assert config.tries == (({"lr": "0.125", "depth": "3"},) if "--try" in words else ())


def test_resume_runs_the_cell_on(stored_notebook):
    """More trials of the same study; nothing that ran runs again."""
    ran = stored_notebook
    assert ran.run(CELL).error is None
    (first,) = ran.names("study")
    said = ran.run("%tune resume 7")
    assert said.error is None, said.err
    (study,) = ran.names("study")
    assert (study.name, len(study)) == (first.name, 7)
    before = [t.params for t in first.record.trials]
    assert [t.params for t in study.record.trials][:4] == before
    assert ran.names("loss") == (study.best.value,)
    assert "takes a whole number" in ran.run("%tune resume --trials some").err


@pytest.mark.slow
def test_a_loaded_study_is_written_into_the_whole_cell(stored_notebook):
    """Comments and blank lines above the header and below it come back; only literals change."""
    notebook = stored_notebook
    cell = "# mine\n\n# @tune random -n 4 --seed 1 --study kept -q\n\nx = 5  # tune: int(1, 9)\n"
    cell += "loss = x  # tune: minimize"
    notebook.run(cell)
    notebook.run("%reset -f")
    notebook.run("%load_ext hpmagic\n%tune load kept")
    offers = []
    notebook.shell.set_next_input = lambda text, replace: offers.append(text)
    notebook.run("%tune write")
    best = notebook.shell.user_ns["_study"].best_params["x"]
    assert offers == [cell.replace("x = 5", f"x = {best}")]


def test_apply_finds_the_objects_of_a_loaded_study_by_name(stored_notebook):
    """An option that is an object is bound itself, not its name; texts stay texts."""
    notebook = stored_notebook
    notebook.run(
        "# @tune random -n 2 --seed 1 --study objects -q --no-default\n"
        "kind = list  # tune: choice(dict, )\n"
        'name = "x"  # tune: choice("dict", )\n'
        "loss = len(kind()) + len(name)  # tune: minimize"
    )
    notebook.run("dict = dict\n%tune load objects")
    said = notebook.run("%tune apply")
    assert notebook.names("kind", "name") == (dict, "dict")
    assert "kind = dict\n" in said.out
    assert 'name = "dict"' in said.out
