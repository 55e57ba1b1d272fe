"""Parquet files whose rows are sorted by station: read a range of stations, and write, in bounded memory.

Row groups have a fixed number of rows. So the bytes of a file depend on its rows alone, and a range of stations can be
read without reading the whole file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate.errors import DataError, one_line
from tidegate.workspace.columns import STATION
from tidegate.workspace.paths import atomic_output

ROW_GROUP = 1 << 17
BLOCK_ROWS = 1_000_000  # about as many rows are in memory at a time


@dataclass(frozen=True)
class StationRange:
    """Stations from the first to the last, both included, in the order of their names."""

    first: str
    last: str

    @property
    def filters(self) -> list[tuple[str, str, str]]:
        """Give the range as filters for reading Parquet."""
        return [(STATION, ">=", self.first), (STATION, "<=", self.last)]


def read_range(path: Path, stations: StationRange | None, schema: pa.Schema) -> pd.DataFrame:
    """Read the rows of some stations, or of all.

    If the file does not exist, there are no rows. A column that the file lacks is filled with missing values.

    Raises:
        DataError: the file is damaged.
    """
    if not path.exists():
        return schema.empty_table().to_pandas()
    try:
        present = [name for name in schema.names if name in pq.read_schema(path).names]
        table = pq.read_table(path, columns=present, filters=stations.filters if stations else None)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} is damaged ({one_line(error)}): dvc checkout brings it back, or tidegate ingest --anew."
        ) from None
    for index, field in enumerate(schema):
        if field.name not in present:
            table = table.add_column(index, field, pa.nulls(len(table), field.type))
    return table.cast(schema).to_pandas()


def rows_by_station(paths: Sequence[Path]) -> "pd.Series[int]":
    """Count the rows of each station in Parquet files, by the name of the station, sorted."""
    counts: list[pd.Series[int]] = []
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(1 << 20, columns=[STATION]):
            stations = pc.value_counts(batch.column(0))
            counts.append(
                pd.Series(stations.field("counts").to_pylist(), stations.field("values").to_pylist(), dtype="int64")
            )
    if not counts:
        return pd.Series(dtype="int64")
    all_counts = pd.concat(counts)
    return all_counts.groupby(all_counts.index).sum().sort_index()


def station_ranges(rows: "pd.Series[int]", block_rows: int) -> list[StationRange]:
    """Divide stations into ranges of about `block_rows` rows; a station is never divided."""
    block = (rows.cumsum() - rows) // block_rows
    return [StationRange(str(part.index[0]), str(part.index[-1])) for _, part in rows.groupby(block)]


class ParquetWriter:
    """Writes row groups of a fixed size, whatever the sizes of the frames that are added."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Open a new file."""
        self.schema, self.rows = schema, 0
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._rest = schema.empty_table()  # added rows that do not fill a row group yet

    def add(self, frame: pd.DataFrame) -> None:
        """Add the rows of a frame."""
        self.add_table(pa.Table.from_pandas(frame, self.schema, preserve_index=False))

    def add_table(self, table: pa.Table) -> None:
        """Add the rows of a table."""
        self.rows += len(table)
        table = pa.concat_tables([self._rest, table.replace_schema_metadata(None).cast(self.schema)])
        full_groups_end = len(table) // ROW_GROUP * ROW_GROUP
        for first in range(0, full_groups_end, ROW_GROUP):
            self._file.write_table(table.slice(first, ROW_GROUP).combine_chunks(), ROW_GROUP)
        self._rest = table.slice(full_groups_end)

    def close(self, complete: bool = True) -> None:
        """Close the file; if all rows have been added, write the last row group first."""
        if complete and (len(self._rest) or not self.rows):
            self._file.write_table(self._rest.combine_chunks(), ROW_GROUP)
        self._file.close()


@contextmanager
def write_parquet(path: Path, schema: pa.Schema, keep_empty: bool = False) -> Iterator[ParquetWriter]:
    """Write a temporary file, and move it to `path` when it is complete; without rows only if `keep_empty`."""
    with atomic_output(path) as temporary:
        writer, complete = ParquetWriter(temporary, schema), False
        try:
            yield writer
            complete = True
        finally:
            writer.close(complete)
    if not writer.rows and not keep_empty:
        path.unlink()
