"""Fan-out: parts of a job as Prefect tasks, in processes of this machine or on a Dask cluster.

Threads would not do: Keras keeps its random state and its graphs per process.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect import flow, task
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from tidegate.errors import ServiceError, UserError
from tidegate.workspace import settings
from tidegate.workspace.parallel import ParallelMap, map_parts_with

DASK = "TIDEGATE_DASK"


@task(name="piece", task_run_name="{name}", persist_result=False)
def run_part(name: str, work: Callable[[Any], Any], item: Any) -> Any:
    """Do the work of one part."""
    return work(item)


@contextmanager
def parallel_workers(workers: int) -> Iterator[ParallelMap]:
    """Within a flow: give a parallel map over `workers` processes, or over the cluster that TIDEGATE_DASK names.

    Raises:
        UserError: a cluster is named, but prefect-dask is not installed.
        ServiceError: the cluster does not answer, or has no workers.
    """
    with _runner(workers) as runner:
        yield _parallel_map(runner)


def _parallel_map(runner: TaskRunner[Any]) -> ParallelMap:
    def parallel_map(work: Callable[[Any], Any], parts: Mapping[str, Any]) -> list[Any]:
        futures = [runner.submit(run_part, {"name": name, "work": work, "item": item}) for name, item in parts.items()]
        return [future.result() for future in futures]

    return parallel_map


@contextmanager
def parallel_station_groups() -> Iterator[None]:
    """Within a flow: process a stage's groups of stations in parallel, as `runner` in params.yaml says."""
    name = settings.load_settings().runner
    if name == "none":
        yield
        return
    with _runner_named(name) as runner, map_parts_with(_parallel_map(runner)):
        yield


@flow(name="shared-out", validate_parameters=False)
def with_parallel_groups(work: Callable[[], Any]) -> Any:
    """Do a stage's work, with its groups of stations in parallel; give its result."""
    with parallel_station_groups():
        return work()


def _runner_named(name: str) -> TaskRunner[Any]:
    cores = len(os.sched_getaffinity(0))
    if name == "processes":
        return ProcessPoolTaskRunner(max_workers=cores)
    return _dask(None if name == "dask" else name, cores)


def _runner(workers: int) -> TaskRunner[Any]:
    address = os.environ.get(DASK)
    return _dask(address, workers) if address else ProcessPoolTaskRunner(max_workers=workers)


def _dask(address: str | None, workers: int) -> TaskRunner[Any]:
    try:
        from distributed import Client
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise UserError(
            f"Dask ({address or 'a cluster of its own'}) is needed, but not installed: pip install prefect-dask."
        ) from None
    if address is None:
        return DaskTaskRunner(cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None})
    try:
        with Client(address, timeout="10s") as client:
            has_workers = bool(client.scheduler_info()["workers"])
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"No Dask scheduler answers at {address} ({error}): start one, or name another, in {DASK} or runner."
        ) from None
    if not has_workers:
        raise ServiceError(f"The Dask scheduler at {address} has no workers: start one in this workspace.")
    return DaskTaskRunner(address=address)
