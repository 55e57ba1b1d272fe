"""The clean data, read as grids: a range of stations at a time, to bound memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tidegate.measurements import parquet
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace.columns import RULE, STATION, SUPERSEDED, TIME, VALUE, VARIABLE
from tidegate.workspace.paths import QUARANTINE, require_file


def stations_and_times(clean: Path) -> tuple["pd.Series[int]", pd.DatetimeIndex]:
    """Give the number of rows of each station in the clean data, and the times of its grid.

    Each station has one row for each step of the grid.
    """
    rows = parquet.rows_by_station([require_file(clean)])
    times = pq.read_table(clean, columns=[TIME], filters=[(STATION, "==", str(rows.index[0]))])
    return rows, pd.DatetimeIndex(times[TIME].to_pandas())


def grids(clean: Path, rows: "pd.Series[int]", features: tuple[str, ...]) -> Iterator[tuple[Grid, Grid]]:
    """Read the data as grids of arrays, a range of stations at a time: clean, and as they were given."""
    for stations in parquet.station_ranges(rows, parquet.BLOCK_ROWS):
        columns = [STATION, TIME, *features]
        grid = to_grid(pq.read_table(clean, columns=columns, filters=stations.filters).to_pandas(), features)
        yield grid, as_given(grid, features, stations.filters)


def as_given(clean: Grid, features: tuple[str, ...], filters: Any = None) -> Grid:
    """Put the values that are in quarantine back into a grid of clean ones, on whose steps they lie."""
    columns = [STATION, TIME, VARIABLE, VALUE, RULE]
    held = pq.read_table(require_file(QUARANTINE), columns=columns, filters=filters).to_pandas()
    held = held[(held[RULE] != SUPERSEDED) & held[VARIABLE].isin(features)]
    row, step = pd.Index(clean.stations).get_indexer(held[STATION]), clean.times.get_indexer(held[TIME])
    column = pd.Index(features).get_indexer(held[VARIABLE])
    on_grid, values = (row >= 0) & (step >= 0), clean.values.copy()
    values[row[on_grid], step[on_grid], column[on_grid]] = held.loc[on_grid, VALUE]
    return Grid(clean.stations, clean.times, values)
