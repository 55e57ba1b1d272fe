"""The clean data, read as grids: a range of stations at a time, to bound memory."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tidegate.measurements import parquet
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.paths import require_file


def stations_and_times(clean: Path) -> tuple["pd.Series[int]", pd.DatetimeIndex]:
    """Give the number of rows of each station in the clean data, and the times of its grid.

    Each station has one row for each step of the grid.
    """
    rows = parquet.rows_by_station([require_file(clean)])
    times = pq.read_table(clean, columns=[TIME], filters=[(STATION, "==", str(rows.index[0]))])
    return rows, pd.DatetimeIndex(times[TIME].to_pandas())


def grids(clean: Path, rows: "pd.Series[int]", features: tuple[str, ...]) -> Iterator[Grid]:
    """Read the clean data as grids of arrays, a range of stations at a time."""
    for stations in parquet.station_ranges(rows, parquet.BLOCK_ROWS):
        columns = [STATION, TIME, *features]
        yield to_grid(pq.read_table(clean, columns=columns, filters=stations.filters).to_pandas(), features)
