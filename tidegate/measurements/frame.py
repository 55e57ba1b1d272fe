"""The long frame: the format in which measurements are passed between modules.

station   text
time      UTC, when the measurement was taken
arrived   UTC, when the row was first received; the column is optional, NaT where the row was known at `time`
…         one float64 column per variable, NaN where the value is missing
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.arrays import DatetimeArray

from tidegate.errors import DataError, one_line
from tidegate.workspace.columns import ARRIVED, KEYS, STATION, TIME
from tidegate.workspace.paths import atomic_output, require_file


def conform(frame: pd.DataFrame, variables: Sequence[str]) -> pd.DataFrame:
    """Convert a frame to the long frame: the key columns, then the variables, each with its type.

    Infinite values become missing. The order of rows is kept, and so is a column `arrived`.

    Raises:
        DataError: a column is absent, a station is unnamed, or a time is missing or without a zone.
    """
    return pd.DataFrame(long_columns(frame, variables))


def long_columns(frame: pd.DataFrame, variables: Sequence[str]) -> dict[str, Any]:
    """Give the columns of the long frame that `conform` makes, each as an array.

    Raises:
        DataError: as `conform`.
    """
    if frame.columns.has_duplicates:
        raise DataError(f"The rows have two columns {frame.columns[frame.columns.duplicated()][0]!r}: leave one.")
    absent = [name for name in (*KEYS, *variables) if name not in frame.columns]
    if absent:
        raise DataError(
            f"The rows have no column {absent[0]!r}; they have {', '.join(map(str, frame.columns))}: "
            "name it in params.yaml as the source names it."
        )
    stations, times = frame[STATION], _utc_times(frame[TIME])
    unnamed = pd.isna(stations.array) | times.isna()
    if unnamed.any():
        raise DataError(f"Row {int(unnamed.argmax()) + 1} has no station or no time: complete or remove it.")
    columns: dict[str, Any] = {STATION: station_names(stations).array, TIME: times}
    if ARRIVED in frame.columns:
        columns[ARRIVED] = _utc_times(frame[ARRIVED])
    for name in variables:
        numbers = _numbers(frame[name], name)
        columns[name] = np.where(np.isinf(numbers), np.nan, numbers)
    return columns


def station_names(cells: pd.Series) -> pd.Series:
    """Write the names of stations as text; a whole number without decimals, so that 7.0 and 7 are one station."""
    if cells.dtype == "str":
        return cells
    if cells.dtype.kind == "f" or cells.dtype == object:
        whole = [int(name) if isinstance(name, float) and name.is_integer() else name for name in cells]
        cells = pd.Series(whole, index=cells.index, dtype=object)
    return cells.astype("str")


def _numbers(cells: pd.Series, name: str) -> npt.NDArray[np.float64]:
    if cells.dtype.kind in "fiub":
        return cells.to_numpy(np.float64)
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    if (wrong := numbers.isna() & cells.notna()).any():
        row = int(np.flatnonzero(wrong.to_numpy())[0])
        raise DataError(
            f"Row {row + 1}: {name} is {cells.iloc[row]!r}, which is not a number: correct it or leave it empty."
        )
    return np.asarray(numbers, np.float64)


def _utc_times(times: pd.Series) -> DatetimeArray:
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        times = pd.to_datetime(times) if len(times) else times.astype("datetime64[us, UTC]")
    moments: Any = times.array
    if moments.tz is None:
        raise DataError("The times have no zone: give UTC times, or name the source's time zone.")
    return moments.tz_convert("UTC").as_unit("us")


def write_frame(path: Path, frame: pd.DataFrame, row_group: int | None = None) -> None:
    """Write a frame as Parquet, in row groups of `row_group` rows; the same rows give the same bytes."""
    # Without pandas' own metadata: it repeats the schema, and adds the versions of packages, so bytes would differ.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    with atomic_output(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=row_group)


def read_frame(path: Path) -> pd.DataFrame:
    """Read a frame from Parquet.

    Raises:
        DataError: the file is absent or damaged.
    """
    try:
        return pq.read_table(require_file(path)).to_pandas()
    except pa.ArrowException as error:
        raise DataError(
            f"{path} is damaged ({one_line(error)}): bring it back from a backup, or delete it and make it again."
        ) from None
