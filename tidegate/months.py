"""The months of data/: what files hold them, and what stands in them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tidegate.artifacts import DATA, LATER, MEASUREMENTS, REVISIONS
from tidegate.errors import DataError
from tidegate.frame import ARRIVED, STATION, TIME
from tidegate.history import REPLACED, Stored, columns
from tidegate.parquet import Range, read_range


def stored_months(folder: Path = DATA) -> list[str]:
    """Name the months that hold anything."""
    return sorted({path.stem for kind in (MEASUREMENTS, LATER) for path in (folder / kind).glob("*.parquet")})


def schema(variables: Sequence[str], *more: str) -> pa.Schema:
    """Give the columns of a month's file."""
    moment = pa.timestamp("us", tz="UTC")
    kinds = {STATION: pa.string(), TIME: moment, ARRIVED: moment, REPLACED: moment}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in (*columns(variables), *more)])


def read_stored(month: str, of: Range | None, variables: Sequence[str], folder: Path = DATA) -> Stored:
    """Read what data/ holds of a month and a range of stations."""
    plain, dated = schema(variables), schema(variables, REPLACED)
    return Stored(
        read_range(folder / MEASUREMENTS / f"{month}.parquet", of, plain),
        read_range(folder / REVISIONS / f"{month}.parquet", of, dated),
        read_range(folder / LATER / f"{month}.parquet", of, plain),
    )


def nothing(variables: Sequence[str]) -> Stored:
    """Give what stands where nothing does."""
    plain, dated = schema(variables).empty_table().to_pandas(), schema(variables, REPLACED).empty_table().to_pandas()
    return Stored(plain, dated, plain)


def newest(folder: Path = DATA) -> pd.Timestamp | None:
    """Give the newest stored time."""
    months = stored_months(folder)
    if not months:
        return None
    times = [read_range(folder / kind / f"{months[-1]}.parquet", None, pa.schema([schema([]).field(TIME)]))[TIME].max()
             for kind in (MEASUREMENTS, LATER)]  # fmt: skip
    return max(time for time in times if not pd.isna(time))


def require() -> list[str]:
    """Name the months of data/.

    Raises:
        DataError: there are none.
    """
    months = sorted(path.stem for path in (DATA / MEASUREMENTS).glob("*.parquet"))
    if not months:
        raise DataError("data/ holds no rows: run tidegate ingest first.")
    return months
