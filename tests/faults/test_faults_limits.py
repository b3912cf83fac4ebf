"""At MLflow's limits and beyond: many names, long values, names that it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hpmagic
from hpmagic.tracking.store import connect

AIM = 's = {}\ns["loss, 1"] = v0  # tune: minimize'


def tune(text: str, **options: Any) -> hpmagic.Study:
    return hpmagic.tune(text, "random", seed=5, quiet=True, study="mine", **options)


def stored(study: hpmagic.Study, store: str) -> list[Any]:
    """The runs of its trials, by number."""
    client = connect(store)
    assert study.record.run_id is not None
    return [client.get_run(trial.run_id) for trial in study.record.trials]


def equal(study: hpmagic.Study) -> None:
    """What MLflow gives back is what ran."""
    loaded = hpmagic.load("mine").record.trials
    assert [dict(t.params) for t in loaded] == [dict(t.params) for t in study.record.trials]
    assert [t.values for t in loaded] == [t.values for t in study.record.trials]


@pytest.mark.slow
def test_five_hundred_hyperparameters_are_tuned_stored_and_taken_up_again(store: str) -> None:
    """More than one request of MLflow's, and more than a tag holds."""
    lines = [f"x{n} = 0.5  # tune: uniform(0, 1)" for n in range(500)]
    text = "\n".join([*lines, "loss = x0 + x499  # tune: minimize", ""])
    tune(text, trials=3)
    study = tune(text, trials=5, resume=True)
    assert [len(run.data.params) for run in stored(study, store)] == [500] * 5
    equal(study)


@pytest.mark.slow
def test_a_value_beyond_mlflows_length_comes_back_whole(store: str) -> None:
    """MLflow shows its beginning and a digest; an artifact has all of it."""
    long = "y" * 7_000
    text = f'w = "a"  # tune: choice("a", "{long}")\nloss = len(w)  # tune: minimize\n'
    study = tune(text, trials=2)
    cut = stored(study, store)[1]
    assert len(cut.data.params["w"]) == 6000
    assert "... sha256:" in cut.data.params["w"]
    client = connect(store)
    whole = Path(client.download_artifacts(cut.info.run_id, "long_values.json")).read_text()
    assert json.loads(whole)["w"] == long
    equal(study)


@pytest.mark.slow
def test_a_source_beyond_mlflows_length_is_an_artifact(store: str) -> None:
    """A cell of any length is read back, and its study goes on."""
    text = "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize\n"
    text += "# and so on\n" * 2000
    tune(text, trials=2)
    assert hpmagic.load("mine").record.info.source.strip() == text.strip()
    equal(tune(text, trials=3, resume=True))


@pytest.mark.slow
def test_names_that_mlflow_refuses_are_mapped_and_come_back(store: str) -> None:
    """A key of letters stands for the name, a tag says which; the table has the true ones."""
    names = ["a:b", "a//b", "x" * 240, "../up", "/root", "ключ"]
    lines = [
        f"v{n} = 0.5  # tune: uniform(0, 1), name={json.dumps(name, ensure_ascii=False)}"
        for n, name in enumerate(names)
    ]
    study = tune("\n".join([*lines, AIM, ""]), trials=3)
    assert list(study.record.trials[1].params) == names
    equal(study)
    for run in stored(study, store):
        assert len(run.data.params) == len(names)
        tags = run.data.tags
        shown = {tags.get(f"hpmagic.name.{key}", key) for key in run.data.params}
        assert shown == set(names)
    assert {f"params.{name}" for name in names} <= set(hpmagic.load("mine").trials.columns)
