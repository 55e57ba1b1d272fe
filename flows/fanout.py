"""Fan-out: pieces of work as Prefect tasks, in processes of this machine or on a Dask cluster.

Not in threads: Keras holds its random state and its graphs for the whole process.
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
def part(name: str, work: Callable[[Any], Any], given: Any) -> Any:
    """Do one piece."""
    return work(given)


@contextmanager
def parallel_workers(workers: int) -> Iterator[ParallelMap]:
    """Within a flow: have pieces done by so many processes, or by the cluster that TIDEGATE_DASK names.

    Raises:
        UserError: there is an address, and no prefect-dask.
        ServiceError: nobody works there.
    """
    with _runner(workers) as runner:
        yield _spread(runner)


def _spread(runner: TaskRunner[Any]) -> ParallelMap:
    def spread(work: Callable[[Any], Any], pieces: Mapping[str, Any]) -> list[Any]:
        futures = [runner.submit(part, {"name": name, "work": work, "given": given}) for name, given in pieces.items()]
        return [future.result() for future in futures]

    return spread


@contextmanager
def station_groups_shared() -> Iterator[None]:
    """Within a flow: have the groups of stations of a stage done as `runner` in params.yaml says."""
    chosen = settings.load_settings().runner
    if chosen == "none":
        yield
        return
    with _chosen(chosen) as runner, map_parts_with(_spread(runner)):
        yield


@flow(name="shared-out", validate_parameters=False)
def shared_out(work: Callable[[], None]) -> None:
    """Do a stage's work, its groups of stations shared out."""
    with station_groups_shared():
        work()


def _chosen(name: str) -> TaskRunner[Any]:
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
            f"Dask ({address or 'a cluster of its own'}) is asked for, and not installed: pip install prefect-dask."
        ) from None
    if address is None:
        return DaskTaskRunner(cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None})
    try:
        with Client(address, timeout="10s") as client:
            manned = bool(client.scheduler_info()["workers"])
    except (OSError, ValueError) as error:
        raise ServiceError(
            f"No Dask scheduler answers at {address} ({error}): start one, or name another, in {DASK} or runner."
        ) from None
    if not manned:
        raise ServiceError(f"The Dask scheduler at {address} has no workers: start one in this workspace.")
    return DaskTaskRunner(address=address)
