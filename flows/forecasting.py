"""Forecasting: ingest what is new, then forecast every station with the champion."""

from pathlib import Path

from prefect import flow

from flows import upkeep
from flows.fanout import side_by_side
from flows.ingestion import INGEST
from flows.tasks import as_task
from tidegate import pipeline
from tidegate.dag import Step
from tidegate.forecasts import Span

FORECAST = Step("forecast", retries=3)


@flow(name="hindcasting", validate_parameters=False)
def hindcasting(as_of: str | None, span: Span | None, workers: int) -> Path:
    """Issue forecasts of past moments, groups of stations side by side."""
    with side_by_side(workers) as spread:
        return pipeline.forecast(as_of, span, spread, workers)


@flow(name="forecasting", validate_parameters=False)
def forecasting(as_of: str | None = None, first: str | None = None, last: str | None = None) -> None:
    """Issue forecasts from the newest complete step; what was issued before stands.

    Args:
        as_of: Instead, from the latest complete step up to this time, UTC; nothing is ingested then.
        first: Instead, from every step of a span, of which this is the first; nothing is ingested then.
        last: The last step of that span.
    """
    upkeep.begin()
    span = (first, last) if first or last else None
    if not (as_of or span):
        as_task(INGEST, pipeline.ingest)

    def issue() -> None:
        pipeline.forecast(as_of, span)

    as_task(FORECAST, issue)


if __name__ == "__main__":
    forecasting()
