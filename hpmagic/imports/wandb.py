"""W&B's sweeps: a YAML file as the head of a tune cell."""

from __future__ import annotations

import keyword
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hpmagic.distributions import Int, literal_text
from hpmagic.errors import ConversionError, OptionError, nearest
from hpmagic.imports.converted import Converted
from hpmagic.imports.wandb_parameters import Setting, read_setting
from hpmagic.imports.yamltree import Item, read_yaml

__all__ = ["convert_sweep"]

_KEYS: Final = (
    "method",
    "metric",
    "parameters",
    "early_terminate",
    "run_cap",
    "count",
    "name",
    "description",
    "program",
    "command",
    "project",
    "entity",
    "controller",
    "version",
    "job",
    "image_uri",
    "imageuri",
    "scheduler",
)
_METHODS: Final = {"grid": "grid", "random": "random", "bayes": "bayes", "custom": "auto"}
_OURS: Final = re.compile(r"\s*@?tune\b", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_WRITTEN: Final = (
    "the written values are the first of several and the middles of ranges; they are trial 0, so "
    "put in those that you use"
)


def convert_sweep(path: Path) -> Converted:
    """A sweep's configuration as a header, annotated lines, and what is left to do.

    Raises:
        ConversionError: a key or value cannot be understood.
        OptionError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError(f"cannot read {path}: {why}") from None
    return _Sweep(read_yaml(text, str(path))).converted()


class _Sweep:
    """Turns the parts of a sweep into lines and notes."""

    def __init__(self, sweep: Item) -> None:
        self._sweep = sweep
        self._given = _mapping(sweep, "a sweep")
        self._notes: list[str] = []
        self._times: Counter[str] = Counter()

    def converted(self) -> Converted:
        for key, item in self._given.items():
            if key not in _KEYS:
                hint = nearest(key, _KEYS)
                raise ConversionError(f"unknown key `{key}`{hint}", item.key or item.place)
        for needed in ("method", "parameters"):
            if needed not in self._given:
                raise ConversionError(f"a sweep needs `{needed}`", self._sweep.place)
        header = shlex.join(["#", "@tune", *self._words()]).replace("'#'", "#", 1)
        parameters = _mapping(self._given["parameters"], "parameters")
        self._times.update(_leaves(parameters))
        lines = list(self._lines(parameters))
        text = "\n".join([*self._description(), header, *lines]) + "\n"
        return Converted(text, (*dict.fromkeys(self._notes), _WRITTEN))

    def _description(self) -> list[str]:
        item = self._given.get("description")
        lines = [] if item is None else str(item.plain).splitlines()
        # Behind a bar, what looks like a header or an annotation is none.
        return [f"# {'| ' * bool(_OURS.match(line))}{_printable(line)}" for line in lines]

    def _words(self) -> Iterator[str]:
        """What the sweep means as words of the header."""
        method = self._given["method"]
        if _line_of(method) not in _METHODS:
            hint = nearest(_line_of(method), _METHODS) or f"; there are {', '.join(_METHODS)}"
            raise ConversionError(f"unknown method `{method.plain}`{hint}", method.place)
        yield _METHODS[_line_of(method)]
        if method.value == "custom":
            self._notes.append("method custom: what it does is not in the file; `auto` stands here")
        for key in ("run_cap", "count"):
            if key in self._given:
                yield from ("--trials", str(self._count(self._given[key], key)))
                break
        yield from self._aim()
        yield from self._pruner()
        for key, option in (("name", "--study"), ("project", "--experiment")):
            if key in self._given:
                yield from (option, _line_of(self._given[key]))

    def _aim(self) -> Iterator[str]:
        if "metric" not in self._given:
            self._notes.append(
                "the sweep names no metric: put `# tune: minimize` or `# tune: maximize` behind "
                "the line that assigns it"
            )
            return
        metric = self._given["metric"]
        given = _mapping(metric, "metric")
        for key, item in given.items():
            known = ("name", "goal", "target")
            if key not in known:
                hint = nearest(key, known)
                raise ConversionError(f"metric: unknown key `{key}`{hint}", item.key or item.place)
        if "name" not in given:
            raise ConversionError("metric: `name` is missing", metric.key or metric.place)
        name, goal = _line_of(given["name"]), "minimize"
        if "goal" in given:
            goal = _line_of(given["goal"])
            if goal not in ("minimize", "maximize"):
                hint = nearest(goal, ("minimize", "maximize"))
                raise ConversionError(
                    f"metric: goal is minimize or maximize, but got `{given['goal'].plain}`{hint}",
                    given["goal"].place,
                )
        yield from (f"--{goal}", name)
        if not name.isidentifier():
            self._notes.append(
                f"metric: `{name}` is no variable: put `# tune: {goal}, "
                f"name={literal_text(name)}` behind the line that assigns it"
            )
        if "target" in given:
            self._notes.append(f"metric: the target {given['target'].plain} is left out")

    def _pruner(self) -> Iterator[str]:
        if "early_terminate" not in self._given:
            return
        item = self._given["early_terminate"]
        given = _mapping(item, "early_terminate")
        kind = given.get("type")
        if kind is None:
            raise ConversionError("early_terminate: `type` is missing", item.key or item.place)
        if kind.value != "hyperband":
            raise ConversionError(
                f"early_terminate: the type must be hyperband, but got `{kind.plain}`", kind.place
            )
        yield from ("--pruner", "hyperband")
        steps = self._first_step(given)
        if steps is not None:
            yield from ("--min-steps", str(steps))

    def _first_step(self, given: dict[str, Item]) -> int | None:
        """The first step at which W&B compares: ``min_iter``, or what ``max_iter`` makes it."""
        if "min_iter" in given:
            return self._count(given["min_iter"], "min_iter")
        if "max_iter" not in given:
            return None
        eta = self._count(given["eta"], "eta") if "eta" in given else 3
        brackets = self._count(given["s"], "s") if "s" in given else 1
        longest = self._count(given["max_iter"], "max_iter")
        return max(1, longest // int(eta**brackets))

    def _count(self, item: Item, key: str) -> int:
        value: object = item.value
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConversionError(
                f"{key} must be a whole number, 1 or more, but got {item.plain!r}", item.place
            )
        return value

    def _lines(self, parameters: dict[str, Item]) -> Iterator[str]:
        taken: set[str] = set()
        for name, item in parameters.items():
            variable = _variable(name, item)
            while variable in taken:
                variable += "_"
            taken.add(variable)
            yield from self._line(f"{variable} = ", name, variable, item, "")

    def _line(
        self, begin: str, path: str, given_name: str, item: Item, indent: str
    ) -> Iterator[str]:
        """A parameter's line, or the lines of the dict that a nested one is.

        ``given_name`` is the name that its place would give it.
        """
        keys = _mapping(item, path)
        comma = "," if indent else ""
        if "parameters" in keys:
            yield f"{indent}{begin}{{"
            for name, inner in _mapping(keys["parameters"], path).items():
                _variable(name, inner)
                begin_inner = f"{literal_text(name)}: "
                yield from self._line(begin_inner, f"{path}.{name}", name, inner, indent + " " * 4)
            yield f"{indent}}}{comma}"
            return
        setting = read_setting(path, item)
        line = f"{indent}{begin}{literal_text(setting.value)}{comma}"
        if setting.distribution is None:
            yield line
            return
        self._note(path, setting)
        named = path if indent == "" else path.rpartition(".")[2]
        if self._times[named] > 1:
            named = path
        name = "" if named == given_name else f", name={literal_text(named)}"
        yield f"{line}  # tune: {setting.distribution}{name}"

    def _note(self, path: str, setting: Setting) -> None:
        if setting.note:
            self._notes.append(setting.note)
        distribution = setting.distribution
        if self._given["method"].value == "grid" and distribution is not None:
            if distribution.size is None:
                self._notes.append(f"{path}: a grid over {distribution} needs `, n=5` behind it")
            elif isinstance(distribution, Int) and distribution.size > 50:
                self._notes.append(
                    f"{path}: a grid takes {distribution.size} values; `, n=5` makes them five"
                )


def _mapping(item: Item, what: str) -> dict[str, Item]:
    if not isinstance(item.value, dict):
        raise ConversionError(
            f"{what} must be a mapping, such as `min: 0`, but got {_short(item.plain)}", item.place
        )
    return item.value


def _line_of(item: Item) -> str:
    """A value as text for the header, which is one line."""
    return " ".join(_printable(str(item.plain)).split())


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:40]}..."


def _variable(name: str, item: Item) -> str:
    """The variable for a parameter."""
    if not _NAME.fullmatch(name):
        raise ConversionError(
            f"a parameter's name has letters, digits and _ . -, but got {_short(name)}",
            item.key or item.place,
        )
    variable = re.sub(r"\W", "_", name)
    return f"{variable}_" if keyword.iskeyword(variable) else variable


def _leaves(parameters: dict[str, Item]) -> Iterator[str]:
    """The last names of all parameters, nested ones included."""
    for name, item in parameters.items():
        inner = item.value.get("parameters") if isinstance(item.value, dict) else None
        if inner is not None and isinstance(inner.value, dict):
            yield from _leaves(inner.value)
        else:
            yield name
