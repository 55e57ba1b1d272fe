"""Retraining: ingest what is new, then bring every stage of dvc.yaml up to date.

The stages, their order and what is stale come from DVC: there is no list of stages here.
"""

from prefect import flow

from flows import upkeep
from flows.fanout import groups_shared
from flows.ingestion import INGEST
from flows.runners import Runners
from flows.tasks import as_task
from tidegate import pipeline, waiting


@flow(name="retraining", validate_parameters=False)
def retraining() -> None:
    """Train, evaluate and register on the newest data; what is up to date is left alone."""
    upkeep.begin()
    pipeline.load_settings()
    with waiting.alone("the flow retraining"), groups_shared():
        as_task(INGEST, pipeline.ingest)
        pipeline.reproduce(as_task, Runners())


if __name__ == "__main__":
    retraining()
