"""The rows that a caller of a registered model sends, in any form that MLflow passes on, as a long frame.

The signature names no input types: with a type for `time`, MLflow refuses either timestamps or text and CSV, and its
refusal repeats the caller's rows. So everything is read here, where each refusal is one sentence.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements.frame import station_names
from tidegate.sources.cells import is_implausible, read_database_times
from tidegate.workspace.columns import KEYS, STATION, TIME


def read_request(given: Any, stations: Sequence[str]) -> pd.DataFrame:
    """Read rows as a long frame, with times in UTC; rows without any cell are left out.

    Args:
        given: a frame, records, or a mapping of columns. Times are ISO 8601 text or timestamps, with or without a
            zone; without one they are UTC. Stations may be numbers where CSV or JSON has made them so.
        stations: those that the model knows.

    Raises:
        DataError: these are no rows, a column of the key is absent, a column is there twice, or a time is a number or
            no ISO 8601 text.
    """
    frame = _frame(given)
    absent = [name for name in KEYS if name not in frame.columns]
    if absent:
        have = ", ".join(map(str, frame.columns)) or "none"
        raise DataError(f"The rows have no column {absent[0]!r}; they have {have}: name it so.")
    if frame.columns.has_duplicates:
        raise DataError(f"The rows have two columns {frame.columns[frame.columns.duplicated()][0]!r}: leave one.")
    frame = frame[frame.notna().any(axis=1)].reset_index(drop=True)
    return frame.assign(**{STATION: _known_names(frame[STATION], stations), TIME: _times(frame[TIME])})


def _frame(given: Any) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, np.ndarray):
        given = given.tolist()
    records = isinstance(given, list) and all(isinstance(row, dict) for row in given)
    try:
        if records or isinstance(given, dict):
            return pd.DataFrame(given)
    except ValueError:
        raise DataError("The columns have different numbers of rows: give each row a value or null.") from None
    raise DataError("These are no rows with names: send records, or columns by name, with a station and a time each.")


def _known_names(cells: "pd.Series[Any]", stations: Sequence[str]) -> "pd.Series[Any]":
    """Name stations as the model does, where CSV or JSON has made numbers of names such as 007."""
    names = station_names(cells)
    if not pd.api.types.is_numeric_dtype(cells):
        return names
    numbers = dict(zip(stations, pd.to_numeric(pd.Series(stations, dtype="str"), errors="coerce"), strict=True))
    shared = Counter(numbers.values())
    known = {number: name for name, number in numbers.items() if shared[number] == 1 and number == number}
    return cells.astype("float64").map(known).astype("str").where(~names.isin(stations), names).fillna(names)


def _times(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Read times as UTC; a missing one is refused later, with the row's other cells."""
    if cells.dtype.kind == "M":
        times = (cells.dt.tz_localize("UTC") if cells.dt.tz is None else cells.dt.tz_convert("UTC")).dt.as_unit("us")
        unreadable = is_implausible(times)
    else:
        times, unreadable, _ = read_database_times(cells, "UTC")
    wrong = unreadable & cells.notna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"Row {row + 1}: time {str(cells.iloc[row])!r} is not a time that can be read: write it as text, such as "
            "2025-12-31T18:00Z."
        )
    return times
