"""Which tuners there are: ours, those that need a package of their own, and other packages'.

`OPTIONAL` ones are always listed, and say what to install when that is missing. Another package
offers a tuner by an entry point of the group ``hpmagic.tuners`` that names a `TunerInfo`. It is
loaded when it is asked for. Our own names cannot be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from hpmagic.errors import TunerError, nearest
from hpmagic.tuners.base import Tuner, TunerContext, TunerInfo

__all__ = ["GROUP", "OPTIONAL", "get_tuner", "is_installed", "known_tuners", "summaries"]

GROUP = "hpmagic.tuners"
"""The entry point group."""


def _from(module: str, name: str) -> Callable[[TunerContext], Tuner]:
    """A tuner's class, imported when the first one is made."""

    def make(context: TunerContext) -> Tuner:
        cls: Any = getattr(import_module(f"hpmagic.tuners.{module}"), name)
        tuner: Tuner = cls(context)
        return tuner

    return make


_OURS = {
    info.name: info
    for info in (
        TunerInfo(
            "auto",
            "chooses one of the others by the space and the number of trials, and says why",
            _from("auto", "AutoTuner"),
            learns_from_earlier=True,
        ),
        TunerInfo(
            "manual",
            "your own combinations: from --try, then from lists in the cell, side by side",
            _from("manual", "ManualTuner"),
            plans=True,
        ),
        TunerInfo(
            "grid",
            "every combination once; a range needs n=, the number of its values",
            _from("grid", "GridTuner"),
            plans=True,
        ),
        TunerInfo("random", "independent draws between the bounds", _from("random", "RandomTuner")),
        TunerInfo(
            "bayes",
            "a Gaussian process learns from the trials; best for 10 to 100 of them",
            _from("bayes", "BayesTuner"),
            many_objectives=False,
            learns_from_earlier=True,
        ),
        TunerInfo(
            "tpe",
            "Parzen estimators, from Optuna; branches, many trials, several objectives",
            _from("optuna", "TpeTuner"),
        ),
        TunerInfo(
            "cmaes",
            "an evolution strategy, from Optuna; numbers only, hundreds of trials",
            _from("optuna", "CmaesTuner"),
            many_objectives=False,
        ),
        TunerInfo(
            "qmc", "Sobol points: evenly spread over the space", _from("sobol", "SobolTuner")
        ),
        TunerInfo(
            "nsga2",
            "a genetic algorithm, from Optuna; several objectives, hundreds of trials",
            _from("optuna", "Nsga2Tuner"),
        ),
    )
}


OPTIONAL = {
    info.name: info
    for info in (
        TunerInfo(
            "hyperopt",
            "Parzen estimators, from hyperopt",
            _from("plugins.hyperopt", "HyperoptTuner"),
            many_objectives=False,
        ),
        TunerInfo(
            "nevergrad",
            "an algorithm that nevergrad chooses by the space and the trials",
            _from("plugins.nevergrad", "NevergradTuner"),
            many_objectives=False,
        ),
    )
}
"""Tuners that need the package of their own name."""


def is_installed(name: str) -> bool:
    """Whether the package that a tuner needs is there."""
    return name not in OPTIONAL or find_spec(name) is not None


def known_tuners() -> tuple[str, ...]:
    """The names of all tuners, ours first. Loads none of them.

    >>> known_tuners()[:4]
    ('auto', 'manual', 'grid', 'random')
    """
    return (*_OURS, *OPTIONAL, *_theirs())


def summaries() -> dict[str, str]:
    """What each tuner does, in one line, by name. Loads none of them."""
    ours = {name: info.summary for name, info in _OURS.items()}
    for name, info in OPTIONAL.items():
        ours[name] = info.summary + ("" if is_installed(name) else f" (pip install {name})")
    return ours | {name: f"from the package {_package(point)}" for name, point in _theirs().items()}


def get_tuner(name: str) -> TunerInfo:
    """The tuner of this name.

    Raises:
        TunerError: there is none, with the nearest name; the package that it needs is not
            installed; or another package's cannot be loaded.
    """
    if name in _OURS:
        return _OURS[name]
    if name in OPTIONAL:
        if not is_installed(name):
            raise TunerError(
                f"tuner `{name}` needs the package {name}, which is not installed: "
                f"`%pip install {name}`"
            )
        return OPTIONAL[name]
    point = _theirs().get(name)
    if point is None:
        known = known_tuners()
        hint = nearest(name, known) or f"; there are {', '.join(known)}"
        raise TunerError(f"unknown tuner `{name}`{hint}")
    return _load(name, point)


def _theirs() -> dict[str, EntryPoint]:
    found = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return {point.name: point for point in reversed(found) if point.name not in {*_OURS, *OPTIONAL}}


def _load(name: str, point: EntryPoint) -> TunerInfo:
    where = f"tuner `{name}` of the package {_package(point)} ({point.value})"
    try:
        info = point.load()
    except Exception as error:
        raise TunerError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(info, TunerInfo):
        raise TunerError(f"{where} is no TunerInfo, but a {type(info).__name__}")
    return replace(info, name=name)


def _package(point: EntryPoint) -> str:
    return "unknown" if point.dist is None else point.dist.name
