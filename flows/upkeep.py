"""What every flow does first: close what dead processes left open, and stand for runs that were missed."""

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
MARK = "process:"  # of the tag that names the process of a flow run
BEAT_SECONDS = 15.0


def tidy() -> None:
    """Mark this flow run as this process's, and put the server and the tracking store in order."""
    with get_client(sync_client=True) as client:
        own = runtime.flow_run.id
        if own:
            client.update_flow_run(own, tags=_tags())
        closed = close_dead(client) + _tidy_tracking()
        missed = stand_for_missed(client, str(own)) if own else 0
    logger.info("closed %d runs that dead processes had left; stand for %d that were missed", closed, missed)


@contextmanager
def heartbeat() -> Iterator[None]:
    """Touch this flow run now and then, so that who waits for it knows that its machine is alive."""
    over = threading.Event()

    def beat() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(BEAT_SECONDS):
                with suppress(Exception):  # the server is away for a moment: the next beat comes
                    client.update_flow_run(runtime.flow_run.id, tags=tags)

    tags = _tags()
    thread = threading.Thread(target=copy_context().run, args=(beat,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tidy_tracking() -> int:
    """Send MLflow what waits on disk, and close what dead processes left open there; it may be away."""
    runs.send_unsent()
    try:
        return runs.close_dead()
    except ServiceError as error:
        logger.warning("%s", error)
        return 0


def _tags() -> list[str]:
    return [*runtime.flow_run.tags, MARK + processes.mark()]


def close_dead(client: SyncPrefectClient) -> int:
    """Close flow runs, and their tasks, that are said to run in a process of this host that is gone; count them."""
    closed = 0
    for run in client.read_flow_runs(flow_run_filter=_in_state(StateType.RUNNING)):
        marks = [tag.removeprefix(MARK) for tag in run.tags if tag.startswith(MARK)]
        if not marks or not processes.is_dead(marks[-1]):  # the newest mark: a run may have been tried again
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


def stand_for_missed(client: SyncPrefectClient, own: str) -> int:
    """Cancel the other scheduled runs of this deployment that are due: this one does their work; count them.

    Runs that somebody asked for are left alone.
    """
    deployment = runtime.deployment.id
    if not deployment:
        return 0
    due = _in_state(StateType.SCHEDULED)
    due.expected_start_time = FlowRunFilterExpectedStartTime(before_=now("UTC"))
    # Fetched by a worker and put off, because this run has the deployment's only slot.
    waiting = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["AwaitingConcurrencySlot"])))
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs: list[FlowRun] = []
    for chosen in (due, waiting):
        runs += client.read_flow_runs(flow_run_filter=chosen, deployment_filter=ours)
    missed = [run for run in runs if run.auto_scheduled and str(run.id) != own]
    for run in missed:
        reason = f"It was missed; flow run {own}, of the same deployment, stands for it."
        client.set_flow_run_state(run.id, Cancelled(message=reason), force=True)
    return len(missed)


def _in_state(state: StateType) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])))
