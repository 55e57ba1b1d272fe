"""The months of data/: what files hold them, and what stands in them."""

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
    """Name the months that hold anything."""
    return sorted({path.stem for kind in (MEASUREMENTS, LATER) for path in (folder / kind).glob("*.parquet")})


def month_schema(variables: Sequence[str], *more: str) -> pa.Schema:
    """Give the columns of a month's file."""
    moment = pa.timestamp("us", tz="UTC")
    kinds = {STATION: pa.string(), TIME: moment, ARRIVED: moment, REPLACED: moment}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in (*version_columns(variables), *more)])


def read_stored(month: str, of: StationRange | None, variables: Sequence[str], folder: Path = DATA) -> StoredRows:
    """Read what data/ holds of a month and a range of stations."""
    plain, dated = month_schema(variables), month_schema(variables, REPLACED)
    return StoredRows(
        read_range(folder / MEASUREMENTS / f"{month}.parquet", of, plain),
        read_range(folder / REVISIONS / f"{month}.parquet", of, dated),
        read_range(folder / LATER / f"{month}.parquet", of, plain),
    )


def no_rows(variables: Sequence[str]) -> StoredRows:
    """Give what stands where nothing does."""
    plain, dated = (
        month_schema(variables).empty_table().to_pandas(),
        month_schema(variables, REPLACED).empty_table().to_pandas(),
    )
    return StoredRows(plain, dated, plain)


def newest_time(folder: Path = DATA) -> pd.Timestamp | None:
    """Give the newest stored time."""
    months = stored_months(folder)
    if not months:
        return None
    times_alone = pa.schema([month_schema([]).field(TIME)])
    paths = [folder / kind / f"{months[-1]}.parquet" for kind in (MEASUREMENTS, LATER)]
    times = [read_range(path, None, times_alone)[TIME].max() for path in paths]
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
