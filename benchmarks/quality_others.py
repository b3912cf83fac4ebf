"""The engines of `quality.py` that take long: Ax, SMAC3, HEBO and scikit-optimize.

Each runs with the settings its library starts with for trials one by one, and is told of the
person's default before it is first asked. All but SMAC3 are given flat spaces: HEBO and
scikit-optimize have no others, and in Ax's trees a parameter may hang below one value only.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hpmagic.distributions import Choice, Int, LogUniform, Ordinal, Uniform
from hpmagic.space import Parameter

if TYPE_CHECKING:
    from quality_engines import Run, Search
    from quality_tasks import Config

__all__ = ["ax_client", "hebo_optimizer", "skopt_optimizer", "smac_facade"]


def ax_client(run: Run) -> None:
    import torch
    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    _be_quiet()
    torch.set_num_threads(1)

    def variable(parameter: Parameter) -> Any:
        name, distribution = parameter.name, parameter.distribution
        if isinstance(distribution, Choice) and not isinstance(distribution, Ordinal):
            return ChoiceParameterConfig(
                name=name, values=_labels(distribution), parameter_type="str", is_ordered=False
            )
        low, high, log = _bounds(parameter)
        return RangeParameterConfig(
            name=name,
            bounds=(low, high),
            parameter_type="float" if isinstance(low, float) else "int",
            scaling="log" if log else "linear",
        )

    client = Client(random_seed=run.seed)
    client.configure_experiment(parameters=[variable(k.parameter) for k in run.task.knobs])
    client.configure_optimization(objective="-cost")
    words = _words(run)
    index = client.attach_trial(parameters=words) if words else None
    while True:
        if index is None:
            index, words = next(iter(client.get_next_trials(max_trials=1).items()))
        cost = run.evaluate(_config(run, words))
        client.complete_trial(trial_index=index, raw_data={"cost": cost})
        index = None


def smac_facade(retrain_after: int | None = None) -> Search:
    """SMAC3's facade for hyperparameters, which fits its model once in eight trials by default."""

    def search(run: Run) -> None:
        import ConfigSpace
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        _be_quiet()
        start = _words(run)

        def variable(parameter: Parameter) -> Any:
            name, distribution = parameter.name, parameter.distribution
            first = {"default_value": start[name]} if start else {}
            if isinstance(distribution, Choice) and not isinstance(distribution, Ordinal):
                labels = _labels(distribution)
                return ConfigSpace.CategoricalHyperparameter(name, labels, **first)
            low, high, log = _bounds(parameter)
            if isinstance(low, float):
                return ConfigSpace.UniformFloatHyperparameter(name, low, high, log=log, **first)
            return ConfigSpace.UniformIntegerHyperparameter(name, low, high, log=log, **first)

        space = ConfigSpace.ConfigurationSpace(seed=run.seed)
        space.add([variable(knob.parameter) for knob in run.task.knobs])
        above = {knob.parameter.name: knob.parameter for knob in run.task.knobs}
        for knob in run.task.knobs:
            if knob.when is not None:
                parent, values = knob.when
                reached = [_word(above[parent], value) for value in values]
                space.add(
                    ConfigSpace.InCondition(space[knob.parameter.name], space[parent], reached)
                )
        with tempfile.TemporaryDirectory() as folder:
            scenario = Scenario(
                space,
                output_directory=folder,
                deterministic=True,
                n_trials=run.budget,
                seed=run.seed,
            )
            selector = None
            if retrain_after is not None:
                selector = Facade.get_config_selector(scenario, retrain_after=retrain_after)
            facade = Facade(
                scenario,
                lambda config, seed=0: 0.0,
                config_selector=selector,
                logging_level=False,
                overwrite=True,
            )
            info = TrialInfo(space.get_default_configuration(), seed=0) if start else None
            while True:
                info = info or facade.ask()
                cost = run.evaluate(_config(run, dict(info.config)))
                facade.tell(info, TrialValue(cost=cost), save=False)
                info = None

    return search


def hebo_optimizer(run: Run) -> None:
    import pandas as pd
    import torch
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    _be_quiet()
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    np.random.seed(run.seed)

    def variable(parameter: Parameter) -> dict[str, Any]:
        name, distribution = parameter.name, parameter.distribution
        if isinstance(distribution, Choice) and not isinstance(distribution, Ordinal):
            return {"name": name, "type": "cat", "categories": _labels(distribution)}
        low, high, log = _bounds(parameter)
        kinds = ("num", "pow") if isinstance(low, float) else ("int", "pow_int")
        return {"name": name, "type": kinds[log], "lb": low, "ub": high}

    space = DesignSpace().parse([variable(knob.parameter) for knob in run.task.knobs])
    optimizer = HEBO(space, scramble_seed=run.seed)
    start = _words(run)
    rows = pd.DataFrame([start])[space.para_names] if start else None
    while True:
        if rows is None:
            rows = optimizer.suggest()
        cost = run.evaluate(_config(run, rows.iloc[0].to_dict()))
        optimizer.observe(rows, np.array([[cost]]))
        rows = None


def skopt_optimizer(run: Run) -> None:
    """As `gp_minimize`, which itself would not run for fewer than eleven trials."""
    from skopt import Optimizer
    from skopt.space import Categorical, Integer, Real

    _be_quiet()

    def variable(parameter: Parameter) -> Any:
        name, distribution = parameter.name, parameter.distribution
        if isinstance(distribution, Choice) and not isinstance(distribution, Ordinal):
            return Categorical(_labels(distribution), name=name)
        low, high, log = _bounds(parameter)
        kind = Real if isinstance(low, float) else Integer
        return kind(low, high, prior="log-uniform" if log else "uniform", name=name)

    names = [knob.parameter.name for knob in run.task.knobs]
    optimizer = Optimizer(
        [variable(knob.parameter) for knob in run.task.knobs], random_state=run.seed
    )
    start = _words(run)
    point = [start[name] for name in names] if start else None
    while True:
        if point is None:
            point = optimizer.ask()
        cost = run.evaluate(_config(run, dict(zip(names, point, strict=True))))
        optimizer.tell(point, cost)
        point = None


# Words: how all of them are told of values. An ordered list's is its place, and so is a choice's,
# but as text, which no library takes for a quantity.


def _labels(distribution: Choice) -> list[str]:
    return [str(index) for index in range(distribution.size)]


def _bounds(parameter: Parameter) -> tuple[float, float, bool] | tuple[int, int, bool]:
    """The least and the greatest word, and whether they are on a logarithmic scale."""
    distribution = parameter.distribution
    if isinstance(distribution, Ordinal):
        return 0, distribution.size - 1, False
    if isinstance(distribution, Int):
        return distribution.low, distribution.high, distribution.log
    assert isinstance(distribution, Uniform | LogUniform)
    return float(distribution.low), float(distribution.high), isinstance(distribution, LogUniform)


def _word(parameter: Parameter, value: Any) -> Any:
    distribution = parameter.distribution
    if isinstance(distribution, Choice):
        index = distribution.index(value)
        return index if isinstance(distribution, Ordinal) else str(index)
    return value


def _words(run: Run) -> dict[str, Any]:
    """The default in words, nothing without one."""
    if run.start is None:
        return {}
    parameters = [knob.parameter for knob in run.task.knobs]
    return {p.name: _word(p, run.start[p.name]) for p in parameters}


def _config(run: Run, words: Mapping[str, Any]) -> Config:
    """The configuration that words stand for. Logarithms may leave a range by a rounding error."""
    values: dict[str, Any] = {}
    for knob in run.task.knobs:
        parameter = knob.parameter
        if parameter.name in words and knob.reached(values):
            distribution, word = parameter.distribution, words[parameter.name]
            if isinstance(distribution, Choice):
                values[parameter.name] = distribution.options[int(word)]
            else:
                low, high, _ = _bounds(parameter)
                values[parameter.name] = type(low)(min(max(word, low), high))
    return run.task.complete(values)


def _be_quiet() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
