"""The engines that `quality.py` compares.

An engine is a function that calls ``evaluate`` with one configuration after another and is stopped
from outside. It is told costs, smaller is better. ``start`` is the person's default, which every
engine tries first and learns from; None leaves the engine alone.

Everyone is given the same knowledge of the space. Ordered lists are integers for engines that have
no word for them, so nobody is told less than that neighbours are alike. Engines without conditional
spaces choose values for everything, and what a configuration does not reach is dropped.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from quality_others import ax_client, hebo_optimizer, skopt_optimizer, smac_facade
from quality_tasks import Config, Knob, Task, draw

from hpmagic.distributions import Choice, Int, LogUniform, Ordinal, Uniform
from hpmagic.space import Parameter

__all__ = ["ENGINES", "Engine", "Run"]


@dataclass(frozen=True)
class Run:
    """What an engine is given. ``evaluate`` raises when the budget is spent."""

    task: Task
    budget: int
    seed: int
    start: Config | None
    evaluate: Callable[[Config], float]


class Search(Protocol):
    def __call__(self, run: Run) -> None: ...


@dataclass(frozen=True)
class Engine:
    """``needs`` is the package it comes from; ``uses_budget``: it plans for so many trials."""

    search: Search
    needs: str = "hpmagic"
    uses_budget: bool = False

    @property
    def installed(self) -> bool:
        return find_spec(self.needs) is not None


# The plain ones.


def random_search(run: Run) -> None:
    rng = np.random.default_rng([run.seed, 1])
    if run.start is not None:
        run.evaluate(run.task.complete(run.start))
    while True:
        run.evaluate(run.task.random(rng))


def grid_search(run: Run) -> None:
    """As fine a grid as the budget holds, visited in random order; then random points."""
    rng = np.random.default_rng([run.seed, 2])
    if run.start is not None:
        run.evaluate(run.task.complete(run.start))
    parameters = [knob.parameter for knob in run.task.knobs]
    most = [p.distribution.size or math.inf if p.distribution else 1 for p in parameters]
    points = [1] * len(parameters)
    grew = True
    while grew:
        grew = False
        for index in rng.permutation(len(parameters)):
            finer = points[index] + 1
            if finer <= most[index] and math.prod(points) // points[index] * finer <= run.budget:
                points[index], grew = finer, True
    units = np.stack(
        np.meshgrid(*[(np.arange(k) + 0.5) / k for k in points], indexing="ij"), axis=-1
    ).reshape(-1, len(parameters))
    for row in rng.permutation(units):
        pairs = zip(parameters, row, strict=True)
        values = {p.name: p.distribution.from_unit(float(u)) for p, u in pairs if p.distribution}
        run.evaluate(run.task.complete(values))
    random_search(Run(run.task, run.budget, run.seed, None, run.evaluate))


# hpmagic's own.


def hpmagic_tuner(name: str) -> Search:
    def search(run: Run) -> None:
        from hpmagic.records import Direction, Objective, Origin, Trial, TrialState
        from hpmagic.space import SearchSpace
        from hpmagic.tuners.base import TunerContext

        space = SearchSpace(tuple(knob.parameter for knob in run.task.knobs))
        objectives = (Objective("cost", Direction.MINIMIZE),)
        number = 0

        def context(tree: Any) -> TunerContext:
            return TunerContext(space, objectives, run.budget, run.seed, tree)

        make, tree = _tuner(name)
        tuner = make(context(tree))
        rng = np.random.default_rng([run.seed, 3])
        default = run.start
        while True:
            proposal = None if default is not None else tuner.ask()
            assert proposal is not None or default is not None, f"{name} has nothing left to try"
            walk = tree.walk() if tree is not None else None
            values: dict[str, Any] = {}
            for knob in run.task.knobs:
                if not knob.reached(values):
                    continue
                parameter = knob.parameter
                if default is not None:
                    values[parameter.name] = default[parameter.name]
                    if walk is not None:
                        walk.fix(parameter, default[parameter.name])
                elif walk is not None:
                    values[parameter.name] = walk.draw(parameter, proposal.suggest, lambda: rng)
                else:
                    values[parameter.name] = proposal.suggest(parameter)
            cost = run.evaluate(values)
            if walk is not None:
                walk.end(complete=True)
            tuner.tell(
                Trial(
                    number=number,
                    state=TrialState.COMPLETE,
                    params=values,
                    distributions={n: space[n].distribution for n in values},
                    values=(cost,),
                    metrics={"cost": cost},
                    curves={},
                    origin=Origin.DEFAULT if default is not None else Origin.TUNER,
                    start=0.0,
                    duration=0.0,
                )
            )
            number, default = number + 1, None

    return search


def _tuner(name: str) -> tuple[Callable[[Any], Any], Any]:
    """A tuner's maker and a tree to go with it; `bayes` can do without the tree."""
    if name == "bayes":
        from hpmagic.tuners.bayes import BayesTuner

        return BayesTuner, None
    from hpmagic.tuners.registry import get_tuner
    from hpmagic.tuners.tree import ExecutionTree

    return get_tuner(name).make, ExecutionTree()


# Optuna.


def optuna_sampler(make: Callable[[int], Any]) -> Search:
    def search(run: Run) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=make(run.seed))
        if run.start is not None:
            reached = run.task.complete(run.start)
            study.enqueue_trial(
                {
                    k.parameter.name: _code(k.parameter, reached[k.parameter.name])
                    for k in run.task.knobs
                    if k.parameter.name in reached
                }
            )

        def objective(trial: Any) -> float:
            values: dict[str, Any] = {}
            for knob in run.task.knobs:
                if knob.reached(values):
                    values[knob.parameter.name] = _optuna_value(trial, knob.parameter)
            return run.evaluate(values)

        study.optimize(objective, n_trials=run.budget)

    return search


def _optuna_value(trial: Any, parameter: Parameter) -> Any:
    name, distribution = parameter.name, parameter.distribution
    if isinstance(distribution, Uniform):
        return trial.suggest_float(name, distribution.low, distribution.high)
    if isinstance(distribution, LogUniform):
        return trial.suggest_float(name, distribution.low, distribution.high, log=True)
    if isinstance(distribution, Int):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, Ordinal):
        return distribution.options[trial.suggest_int(name, 0, distribution.size - 1)]
    assert isinstance(distribution, Choice)
    return trial.suggest_categorical(name, distribution.options)


def _code(parameter: Parameter, value: Any) -> Any:
    """An ordered list's value as its place."""
    distribution = parameter.distribution
    return distribution.index(value) if isinstance(distribution, Ordinal) else value


def _tpe(seed: int) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=seed)


def _gp(seed: int) -> Any:
    import optuna

    return optuna.samplers.GPSampler(seed=seed)


def _cmaes(seed: int) -> Any:
    import optuna

    return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)


# hyperopt, with its own conditional spaces.


def hyperopt_tpe(run: Run) -> None:
    import hyperopt
    from hyperopt.fmin import generate_trials_to_calculate

    knobs = run.task.knobs
    labels: list[str] = []
    children: dict[str, list[Knob]] = {}
    for knob in knobs:
        if knob.when is not None:
            children.setdefault(knob.when[0], []).append(knob)

    def node(knob: Knob, prefix: str) -> Any:
        """A knob's values, each with what it opens below it."""
        name, distribution = prefix + knob.parameter.name, knob.parameter.distribution
        labels.append(name)
        hp = hyperopt.hp
        below = children.get(knob.parameter.name, [])
        if below:
            assert distribution is not None
            branches = [
                {
                    "value": value,
                    **{
                        k.parameter.name: node(k, f"{prefix}{knob.parameter.name}={value}/")
                        for k in below
                        if k.when is not None and value in k.when[1]
                    },
                }
                for value in distribution.grid()
            ]
            return hp.choice(name, branches)
        if isinstance(distribution, Uniform):
            return hp.uniform(name, distribution.low, distribution.high)
        if isinstance(distribution, LogUniform):
            return hp.loguniform(name, math.log(distribution.low), math.log(distribution.high))
        if isinstance(distribution, Int) and distribution.log:
            low, high = math.log(distribution.low - 0.5), math.log(distribution.high + 0.5)
            return hyperopt.pyll.scope.int(hp.qloguniform(name, low, high, 1))
        if isinstance(distribution, Int):
            return hyperopt.pyll.scope.int(
                hp.quniform(name, distribution.low, distribution.high, 1)
            )
        if isinstance(distribution, Ordinal):
            return hyperopt.pyll.scope.int(hp.quniform(name, 0, distribution.size - 1, 1))
        assert isinstance(distribution, Choice)
        return hp.choice(name, list(distribution.options))

    def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in tree.items():
            if isinstance(value, Mapping):
                values[name] = value["value"]
                values |= flat({k: v for k, v in value.items() if k != "value"})
            else:
                values[name] = value
        return values

    def objective(tree: Mapping[str, Any]) -> float:
        values = flat(tree)
        config: dict[str, Any] = {}
        for knob in knobs:
            if knob.reached(config):
                distribution, value = knob.parameter.distribution, values[knob.parameter.name]
                if isinstance(distribution, Ordinal):
                    value = distribution.options[value]
                elif isinstance(distribution, Int | LogUniform | Uniform):
                    value = min(max(value, distribution.low), distribution.high)
                config[knob.parameter.name] = value
        return run.evaluate(config)

    def started(knob: Knob, prefix: str, config: Config) -> dict[str, Any]:
        """The default in hyperopt's words: labels, and places for choices."""
        if knob.parameter.name not in config:
            return {}
        value, distribution = config[knob.parameter.name], knob.parameter.distribution
        below = children.get(knob.parameter.name, [])
        assert distribution is not None
        if below:
            place: Any = list(distribution.grid()).index(value)
        else:
            place = distribution.index(value) if isinstance(distribution, Choice) else value
        point = {prefix + knob.parameter.name: place}
        for child in below:
            point |= started(child, f"{prefix}{knob.parameter.name}={value}/", config)
        return point

    tops = [knob for knob in knobs if knob.when is None]
    space = {knob.parameter.name: node(knob, "") for knob in tops}
    trials = hyperopt.Trials()
    if run.start is not None:
        config = run.task.complete(run.start)
        point = {k: v for top in tops for k, v in started(top, "", config).items()}
        trials = generate_trials_to_calculate([point])
        for document in trials._dynamic_trials:  # it forgets what the point does not reach
            for label in labels:
                document["misc"]["idxs"].setdefault(label, [])
                document["misc"]["vals"].setdefault(label, [])
    hyperopt.fmin(
        objective,
        space,
        algo=hyperopt.tpe.suggest,
        max_evals=run.budget,
        trials=trials,
        rstate=np.random.default_rng(run.seed),
        show_progressbar=False,
        verbose=False,
        catch_eval_exceptions=False,
    )


# nevergrad.


def nevergrad_ngopt(run: Run) -> None:
    import nevergrad as ng

    warnings.simplefilter("ignore")

    def variable(parameter: Parameter) -> Any:
        distribution = parameter.distribution
        if isinstance(distribution, Uniform):
            return ng.p.Scalar(lower=distribution.low, upper=distribution.high)
        if isinstance(distribution, LogUniform):
            return ng.p.Log(lower=distribution.low, upper=distribution.high)
        if isinstance(distribution, Int) and distribution.log:
            log = ng.p.Log(lower=distribution.low, upper=distribution.high)
            log.set_integer_casting()
            return log
        if isinstance(distribution, Int):
            scalar = ng.p.Scalar(lower=distribution.low, upper=distribution.high)
            return scalar.set_integer_casting()
        if isinstance(distribution, Ordinal):
            return ng.p.TransitionChoice(list(distribution.options))
        assert isinstance(distribution, Choice)
        return ng.p.Choice(list(distribution.options))

    parameters = [knob.parameter for knob in run.task.knobs]
    space = ng.p.Dict(**{p.name: variable(p) for p in parameters})
    space.random_state.seed(run.seed)
    optimizer = ng.optimizers.NGOpt(parametrization=space, budget=run.budget)
    if run.start is not None:
        optimizer.suggest(dict(run.start))
    while True:
        candidate = optimizer.ask()
        optimizer.tell(candidate, run.evaluate(run.task.complete(candidate.value)))


# FLAML.


def flaml_search(run: Run) -> None:
    import logging
    import sys

    # FLAML runs trials itself; where Ray is installed it would import it all the same.
    sys.modules.setdefault("ray", None)  # type: ignore[arg-type]
    from flaml import tune

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")

    def variable(parameter: Parameter) -> Any:
        distribution = parameter.distribution
        if isinstance(distribution, Uniform):
            return tune.uniform(distribution.low, distribution.high)
        if isinstance(distribution, LogUniform):
            return tune.loguniform(distribution.low, distribution.high)
        if isinstance(distribution, Int):
            kind = tune.lograndint if distribution.log else tune.randint
            return kind(distribution.low, distribution.high + 1)
        if isinstance(distribution, Ordinal):
            return tune.randint(0, distribution.size)
        assert isinstance(distribution, Choice)
        return tune.choice(list(distribution.options))

    def objective(values: Mapping[str, Any]) -> dict[str, float]:
        plain: dict[str, Any] = {}
        for knob in run.task.knobs:
            distribution, value = knob.parameter.distribution, values[knob.parameter.name]
            plain[knob.parameter.name] = (
                distribution.options[value] if isinstance(distribution, Ordinal) else value
            )
        return {"cost": run.evaluate(run.task.complete(plain))}

    rng = np.random.default_rng([run.seed, 4])
    parameters = [knob.parameter for knob in run.task.knobs]
    start = run.start or {p.name: draw(p, rng) for p in parameters}
    point = {p.name: _code(p, start[p.name]) for p in parameters}
    np.random.seed(run.seed)
    tune.run(
        objective,
        config={p.name: variable(p) for p in parameters},
        metric="cost",
        mode="min",
        num_samples=run.budget,
        low_cost_partial_config={},
        points_to_evaluate=[point],
        verbose=0,
    )


ENGINES: dict[str, Engine] = {
    "random": Engine(random_search),
    "grid": Engine(grid_search, uses_budget=True),
    "optuna-tpe": Engine(optuna_sampler(_tpe), needs="optuna"),
    "optuna-gp": Engine(optuna_sampler(_gp), needs="torch"),
    "optuna-cmaes": Engine(optuna_sampler(_cmaes), needs="cmaes"),
    "hyperopt": Engine(hyperopt_tpe, needs="hyperopt"),
    "nevergrad": Engine(nevergrad_ngopt, needs="nevergrad", uses_budget=True),
    "flaml": Engine(flaml_search, needs="flaml"),
    "ax": Engine(ax_client, needs="ax"),
    "smac": Engine(smac_facade(), needs="smac", uses_budget=True),
    "smac-1": Engine(smac_facade(retrain_after=1), needs="smac", uses_budget=True),
    "hebo": Engine(hebo_optimizer, needs="hebo"),
    "skopt": Engine(skopt_optimizer, needs="skopt"),
    "bayes": Engine(hpmagic_tuner("bayes")),
    "auto": Engine(hpmagic_tuner("auto"), needs="hpmagic.tuners.auto", uses_budget=True),
}
