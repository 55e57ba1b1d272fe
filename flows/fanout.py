"""Fan-out: pieces of work as Prefect tasks, in processes of this machine or on a Dask cluster.

Not in threads: Keras holds its random state and its graphs for the whole process.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect import task
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from tidegate.errors import ServiceError, UserError
from tidegate.sharing import Spread

DASK = "TIDEGATE_DASK"


@task(name="piece", task_run_name="{name}", persist_result=False)
def piece(name: str, work: Callable[[Any], Any], given: Any) -> Any:
    """Do one piece."""
    return work(given)


@contextmanager
def side_by_side(workers: int) -> Iterator[Spread]:
    """Within a flow: have pieces done by so many processes, or by the cluster that TIDEGATE_DASK names.

    Raises:
        UserError: there is an address, and no prefect-dask.
        ServiceError: nobody works there.
    """
    with _runner(workers) as runner:

        def spread(work: Callable[[Any], Any], pieces: Mapping[str, Any]) -> list[Any]:
            futures = [
                runner.submit(piece, {"name": name, "work": work, "given": given}) for name, given in pieces.items()
            ]
            return [future.result() for future in futures]

        yield spread


def _runner(workers: int) -> TaskRunner[Any]:
    address = os.environ.get(DASK)
    if not address:
        return ProcessPoolTaskRunner(max_workers=workers)
    try:
        from distributed import Client
        from prefect_dask import DaskTaskRunner
    except ImportError:
        raise UserError(f"{DASK} is {address}, and Dask is not installed: pip install prefect-dask.") from None
    try:
        with Client(address, timeout="10s") as client:
            manned = bool(client.scheduler_info()["workers"])
    except (OSError, ValueError) as error:
        raise ServiceError(f"No Dask scheduler answers at {address} ({error}): start one, or unset {DASK}.") from None
    if not manned:
        raise ServiceError(f"The Dask scheduler at {address} has no workers: start one in this workspace.")
    return DaskTaskRunner(address=address)
