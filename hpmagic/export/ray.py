"""A study as a stand-alone program for Ray Tune, whose search spaces know no conditions."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from hpmagic.distributions import MISSING, Choice, Int, LogNormal, Normal, literal_text
from hpmagic.export.objective import function_of
from hpmagic.export.search import ExportError, Search
from hpmagic.language.cell import Draw
from hpmagic.records import Direction
from hpmagic.space import Parameter

__all__ = ["program"]

_OPTUNA: Final = ("bayes", "auto", "tpe", "cmaes", "qmc", "nsga2")


def program(search: Search) -> str:
    """The text of the program.

    Raises:
        ExportError: the space is conditional, has several objectives, or the cell cannot be a
            function.
    """
    info = search.record.info
    _refuse_what_ray_has_not(search)
    for name in ("ray", "tune"):
        if name in search.names:
            raise ExportError(f"the cell has a name `{name}` of its own; rename it to export")
    config, space = search.free("config"), search.free("space")
    objective = info.objectives[0]
    function = function_of(
        search,
        config,
        lambda draw: f"{config}[{literal_text(draw.parameter.name)}]",
        gives=lambda results: f"{{{literal_text(objective.name)}: float({results[0]})}}",
    )
    grid = info.tuner == "grid"
    lines = [
        f"    {literal_text(d.parameter.name)}: {_domain(d, grid=grid)}," for d in _each(search)
    ]
    random = any("random." in line for line in lines)
    return "\n".join(
        [
            f'"""{search.title} as a search with Ray Tune."""',
            "",
            *search.head(function.futures),
            *(["import math", "import random", ""] if random else []),
            "from ray import tune",
            *_algorithm_import(search),
            "",
            *([search.setup_text, "", ""] if search.setup_text else [""]),
            function.text,
            "",
            "",
            f"{space} = {{",
            *lines,
            "}",
            "",
            'if __name__ == "__main__":',
            *_main(search, function.name, space, objective.name, objective.direction),
            "",
        ]
    )


def _refuse_what_ray_has_not(search: Search) -> None:
    conditional = [p.name for p in search.cell.space.parameters if p.conditional]
    if conditional:
        raise ExportError(
            f"{', '.join(conditional)}: drawn only where the line is reached, and Ray Tune draws "
            "everything beforehand; `export optuna` can"
        )
    if len(search.record.info.objectives) > 1:
        raise ExportError("Ray Tune takes one objective; `export optuna` takes several")


def _each(search: Search) -> list[Draw]:
    return list({draw.parameter.name: draw for draw in search.cell.draws}.values())


def _domain(draw: Draw, *, grid: bool) -> str:
    parameter, recipe = draw.parameter, draw.recipe
    if isinstance(parameter.distribution, Choice) or recipe.kind in ("choice", "ordinal"):
        options = _options(draw)
        return f"tune.grid_search({options})" if grid else f"tune.choice({options})"
    if grid:
        if parameter.distribution is None:
            raise ExportError(f"{parameter.name}: {parameter.text} is known to the kernel only")
        return f"tune.grid_search({list(parameter.grid())!r})"
    if parameter.distribution is not None:
        return _range(parameter)
    given = {a.keyword: a.text for a in recipe.arguments}
    if recipe.kind == Int.kind and set(given) <= {"low", "high"}:
        return f"tune.randint({given['low']}, ({given['high']}) + 1)"
    if recipe.kind in ("uniform", "loguniform") and set(given) <= {"low", "high"}:
        return f"tune.{recipe.kind}({given['low']}, {given['high']})"
    raise ExportError(f"{parameter.name}: {parameter.text} has no words in Ray Tune")


def _range(parameter: Parameter) -> str:
    distribution = parameter.distribution
    assert distribution is not None
    if isinstance(distribution, Int) and distribution.step == 1:
        kind = "lograndint" if distribution.log else "randint"
        return f"tune.{kind}({distribution.low}, {distribution.high + 1})"  # the end is exclusive
    if isinstance(distribution, LogNormal):
        shape = f"{distribution.mu}, {distribution.sigma}"
        return f"tune.sample_from(lambda _: math.exp(random.gauss({shape})))"
    if isinstance(distribution, Normal):
        return f"tune.randn({distribution.mu}, {distribution.sigma})"
    if distribution.size is not None:
        return f"tune.choice({list(distribution.grid())!r})"
    low, high = distribution.from_unit(0.0), distribution.from_unit(1.0)
    return f"tune.{distribution.kind}({low!r}, {high!r})"


def _options(draw: Draw) -> str:
    distribution = draw.parameter.distribution
    if isinstance(distribution, Choice):
        return f"[{', '.join(map(literal_text, distribution.options))}]"
    if draw.recipe.spread:
        return f"list({draw.recipe.arguments[0].text})"
    return f"[{', '.join(a.text for a in draw.recipe.arguments)}]"


def _by_optuna(search: Search) -> bool:
    """Whether Optuna searches within Ray: it takes no grids, lambdas or objects."""
    plain = all(
        p.distribution is not None and not isinstance(p.distribution, Normal)
        for p in search.cell.space.parameters
    )
    return search.record.info.tuner in _OPTUNA and plain


def _algorithm_import(search: Search) -> list[str]:
    return ["from ray.tune.search.optuna import OptunaSearch"] if _by_optuna(search) else []


def _main(
    search: Search, function: str, space: str, metric: str, direction: Direction
) -> list[str]:
    info, mode = search.record.info, "min" if direction is Direction.MINIMIZE else "max"
    count = 1 if info.tuner == "grid" else info.trials or len(search.record.trials)
    settings = [f"metric={literal_text(metric)}", f'mode="{mode}"', f"num_samples={count}"]
    first = _written_values(search.cell.space.parameters)
    if _by_optuna(search):
        points = f"points_to_evaluate=[{first}], " if first else ""
        settings.append(f"search_alg=OptunaSearch({points}seed={info.seed})")
    return [
        "    tuner = tune.Tuner(",
        f"        {function},",
        f"        param_space={space},",
        "        tune_config=tune.TuneConfig(",
        *(f"            {setting}," for setting in settings),
        "        ),",
        "    )",
        "    best = tuner.fit().get_best_result()",
        f"    print(best.metrics[{literal_text(metric)}], best.config)",
    ]


def _written_values(parameters: Sequence[Parameter]) -> str:
    """The person's own values, where all of them are plain."""
    if any(
        p.default is MISSING or p.distribution is None or not p.distribution.contains(p.default)
        for p in parameters
    ):
        return ""
    items = ", ".join(f"{literal_text(p.name)}: {literal_text(p.default)}" for p in parameters)
    return ast.unparse(ast.parse(f"{{{items}}}", mode="eval")).replace("'", '"')
