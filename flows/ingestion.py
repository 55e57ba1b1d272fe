"""Ingestion: bring new rows from the source into data/."""

from prefect import flow

from flows import upkeep
from flows.fanout import groups_shared
from flows.tasks import as_task
from tidegate import pipeline
from tidegate.dag import Step

INGEST = Step("ingest", retries=3)


@flow(name="ingestion", validate_parameters=False)
def ingestion() -> None:
    """Bring data/ up to date with its source; a second time changes nothing."""
    upkeep.begin()
    with groups_shared():
        as_task(INGEST, pipeline.ingest)


if __name__ == "__main__":
    ingestion()
