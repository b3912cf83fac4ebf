"""What a `Study` gives of its trials."""

from dataclasses import replace

import numpy as np
import pytest

import hpmagic
from hpmagic.errors import HpmagicError
from hpmagic.records import Direction
from hpmagic.results import Study

SOURCE = "x = 1.0  # tune: choice(*vals)\nprint(x)\nloss = x  # tune: minimize\n"


@pytest.fixture
def study(store):
    """A grid over four numbers of numpy, which each trial prints; the written 1.0 runs first."""
    namespace = {"vals": np.logspace(-3, 0, 4)}
    return hpmagic.tune(SOURCE, "grid", namespace=namespace, quiet=True)


def test_output_is_that_of_the_trial_of_that_number(study):
    """Also where the study has left out a trial of before; a number that is not there is said."""
    printed = {t.number: study.output(t.number) for t in study.record.trials}
    assert printed[0] == "1.0"
    shorter = Study(replace(study.record, trials=study.record.trials[1:]))
    assert {n: shorter.output(n) for n in printed if n} == {n: printed[n] for n in printed if n}
    last = max(printed)
    with pytest.raises(HpmagicError, match=f"has no trial 0; they are numbered 1 to {last}$"):
        shorter.output(0)
    with pytest.raises(HpmagicError, match="has no trial -1"):
        study.output(-1)
    with pytest.raises(HpmagicError, match="has no trial 0; none ran"):
        Study(replace(study.record, trials=())).output(0)


def test_a_loaded_best_is_the_number_that_it_was(study):
    """An option of numpy comes back as a number, not as its label."""
    loaded = hpmagic.load(study.name)
    assert loaded.best_params == study.best_params == {"x": 0.001}
    assert type(loaded.best_params["x"]) is float


def test_the_best_says_how_much_better_it_is_than_the_default(study):
    """Nothing, where the person's own values are the best: zero has no sign."""
    assert repr(study.best).startswith("<Best: loss = 0.001 in trial ")
    assert ", 0.999 better than your 1; x=" in repr(study.best)
    (alone,) = study.record.trials[:1]
    largest = replace(study.record.info.objectives[0], direction=Direction.MAXIMIZE)
    info = replace(study.record.info, objectives=(largest,))
    best = Study(replace(study.record, info=info, trials=(alone,))).best
    assert str(best.gain) == "0.0"
    assert ", nothing better than your 1; x=" in repr(best)


def test_a_loaded_best_may_be_infinite(store):
    """An infinity comes back as itself."""
    source = 'x = 1.0  # tune: choice(1.0, float("inf"))\nloss = 1 / x  # tune: minimize\n'
    study = hpmagic.tune(source, "grid", namespace={}, quiet=True)
    loaded = hpmagic.load(study.name)
    assert loaded.best_params == study.best_params == {"x": float("inf")}
    assert loaded.trials["params.x"].tolist() == study.trials["params.x"].tolist()
    assert loaded.trials["params.x"].tolist() == [1.0, float("inf")]
