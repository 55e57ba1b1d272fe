"""Runners: the work pools that stages may be sent to."""

import time
from typing import Any

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import FlowRun, WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, State

from tidegate.errors import StageFailed, UserError
from tidegate.pipeline.console import say
from tidegate.pipeline.remote import StageInputs

LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 45.0  # for a worker to come
SILENCE_SECONDS = 90.0  # of a running stage, which beats each 15 s
ABSENCE_SECONDS = 150.0  # of all workers, while a stage waits for one; Prefect takes 90 s to see that one is gone


class WorkPools:
    """The pools of the server that this flow runs with."""

    def has(self, pool: str) -> bool:
        """Say whether there is such a pool, after waiting for a worker of it.

        Raises:
            UserError: there is, and it takes no stages, or no worker comes.
        """
        with get_client(sync_client=True) as client:
            try:
                found = client.read_work_pool(pool)
            except ObjectNotFound:
                return False
            if found.is_paused:
                raise UserError(f"The pool {pool} is paused: prefect work-pool resume {pool} lets it go on.")
            if _deployment(client, pool) is None:
                raise UserError(f"The pool {pool} serves no flow staging: give it one with prefect deploy --all.")
            if not _is_manned(client, pool):
                say(f"Waiting for a worker of pool {pool} …")
            until = time.monotonic() + PATIENCE_SECONDS
            while not _is_manned(client, pool):
                if time.monotonic() > until:
                    raise UserError(
                        f"No worker listens to pool {pool}: start one, in a clone of this commit, with "
                        f"TIDEGATE_HOME=$PWD prefect worker start --pool {pool} --limit 1; or delete the pool, and its "
                        "stages run in place."
                    )
                time.sleep(LOOK_SECONDS)
            return True

    def run(self, pool: str, stages: list[str], parcel: StageInputs) -> None:
        """Have stages run in the pool, side by side; come back when all are done.

        Raises:
            StageFailed: one of them is not; the others have come to their end.
        """
        with get_client(sync_client=True) as client:
            deployment = _deployment(client, pool)
            if deployment is None:
                raise StageFailed(f"The pool {pool} serves the flow staging no more: prefect deploy --all serves it.")
            runs: dict[str, FlowRun] = {}
            for stage in stages:
                given = {"stage": stage, "commit": parcel.commit, "files": parcel.files}
                run: Any = run_deployment(deployment.id, parameters=given, timeout=0, flow_run_name=stage)
                runs[stage] = run
            ended = {stage: _wait(client, run, pool) for stage, run in runs.items()}
        for stage, run in ended.items():
            if run.state is None or not run.state.is_completed():
                said = " ".join(f"{run.state.message or run.state.name}".split()) if run.state else "it is gone"
                raise StageFailed(f"{stage} failed in pool {pool} (flow run {run.name}): {said}")


def _deployment(client: SyncPrefectClient, pool: str) -> DeploymentResponse | None:
    found = client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["staging"])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )
    return found[0] if found else None


def _is_manned(client: SyncPrefectClient, pool: str) -> bool:
    return any(worker.status == WorkerStatus.ONLINE for worker in client.read_workers_for_work_pool(pool))


def _wait(client: SyncPrefectClient, run: FlowRun, pool: str) -> FlowRun:
    """Wait for a flow run's end, and close it if its machine has died.

    Raises:
        StageFailed: all workers of its pool have been gone for long.
    """
    alive = manned = time.monotonic()
    while run.state is None or not run.state.is_final():
        time.sleep(LOOK_SECONDS)
        asked, before, run = time.monotonic(), run, client.read_flow_run(run.id)
        now, running = time.monotonic(), run.state is not None and run.state.is_running()
        # Where the server has been away, it has heard no beat either.
        alive = now if run.updated != before.updated or not running or now - asked > LOOK_SECONDS else alive
        manned = now if running or _is_manned(client, pool) else manned
        if now - alive > SILENCE_SECONDS:
            gone: State[Any] = Crashed(message=f"Its machine has not been heard of for {SILENCE_SECONDS:.0f} s.")
            client.set_flow_run_state(run.id, gone, force=True)
        if now - manned > ABSENCE_SECONDS:
            raise StageFailed(f"All workers of pool {pool} are gone, with {run.name} unfinished: start one, run again.")
    return run
