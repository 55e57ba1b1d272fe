"""The newest forecasts, and how those of the last month did, from their files and without pandas, which takes long."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate.errors import DataError, one_line
from tidegate.verification.places import DAYS, ISSUED, STANDING, Place

SPAN = timedelta(days=30)  # up to the newest verified day
SUMMED = ("verified", "compared", "intervals")  # counts, each the weight of the means below
_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
MEANS = {"compared_loss": "compared", "naive_loss": "compared", "coverage": "intervals"}

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Newest:
    """The newest forecasts that are kept."""

    version: str  # "tidegate-v3"
    origin: datetime


@dataclass(frozen=True)
class Recently:
    """How a version's forecasts of the last verified days did; None where too little is known."""

    version: str  # "tidegate-v3"
    until: datetime  # the newest verified day
    verified: int  # values
    skill: float | None  # 1 - loss / loss of the seasonal naive forecast
    coverage: float | None  # of the interval between the outermost quantiles


def newest_forecasts(name: str, place: Place = ISSUED) -> Newest | None:
    """Find the newest forecasts of a registered model's versions; None if there are none.

    Raises:
        DataError: a file is damaged.
    """
    version = re.compile(rf"{re.escape(name)}-v\d+")
    months = [path for path in _last_months(place.forecasts, "*.parquet") if version.fullmatch(path.parent.name)]
    newest = [(_last(path, "origin"), path.parent.name) for path in months]
    found = max(newest, default=None)
    return Newest(found[1], found[0]) if found else None


def recent_scores(version: str, place: Place = ISSUED) -> Recently | None:
    """Sum up how a version's standing forecasts did in the last days that were verified; None if none was.

    Raises:
        DataError: a file is damaged.
    """
    files = sorted((place.verification / version / DAYS).glob("*.parquet"))[-2:]
    columns = ["issue", "day", *SUMMED, *MEANS]
    tables = [table for path in files if (table := _read(path, columns)).num_rows]
    if not tables:
        return None
    days = pa.concat_tables(tables)
    issue, kind = pc.dictionary_encode(days["issue"]).combine_chunks(), days["day"].type
    names = [*issue.dictionary.to_pylist(), STANDING]
    of_issue = _numbers(issue.indices) == names.index(STANDING)
    day = _numbers(days["day"].cast("int64"))
    recent = of_issue & (day > day.max() - SPAN.total_seconds() * _A_SECOND[kind.unit])
    shown = {name: _numbers(days[name])[recent] for name in (*SUMMED, *MEANS)}
    means = {name: _mean(shown[name], shown[weight]) for name, weight in MEANS.items()}
    loss, naive = means["compared_loss"], means["naive_loss"]
    skill = 1 - loss / naive if loss is not None and naive else None
    return Recently(version, _moment(day.max(), kind), int(shown["verified"].sum()), skill, means["coverage"])


def _numbers(column: pa.Array | pa.ChunkedArray) -> Numbers:
    """Give a column of numbers, NaN where one is null. PyArrow would import pandas to give it, or to compare it."""
    cells = column.cast("float64")
    cells = pa.concat_arrays(cells.chunks) if isinstance(cells, pa.ChunkedArray) else cells
    values: Numbers = np.frombuffer(cells.buffers()[1], np.float64)[cells.offset : cells.offset + len(cells)]
    valid = np.frombuffer(pc.is_valid(cells).cast("int8").buffers()[1], np.int8)[: len(cells)]
    return np.where(valid, values, np.nan)


def _mean(values: Numbers, weights: Numbers) -> float | None:
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else None


def time_span(files: Sequence[Path], column: str) -> tuple[datetime, datetime]:
    """Give the first and last time of files by month, the oldest first, from what their footers say.

    Raises:
        DataError: a file is damaged.
    """
    return _statistics(files[0], column)[0], _statistics(files[-1], column)[1]


def _last(path: Path, column: str) -> datetime:
    return _statistics(path, column)[1]


def _statistics(path: Path, column: str) -> tuple[datetime, datetime]:
    try:
        metadata = pq.read_metadata(path)
        number = metadata.schema.names.index(column)
        kind = metadata.schema.to_arrow_schema().field(column).type
        groups = [metadata.row_group(group).column(number).statistics for group in range(metadata.num_row_groups)]
        # As numbers: as times, PyArrow would import pandas to give them.
        first, last = min(group.min_raw for group in groups), max(group.max_raw for group in groups)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    return _moment(first, kind), _moment(last, kind)


def _moment(count: float, kind: pa.TimestampType) -> datetime:
    return datetime.fromtimestamp(count / _A_SECOND[kind.unit], UTC)


def _last_months(folder: Path, pattern: str) -> list[Path]:
    """Give the last file of each version's folder."""
    return [files[-1] for version in folder.glob("*/") if (files := sorted(version.glob(pattern)))]


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.ParquetFile(path).read(columns)  # pq.read_table imports pandas
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({one_line(error)}): it is damaged; restore it from a backup")
