"""A file as a table of cells: what cannot be used is refused with the name of the file and the line (or row)."""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.errors import SourceError
from tidegate.sources.cells import read_numbers

PARQUET = (".parquet", ".pq")


class Table(Protocol):
    """A file of rows and columns, read in chunks whose index is the number of each row's line (or row) in the file."""

    file: str  # its name in messages
    row_noun: str  # "line" or "row"
    decimal: str
    columns: list[str]

    def chunks(self, wanted: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
        """Give the wanted columns, `size` rows at a time."""


class ParquetTable:
    """A Parquet file; its cells keep their types."""

    row_noun = "row"
    decimal = "."

    def __init__(self, file: str, opened: Any) -> None:
        """Read its schema, but no rows yet."""
        self.file = file
        try:
            self._parquet = pq.ParquetFile(opened)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(error) from None
        self.columns = list(self._parquet.schema_arrow.names)
        if not self._parquet.metadata.num_rows:
            raise no_rows(file)

    def chunks(self, wanted: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
        """Give the wanted columns, `size` rows at a time."""
        row = 1
        try:
            for batch in self._parquet.iter_batches(size, columns=list(wanted)):
                # Without pandas' own metadata, the index of the frame that was written is a column, too.
                rows = pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)[list(wanted)]
                rows.index = pd.RangeIndex(row, row + len(rows))
                row += len(rows)
                yield rows
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: BaseException) -> SourceError:
        reason = (str(error).splitlines() or ["it ends too early"])[0].rstrip(".")
        return SourceError(f"{self.file} is not a readable Parquet file ({reason}): correct it, or fetch it again.")


def no_rows(file: str) -> SourceError:
    """Make the error for a file that has no rows below its header."""
    return SourceError(f"{file} holds no rows: remove it from dataset.options.paths or fill it.")


def require(table: Table, names: Sequence[str]) -> None:
    """Refuse a table that lacks a column, or has it twice."""
    for name in names:
        if name not in table.columns:
            raise SourceError(
                f"{table.file} has no column {name!r}; it has {', '.join(map(str, table.columns))}: "
                "name the columns in dataset.options as they stand in the file."
            )
        if table.columns.count(name) > 1:
            raise SourceError(f"{table.file} has two columns {name!r}: rename one.")


def numbers(table: Table, cells: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Read a column as numbers, NaN where a token of `missing` stands for one."""
    column = cells.name
    flags = cells.dtype == object and pd.api.types.infer_dtype(cells) == "boolean"  # with a null among them
    if flags or pd.api.types.is_numeric_dtype(cells):
        values, infinite = read_numbers(cells)
        if infinite.any():
            refuse(table, infinite, cells, f"in column {column!r} is not finite: correct it")
        return values
    text = cells.astype("str").str.strip()
    absent = text.isin(["", *missing]) | cells.isna()
    with_point, has_point = text, pd.Series(False, index=text.index)
    if table.decimal == ",":
        has_point = text.str.contains(".", regex=False) & ~absent  # 1.234 would be a thousand
        with_point = text.str.replace(",", ".", regex=False)
    values, unreadable = read_numbers(with_point.where(~absent))
    unreadable |= has_point
    if unreadable.any():
        first = str(text[unreadable].iloc[0])
        mark = ", set dataset.options.decimal" if "," in first or "." in first else ""
        what = f"in column {column!r} is not a number: correct it{mark}, or add it to dataset.options.missing"
        refuse(table, unreadable, text, what)
    return values


def refuse(table: Table, marked: pd.Series, text: pd.Series, what: str) -> NoReturn:
    """Refuse the first of the marked rows; `what` is the end of the message."""
    row = marked.index[np.flatnonzero(marked.to_numpy())[0]]
    raise refusal(table, int(row), str(text[row]), what)


def refusal(table: Table, row: int, text: str, what: str) -> SourceError:
    """Make the error for the text in a row."""
    return SourceError(f"{table.file}, {table.row_noun} {row}: {text!r} {what}.")
