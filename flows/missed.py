"""Missed runs: what was due while nothing was up is caught up once, not as many times as it was missed."""

from prefect import get_client, runtime
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled
from prefect.types._datetime import now


def stand_for_missed() -> int:
    """Cancel the other scheduled runs of this deployment that are due: this one does their work; give their number.

    Runs that somebody asked for are left alone.
    """
    own, deployment = runtime.flow_run.id, runtime.deployment.id
    if not own or not deployment:
        return 0
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=now("UTC")),
    )
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=due, deployment_filter=ours)
        missed = [run for run in runs if run.auto_scheduled and str(run.id) != str(own)]
        for run in missed:
            reason = f"It was missed; flow run {own}, of the same deployment, stands for it."
            client.set_flow_run_state(run.id, Cancelled(message=reason), force=True)
    return len(missed)
