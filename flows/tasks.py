"""A stage as a Prefect task."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from tidegate.errors import UserError
from tidegate.pipeline.dag import StageRun, Work
from tidegate.workspace.paths import DATA_DOCS

RETRY_DELAYS_SECONDS = [2.0, 10.0, 30.0]
DRAIN_SECONDS = 10.0
SHOWN = 200
FINAL = (UserError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def as_task(step: StageRun, work: Work) -> None:
    """Run a stage's work as a task that bears the stage's name, again where its `meta.retries` says so."""
    task(
        name=step.name,
        task_run_name=step.name,
        retries=step.retries,
        retry_delay_seconds=RETRY_DELAYS_SECONDS[: step.retries],
        retry_condition_fn=worth_retrying,
        persist_result=False,
    )(lambda: _reported(step, work))()


def _reported(step: StageRun, work: Work) -> None:
    """Do a stage's work, and show its report as an artifact of the run, also where the work is refused."""
    try:
        work()
    finally:
        path = Path(step.report)
        if step.report and path.exists():
            rows = pd.read_csv(path).fillna("")
            said = f"{len(rows)} findings, the first {SHOWN} below; all in `{path}`, Data Docs in `{DATA_DOCS}`."
            key = re.sub(r"[^a-z0-9]+", "-", f"{step.name}-report")
            shown: dict[str, list[Any]] = {str(name): list(rows[name].head(SHOWN).astype(str)) for name in rows}
            create_table_artifact(shown, key=key, description=said)


def drain() -> None:
    """Send what Prefect's background threads still hold: after its server has gone they would wait for it in vain."""
    APILogWorker.drain_all(timeout=DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)


def worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Say whether the world may answer otherwise next time; a user's mistake stays one, and so does a bug."""
    return not isinstance(state.result(raise_on_failure=False), FINAL)
