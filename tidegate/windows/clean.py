"""The clean data, read as grids, a range of stations at a time."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tidegate.measurements import parquet
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.paths import require_file


def extent(clean: Path) -> tuple["pd.Series[int]", pd.DatetimeIndex]:
    """Give the stations of the clean data with their rows, which are the steps of its grid, and the grid's times."""
    rows = parquet.rows_by_station([require_file(clean)])
    one = pq.read_table(clean, columns=[TIME], filters=[(STATION, "==", str(rows.index[0]))])
    return rows, pd.DatetimeIndex(one[TIME].to_pandas())


def grids(clean: Path, rows: "pd.Series[int]", features: tuple[str, ...]) -> Iterator[Grid]:
    """Fold the clean data into arrays, a range of stations at a time."""
    for of in parquet.station_ranges(rows, parquet.BLOCK_ROWS):
        names = [STATION, TIME, *features]
        yield to_grid(pq.read_table(clean, columns=names, filters=of.filters).to_pandas(), features)
