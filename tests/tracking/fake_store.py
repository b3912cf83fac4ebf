"""A store in memory that answers as MLflow's client does, and clients that fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE


class Page(list[Any]):
    token = None


class FakeClient:
    """As much of ``MlflowClient`` as a study needs; runs are kept in `stored`."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.experiments = {"Default": "0"}

    def get_experiment(self, experiment_id: str) -> Any:
        name = next(n for n, i in self.experiments.items() if i == experiment_id)
        return SimpleNamespace(experiment_id=experiment_id, name=name, lifecycle_stage="active")

    def get_experiment_by_name(self, name: str) -> Any:
        return self.get_experiment(self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name: str) -> str:
        if name in self.experiments:
            raise MlflowException(f"{name} exists", INVALID_PARAMETER_VALUE)
        self.experiments[name] = str(len(self.experiments))
        return self.experiments[name]

    def create_run(
        self, experiment_id: str, start_time: int, tags: dict[str, str], run_name: str
    ) -> Any:
        run = SimpleNamespace(
            info=SimpleNamespace(
                run_id=f"{len(self.stored):032x}",
                run_name=run_name,
                experiment_id=experiment_id,
                status="RUNNING",
                start_time=start_time,
                end_time=None,
                lifecycle_stage="active",
            ),
            data=SimpleNamespace(
                tags={**tags, "mlflow.runName": run_name}, params={}, metrics={}, points=set()
            ),
            files={},
        )
        self.stored[run.info.run_id] = run
        return run

    def get_run(self, run_id: str) -> Any:
        return self.stored[run_id]

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        run = self._active(run_id)
        for param in params:
            if run.data.params.get(param.key, param.value) != param.value:
                raise MlflowException("params cannot be changed", INVALID_PARAMETER_VALUE)
        run.data.params |= {param.key: param.value for param in params}
        run.data.tags |= {tag.key: tag.value for tag in tags}
        run.info.run_name = run.data.tags["mlflow.runName"]
        run.data.points |= {(m.key, m.step, m.timestamp, m.value) for m in metrics}
        for key, _, _, value in sorted(run.data.points):
            run.data.metrics[key] = value

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        run = self._active(run_id)
        run.info.status, run.info.end_time = status, end_time

    def update_run(self, run_id: str, status: str) -> None:
        self._active(run_id).info.status = status

    def log_artifacts(self, run_id: str, local_dir: str) -> None:
        folder = Path(local_dir)
        self._active(run_id).files |= {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def delete_run(self, run_id: str) -> None:
        self._active(run_id).info.lifecycle_stage = "deleted"

    def search_runs(self, experiment_ids: Any, condition: str, **_: Any) -> Page:
        tags = dict(re.findall(r"tags\.`([^`]+)` = '([^']*)'", condition))
        return Page(
            run
            for run in self.stored.values()
            if run.info.lifecycle_stage == "active"
            and run.info.experiment_id in experiment_ids
            and all(run.data.tags.get(key) == value for key, value in tags.items())
        )

    def children(self) -> list[Any]:
        """The runs of trials that are not deleted."""
        return [
            run
            for run in self.stored.values()
            if run.info.lifecycle_stage == "active" and run.data.tags["hpmagic.kind"] == "trial"
        ]

    def _active(self, run_id: str) -> Any:
        run = self.stored[run_id]
        if run.info.lifecycle_stage != "active":
            raise MlflowException("the run must be active", INVALID_PARAMETER_VALUE)
        return run


class FaultyClient:
    """A client some of whose requests fail, before or after they have been carried out.

    ``fate`` is asked for each request, by its count from 0: "fine", "refused" (nothing happened) or
    "lost" (it happened, and the answer did not arrive).
    """

    def __init__(self, client: Any, fate: Callable[[int], str]) -> None:
        self.client = client
        self.count = 0
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def request(*args: Any, **options: Any) -> Any:
            fate = self._fate(self.count)
            self.count += 1
            if fate == "refused":
                raise MlflowException("connection refused", TEMPORARILY_UNAVAILABLE)
            answer = method(*args, **options)
            if fate == "lost":
                raise MlflowException("connection reset", TEMPORARILY_UNAVAILABLE)
            return answer

        return request
