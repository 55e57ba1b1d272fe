"""Verification: compare issued forecasts with what was measured since, watch the champion, and ask for a retraining."""

from typing import Any

from prefect import flow, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from flows import upkeep
from flows.tasks import as_task, named_by_time
from tidegate.errors import UserError
from tidegate.pipeline import console, drive
from tidegate.pipeline.dag import StageRun
from tidegate.verification import watching
from tidegate.verification.watching import Watched
from tidegate.workspace import clock

VERIFY, WATCH = StageRun("verify", retries=3), StageRun("watch", retries=3)
RETRAINING = "retraining/retraining"
CHANGED = "tidegate.champion.changed"
UNDER_WAY = (StateType.RUNNING, StateType.PENDING)


@flow(name="verification", flow_run_name=named_by_time("verification"), validate_parameters=False)
def verification(since: str | None = None) -> None:
    """Verify the forecasts whose measurements have come; ask for a retraining if the champion has become worse.

    Args:
        since: Verify all forecasts again from the month of this time (UTC) on.
    """
    upkeep.tidy()
    as_task(VERIFY, lambda: drive.verify(since))
    as_task(WATCH, watch)


def watch() -> None:
    """Watch the champion, show what was found, and do what the policy says."""
    try:
        watched = drive.watch()
    except UserError as error:  # nothing of the present champion has been verified yet
        console.say(str(error))
        return
    create_markdown_artifact(watched.markdown, key="champion", description="How the champion does")
    emit_changes(watched)
    ask_for_retraining(watched)


def emit_changes(watched: Watched) -> None:
    """Emit an event for each new change, so that an automation of Prefect's can act on it."""
    changes = watching.untold(watched, watching.EMITTED)
    for change in changes:
        emit_event(
            event=CHANGED,
            resource={"prefect.resource.id": f"tidegate.version.{watched.version}"},
            payload=change.as_json(),
        )
    if changes:
        watching.remember_told(watched, changes, clock.now(), watching.EMITTED)


def ask_for_retraining(watched: Watched) -> None:
    """Start the deployment `retraining` if a change asks for it, each cause once, and none while one is under way."""
    now = clock.now()
    cause = watching.cause_for_retraining(drive.checked_settings(), watched, now)
    if cause is None:
        return
    if _under_way():
        console.say(f"A retraining is under way: it is not asked for again ({cause.because}).")
        return
    key = "; ".join(cause.keys)  # killed before it is remembered, the same cause starts no second run
    asked: Any = run_deployment
    try:
        asked(RETRAINING, parameters={"because": cause.because}, timeout=0, idempotency_key=key)
    except ObjectNotFound:
        console.say(f"There is no deployment {RETRAINING} to ask for a retraining: {cause.because}.")
        return
    watching.remember_asked(cause, now)
    console.say(f"A retraining is asked for: {cause.because}.")


def _under_way() -> bool:
    states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNDER_WAY))))
    named = FlowFilter(name=FlowFilterName(any_=["retraining"]))
    with get_client(sync_client=True) as client:
        return bool(client.read_flow_runs(flow_filter=named, flow_run_filter=states))


if __name__ == "__main__":
    verification()
