"""Ingestion: bring new rows from the source into data/."""

from prefect import flow

from flows import upkeep
from flows.fanout import parallel_station_groups
from flows.tasks import as_task, named_by_time
from tidegate.pipeline import drive
from tidegate.pipeline.dag import StageRun

INGEST = StageRun("ingest", retries=3)


@flow(name="ingestion", flow_run_name=named_by_time("ingestion"), validate_parameters=False)
def ingestion() -> None:
    """Bring data/ up to date with its source; without new rows nothing changes."""
    upkeep.tidy()
    with parallel_station_groups():
        as_task(INGEST, drive.ingest)


if __name__ == "__main__":
    ingestion()
