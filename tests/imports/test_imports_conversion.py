"""Colab's forms and W&B's sweeps as annotations, and what `hpmagic space --from` says."""

import ast
import json
import math
import re

import pytest
import yaml
from faulty_imports import FORMS, GOLDEN, SWEEPS, golden, said, sweep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpmagic.cells import read_cells
from hpmagic.cli import MISUSED, OK, main
from hpmagic.errors import OptionError
from hpmagic.imports import convert_file
from hpmagic.language import parse_cell
from hpmagic.options import parse_line


def form(text, tmp_path):
    """A form cell's text, converted."""
    path = tmp_path / "form.py"
    path.write_text(text, encoding="utf-8")
    return convert_file("colab", path)


def space_of(text):
    """What the annotations of a cell say, by name."""
    return {name: parameter.text for name, parameter in parse_cell(text).space.items()}


@pytest.mark.parametrize(
    ("line", "annotation"),
    [
        ('x = 0.1 #@param {type:"slider", min:0, max:1, step:0.05}', "uniform(0, 1, step=0.05)"),
        ('x = 3 # @param {"type":"slider","min":1,"max":9,"step":2}', "int(1, 9, step=2)"),
        ("x = 142 #@param {type: 'slider', min: 100, max: 200}", "int(100, 200)"),
        ('x = 0.5 #@param {type:"slider", min:0, max:1}', "uniform(0, 1)"),
        ('x = -0.5 #@param {type:"slider", min:-1, max:1}', "uniform(-1, 1)"),
        ('x = 1e-3 #@param {type:"number", min:1e-4, max:1e-2}', "uniform(0.0001, 0.01)"),
        ('x = 3 #@param {type:"integer", min:-5, max:5}', "int(-5, 5)"),
        ('x = "a" #@param ["a", "b"]', 'choice("a", "b")'),
        ("x = 'a' #@param ['a', 'b', 'a'] {\"allow-input\": true}", 'choice("a", "b")'),
        ("x = 8 #@param [8, 16, 32]", "choice(8, 16, 32)"),
        ('x = 8 #@param ["8", "16"] {type:"raw"}', "choice(8, 16)"),
        ('x = 1 #@param ["1", "2.5"] {type:"number"}', "choice(1, 2.5)"),
        ('x = None #@param ["None", "[1, 2]", "SVC"] {type:"raw"}', "choice(None, [1, 2], SVC)"),
        ('x = [8] #@param ["[8]"] {type:"raw"}', "choice([8])"),
        ('x = True #@param {type:"boolean"}', "choice(False, True)"),
        ('x = True #@param ["False", "True"] {type:"raw"}', "choice(False, True)"),
    ],
)
def test_every_kind_of_field_has_its_annotation(line, annotation, tmp_path):
    """It stands alone above the line, which stays byte for byte."""
    text = form(line + "\n", tmp_path).text
    assert text.splitlines()[1:] == [line]
    shown = space_of(text)["x"]
    assert shown == ("choice([[8]])" if annotation == "choice([8])" else annotation)


@pytest.mark.parametrize(
    "line",
    [
        'x = 3 #@param {type:"integer"}',
        'x = "a" #@param {type:"string"}',
        'x = "2026-11-05" #@param {type:"date"}',
        "x = 3 #@param",
        'x = 3 #@param {type:"raw"}',
    ],
)
def test_a_field_that_takes_any_value_is_left_and_named(line, tmp_path):
    """There is no range to search."""
    converted = form(line + "\n", tmp_path)
    assert converted.text == line + "\n"
    assert "`x` is not tuned" in converted.notes[0]


def test_a_form_cell_keeps_its_form_and_its_other_lines(tmp_path):
    """Blocks, magics, texts and lines that are tuned already; the result can be read as a space."""
    cell = """\
#@title Training { run: "auto" }
!pip install something
if True:
    lr = 0.1  #@param {type:"slider", min:0, max:1, step:0.1}
text = '''
n = 1 #@param {broken'''
# tune: int(1, 3)
done = 2  #@param {type:"integer", min:1, max:9}
# @param [1, 2]
"""
    text = form(cell, tmp_path).text
    added = [line for line in text.splitlines() if line not in cell.splitlines()]
    assert added == ["    # tune: uniform(0, 1, step=0.1)"]
    path = tmp_path / "converted.py"
    path.write_text(text)
    (read,) = read_cells(path)
    assert list(read.read(path).space) == ["lr", "done"]


def test_the_form_cells_of_a_notebook_come_as_a_script_of_cells(tmp_path):
    """Other cells are left out, and nothing of the notebook runs."""
    sources = ["raise SystemExit", "a = 1 #@param [1, 2]", "%%bash\nls", "b = 1 #@param [3, 4]"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    path = tmp_path / "form.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    script = tmp_path / "form.py"
    script.write_text(convert_file("colab", path).text)
    assert script.read_text().startswith("# %% cell 2\n# tune: choice(1, 2)\na = 1")
    assert [list(cell.read(script).space) for cell in read_cells(script)] == [["a"], ["b"]]


def test_a_file_without_a_form_is_a_wrong_file(tmp_path):
    with pytest.raises(OptionError, match="has no assignment with a form field"):
        form("x = 1\n#@param [1]\n", tmp_path)


LN = math.log


@pytest.mark.parametrize(
    ("keys", "annotation", "written"),
    [
        ("{values: [a, b, 1, 2.5, true, null]}", 'choice("a", "b", 1, 2.5, True, None)', "a"),
        ("{values: [1e-3, 1E+2]}", "choice(0.001, 100.0)", 0.001),
        ("{distribution: categorical, values: [[1, 2], [3]]}", "choice([1, 2], [3])", [1, 2]),
        ("{values: [a, b], probabilities: [0.1, 0.9]}", 'choice("a", "b")', "a"),
        ("{min: 1, max: 9}", "int(1, 9)", 5),
        ("{min: 0.0, max: 1}", "uniform(0, 1)", 0.5),
        ("{distribution: int_uniform, min: 1.0, max: 3}", "int(1, 3)", 2),
        ("{distribution: uniform, min: 0, max: 1}", "uniform(0, 1)", 0.5),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0.25}", "uniform(0, 1, step=0.25)", 0.5),
        ("{distribution: q_uniform, min: 30, max: 100, q: 32}", "int(32, 96, step=32)", 64),
        ("{distribution: q_uniform, min: 0.2, max: 9.9}", "int(0, 10)", 5),
        (f"{{distribution: log_uniform, min: {LN(1e-4)}, max: 0}}", "loguniform(0.0001, 1)", 0.01),
        ("{distribution: log_uniform_values, min: 1e-4, max: 1}", "loguniform(0.0001, 1)", 0.01),
        (
            f"{{distribution: inv_log_uniform, min: 0, max: {-LN(1e-4)}}}",
            "loguniform(0.0001, 1)",
            0.01,
        ),
        (
            "{distribution: inv_log_uniform_values, min: 1e-4, max: 1}",
            "loguniform(0.0001, 1)",
            0.01,
        ),
        (
            f"{{distribution: q_log_uniform, min: {LN(32)}, max: {LN(256)}}}",
            "int(32, 256, log=True)",
            90,
        ),
        (
            "{distribution: q_log_uniform_values, q: 1, min: 32, max: 256}",
            "int(32, 256, log=True)",
            90,
        ),
        (
            "{distribution: q_log_uniform_values, q: 8, min: 8, max: 128}",
            "loguniform(8, 128)",
            32.0,
        ),
        ("{distribution: normal}", "normal(0, 1)", 0.0),
        ("{mu: 3, sigma: 2}", "normal(3, 2)", 3.0),
        ("{distribution: q_normal, mu: 3, sigma: 2, q: 5}", "normal(3, 2)", 3.0),
        ("{distribution: log_normal, mu: 0, sigma: 2}", "lognormal(0, 2)", 1.0),
        ("{distribution: q_log_normal}", "lognormal(0, 1)", 1.0),
    ],
)
def test_every_distribution_of_a_sweep_has_its_annotation(keys, annotation, written, tmp_path):
    """With a value that it could be, and a note where something is lost."""
    path = tmp_path / "sweep.yaml"
    path.write_text(sweep(keys))
    converted = convert_file("wandb", path)
    (parameter,) = parse_cell(converted.text).space.values()
    assert (parameter.text, parameter.default) == (annotation, written)
    lost = "probabilities" in keys or ("q_" in keys and "int" not in annotation + keys)
    lost = lost and "q_uniform" not in keys
    assert any(note.startswith("lr: ") for note in converted.notes) == lost


def test_a_constant_is_a_line_without_annotation(tmp_path):
    """`value`, with the distribution said or not."""
    path = tmp_path / "sweep.yaml"
    for keys in ("{value: 3}", "{distribution: constant, value: 3}"):
        path.write_text(sweep(keys))
        assert convert_file("wandb", path).text == "# @tune random\nlr = 3\n"


SWEEP = """\
program: train.py
method: bayes
name: first try
project: digits
description: |
  of the evening
run_cap: 40
metric: {name: val_loss}
early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3}
parameters:
  weight-decay: {values: [0, 1e-3]}
  lambda: {min: 1, max: 3}
  optimizer:
    parameters:
      kind: {values: [adam, sgd]}
      lr: &lr {distribution: log_uniform_values, min: 1e-4, max: 1}
      warm:
        parameters:
          lr: {<<: *lr, max: 0.01}
"""


def test_a_whole_sweep_is_the_head_of_a_tune_cell(tmp_path):
    """Method, metric, cap, name, project and stopping are words; nested parameters are a dict."""
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    converted = convert_file("wandb", path)
    cell = tmp_path / "cell.py"
    cell.write_text(converted.text)
    (read,) = read_cells(cell)
    config = parse_line(read.header.args, ["bayes"])
    assert (config.tuner, config.trials, config.study) == ("bayes", 40, "first try")
    assert [(o.name, str(o.direction)) for o in config.objectives] == [("val_loss", "minimize")]
    assert (config.experiment, config.pruner, config.min_steps) == ("digits", "hyperband", 3)
    assert {name: p.text for name, p in read.read(cell).space.items()} == {
        "weight-decay": "choice(0, 0.001)",
        "lambda": "int(1, 3)",
        "kind": 'choice("adam", "sgd")',
        "optimizer.lr": "loguniform(0.0001, 1)",
        "optimizer.warm.lr": "loguniform(0.0001, 0.01)",
    }
    namespace = {}
    exec(converted.text, namespace)
    assert namespace["optimizer"]["warm"] == {"lr": 0.001}
    assert converted.text.startswith("# of the evening\n# @tune")


def test_what_a_header_cannot_say_is_a_note(tmp_path):
    """A metric that is no variable, a target, a grid over a continuum."""
    path = tmp_path / "sweep.yaml"
    more = "metric: {name: val/loss, goal: maximize, target: 3}\n"
    path.write_text(sweep(more=more).replace("random", "grid"))
    notes = "\n".join(convert_file("wandb", path).notes)
    assert '# tune: maximize, name="val/loss"' in notes
    assert "the target 3 is left out" in notes
    assert "a grid over uniform(0, 1) needs `, n=5` behind it" in notes


def test_no_text_of_a_sweep_becomes_code(tmp_path):
    """Line breaks in names and descriptions stay in their comment."""
    path = tmp_path / "sweep.yaml"
    name, text = "a\nimport os", "b\u2028import os\rimport os"
    given = {"method": "random", "name": name, "description": text, "project": "\0"}
    given["parameters"] = {"x": {"values": ["\nimport os", "'"]}}
    path.write_text(yaml.safe_dump(given))
    tree = ast.parse(convert_file("wandb", path).text)
    assert [type(node) for node in tree.body] == [ast.Assign]


def test_a_description_is_no_header_and_no_annotation(tmp_path):
    """Whatever its lines look like."""
    path = tmp_path / "sweep.yaml"
    path.write_text(
        'description: "@tune grid\\ntune: uniform(0, 1)"\nmethod: random\n'
        "parameters: {x: {min: 1, max: 9}}\n"
    )
    text = convert_file("wandb", path).text
    assert text.startswith("# | @tune grid\n# | tune: uniform(0, 1)\n# @tune random")
    assert list(parse_cell(text).space) == ["x"]


def test_reading_a_sweep_makes_no_objects(tmp_path, monkeypatch):
    """A tag that would call something is refused; a nest without end is, too."""
    called = []
    monkeypatch.setattr("os.getcwd", lambda: called.append(1))
    assert "ConversionError" in said("wandb", SWEEPS["tag"])
    assert "ConversionError" in said("wandb", SWEEPS["tag of a scalar"])
    assert "too deeply nested" in said("wandb", "[" * 5000)
    assert not called


def test_every_refusal_is_the_golden_one():
    """`python tests/imports/faulty_imports.py` writes the file anew."""
    assert golden() == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(("source", "cells"), [("colab", FORMS), ("wandb", SWEEPS)])
def test_every_faulty_file_is_refused_with_a_caret(source, cells):
    for name, text in cells.items():
        assert "ConversionError: " in said(source, text), name
        assert re.search(r"^\s*\^+$", said(source, text), re.MULTILINE), name


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-99, 99), st.text(max_size=5))
NUMBERS = st.one_of(st.integers(-9, 9), st.floats(-9, 9))
KINDS = ["int_uniform", "uniform", "q_uniform", "log_uniform", "log_uniform_values"]
KINDS += ["q_log_uniform", "inv_log_uniform", "normal", "q_normal", "log_normal", "zebra"]
FLAT = st.one_of(
    st.dictionaries(st.sampled_from(["min", "max", "q", "mu", "sigma"]), NUMBERS, max_size=3),
    st.fixed_dictionaries(
        {"min": NUMBERS, "max": NUMBERS, "distribution": st.sampled_from(KINDS)},
        optional={"q": NUMBERS},
    ),
    st.fixed_dictionaries({"values": st.lists(SCALARS, max_size=3)}),
    st.fixed_dictionaries({"value": SCALARS}),
)
INNER = st.dictionaries(st.sampled_from(["lr", "a-b", "if", "x"]), FLAT, max_size=2)
PARAMETERS = FLAT | st.fixed_dictionaries({"parameters": INNER})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["lr", "a-b", "a.b", "lambda"]), PARAMETERS, max_size=2))
def test_any_sweep_is_refused_or_gives_a_cell_that_reads_back(tmp_path_factory, parameters):
    """What is printed is Python, and has a space."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump({"method": "random", "parameters": parameters}))
    text = said("wandb", path.read_text())
    if "ConversionError: " not in text:
        assert text.count("# tune:") == len(parse_cell(text).space)


def test_space_prints_the_conversion_and_says_the_rest_beside_it(tmp_path, capsys):
    """What is printed can be pasted; notes go to the other stream; mistakes are pointed at."""
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    assert main(["space", "--from", "wandb", str(path)]) == OK
    out, err = capsys.readouterr()
    assert "optimizer.lr" in space_of(out)
    assert all(line.startswith("note: ") for line in err.splitlines())
    path.write_text(SWEEPS["low above high"])
    assert main(["space", "--from", "wandb", str(path)]) == MISUSED
    assert f"{path}, line 3, column 13" in capsys.readouterr().err
    assert main(["space", "--from", "colab", str(path)]) == MISUSED
    assert "is neither a notebook" in capsys.readouterr().err
    assert main(["space", "--from", "wandb", str(tmp_path / "none.yaml")]) == MISUSED
    assert "cannot read" in capsys.readouterr().err
