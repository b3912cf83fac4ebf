"""The process's own state, put back around each trial."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import is_
from types import ModuleType
from typing import Any, NamedTuple

from hpmagic.execution.heap.world import World
from hpmagic.execution.loggers import Loggers
from hpmagic.execution.process_state import imported, take_settings
from hpmagic.execution.warning_filters import WarningFilters, warn_anew

__all__ = ["Isolation", "Surroundings"]


_BUILTINS = vars(builtins)
_all, _len, _map = all, len, map  # what a cell may have replaced in the builtins


class _Generator(NamedTuple):
    """A library's global random state, and how to put it back."""

    state: Any
    put_back: Callable[[Any], object]


@dataclass(frozen=True)
class Surroundings:
    """Random states, settings and the person's own modules, as they stood at one moment."""

    random: Mapping[str, _Generator]
    settings: list[Callable[[], object]]
    modules: Mapping[str, ModuleType]


class Isolation:
    """Gives every trial the random state the study began with, and undoes what a trial sets.

    Random states of `random`, numpy and torch are those at the study's start. Environment
    variables, working directory, import path, warning filters, logging handlers, builtins and the
    settings of numpy, pandas, scikit-learn, matplotlib and torch are put back to what they were
    when the trial began; modules of the person's own that a trial imported are forgotten, so that
    the next one imports them anew. A library that is not imported yet is taken into care once it
    is.
    """

    def __init__(self, world: World | None = None) -> None:
        self._world = World({}) if world is None else world
        self._generators: dict[str, _Generator] = {}
        self._settings: list[Callable[[], object]] = []
        self._modules: Mapping[str, ModuleType] = {}
        self._filters = WarningFilters()
        self._loggers = Loggers(self._world)
        self._builtins: dict[str, Any] = {}
        self.meddled = False
        """Whether the last trial replaced functions of Python's own."""
        self._find_generators()

    def begin(self) -> None:
        """Call before the trial."""
        self._builtins, self.meddled = _BUILTINS.copy(), False
        self._find_generators()
        self.reset_random()
        self._settings = self._take()
        warn_anew()
        self._modules = self._world.own_modules()

    def builtins_changed(self) -> bool:
        """Whether the trial has put something else in the place of one of Python's builtins."""
        now, before = vars(builtins), self._builtins
        return any(now.get(name) is not before[name] for name in before if name != "_")

    def put_builtins_back(self) -> None:
        """Call as soon as the cell's code is over: everything else relies on them."""
        now, before = _BUILTINS, self._builtins
        if _len(now) == _len(before) and _all(_map(is_, now.values(), before.values())):
            return
        for name, value in before.items():
            if name != "_" and now.get(name) is not value:  # `_` is the shell's last result
                now[name] = value
                self.meddled = True
        for name in [*now]:
            if name not in before and name != "_":
                del now[name]

    def end(self) -> Mapping[str, ModuleType]:
        """Call after the trial; gives the modules that it imported. Never raises."""
        imported = self._world.own_modules()
        _set_all(self._settings)
        _set_modules(self._world, self._modules)
        self._settings = []
        return {n: m for n, m in imported.items() if self._modules.get(n) is not m}

    def add_modules(self, modules: Mapping[str, ModuleType]) -> None:
        """Let the modules that a trial imported be imported."""
        sys.modules.update(modules)

    def surroundings(self) -> Surroundings:
        """The state at this moment of a trial; call it in the context in which the trial runs."""
        self._find_generators()
        random = {name: _FINDERS[name](sys.modules[name]) for name in self._generators}
        return Surroundings(random, self._take(), self._world.own_modules())

    def resume(self, surroundings: Surroundings) -> None:
        """Within a trial, put the state to that of another moment; in the trial's context."""
        for generator in surroundings.random.values():
            generator.put_back(generator.state)
        _set_all(surroundings.settings)
        _set_modules(self._world, surroundings.modules)

    def reset_random(self) -> None:
        """Put the random states back to the study's start."""
        for generator in self._generators.values():
            generator.put_back(generator.state)

    def _find_generators(self) -> None:
        for library, find in _FINDERS.items():
            if library not in self._generators and (module := imported(library)):
                with contextlib.suppress(AttributeError, KeyError):  # of another version
                    self._generators[library] = find(module)

    def _take(self) -> list[Callable[[], object]]:
        return [self._filters.take(), self._loggers.take(), *take_settings()]


def _set_all(settings: list[Callable[[], object]]) -> None:
    for undo in settings:
        try:
            undo()
        except Exception:  # noqa: BLE001, S112 - the others are to be set again, too
            continue


def _set_modules(world: World, modules: Mapping[str, ModuleType]) -> None:
    """Let ``modules`` be the person's own among the imported ones."""
    for name, module in world.own_modules().items():
        if modules.get(name) is not module:
            del sys.modules[name]
            _detach(name, module)
    for name, module in modules.items():
        if sys.modules.get(name) is not module:
            sys.modules[name] = module
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], last, module)


def _detach(name: str, module: ModuleType) -> None:
    parent, _, last = name.rpartition(".")
    package = sys.modules.get(parent)
    if package is not None and vars(package).get(last) is module:
        delattr(package, last)


def _python(module: Any) -> _Generator:
    return _Generator(module.getstate(), module.setstate)


def _numpy(module: Any) -> _Generator:
    state = module.random.get_state(legacy=False)
    words = _words_of(module)

    def put_back(state: Any) -> None:
        # To set it takes longer than many a trial. Whoever draws moves the words on, but for
        # the second of a pair of normal numbers.
        if state["has_gauss"] or words is None or _words_of(module) != words:
            module.random.set_state(state)

    return _Generator(state, put_back)


def _words_of(numpy: Any) -> bytes | None:
    """What numpy's global Mersenne twister consists of: 624 words and the place among them."""
    try:
        bits = numpy.random.get_bit_generator()
        if type(bits) is not numpy.random.MT19937:
            return None
        return ctypes.string_at(bits.ctypes.state_address, 625 * 4)
    except Exception:  # noqa: BLE001 - other versions of numpy
        return None


def _torch(module: Any) -> _Generator:
    cuda = module.cuda
    states = (
        module.get_rng_state(),
        cuda.get_rng_state_all() if cuda.is_available() and cuda.is_initialized() else None,
    )

    def put_back(states: tuple[Any, Any]) -> None:
        module.set_rng_state(states[0])
        if states[1] is not None:
            cuda.set_rng_state_all(states[1])

    return _Generator(states, put_back)


_FINDERS: dict[str, Callable[[Any], _Generator]] = {
    "random": _python,
    "numpy": _numpy,
    "torch": _torch,
}
