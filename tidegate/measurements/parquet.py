"""Parquet files whose rows are sorted by station: read a range of stations, and write, in bounded memory.

Rows lie in row groups of a fixed number of rows, so that the bytes of a file tell its rows alone, and a range of
stations is read without reading the rest.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidegate.workspace.columns import STATION
from tidegate.workspace.paths import atomic_output

ROW_GROUP = 1 << 17
BLOCK_ROWS = 1_000_000  # that are worked on at a time


@dataclass(frozen=True)
class StationRange:
    """Stations from the first to the last, both included, in the order of their names."""

    first: str
    last: str

    @property
    def filters(self) -> list[tuple[str, str, str]]:
        """Say it as Parquet's filters."""
        return [(STATION, ">=", self.first), (STATION, "<=", self.last)]


def read_range(path: Path, of: StationRange | None, kind: pa.Schema) -> pd.DataFrame:
    """Read the rows of some stations, or of all; none if the file is not there. Absent columns are missing cells."""
    if not path.exists():
        return kind.empty_table().to_pandas()
    present = [name for name in kind.names if name in pq.read_schema(path).names]
    table = pq.read_table(path, columns=present, filters=of.filters if of else None)
    for place, field in enumerate(kind):
        if field.name not in present:
            table = table.add_column(place, field, pa.nulls(len(table), field.type))
    return table.cast(kind).to_pandas()


def rows_by_station(paths: Sequence[Path]) -> "pd.Series[int]":
    """Count the rows of each station in Parquet files, by the name of the station, sorted."""
    counts: list[pd.Series[int]] = []
    for path in paths:
        for group in pq.ParquetFile(path).iter_batches(1 << 20, columns=[STATION]):
            found = pc.value_counts(group.column(0))
            counts.append(
                pd.Series(found.field("counts").to_pylist(), found.field("values").to_pylist(), dtype="int64")
            )
    if not counts:
        return pd.Series(dtype="int64")
    every = pd.concat(counts)
    return every.groupby(every.index).sum().sort_index()


def station_ranges(rows: "pd.Series[int]", most: int) -> list[StationRange]:
    """Divide stations into ranges of about so many rows; a station is never divided."""
    block = (rows.cumsum() - rows) // most
    return [StationRange(str(part.index[0]), str(part.index[-1])) for _, part in rows.groupby(block)]


class ParquetWriter:
    """Writes row groups of a fixed size, however its rows come."""

    def __init__(self, path: Path, kind: pa.Schema) -> None:
        """Begin a file."""
        self.kind, self.rows = kind, 0
        self._file = pq.ParquetWriter(path, kind, compression="zstd")
        self._rest = kind.empty_table()

    def add(self, frame: pd.DataFrame) -> None:
        """Add rows."""
        self.add_table(pa.Table.from_pandas(frame, self.kind, preserve_index=False))

    def add_table(self, table: pa.Table) -> None:
        """Add rows of a table."""
        self.rows += len(table)
        table = pa.concat_tables([self._rest, table.replace_schema_metadata(None).cast(self.kind)])
        whole = len(table) // ROW_GROUP * ROW_GROUP
        for first in range(0, whole, ROW_GROUP):
            self._file.write_table(table.slice(first, ROW_GROUP).combine_chunks(), ROW_GROUP)
        self._rest = table.slice(whole)

    def close(self, whole: bool = True) -> None:
        """Write what is left."""
        if whole and (len(self._rest) or not self.rows):
            self._file.write_table(self._rest.combine_chunks(), ROW_GROUP)
        self._file.close()


@contextmanager
def write_parquet(path: Path, kind: pa.Schema, keep_empty: bool = False) -> Iterator[ParquetWriter]:
    """Write a file aside, and put it into its place when it is whole; if asked for, even without a row."""
    with atomic_output(path) as aside:
        writer, whole = ParquetWriter(aside, kind), False
        try:
            yield writer
            whole = True
        finally:
            writer.close(whole)
    if not writer.rows and not keep_empty:
        path.unlink()
