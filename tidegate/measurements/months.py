"""The months of data/: which files store them, and how they are read."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tidegate.errors import DataError
from tidegate.measurements.parquet import StationRange, read_range
from tidegate.measurements.versions import StoredRows, version_columns
from tidegate.workspace.columns import ARRIVED, REPLACED, STATION, TIME
from tidegate.workspace.paths import DATA, LATER, MEASUREMENTS, REVISIONS


def stored_months(folder: Path = DATA) -> list[str]:
    """Name the months that have stored rows."""
    return sorted({path.stem for name in (MEASUREMENTS, LATER) for path in (folder / name).glob("*.parquet")})


def month_schema(variables: Sequence[str], *more: str) -> pa.Schema:
    """Give the columns of a month's file, and their types."""
    timestamp = pa.timestamp("us", tz="UTC")
    types = {STATION: pa.string(), TIME: timestamp, ARRIVED: timestamp, REPLACED: timestamp}
    return pa.schema([(name, types.get(name, pa.float64())) for name in (*version_columns(variables), *more)])


def read_stored(month: str, stations: StationRange | None, variables: Sequence[str], folder: Path = DATA) -> StoredRows:
    """Read what data/ holds of a month, for a range of stations or for all."""
    version_schema, revision_schema = month_schema(variables), month_schema(variables, REPLACED)
    return StoredRows(
        read_range(folder / MEASUREMENTS / f"{month}.parquet", stations, version_schema),
        read_range(folder / REVISIONS / f"{month}.parquet", stations, revision_schema),
        read_range(folder / LATER / f"{month}.parquet", stations, version_schema),
    )


def no_rows(variables: Sequence[str]) -> StoredRows:
    """Give the stored rows of a month that has none."""
    versions = month_schema(variables).empty_table().to_pandas()
    revisions = month_schema(variables, REPLACED).empty_table().to_pandas()
    return StoredRows(versions, revisions, versions)


def newest_time(folder: Path = DATA) -> pd.Timestamp | None:
    """Give the newest stored time."""
    months = stored_months(folder)
    if not months:
        return None
    time_schema = pa.schema([month_schema([]).field(TIME)])
    paths = [folder / name / f"{months[-1]}.parquet" for name in (MEASUREMENTS, LATER)]
    times = [read_range(path, None, time_schema)[TIME].max() for path in paths]
    return max(time for time in times if not pd.isna(time))


def require_months() -> list[str]:
    """Name the months of data/.

    Raises:
        DataError: there are none.
    """
    months = sorted(path.stem for path in (DATA / MEASUREMENTS).glob("*.parquet"))
    if not months:
        raise DataError("data/ holds no rows: run tidegate ingest first.")
    return months
