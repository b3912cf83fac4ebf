"""Small clusters on this machine, one for all tests that ask for it."""

from __future__ import annotations

import warnings

import pytest
from engine_study import dask_kind, ray_kind


@pytest.fixture(scope="session")
def ray_cluster():
    """Engines on a Ray cluster with room for two trials at a time."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "120")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray_kind()
        ray.shutdown()


@pytest.fixture(scope="session")
def dask_cluster():
    """Engines on a Dask cluster of two workers."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield dask_kind(cluster.scheduler_address)
