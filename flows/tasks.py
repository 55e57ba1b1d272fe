"""A stage as a Prefect task."""

from typing import Any

from prefect import task
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from tidegate.dag import Step, Work
from tidegate.errors import UserError

RETRY_DELAYS_SECONDS = [2.0, 10.0, 30.0]
DRAIN_SECONDS = 10.0
FINAL = (UserError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def as_task(step: Step, work: Work) -> None:
    """Run a stage's work as a task that bears the stage's name, again where its `meta.retries` says so."""
    task(
        name=step.name,
        task_run_name=step.name,
        retries=step.retries,
        retry_delay_seconds=RETRY_DELAYS_SECONDS[: step.retries],
        retry_condition_fn=worth_retrying,
        persist_result=False,
    )(work)()


def drain() -> None:
    """Send what Prefect's background threads still hold: after its server has gone they would wait for it in vain."""
    APILogWorker.drain_all(timeout=DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)


def worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Say whether the world may answer otherwise next time; a user's mistake stays one, and so does a bug."""
    return not isinstance(state.result(raise_on_failure=False), FINAL)
