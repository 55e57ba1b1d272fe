"""Retraining: ingest new rows, then bring every stage of dvc.yaml up to date.

DVC knows the stages, their order and which are stale: there is no list of stages here.
"""

import os

from prefect import flow

from flows import upkeep
from flows.fanout import parallel_station_groups
from flows.ingestion import INGEST
from flows.results import show_result
from flows.runners import WorkPools
from flows.tasks import as_task, named_by_time
from tidegate.pipeline import console, drive, lock
from tidegate.workspace.processes import BECAUSE


@flow(name="retraining", flow_run_name=named_by_time("retraining"), validate_parameters=False)
def retraining(because: str | None = None) -> None:
    """Train, evaluate and register on the newest data; stages that are up to date do not run.

    Args:
        because: Why it is run, if not by the schedule; it stands in the log, and with the version that comes of it.
    """
    upkeep.tidy()
    if because:
        os.environ[BECAUSE] = because
        console.say(f"Because: {because}.")
    drive.checked_settings()
    with lock.workspace_lock("the flow retraining"), parallel_station_groups(), drive.reported():
        as_task(INGEST, drive.ingest)
        drive.reproduce(as_task, WorkPools())
    show_result()


if __name__ == "__main__":
    retraining()
