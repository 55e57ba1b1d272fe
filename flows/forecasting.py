"""Forecasting: ingest new rows, then forecast every station with the champion."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows import upkeep
from flows.fanout import parallel_workers
from flows.ingestion import INGEST
from flows.tasks import as_task, named_by_time
from tidegate.forecasting.issue import IssuedForecasts, Span
from tidegate.pipeline import drive
from tidegate.pipeline.dag import StageRun
from tidegate.reporting import forecasts

FORECAST = StageRun("forecast", retries=3)


@flow(name="hindcasting", validate_parameters=False)
def hindcasting(as_of: str | None, span: Span | None, workers: int) -> IssuedForecasts:
    """Issue forecasts from past origins, groups of stations in parallel."""
    with parallel_workers(workers) as parallel_map:
        return drive.forecast(as_of, span, parallel_map, workers)


@flow(name="forecasting", flow_run_name=named_by_time("forecasting"), validate_parameters=False)
def forecasting(as_of: str | None = None, first: str | None = None, last: str | None = None) -> None:
    """Issue forecasts from the newest complete step; forecasts that were issued before are not changed.

    Args:
        as_of: Forecast from the newest complete step up to this time (UTC) instead, without an ingest.
        first: Forecast from every step of a span instead, without an ingest; this is its first step.
        last: The last step of that span.
    """
    upkeep.tidy()
    span = (first, last) if first or last else None
    if not (as_of or span):
        as_task(INGEST, drive.ingest)

    def issue() -> None:
        folder = drive.forecast(as_of, span).folder
        facts = forecasts.latest(drive.checked_settings(), folder)
        create_markdown_artifact(forecasts.as_markdown(facts), key="forecasts", description="The newest forecasts")

    as_task(FORECAST, issue)


if __name__ == "__main__":
    forecasting()
