"""A stage as a Prefect task."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from tidegate.errors import UserError
from tidegate.pipeline.dag import StageRun, Work
from tidegate.workspace import clock
from tidegate.workspace.paths import DATA_DOCS

RETRY_DELAYS_SECONDS = [2.0, 10.0, 30.0]
DRAIN_SECONDS = 10.0
SHOWN_FINDINGS = 200
NOT_RETRIED = (UserError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def as_task(step: StageRun, work: Work) -> None:
    """Run a stage's work as a Prefect task with the stage's name and as many retries as its `meta.retries` says."""
    task(
        name=step.name,
        task_run_name=step.name,
        retries=step.retries,
        retry_delay_seconds=RETRY_DELAYS_SECONDS[: step.retries],
        retry_condition_fn=worth_retrying,
        persist_result=False,
    )(lambda: _work_and_show_report(step, work))()


def named_by_time(flow: str) -> Callable[[], str]:
    """Name the runs of a flow by when they began (UTC): "retraining 2026-11-25 03:30"."""
    return lambda: f"{flow} {clock.now():%Y-%m-%d %H:%M}"


def _work_and_show_report(step: StageRun, work: Work) -> None:
    """Do a stage's work, and show its report as an artifact of the flow run, even if the work fails."""
    try:
        work()
    finally:
        path = Path(step.report)
        if step.report and path.exists():
            rows = pd.read_csv(path).fillna("")
            text = (
                f"{len(rows)} findings, the first {SHOWN_FINDINGS} below; all in `{path}`, Data Docs in `{DATA_DOCS}`."
            )
            key = re.sub(r"[^a-z0-9]+", "-", f"{step.name}-report")
            rows = rows.head(SHOWN_FINDINGS).astype(str)
            columns: dict[str, list[Any]] = {str(name): list(rows[name]) for name in rows}
            create_table_artifact(columns, key=key, description=text)


def drain() -> None:
    """Send what Prefect's background threads still hold: once its server has ended they would wait for it in vain."""
    APILogWorker.drain_all(timeout=DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)


def worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Say whether a retry could succeed: not after a user's mistake or a bug, which would only fail again."""
    return not isinstance(state.result(raise_on_failure=False), NOT_RETRIED)
