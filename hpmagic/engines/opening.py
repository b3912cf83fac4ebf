"""The engine that a person's options ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from hpmagic.engines.base import Engine
from hpmagic.engines.local import LocalEngine
from hpmagic.engines.messages import MlflowRun
from hpmagic.engines.moving import MOVED, SHARED, MovingEngine
from hpmagic.engines.parcel import Parcel, RunnerSpec, pack
from hpmagic.errors import EngineError, OptionError
from hpmagic.options import StudyConfig
from hpmagic.space import SearchSpace

__all__ = ["Kernel", "Runs", "check_options", "open_engine"]


class Kernel(Protocol):
    """What an engine needs to know of where the study was started."""

    @property
    def namespace(self) -> MutableMapping[str, Any]: ...

    @property
    def shell(self) -> Any: ...


class Runs(Protocol):
    """Where a trial's own MLflow calls go."""

    def trial_run(self, number: int) -> AbstractContextManager[None]:
        """A context for a trial in the kernel."""
        ...

    def run_of(self, number: int) -> tuple[str, str] | None:
        """MLflow's URI and a run, for a trial elsewhere."""
        ...


def check_options(config: StudyConfig) -> None:
    """Refuse options that the chosen engine has no use for.

    Raises:
        OptionError: names the option and the engines that take it.
    """
    if config.engine != "local":
        return
    for name in ("address", "cpus_per_trial", "gpus_per_trial"):
        if getattr(config, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise OptionError(f"{flag} is for a cluster: add --engine ray or --engine dask")


def open_engine(
    config: StudyConfig, spec: RunnerSpec, kernel: Kernel, space: SearchSpace, runs: Runs
) -> Engine:
    """Make the engine; workers, if there are any, begin to start at once.

    Args:
        config: the options.
        spec: how the cell is run.
        kernel: the person's namespace and shell.
        space: the study's search space.
        runs: where a trial's own MLflow calls go.

    Raises:
        EngineError: the engine cannot be had, or a variable cannot be sent to its workers.
        MissingExtra: the engine's library is not installed.
    """
    namespace, shell = kernel.namespace, kernel.shell
    if not isinstance(namespace, dict):
        raise TypeError(f"the namespace must be a dict, not {type(namespace).__name__}")

    def mlflow_run(number: int) -> MlflowRun | None:
        run = runs.run_of(number)
        return None if run is None else MlflowRun(*run)

    if config.engine != "local":
        return _cluster(config, spec, namespace, space=space, shell=shell, mlflow_run=mlflow_run)
    from hpmagic.engines.processes import ProcessEngine

    def processes(parcel: Parcel) -> ProcessEngine:
        return ProcessEngine(
            parcel,
            namespace,
            config.jobs or 1,
            space=space,
            seconds=config.trial_timeout,
            mlflow_run=mlflow_run,
        )

    if config.jobs not in (None, 1) or config.isolation == "process":
        return processes(pack(spec, namespace, shell))
    runner = spec.make(namespace, shell)
    local = LocalEngine(runner, seconds=config.trial_timeout, around_trial=runs.trial_run)
    if config.isolation == "kernel":
        runner.remedy = SHARED
    elif runner.fragile:
        with contextlib.suppress(EngineError):  # then there is nowhere to move to
            parcel = pack(spec, namespace, shell)
            runner.remedy = MOVED
            return MovingEngine(local, parcel, processes)
    return local


def _cluster(
    config: StudyConfig,
    spec: RunnerSpec,
    namespace: dict[str, Any],
    *,
    space: SearchSpace,
    shell: Any,
    mlflow_run: Callable[[int], MlflowRun | None],
) -> Engine:
    from hpmagic.engines.cluster import ClusterEngine, Needs, Transport

    def connect(parcel: Parcel, needs: Needs) -> Transport:
        if config.engine == "ray":
            from hpmagic.engines.ray import RayTransport

            return RayTransport(parcel, needs, config.address, config.jobs)
        from hpmagic.engines.dask import DaskTransport

        return DaskTransport(parcel, needs, config.address, config.jobs)

    needs = Needs(config.cpus_per_trial, config.gpus_per_trial, config.trial_timeout)
    return ClusterEngine(
        spec, namespace, connect, needs, space=space, shell=shell, mlflow_run=mlflow_run
    )
