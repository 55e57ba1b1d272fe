"""The Prefect work pools that stages can be sent to."""

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

POLL_SECONDS = 2.0
WORKER_START_SECONDS = 45.0  # how long to wait for a first worker
HEARTBEAT_TIMEOUT_SECONDS = 90.0  # of a running stage, which sends a heartbeat every 15 s
NO_WORKER_SECONDS = 150.0  # how long a stage waits without a worker; Prefect notices after 90 s that one is gone


class WorkPools:
    """The work pools of the Prefect server that this flow runs with."""

    def has(self, pool: str) -> bool:
        """Say whether there is such a pool; if so, first wait until it has a worker.

        Raises:
            UserError: the pool is paused, does not serve the flow staging, or gets no worker.
        """
        with get_client(sync_client=True) as client:
            try:
                work_pool = client.read_work_pool(pool)
            except ObjectNotFound:
                return False
            if work_pool.is_paused:
                raise UserError(f"The pool {pool} is paused: continue it with prefect work-pool resume {pool}.")
            if _deployment(client, pool) is None:
                raise UserError(f"The pool {pool} serves no flow staging: give it one with prefect deploy --all.")
            if not _has_worker(client, pool):
                say(f"Waiting for a worker of pool {pool} …")
            deadline = time.monotonic() + WORKER_START_SECONDS
            while not _has_worker(client, pool):
                if time.monotonic() > deadline:
                    raise UserError(
                        f"Pool {pool} has no worker: start one, in a clone of this commit, with "
                        f"TIDEGATE_HOME=$PWD prefect worker start --pool {pool} --limit 1; or delete the pool, and its "
                        "stages run here."
                    )
                time.sleep(POLL_SECONDS)
            return True

    def run(self, pool: str, stages: list[str], inputs: StageInputs) -> None:
        """Run stages in the pool, side by side; return when all are done.

        Raises:
            StageFailed: one of them failed; the others have ended too.
        """
        with get_client(sync_client=True) as client:
            deployment = _deployment(client, pool)
            if deployment is None:
                raise StageFailed(f"The pool {pool} no longer serves the flow staging: prefect deploy --all serves it.")
            runs: dict[str, FlowRun] = {}
            for stage in stages:
                parameters = {"stage": stage, "commit": inputs.commit, "files": inputs.files}
                run: Any = run_deployment(deployment.id, parameters=parameters, timeout=0, flow_run_name=stage)
                runs[stage] = run
            ended = {stage: _wait(client, run, pool) for stage, run in runs.items()}
        for stage, run in ended.items():
            if run.state is None or not run.state.is_completed():
                message = (
                    " ".join(f"{run.state.message or run.state.name}".split()) if run.state else "its flow run is gone"
                )
                raise StageFailed(f"{stage} failed in pool {pool} (flow run {run.name}): {message}")


def _deployment(client: SyncPrefectClient, pool: str) -> DeploymentResponse | None:
    deployments = client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["staging"])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )
    return deployments[0] if deployments else None


def _has_worker(client: SyncPrefectClient, pool: str) -> bool:
    return any(worker.status == WorkerStatus.ONLINE for worker in client.read_workers_for_work_pool(pool))


def _wait(client: SyncPrefectClient, run: FlowRun, pool: str) -> FlowRun:
    """Wait until a flow run has ended; mark it as crashed if its heartbeats stop.

    Raises:
        StageFailed: its pool has had no worker for a long time.
    """
    last_heartbeat = last_worker = time.monotonic()
    while run.state is None or not run.state.is_final():
        time.sleep(POLL_SECONDS)
        asked_at, before, run = time.monotonic(), run, client.read_flow_run(run.id)
        now, running = time.monotonic(), run.state is not None and run.state.is_running()
        # A slow answer means that the server was away: then it has received no heartbeats either.
        server_was_away = now - asked_at > POLL_SECONDS
        last_heartbeat = now if run.updated != before.updated or not running or server_was_away else last_heartbeat
        last_worker = now if running or _has_worker(client, pool) else last_worker
        if now - last_heartbeat > HEARTBEAT_TIMEOUT_SECONDS:
            reason = f"Its machine has sent no heartbeat for {HEARTBEAT_TIMEOUT_SECONDS:.0f} s."
            crashed: State[Any] = Crashed(message=reason)
            client.set_flow_run_state(run.id, crashed, force=True)
        if now - last_worker > NO_WORKER_SECONDS:
            raise StageFailed(f"All workers of pool {pool} are gone, with {run.name} unfinished: start one, run again.")
    return run
