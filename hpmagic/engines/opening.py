"""The engine that a person's options ask for."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from hpmagic.engines.base import Engine
from hpmagic.engines.local import LocalEngine
from hpmagic.engines.parcel import RunnerSpec
from hpmagic.options import StudyConfig
from hpmagic.space import SearchSpace

__all__ = ["open_engine"]


class Kernel(Protocol):
    """What an engine needs to know of where the study was started."""

    @property
    def namespace(self) -> MutableMapping[str, Any]: ...

    @property
    def shell(self) -> Any: ...


def open_engine(
    config: StudyConfig,
    spec: RunnerSpec,
    kernel: Kernel,
    space: SearchSpace,
    around_trial: Callable[[int], AbstractContextManager[object]],
) -> Engine:
    """Make the engine; workers, if there are any, begin to start at once.

    Args:
        config: the options.
        spec: how the cell is run.
        kernel: the person's namespace and shell.
        space: the study's search space.
        around_trial: a context for each trial in the kernel.

    Raises:
        EngineError: the engine cannot be had, or a variable cannot be sent to its workers.
    """
    namespace, shell = kernel.namespace, kernel.shell
    if not isinstance(namespace, dict):
        raise TypeError(f"the namespace must be a dict, not {type(namespace).__name__}")
    if config.jobs is None or config.jobs == 1:
        runner = spec.make(namespace, shell)
        return LocalEngine(runner, seconds=config.trial_timeout, around_trial=around_trial)
    from hpmagic.engines.processes import ProcessEngine

    return ProcessEngine(
        spec, namespace, config.jobs, space=space, shell=shell, seconds=config.trial_timeout
    )
