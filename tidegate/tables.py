"""A CSV or Parquet file as a table; every refusal names the file and, in a CSV, the line."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from tidegate.errors import SourceError

PARQUET = (".parquet", ".pq")


def read_table(path: Path) -> pd.DataFrame:
    """Read a file whole; the cells of a CSV as text, so that what they hold is decided where a line can be named.

    Raises:
        SourceError: it cannot be opened, is empty, or is not what its name says.
    """
    table = read_parquet(path) if path.suffix in PARQUET else read_csv(path)
    if table.empty:
        raise SourceError(f"{path} holds no rows: remove it from ingest.options.paths or fill it.")
    return table


def opened(path: Path) -> Any:
    """Open a file for reading bytes."""
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be opened ({error.strerror}): correct ingest.options.paths.") from None


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as text; rows keep the numbers that they have with blank lines."""
    with opened(path) as file:
        head = file.read(1 << 16)
    if not head.strip():
        raise SourceError(f"{path} is empty: remove it from ingest.options.paths or fill it.")
    if b"\0" in head:
        raise SourceError(f"{path} is not a text file: give CSV or Parquet.")
    as_text: dict[str, Any] = {
        "dtype": "str",
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        "skip_blank_lines": False,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header: columns would shift
            rows = pd.read_csv(path, index_col=False, **as_text)
            header = pd.read_csv(path, header=None, nrows=1, dtype="str", encoding="utf-8-sig").iloc[0]
        rows = rows[(rows != "").any(axis=1)]  # without blank lines; the others keep their numbers
        rows.attrs["repeated"] = set(header[header.duplicated()])
        return rows
    except UnicodeDecodeError:
        raise SourceError(f"{path} is not UTF-8 text: save it as UTF-8.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise SourceError(f"{path} is not a readable CSV file ({reason}): correct it.") from None


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file."""
    try:
        return pd.read_parquet(path).reset_index(drop=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path} is not a readable Parquet file ({reason}): correct it.") from None


def column_of(raw: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """Give a column, if the file has it, and once."""
    if name not in raw.columns:
        raise SourceError(
            f"{path} has no column {name!r}; it has {', '.join(map(str, raw.columns))}: "
            "name the columns in ingest.options as they stand in the file."
        )
    if name in raw.attrs.get("repeated", ()):
        raise SourceError(f"{path} has two columns {name!r}: rename one.")
    return raw[name]


def numbers(cells: pd.Series, missing: Sequence[str], column: str, path: Path) -> pd.Series:
    """Read a column as numbers, NaN where a token says that one is missing."""
    if pd.api.types.is_numeric_dtype(cells):
        numbers = cells.astype("float64")
        if np.isinf(numbers).any():
            refuse(path, numbers.abs() == np.inf, cells, f"in column {column!r} is not finite: correct it")
        return numbers
    text = cells.astype("str").str.strip()
    absent = text.isin(["", *missing]) | cells.isna()
    numbers = pd.to_numeric(text.where(~absent), errors="coerce")
    unread = (numbers.isna() & ~absent) | np.isinf(numbers)
    if unread.any():
        refuse(
            path,
            unread,
            text,
            f"in column {column!r} is not a number: correct it, or add it to ingest.options.missing",
        )
    return numbers.astype("float64")


def refuse(path: Path, rows: pd.Series, text: pd.Series, what: str) -> NoReturn:
    """Refuse the first of the marked rows."""
    row = rows.index[np.flatnonzero(rows.to_numpy())[0]]
    place = f"row {row + 1}" if path.suffix in PARQUET else f"line {row + 2}"
    raise SourceError(f"{path}, {place}: {text[row]!r} {what}.")
