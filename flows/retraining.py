"""Retraining: ingest what is new, then bring every stage of dvc.yaml up to date.

The stages, their order and what is stale come from DVC: there is no list of stages here.
"""

from prefect import flow

from flows import upkeep
from flows.fanout import station_groups_shared
from flows.ingestion import INGEST
from flows.runners import WorkPools
from flows.tasks import as_task
from tidegate.pipeline import drive, lock


@flow(name="retraining", validate_parameters=False)
def retraining() -> None:
    """Train, evaluate and register on the newest data; what is up to date is left alone."""
    upkeep.tidy()
    drive.checked_settings()
    with lock.workspace_lock("the flow retraining"), station_groups_shared():
        as_task(INGEST, drive.ingest)
        drive.reproduce(as_task, WorkPools())


if __name__ == "__main__":
    retraining()
