"""What is offered at the cursor, in headers, verbs and annotations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.completer import CompletionContext

from hpmagic.language.vocabulary import DISTRIBUTIONS, ROLES
from hpmagic.notebook import completion
from hpmagic.notebook.completion import complete
from hpmagic.notebook.matching import matcher
from hpmagic.notebook.verbs import VERBS
from hpmagic.options import OPTIONS
from hpmagic.tuners.registry import known_tuners

CELL = "\n".join(
    [
        "lr = 0.1  # tune: loguniform(1e-4, 1)",
        "depth: int = 3  # tune: int(1, 9)",
        "model = fit(lr, depth)",
        "loss = model.loss()",
    ]
)


def offered(text):
    """The suggestions at the bar in ``text``."""
    before, _, after = text.partition("|")
    lines = before.split("\n")
    found = complete(before + after, len(lines) - 1, len(lines[-1]))
    return None if found is None else [s.text for s in found.suggestions]


@pytest.mark.parametrize("header", ["%%tune", "# @tune", "#! %%tune", "# first\n# @tune"])
def test_headers_offer_tuners_then_options(header):
    """After the tune line's word come the tuners, then the options that work."""
    words = offered(f"{header} |\n{CELL}")
    tuners = list(known_tuners())
    assert words[: len(tuners)] == tuners
    assert words[len(tuners) :] == [o.flag for o in OPTIONS]


def test_a_tuner_is_offered_once():
    """With a tuner chosen only options are left."""
    words = offered(f"%%tune bayes |\n{CELL}")
    assert words
    assert all(word.startswith("--") for word in words)


def test_the_beginning_of_a_word_chooses():
    """What is typed narrows what is offered."""
    assert offered(f"%%tune ba|\n{CELL}") == ["bayes"]
    assert offered(f"# @tune bayes --trials|\n{CELL}") == ["--trials"]


def test_given_options_are_not_offered_again():
    """Only repeatable options come twice."""
    words = offered(f"%%tune --trials 3 --minimize loss --|\n{CELL}")
    assert "--trials" not in words
    assert "--minimize" in words


@pytest.mark.parametrize("option", ["--minimize ", "--maximize ", "--minimize="])
def test_objectives_are_names_that_the_cell_assigns(option):
    """The names assigned last come first; hyperparameters are not among them."""
    assert offered(f"%%tune {option}|\n{CELL}") == ["loss", "model"]


def test_hunches_begin_with_a_hyperparameter():
    """``--try`` takes the names that the cell tunes."""
    assert offered(f"%%tune manual --try |\n{CELL}") == ["lr=", "depth="]
    assert offered(f"%%tune manual --try lr=0.1,de|\n{CELL}") == ["depth="]


def test_values_of_options_are_offered_where_they_are_few():
    """A pruner's name is completed; a number is not."""
    pruner = next(o for o in OPTIONS if o.name == "pruner")
    assert offered(f"%%tune --pruner |\n{CELL}") == list(pruner.values)
    assert offered(f"%%tune --trials |\n{CELL}") == []


def test_verbs_and_their_words_are_offered():
    """``%tune`` has verbs, and some of them words."""
    assert offered("%tune |") == list(VERBS)
    assert offered("%tune ex|") == ["export"]
    assert offered("%tune export |") == ["optuna", "ray", "script"]
    assert offered("x = 1\nfigure = %tune plot par|") == ["parallel"]
    assert offered("%tune best |") == []


def test_annotations_offer_distributions_and_roles():
    """Nothing typed: the canonical words; a letter typed: the aliases too."""
    words = offered("lr = 0.1  # tune: |")
    canonical = [f"{w.name}(" for w in DISTRIBUTIONS.values() if w.name == w.kind]
    assert words == [*canonical, *ROLES]
    assert offered("lr = 0.1  # tune: logu|") == ["loguniform("]
    assert "float(" in offered("lr = 0.1  # tune: fl|")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# tune: loguniform(|", ["low=", "high="]),
        ("# tune: int(1, |", ["high=", "step=", "log="]),
        ("# tune: int(1, 9, |", ["step=", "log="]),
        ("# tune: int(1, 9, step=2, |", ["log="]),
        ("# tune: int(1, max=9, |", ["step=", "log="]),
        ("# tune: int(1, 9, log=|", ["True", "False"]),
        ("# tune: choice(|", []),
        ("# tune: minimize(|", ["best", "patience=", "min_delta="]),
        ("# tune: minimize(patience=5, min|", ["min_delta="]),
        ("# tune: int(1, 9), |", ["name=", "n=", "kind="]),
        ("# tune: int(1, 9), n=3, |", ["name=", "kind="]),
        ("# tune: int(1, 9), kind=|", ['"model"', '"training"']),
        ("# tune: int(1, (2 + |", []),
        ('# tune: choice("lin|', []),
        ("# tune: int(1, 9)  # free text |", []),
    ],
)
def test_annotations_offer_arguments_and_options(text, words):
    """Inside the parentheses arguments, behind the comma options, in free text nothing."""
    known = offered(f"x = 1  {text}")
    if "minimize" in text:  # roles may have more
        assert set(words) <= set(known)
    else:
        assert known == words


@pytest.mark.parametrize(
    "text",
    ["x = |", "'# tune: |", "# tune|", "%tuned |", "x = 1\n%%tune |", "%%time |", "|", "# @tune|"],
)
def test_elsewhere_nothing_is_offered(text):
    """Code, texts and other comments are left to IPython."""
    assert not offered(text)


@given(
    st.text(alphabet=st.sampled_from("%#@tune: \n()[]{},='\"-lr1.choice"), max_size=60),
    st.integers(0, 60),
)
def test_completion_never_raises(text, at):
    """Whatever stands in a cell, the answer is suggestions or none."""
    before = text[:at].split("\n")
    complete(text, len(before) - 1, len(before[-1]))


def context(text, token):
    lines = text.split("\n")
    return CompletionContext(
        token=token,
        full_text=text,
        cursor_position=len(lines[-1]),
        cursor_line=len(lines) - 1,
        limit=None,
    )


def test_the_matcher_says_what_words_mean():
    """Each completion carries its meaning, replaces its fragment and keeps other matchers out."""
    result = matcher(context("%%tune --trials", "--trials"))
    (found,) = result["completions"]
    trials = next(o for o in OPTIONS if o.name == "trials")
    assert (found.text, found.type) == ("--trials", trials.meaning)
    assert (result["matched_fragment"], result["suppress"]) == ("--trials", True)


def test_the_matcher_swallows_faults(monkeypatch):
    """A completion that fails is no completion."""

    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(completion, "complete", broken)
    assert matcher(context("%%tune ", ""))["completions"] == []
