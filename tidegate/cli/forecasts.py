"""The commands `forecast`, `verify` and `watch`."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.app import app, guarded
from tidegate.pipeline import console


class By(StrEnum):
    """What `verify` tabulates."""

    version = "version"
    station = "station"
    step = "step"
    day = "day"


@app.command()
@guarded
def forecast(
    as_of: Annotated[str | None, typer.Option(help="Forecast as of this time, without later measurements.")] = None,
    backfill: Annotated[tuple[str, str] | None, typer.Option(help="Forecast from every step of a span.")] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of parallel processes, each with a part of the stations.")
    ] = 1,
) -> None:
    """Forecast every station with the champion from data/; rows that were issued before are not changed.

    \b
    Examples:
      tidegate ingest && tidegate forecast
      tidegate forecast --as-of 2025-12-24T18:00
      tidegate forecast --backfill 2025-12-01 2025-12-31
      tidegate forecast --backfill 2020-01-01 2025-12-31 --workers 8
    """
    from tidegate.pipeline import drive

    if workers == 1:
        folder = drive.forecast(as_of, backfill)
    else:
        from tidegate.cli.servers import flow_module

        with flow_module("forecasting") as flow:
            folder = flow.hindcasting(as_of, backfill, workers)
    console.say(f"They are kept in {folder}/.")


@app.command()
@guarded
def verify(
    since: Annotated[str | None, typer.Option(help="Verify all again from the month of this time on.")] = None,
    by: Annotated[By, typer.Option(help="Tabulate by version, station, step ahead, or day.")] = By.version,
) -> None:
    """Compare issued forecasts with what was measured since, and keep how they did in verification/.

    \b
    Examples:
      tidegate ingest && tidegate verify
      tidegate verify --by station
      tidegate verify --since 2025-12-01 --by day
    """
    from tidegate.cli import tables
    from tidegate.pipeline import drive
    from tidegate.verification.summary import summary
    from tidegate.workspace.params import typed_time

    first = typed_time(since) if since else None
    drive.verify(since)
    rows = summary(by.value, first)
    if rows.empty:
        console.say("No forecast of that span has met its measurement yet.")
    else:
        console.show(tables.verification_table(rows, by.value))


@app.command()
@guarded
def watch() -> None:
    """Say where the champion's verified forecasts have changed for the worse, lastingly, and since when.

    \b
    Example:
      tidegate verify && tidegate watch
    """
    from tidegate.cli import tables
    from tidegate.pipeline import drive

    watched = drive.watch()
    if watched.changes:
        console.show(tables.change_table(watched.changes))
