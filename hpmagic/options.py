"""The options of a study, declared once for the magic, the comment form, Python and the shell."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, NamedTuple, NoReturn

from hpmagic.errors import OptionError, nearest
from hpmagic.option_values import (
    ENGINES,
    ISOLATIONS,
    PRUNERS,
    read_amount,
    read_count,
    read_duration,
    read_engine,
    read_isolation,
    read_memory,
    read_name,
    read_pruner,
    read_resume,
    read_seed,
    read_text,
    read_tolerance,
    read_try,
)
from hpmagic.records import Direction, Objective
from hpmagic.words import expanded, words_before_comment

__all__ = [
    "OPTIONS",
    "HelpAsked",
    "Option",
    "StudyConfig",
    "config_from",
    "help_text",
    "parse_line",
]

_AIMS = frozenset(direction.value for direction in Direction)


class HelpAsked(Exception):
    """``-h`` stands on the line: show the help page instead of running."""


@dataclass(frozen=True)
class StudyConfig:
    """What a person asked for, understood.

    ``timeout`` and ``trial_timeout`` are in seconds; ``jobs`` None is what the engine has room for,
    one on the local one; ``cache_memory`` is in bytes, None a quarter of what is free. ``tries``
    are the combinations from ``--try``, values still as text (or as given from Python). ``trials``
    and ``timeout`` None mean that the tuner decides. ``resume`` is "yes", or "anyway" when the
    cell's logic may have changed.
    """

    tuner: str = "auto"
    trials: int | None = None
    timeout: float | None = None
    objectives: tuple[Objective, ...] = ()
    tries: tuple[Mapping[str, Any], ...] = ()
    seed: int | None = None
    study: str | None = None
    resume: str | None = None
    fresh: bool = False
    experiment: str | None = None
    default: bool = True
    plan: bool = False
    output: str | None = None
    quiet: bool = False
    pruner: str | None = None
    warmup: int | None = None
    min_steps: int | None = None
    repeats: int | None = None
    trial_timeout: float | None = None
    patience: int | None = None
    min_delta: float | None = None
    tolerance: float | str | None = None
    warm_start: str | None = None
    jobs: int | None = None
    engine: str = "local"
    address: str | None = None
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    isolation: str | None = None
    fresh_trials: bool = False
    cache_memory: int | None = None
    tuner_options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """One option: how it is spelled, what it takes and what it means."""

    name: str
    meaning: str
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    short: str | None = None
    many: bool = False
    values: tuple[str, ...] = ()
    """The words it takes, where these are few."""
    alone: str | None = None
    """What it means without a value, where it may stand without."""

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """The keyword of this option in `hpmagic.tune`."""
        return self.name.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option("trials", "how many trials in all, the default among them", "N", read_count, "n"),
    Option(
        "timeout", "begin no further trial after this long: 90s, 10m, 1h30m", "TIME", read_duration
    ),
    Option("trial-timeout", "end a trial after this long", "TIME", read_duration),
    Option(
        "minimize", "the metric to make small; needs no annotation", "NAME", read_text, many=True
    ),
    Option(
        "maximize", "the metric to make large; needs no annotation", "NAME", read_text, many=True
    ),
    Option(
        "try",
        "a hunch to run first: lr=0.1,depth=3; the rest as written; may be repeated",
        "VALUES",
        read_try,
        many=True,
    ),
    Option(
        "pruner",
        f"what stops hopeless trials: {', '.join(PRUNERS)}",
        "NAME",
        read_pruner,
        values=PRUNERS,
    ),
    Option("warmup", "prune no trial before N are complete (median: 5)", "N", read_count),
    Option("min-steps", "prune no trial before step N of its loop", "N", read_count),
    Option("patience", "end after N trials without improvement", "N", read_count),
    Option("min-delta", "the least that --patience takes for an improvement", "X", read_amount),
    Option(
        "tolerance",
        "end when no trial is expected to beat the best by more than X, or more than its noise",
        "X|noise",
        read_tolerance,
    ),
    Option(
        "warm-start",
        "learn from an earlier study, or from those most like it, as far as they agree",
        "STUDY|auto",
        read_text,
    ),
    Option("seed", "makes the study repeatable, value for value", "S", read_seed),
    Option("jobs", "trials at the same time, in processes of their own", "N", read_count, "j"),
    Option(
        "engine",
        f"where trials run: {', '.join(ENGINES)}",
        "NAME",
        read_engine,
        values=ENGINES,
    ),
    Option("address", "of a Ray or Dask cluster; a local one otherwise", "ADDRESS", read_text),
    Option("cpus-per-trial", "what a trial takes of the cluster", "N", read_amount),
    Option("gpus-per-trial", "what a trial takes of the cluster, such as 0.5", "N", read_amount),
    Option(
        "isolation",
        "keep trials apart in the kernel come what may, or in a process of their own",
        "WHERE",
        read_isolation,
        values=ISOLATIONS,
    ),
    Option("fresh-trials", "run every line in every trial: reuse nothing"),
    Option(
        "cache-memory",
        "what may be kept for reuse, such as 2GB (a quarter of what is free)",
        "SIZE",
        read_memory,
    ),
    Option(
        "repeats",
        "run each configuration with up to K seeds (hpmagic.seed); means are compared",
        "K",
        read_count,
    ),
    Option("study", "the study's name in MLflow", "NAME", read_text),
    Option("experiment", "the MLflow experiment that holds it", "NAME", read_text),
    Option(
        "resume",
        "continue the study of that name, or this cell's last; anyway: though the cell has changed",
        "[anyway]",
        read_resume,
        alone="yes",
    ),
    Option("fresh", "start anew, and say nothing of earlier studies of this cell"),
    Option("no-default", "leave out trial 0, the values written in the code"),
    Option("plan", "say what would run, and run nothing"),
    Option("output", "the variable that gets the Study (study)", "VAR", read_name, "o"),
    Option("quiet", "show nothing but the result", short="q"),
)
"""Every option, in the order of the help page."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        match = re.match(r"argument (?:-\w/)?(--[\w-]+): (.*)", message)
        if match is None:
            raise OptionError(message)
        told = {"expected one argument": "needs a value"}
        raise OptionError(f"{match[1]} {told.get(match[2], match[2])}")


def _read(option: Option, text: str) -> Any:
    assert option.read is not None
    try:
        return option.read(text)
    except ValueError as error:
        raise OptionError(f"{option.flag} {error}, but got `{text}`") from None


class _Aim(NamedTuple):
    """``--minimize`` or ``--maximize``, and what stands behind it."""

    option: Option
    text: str

    def read(self) -> Objective:
        return Objective(_read(self.option, self.text), Direction(self.option.name))


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for option in OPTIONS:
        flags = ([f"-{option.short}"] if option.short else []) + [option.flag]
        if option.read is None:
            parser.add_argument(*flags, dest=option.key, action="store_true", default=None)
        else:
            # Values are read later: argparse would replace what a reader says by its own words.
            action = "append" if option.many else "store"
            if option.name in _AIMS:  # in one list, which keeps their order
                parser.add_argument(
                    *flags, dest="aims", action=action, type=partial(_Aim, option), default=[]
                )
                continue
            parser.add_argument(*flags, dest=option.key, action=action, default=None)
    parser.add_argument("-h", "--help", dest="help", action="store_true")
    return parser


def parse_line(
    line: str | Iterable[str],
    tuners: Iterable[str],
    evaluate: Callable[[str], object] | None = None,
    over: Iterable[str] = (),
) -> StudyConfig:
    """A `StudyConfig` from the words after ``%%tune``.

    Args:
        line: the words, as one text (quoted as in a shell) or split.
        tuners: the known tuners' names.
        evaluate: gives the value of ``$name`` and ``{expression}`` words, when there is a kernel.
        over: words from elsewhere (the shell) that win over the line's own; an objective among
            them replaces all of the line's.

    Raises:
        OptionError: an unknown word or a bad value; names the nearest known word.
        HelpAsked: ``-h`` stands among the words.
    """
    words = words_before_comment(line) if isinstance(line, str) else list(line)
    if evaluate is not None:
        words = [expanded(word, evaluate) for word in words]
    known = list(tuners)
    return _config(_over(_given(words, known), _given(list(over), known)))


def _over(own: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(own)
    for one, other in (("resume", "fresh"), ("fresh", "resume")):
        if one in over:
            kept.pop(other, None)
    return kept | dict(over)


def _given(words: list[str], known: list[str]) -> dict[str, Any]:
    found, rest = _parser().parse_known_args(_joined(words))
    if found.help:
        raise HelpAsked
    given: dict[str, Any] = {}
    if found.aims:
        given["objectives"] = [aim.read() for aim in found.aims]
    for option in OPTIONS:
        value = getattr(found, option.key, None)
        if value is not None:
            given[option.key] = _value(option, value)
    if rest:
        _check_times(words)
    for word in rest:
        if word.startswith("-"):
            flags = [option.flag for option in OPTIONS] + [
                f"-{o.short}" for o in OPTIONS if o.short
            ]
            raise OptionError(f"unknown option `{word}`{nearest(word, flags)}")
        if "tuner" in given:
            raise OptionError(f"one tuner is enough, but got `{given['tuner']}` and `{word}`")
        if word not in known:
            hint = nearest(word, known) or f"; there are {', '.join(known)}"
            raise OptionError(f"unknown tuner `{word}`{hint}")
        given["tuner"] = word
    return given


def _check_times(words: Sequence[str]) -> None:
    """Refuse a time whose unit is a word of its own, as in ``--timeout 10 minutes``."""
    timed = [option.flag for option in OPTIONS if option.read is read_duration]
    parts = [part for word in words for part in word.split("=", 1)]
    for flag, number, unit in zip(parts, parts[1:], parts[2:], strict=False):
        time = re.fullmatch(
            r"[\d.]+ (s|m|h|d)(ecs?|econds?|ins?|inutes?|ours?|ays?)?", f"{number} {unit}"
        )
        if flag in timed and time is not None:
            told = f"`{number}{time[1]}`, not `{number} {unit}`"
            raise OptionError(f"{flag} takes a time in one word: {told}")


def _joined(words: Sequence[str]) -> list[str]:
    """The words, with ``--resume`` and what may stand behind it made one."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--resume=yes" and word == "anyway":
            joined[-1] = "--resume=anyway"
        else:
            joined.append("--resume=yes" if word == "--resume" else word)
    return joined


def _value(option: Option, given: Any) -> Any:
    if option.read is None:
        return given
    return [_read(option, text) for text in given] if option.many else _read(option, given)


def config_from(
    tuner: str | None, tuners: Iterable[str], given: Mapping[str, Any], line: str = ""
) -> StudyConfig:
    """A `StudyConfig` from the keywords of `hpmagic.tune`: the options' names with underscores.

    They win over the words of ``line``, the code's own header.

    Raises:
        OptionError: an unknown keyword or a bad value.
    """
    known = list(tuners)
    if tuner is not None and tuner not in known:
        raise OptionError(f"unknown tuner `{tuner}`{nearest(tuner, known)}")
    by_key = {option.key: option for option in OPTIONS} | {"tries": _by_name("try")}
    values: dict[str, Any] = {} if tuner is None else {"tuner": tuner}
    for key, value in given.items():
        option = by_key.get(key)
        if option is None:
            raise OptionError(f"unknown option `{key}`{nearest(key, by_key)}")
        if value is None or value is False:
            continue
        if option.read is None:
            values[option.key] = True
            continue
        if option.alone is not None and value is True:
            values[option.key] = option.alone
            continue
        many = value if option.many and isinstance(value, list | tuple) else [value]
        if option.name in _AIMS:
            aims = [_Aim(option, str(text)).read() for text in many]
            values["objectives"] = [*values.get("objectives", ()), *aims]
            continue
        read = [v if isinstance(v, Mapping) else _read(option, str(v)) for v in many]
        values[option.key] = read if option.many else read[0]
    return _config(_over(_given(words_before_comment(line), known), values))


def _by_name(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


def _config(given: Mapping[str, Any]) -> StudyConfig:
    if "min_delta" in given and "patience" not in given:
        raise OptionError("--min-delta needs --patience: it is the least gain that counts for it")
    if "resume" in given and given.get("fresh"):
        raise OptionError("--resume continues a study and --fresh starts a new one: take one")
    objectives = given.get("objectives", ())
    names = [objective.name for objective in objectives]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"`{name}` is asked for twice among --minimize and --maximize")
    plain = {f.name for f in fields(StudyConfig)} & set(given) - {"objectives", "tries"}
    return StudyConfig(
        objectives=tuple(objectives),
        tries=tuple(given.get("try", ())),
        default=not given.get("no_default", False),
        **{name: given[name] for name in plain},
    )


def help_text(tuners: Mapping[str, str]) -> str:
    """The page that ``%%tune?``, ``%%tune -h`` and ``hpmagic run -h`` show.

    Args:
        tuners: what each known tuner does, by name.
    """
    lines = ["Tuners", ""]
    width = max(map(len, tuners), default=0)
    lines += [f"  {name:<{width}}  {summary}" for name, summary in tuners.items()]
    lines += ["", "Options", ""]
    spelled = [
        (
            ", ".join(([f"-{o.short}"] if o.short else []) + [o.flag])
            + (f" {o.metavar}" if o.metavar else ""),
            o.meaning,
        )
        for o in OPTIONS
    ]
    width = max(len(flags) for flags, _ in spelled)
    lines += [f"  {flags:<{width}}  {meaning}" for flags, meaning in spelled]
    return "\n".join(lines)
