"""The commands `forecast`, `verify` and `watch`."""

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.app import Result, app, guarded
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
) -> Result:
    """Forecast every station with the champion. Rows that were issued before are not changed.

    \b
    Examples:
      tidegate ingest && tidegate forecast
      tidegate forecast --as-of 2025-12-24T18:00
      tidegate forecast --backfill 2025-12-01 2025-12-31
      tidegate forecast --backfill 2020-01-01 2025-12-31 --workers 8
    """
    from tidegate.pipeline import drive

    if workers == 1:
        issued = drive.forecast(as_of, backfill)
    else:
        from tidegate.cli.servers import flow_module

        with flow_module("forecasting") as flow:
            issued = flow.hindcasting(as_of, backfill, workers)
    console.say(f"They are kept in {issued.folder}/.")
    origins = {"first_origin": issued.origins[0], "last_origin": issued.origins[-1]}
    written = {"new_rows": len(issued.rows), "folder": issued.folder, "database": issued.database}
    return {"version": issued.version, "candidate": issued.candidate, **origins, **written}


@app.command()
@guarded
def verify(
    since: Annotated[str | None, typer.Option(help="Verify all again from the month of this time on.")] = None,
    by: Annotated[By, typer.Option(help="Tabulate by version, station, step ahead, or day.")] = By.version,
) -> Result:
    """Compare issued forecasts with what was measured since. How they did is kept in verification/.

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
    return rows


@app.command()
@guarded
def watch() -> Result:
    """Say where the champion's forecasts have lastingly worsened. Their verification is what is watched.

    \b
    Example:
      tidegate verify && tidegate watch
    """
    from tidegate.cli import tables
    from tidegate.pipeline import drive

    watched = drive.watch()
    if watched.changes:
        console.show(tables.change_table(watched.changes))
    return watched
