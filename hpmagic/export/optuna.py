"""A study as a stand-alone Optuna program: define-by-run, as the cell is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from hpmagic.distributions import (
    MISSING,
    Choice,
    Distribution,
    Int,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    literal_text,
    native,
)
from hpmagic.export.objective import Function, function_of
from hpmagic.export.search import ExportError, Search
from hpmagic.language.cell import Draw

__all__ = ["program"]

_STAND_IN: Final = "hpmagic's `{}` is its own; Optuna's TPE stands in for it"
_PRUNERS: Final = {
    "median": "MedianPruner",
    "asha": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
}


def program(search: Search) -> str:
    """The text of the program.

    Raises:
        ExportError: the cell cannot be written as a function.
    """
    info = search.record.info
    trial, optuna = search.free("trial"), "optuna"
    if optuna in search.names:
        raise ExportError("the cell has a name `optuna` of its own; rename it to export the study")
    known = _distributions(search)
    spelled = _Spelled(trial, grid=info.tuner == "grid", known=known)
    judged = info.pruner != "none" and len(info.objectives) == 1
    function = function_of(
        search,
        trial,
        spelled.draw,
        report=_report(trial) if judged else None,
        remember=lambda name, value: f"{trial}.set_user_attr({literal_text(name)}, float({value}))",
        gives=", ".join,
    )
    return "\n".join(
        [
            f'"""{search.title} as an Optuna study."""',
            "",
            *search.head(function.futures),
            *_imports(spelled),
            "",
            *([search.setup_text, "", ""] if search.setup_text else [""]),
            function.text,
            "",
            *_main(search, function, spelled),
        ]
    )


def _imports(spelled: _Spelled) -> list[str]:
    standard = sorted(spelled.needs)
    return [*standard, *([""] if standard else []), "import optuna"]


def _report(trial: str) -> Callable[[str, str], list[str]]:
    def lines(value: str, step: str) -> list[str]:
        return [
            f"{trial}.report(float({value}), {step})",
            f"if {trial}.should_prune():",
            "    raise optuna.TrialPruned()",
        ]

    return lines


def _main(search: Search, function: Function, spelled: _Spelled) -> list[str]:
    info, study = search.record.info, search.free("study")
    directions = [str(o.direction) for o in info.objectives]
    aim = f"direction={directions[0]!r}" if len(directions) == 1 else f"directions={directions!r}"
    remark, sampler = _sampler(search)
    lines = [f"    {study} = optuna.create_study("]
    lines.append(f"        {aim},".replace("'", '"'))
    lines += [f"        # {remark}"] if remark else []
    lines.append(f"        sampler=optuna.samplers.{sampler},")
    if info.pruner in _PRUNERS and len(directions) == 1:
        lines.append(f"        pruner=optuna.pruners.{_PRUNERS[info.pruner]}(),")
    lines.append("    )")
    for chosen in search.by_hand:
        values, left = spelled.enqueued(chosen.params, chosen.distributions)
        lines += [f"    # {name} = {text} lies outside its range" for name, text in left]
        lines += _enqueue(study, values)
    count = len(search.by_hand) if info.tuner == "manual" else info.trials
    limit = f", n_trials={count}" if count else ""
    if info.repeats > 1:
        lines.append(f"    # of up to {info.repeats} seeds a configuration this runs one")
    lines.append(f"    {study}.optimize({function.name}{limit}, catch=(Exception,))")
    if len(directions) == 1:
        lines += [
            f'    print(f"best {info.objectives[0].name}: {{{study}.best_value:.6g}}")',
            f"    for name, value in {study}.best_params.items():",
            '        print(f"{name} = {value!r}")',
        ]
    else:
        lines += [
            f"    for best in {study}.best_trials:",
            "        print(best.values, best.params)",
        ]
    return ["", 'if __name__ == "__main__":', *lines, ""]


def _enqueue(study: str, values: list[str]) -> list[str]:
    line = f"    {study}.enqueue_trial({{{', '.join(values)}}})"
    if len(line) <= 88:
        return [line]
    items = [f"            {value}," for value in values]
    return [f"    {study}.enqueue_trial(", "        {", *items, "        }", "    )"]


def _sampler(search: Search) -> tuple[str, str]:
    """What to say about the sampler, and its call."""
    info = search.record.info
    seed = f"seed={info.seed}"
    calls = {
        "random": f"RandomSampler({seed})",
        "grid": f"BruteForceSampler({seed})",
        "cmaes": f"CmaEsSampler({seed})",
        "qmc": f"QMCSampler({seed})",
        "nsga2": f"NSGAIISampler({seed})",
        "tpe": f"TPESampler({seed})",
        "manual": f"RandomSampler({seed})",
    }
    if info.tuner in calls:
        return "", calls[info.tuner]
    return _STAND_IN.format(info.tuner), calls["tpe"]


def _distributions(search: Search) -> Mapping[str, Distribution]:
    """What the values were drawn from in the trials: it resolves ranges that are expressions."""
    known: dict[str, Distribution] = {}
    for trial in search.record.trials:
        known |= trial.distributions
    return known


@dataclass
class _Spelled:
    """How each draw is asked of Optuna's trial."""

    trial: str
    grid: bool
    known: Mapping[str, Distribution]

    def __post_init__(self) -> None:
        self.needs: set[str] = set()
        self._by_index: list[re.Pattern[str]] = []
        self._by_label: list[re.Pattern[str]] = []

    def draw(self, draw: Draw) -> str:
        """The expression that draws."""
        name = _formatted(draw.name) if draw.name else literal_text(draw.parameter.name)
        if self.grid:
            return self._from_grid(draw, name)
        if draw.recipe.kind in (Choice.kind, Ordinal.kind):
            return self._choice(draw, name)
        distribution = draw.parameter.distribution
        if distribution is None:
            return self._deferred(draw, name)
        return self._range(distribution, name)

    def _range(self, distribution: Distribution, name: str) -> str:
        match distribution:
            case Uniform(low, high, step):
                more = "" if step is None else f", step={step!r}"
                return self._suggest("float", name, f"{low!r}, {high!r}{more}")
            case LogUniform(low, high):
                return self._suggest("float", name, f"{low!r}, {high!r}, log=True")
            case Int(low, high, step, log):
                more = ", log=True" if log else f", step={step}" if step != 1 else ""
                return self._suggest("int", name, f"{low}, {high}{more}")
            case Normal(mu, sigma):
                return self._normal(
                    name, repr(mu), repr(sigma), isinstance(distribution, LogNormal)
                )
        raise ExportError(f"Optuna has no words for {distribution}")

    def _suggest(self, kind: str, name: str, arguments: str) -> str:
        return f"{self.trial}.suggest_{kind}({name}, {arguments})"

    def _normal(self, name: str, mu: str, sigma: str, log: bool) -> str:
        self.needs.add("from statistics import NormalDist")
        quantile = self._suggest("float", _suffixed(name, "_quantile"), "1e-9, 1 - 1e-9")
        text = f"NormalDist({mu}, {sigma}).inv_cdf({quantile})"
        if log:
            self.needs.add("import math")
        return f"math.exp({text})" if log else text

    def _deferred(self, draw: Draw, name: str) -> str:
        given = {a.keyword: a.text for a in draw.recipe.arguments}
        if draw.recipe.kind in (Normal.kind, LogNormal.kind):
            log = draw.recipe.kind == LogNormal.kind
            return self._normal(name, given["mu"], given["sigma"], log)
        more = [f"{key}={given[key]}" for key in ("step", "log") if key in given]
        if draw.recipe.kind == LogUniform.kind:
            more = ["log=True"]
        kind = "int" if draw.recipe.kind == Int.kind else "float"
        return self._suggest(kind, name, ", ".join([given["low"], given["high"], *more]))

    def _choice(self, draw: Draw, name: str) -> str:
        recipe = draw.recipe
        if recipe.spread and recipe.deferred:
            options = recipe.arguments[0].text
            self._by_index.append(_names(draw))
            index = _suffixed(name, "_index")
            return f"{options}[{self._suggest('int', index, f'0, len({options}) - 1')}]"
        pairs = _options(draw)
        if recipe.kind == Ordinal.kind:
            index = self._suggest("int", _suffixed(name, "_index"), f"0, {len(pairs) - 1}")
            return f"[{', '.join(text for _, text, _ in pairs)}][{index}]"
        return self._categorical(draw, pairs, name)

    def _categorical(self, draw: Draw, pairs: list[tuple[str, str, object]], name: str) -> str:
        if all(_primitive(value) for *_, value in pairs):
            texts = ", ".join(text for _, text, _ in pairs)
            return self._suggest("categorical", name, f"[{texts}]")
        self._by_label.append(_names(draw))
        table = ", ".join(f"{literal_text(label)}: {text}" for label, text, _ in pairs)
        labels = ", ".join(literal_text(label) for label, *_ in pairs)
        return f"{{{table}}}[{self._suggest('categorical', name, f'[{labels}]')}]"

    def _from_grid(self, draw: Draw, name: str) -> str:
        if draw.recipe.kind in (Choice.kind, Ordinal.kind) and not draw.recipe.spread:
            return self._categorical(draw, _options(draw), name)
        distribution = draw.parameter.distribution or self.known.get(draw.parameter.name)
        if distribution is None:
            raise ExportError(f"{draw.parameter.name}: no trial has shown what its range is")
        values = distribution.grid(draw.parameter.grid_points)
        pairs = [(distribution.label(v), literal_text(native(v)), v) for v in values]
        return self._categorical(draw, pairs, name)

    def enqueued(
        self, params: Mapping[str, object], distributions: Mapping[str, Distribution]
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """A person's values as Optuna's parameters, and those that it would not take."""
        items, left = [], []
        for name, value in params.items():
            distribution = distributions[name]
            if not distribution.contains(value) and not self.grid:
                left.append((name, distribution.label(value)))
                continue
            key, text = self._queued(name, value, distribution)
            items.append(f"{literal_text(key)}: {text}")
        return items, left

    def _queued(self, name: str, value: object, distribution: Distribution) -> tuple[str, str]:
        if isinstance(distribution, Choice):
            by_index = _among(self._by_index, name)
            if (by_index or isinstance(distribution, Ordinal)) and not self.grid:
                return f"{name}_index", str(distribution.index(value))
            by_label = _among(self._by_label, name)
            return name, literal_text(distribution.label(value) if by_label else value)
        if isinstance(distribution, Normal):
            return f"{name}_quantile", repr(distribution.to_unit(cast("float", value)))
        return name, literal_text(value)


def _options(draw: Draw) -> list[tuple[str, str, object]]:
    """Each option's label, its text in the code and its value (MISSING for an expression)."""
    distribution = draw.parameter.distribution
    if isinstance(distribution, Choice):
        return [
            (label, literal_text(option), option)
            for label, option in zip(distribution.labels, distribution.options, strict=True)
        ]
    return [
        (_label(a.value, a.text, deferred=a.expression is not None), a.text, _value(a))
        for a in draw.recipe.arguments
    ]


def _label(value: object, text: str, *, deferred: bool) -> str:
    return text if deferred or not isinstance(value, str) else value


def _value(argument: object) -> object:
    from hpmagic.language.cell import Argument

    assert isinstance(argument, Argument)
    return MISSING if argument.expression is not None else argument.value


def _primitive(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def _formatted(name: ast.JoinedStr) -> str:
    """An f-string, in double quotes where it holds none."""
    text = ast.unparse(name)
    return f'f"{text[2:-1]}"' if text.startswith("f'") and '"' not in text else text


def _names(draw: Draw) -> re.Pattern[str]:
    """What the draw's name may be, whatever the fields of its f-string hold."""
    if draw.name is None:
        return re.compile(re.escape(draw.parameter.name))
    fixed = [p.value if isinstance(p, ast.Constant) else None for p in draw.name.values]
    return re.compile("".join(".*" if text is None else re.escape(str(text)) for text in fixed))


def _among(patterns: list[re.Pattern[str]], name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in patterns)


def _suffixed(name: str, suffix: str) -> str:
    """The code of a name with something behind it: ``"x"`` or ``f"x_{i}"``."""
    return f"{name[:-1]}{suffix}{name[-1]}"
