"""What every flow does first: close the runs of dead processes, and cancel scheduled runs that were missed."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any

from prefect import get_client, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed, State
from prefect.types._datetime import now

from tidegate.errors import ServiceError
from tidegate.tracking import runs
from tidegate.workspace import processes

logger = logging.getLogger("tidegate")
PROCESS_TAG = "process:"  # prefix of the tag that names the process of a flow run
HEARTBEAT_SECONDS = 15.0


def tidy() -> None:
    """Tag this flow run with its process, and close or cancel old runs on the Prefect server and in MLflow."""
    with get_client(sync_client=True) as client:
        run_id = runtime.flow_run.id
        if run_id:
            client.update_flow_run(run_id, tags=_tags())
        closed = close_dead(client) + _tidy_tracking()
        missed = cancel_missed(client, str(run_id)) if run_id else 0
    logger.info("closed %d runs of dead processes; cancelled %d scheduled runs that were missed", closed, missed)


@contextmanager
def heartbeat() -> Iterator[None]:
    """Update this flow run regularly, so that the run that waits for it knows that its machine is alive."""
    ended = threading.Event()

    def beat() -> None:
        with get_client(sync_client=True) as client:
            while not ended.wait(HEARTBEAT_SECONDS):
                with suppress(Exception):  # the server is away for a moment: the next heartbeat follows
                    client.update_flow_run(runtime.flow_run.id, tags=tags)

    tags = _tags()
    thread = threading.Thread(target=copy_context().run, args=(beat,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tidy_tracking() -> int:
    """Send MLflow the records that wait on disk, and close runs of dead processes there; MLflow may be away."""
    runs.send_unsent()
    try:
        return runs.close_dead_runs()
    except ServiceError as error:
        logger.warning("%s", error)
        return 0


def _tags() -> list[str]:
    return [*runtime.flow_run.tags, PROCESS_TAG + processes.mark()]


def close_dead(client: SyncPrefectClient) -> int:
    """Mark flow runs and their tasks as crashed if their process on this host is gone; count the flow runs."""
    closed = 0
    for run in client.read_flow_runs(flow_run_filter=_in_state(StateType.RUNNING)):
        marks = [tag.removeprefix(PROCESS_TAG) for tag in run.tags if tag.startswith(PROCESS_TAG)]
        if not marks or not processes.is_dead(marks[-1]):  # the newest tag: a run may have been retried
            continue
        reason: State[Any] = Crashed(
            message=f"Its process is gone ({marks[-1]}): it was killed, or its machine was switched off."
        )
        for task in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))):
            if task.state is None or not task.state.is_final():
                client.set_task_run_state(task.id, reason, force=True)
        client.set_flow_run_state(run.id, reason, force=True)
        closed += 1
    return closed


def cancel_missed(client: SyncPrefectClient, run_id: str) -> int:
    """Cancel the other due runs of this deployment, since the flow run `run_id` does their work; count them.

    Runs that a person started are not cancelled.
    """
    deployment = runtime.deployment.id
    if not deployment:
        return 0
    due = _in_state(StateType.SCHEDULED)
    due.expected_start_time = FlowRunFilterExpectedStartTime(before_=now("UTC"))
    # A worker has fetched these and postponed them, because this run has the deployment's only slot.
    waiting = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["AwaitingConcurrencySlot"])))
    of_deployment = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    due_runs: list[FlowRun] = []
    for run_filter in (due, waiting):
        due_runs += client.read_flow_runs(flow_run_filter=run_filter, deployment_filter=of_deployment)
    missed = [run for run in due_runs if run.auto_scheduled and str(run.id) != run_id]
    for run in missed:
        reason = f"It was missed; flow run {run_id} of the same deployment does its work."
        client.set_flow_run_state(run.id, Cancelled(message=reason), force=True)
    return len(missed)


def _in_state(state: StateType) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])))
