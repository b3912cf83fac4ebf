"""The words after ``%%tune``: what they mean, and what is said when they mean nothing."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmagic.errors import OptionError
from hpmagic.options import (
    OPTIONS,
    HelpAsked,
    StudyConfig,
    config_from,
    help_text,
    parse_line,
)
from hpmagic.records import Direction, Objective
from hpmagic.words import words_before_comment

TUNERS = ("auto", "manual", "grid", "random", "bayes", "tpe")


def parse(line, **options):
    return parse_line(line, TUNERS, **options)


def refusal(line, **options):
    with pytest.raises(OptionError) as caught:
        parse(line, **options)
    return str(caught.value)


def test_no_words_are_the_defaults():
    """An empty line asks for the automatic tuner and lets it decide the rest."""
    assert parse("") == StudyConfig()


def test_every_available_option_is_understood():
    """Each option of the help page arrives in the configuration."""
    config = parse(
        "bayes -n 40 --timeout 10m --maximize auc --minimize=size --try lr=0.1,depth=3 "
        "--try lr=0.2 --seed 7 --study mine --experiment 'two words' --no-default -o found -q"
    )
    assert config.tuner == "bayes"
    assert config.trials == 40
    assert config.timeout == 600.0
    assert config.objectives == (
        Objective("auc", Direction.MAXIMIZE),
        Objective("size", Direction.MINIMIZE),
    )
    assert config.tries == ({"lr": "0.1", "depth": "3"}, {"lr": "0.2"})
    assert (config.seed, config.study, config.experiment) == (7, "mine", "two words")
    assert (config.default, config.output, config.quiet) == (False, "found", True)


def test_the_tuner_may_stand_anywhere():
    """Options before the tuner's name do not hide it."""
    assert parse("--trials 3 random").tuner == "random"


def test_comments_end_the_line():
    """Free text after a hash is for people."""
    assert parse("random -n 3  # a first look").trials == 3
    assert parse("random -n 3 #it's the first").trials == 3
    assert parse("# nothing yet") == StudyConfig()


def test_a_hash_in_a_word_or_in_quotes_is_text():
    """Only a hash that begins a word begins a comment."""
    config = parse("--study lr#2 --experiment C# -n 3 # 4")
    assert (config.study, config.experiment, config.trials) == ("lr#2", "C#", 3)
    assert parse("--study '#1 # of all' -n 3").study == "#1 # of all"
    assert parse(r"""--study "a \" # b" -n 3""").trials == 3
    assert parse(r"--study \#1").study == "#1"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="#")))
def test_a_line_without_a_hash_is_split_as_in_a_shell(line):
    """White space, quotes and backslashes mean what they mean there; a comment changes nothing."""
    try:
        words = shlex.split(line)
    except ValueError:
        return
    assert words_before_comment(line) == words_before_comment(f"{line} # it's") == words


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("bays", "unknown tuner `bays`; did you mean `bayes`?"),
        ("zzz", "unknown tuner `zzz`; there are auto, manual, grid, random, bayes, tpe"),
        ("bayes tpe", "one tuner is enough, but got `bayes` and `tpe`"),
        ("--trails 40", "unknown option `--trails`; did you mean `--trials`?"),
        ("--trials", "--trials needs a value"),
        ("--trials many", "--trials takes a whole number, but got `many`"),
        ("--trials 0", "--trials must be at least 1, but got `0`"),
        ("--seed -1", "--seed must be from 0 to 4294967295, but got `-1`"),
        ("--timeout soon", "--timeout takes a time such as 90s, 10m or 1h30m, but got `soon`"),
        (
            "--timeout 1h30",
            "--timeout takes a unit behind each number, as in 1h30m, but got `1h30`",
        ),
        (
            "--trial-timeout '10 5m'",
            "--trial-timeout takes a unit behind each number, as in 1h30m, but got `10 5m`",
        ),
        (
            "grid --timeout 10 minutes",
            "--timeout takes a time in one word: `10m`, not `10 minutes`",
        ),
        (
            "--trial-timeout=1.5 h grid",
            "--trial-timeout takes a time in one word: `1.5h`, not `1.5 h`",
        ),
        (
            "--trials 10 minutes",
            "unknown tuner `minutes`; there are auto, manual, grid, random, bayes, tpe",
        ),
        ("--timeout 0", "--timeout must be longer than nothing, but got `0`"),
        ("--try lr", "--try takes name=value pairs, such as lr=0.1,depth=3, but got `lr`"),
        ("--try lr=1,lr=2", "--try gives lr twice, but got `lr=1,lr=2`"),
        ("-o 3x", "--output takes a Python name, but got `3x`"),
        ("-o class", "--output takes a Python name that is no keyword, but got `class`"),
        ("-o None", "--output takes a Python name that is no keyword, but got `None`"),
        ("-o ｉｓ", "--output takes a Python name that is no keyword, but got `ｉｓ`"),
        ("-o __debug__", "--output takes a Python name that is no keyword, but got `__debug__`"),
        ("--study ''", "--study must not be empty, but got ``"),
        ("--minimize a --maximize a", "`a` is asked for twice among --minimize and --maximize"),
        ("--study 'open", "the line cannot be read: no closing quotation"),
    ],
)
def test_a_wrong_word_is_named_with_its_rule(line, sentence):
    """Each mistake gives one sentence: the word, the rule, the nearest right spelling."""
    assert refusal(line) == sentence


@pytest.mark.parametrize("line", ["-h", "--help", "bayes --trials 3 -h"])
def test_help_can_be_asked_for(line):
    """``-h`` anywhere asks for the page."""
    with pytest.raises(HelpAsked):
        parse(line)


def test_resume_may_be_followed_by_anyway():
    """The next word is its own only where it is that word; the shell's win over the header's."""
    assert parse("--resume bayes") == StudyConfig(tuner="bayes", resume="yes")
    assert parse("--resume anyway bayes") == StudyConfig(tuner="bayes", resume="anyway")
    assert parse("random --resume --trials 3").trials == 3
    assert parse("--fresh").fresh
    both = parse_line("--fresh", ["random"], over=["--resume"])
    assert (both.resume, both.fresh) == ("yes", False)
    assert config_from(None, ["random"], {"resume": True}).resume == "yes"
    assert config_from(None, ["random"], {"resume": "anyway"}).resume == "anyway"
    assert refusal("--resume=never").startswith("--resume stands alone, or is followed by")


@pytest.mark.parametrize("name", ["match", "größe", "ﬁ", "ｘ２"])
def test_the_output_can_be_read_by_the_name_that_was_given(name):
    """Python reads some letters as others, and so is the variable called."""
    namespace = {parse(f"-o {name}").output: 1}
    assert eval(name, namespace) == 1


def test_objectives_keep_their_order():
    """The first one named is the first, whichever way is better."""
    size, loss = Objective("size", Direction.MINIMIZE), Objective("loss", Direction.MINIMIZE)
    auc = Objective("auc", Direction.MAXIMIZE)
    line = "--minimize size --maximize auc --minimize=loss"
    assert parse(line).objectives == (size, auc, loss)
    assert parse("--minimize a", over=["--maximize", "auc", "--minimize", "size"]).objectives == (
        auc,
        size,
    )
    given = {"maximize": "auc", "minimize": ["size", "loss"]}
    assert config_from(None, TUNERS, given, "--minimize a").objectives == (auc, size, loss)


def test_help_lists_all_options_and_tuners():
    """The page holds what works in this version."""
    page = help_text({"bayes": "a Gaussian process"})
    assert "bayes  a Gaussian process" in page
    for option in OPTIONS:
        assert f"{option.flag} " in page


def test_names_and_expressions_are_evaluated_in_the_kernel():
    """``$name`` and ``{expression}`` are the notebook's; braces in other words are left alone."""
    namespace = {"budget": 12}
    config = parse(
        "--trials $budget --seed {budget*2} --try 'a={1: 2}'",
        evaluate=lambda text: eval(text, namespace),
    )
    assert (config.trials, config.seed, config.tries) == (12, 24, ({"a": "{1: 2}"},))


def test_words_from_the_shell_win():
    """What the shell says replaces what the header says, and leaves the rest."""
    config = parse("bayes --trials 40 --seed 1", over=["random", "--trials", "3"])
    assert (config.tuner, config.trials, config.seed) == ("random", 3, 1)


def test_an_objective_from_the_shell_replaces_those_of_the_header():
    """One objective from outside is not added to the header's."""
    config = parse("--minimize loss", over=["--maximize", "auc"])
    assert config.objectives == (Objective("auc", Direction.MAXIMIZE),)


def test_keywords_and_words_mean_the_same():
    """`hpmagic.tune`'s keywords give the configuration that the words give."""
    given = {"trials": 5, "maximize": "auc", "try": ["lr=0.1"], "no_default": True, "timeout": 90}
    assert config_from("random", TUNERS, given) == parse(
        "random --trials 5 --maximize auc --try lr=0.1 --no-default --timeout 90s"
    )


def test_keywords_win_over_the_header():
    """A header's words hold where Python says nothing."""
    config = config_from(None, TUNERS, {"trials": 5}, "bayes --trials 40 --seed 1")
    assert (config.tuner, config.trials, config.seed) == ("bayes", 5, 1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"trails": 3}, "unknown option `trails`; did you mean `trials`?"),
        ({"trials": -1}, "--trials must be at least 1, but got `-1`"),
    ],
)
def test_a_wrong_keyword_is_named(given, sentence):
    """Keywords are checked like words."""
    with pytest.raises(OptionError) as caught:
        config_from("random", TUNERS, given)
    assert str(caught.value) == sentence


def test_tries_from_python_keep_their_values():
    """A hunch given as a dict is taken as it is."""
    assert config_from("manual", TUNERS, {"tries": [{"lr": 0.1}]}).tries == ({"lr": 0.1},)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_line_is_understood_or_refused(line):
    """Whatever is typed gives a configuration, a sentence or the page; nothing else."""
    try:
        config = parse(line)
    except (OptionError, HelpAsked):
        return
    assert isinstance(config, StudyConfig)
