"""The times in a file's column, all read as the first one is written, chunk by chunk."""

import re
import warnings

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tidegate.errors import SourceError, in_a_line
from tidegate.sources.files.tables import Table, refuse

PLAUSIBLE_YEARS = (1800, 2200)
UNREADABLE = "is not a time that can be read: correct it, or set dataset.options.time_format"
ISO, LOOSE = "ISO8601", ("ISO8601", "mixed")
MICROSECONDS = {"unix": 1e6, "unix_ms": 1e3}  # in one of what is counted
FAR = 8e15  # microseconds; the year 2223
YEAR_FIRST = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}")
HALF_OF_DAY = re.compile(r"(\s*)[AP]M$", re.IGNORECASE)
HAS_ZONE = r"\d[T ]\s*\d{1,2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
EITHER_ORDER = re.compile(r"%[dm]\W%[dm]\W")  # 01/02/2024
FEWEST = 8  # characters of a date: 2024-01 is none


class TimeReader:
    """Reads the texts, numbers or timestamps of one column."""

    def __init__(self, time_format: str | None) -> None:
        """Remember how times are written; without that, the first one shows it."""
        self.format = time_format
        self._zoned: bool | None = None
        self._in_doubt: str | None = None  # a time whose day and month may be the other way round

    def read(self, table: Table, cells: pd.Series, absent: pd.Series | None = None) -> pd.Series:
        """Give times: in UTC where they carry a zone, else as the clock shows them; NaT where they are absent."""
        text = as_text(cells)
        absent = pd.Series(False, index=cells.index) if absent is None else absent
        if absent.all() and len(cells):
            return pd.Series(pd.NaT, index=cells.index)
        if isinstance(cells.dtype, pd.DatetimeTZDtype):
            times = cells.dt.tz_convert("UTC")
        elif pd.api.types.is_datetime64_dtype(cells):
            times = cells
        elif self.format in MICROSECONDS:
            count = pd.to_numeric(cells, errors="coerce").astype("float64") * MICROSECONDS[self.format]
            times = pd.to_datetime(count.where(count.abs() < FAR).round(), unit="us", utc=True)
        elif pd.api.types.is_numeric_dtype(cells):
            raise SourceError(
                f"{table.file}: column {cells.name!r} holds numbers, not times: write them as dates, "
                "or set dataset.options.time_format to unix or unix_ms."
            )
        else:
            times = self._written(table, text.where(~absent), text)
        refuse_implausible(table, times, text, absent)
        return times

    def close(self, table: Table) -> None:
        """Refuse a file in which no time tells whether the day or the month comes first."""
        if self._in_doubt:
            raise SourceError(
                f"{table.file}: its times, such as {self._in_doubt!r}, may be month first or day first: "
                "set dataset.options.time_format."
            )

    def _written(self, table: Table, given: pd.Series, text: pd.Series) -> pd.Series:
        given = given.str.replace(r"\s*(UTC|GMT)$", "Z", regex=True)
        first = str(given.dropna().iloc[0])
        if self.format is None:
            self.format = _guess(first)
            if self.format is None:
                refuse(table, given.notna(), text, UNREADABLE)
            self._in_doubt = first if EITHER_ORDER.match(self.format) else None
        try:
            times = pd.to_datetime(given, format=self.format, errors="coerce", utc=True)
        except ValueError as error:
            reason = in_a_line(error)
            raise SourceError(f"{table.file}: dataset.options.time_format is not one ({reason}): correct it.") from None
        if self.format == ISO:
            times = times.where(given.str.len() >= FEWEST)
        if self._in_doubt and given.str.extract(r"^(\d+)\W(\d+)").astype("float64").gt(12).any(axis=None):
            self._in_doubt = None
        return times if self._carry_zones(table, given, text) else times.dt.tz_localize(None)

    def _carry_zones(self, table: Table, given: pd.Series, text: pd.Series) -> bool:
        if self.format not in LOOSE:
            return "%z" in str(self.format).lower()
        zoned = given.str.contains(HAS_ZONE, regex=True, na=False)
        if self._zoned is None:
            self._zoned = bool(zoned[given.notna()].iloc[0])
        other = given.notna() & (zoned != self._zoned)
        if other.any():
            has = (
                "no time zone, and those before it have one" if self._zoned else "a time zone, and those before do not"
            )
            refuse(table, other, text, f"has {has}: write all alike")
        return self._zoned


def as_text(cells: pd.Series) -> pd.Series:
    """Give cells as the text that they are told by; timestamps, which is slow to write, as they are."""
    return cells if pd.api.types.is_datetime64_any_dtype(cells) else cells.astype("str").fillna("").str.strip()


def refuse_implausible(table: Table, times: pd.Series, text: pd.Series, absent: pd.Series | None = None) -> None:
    """Refuse what could not be read, or lies in a year in which nothing was measured."""
    wrong = times.isna() | ~times.dt.year.between(*PLAUSIBLE_YEARS)
    if absent is not None:
        wrong &= ~absent
    if wrong.any():
        refuse(table, wrong, text, UNREADABLE)


def _guess(text: str) -> str | None:
    """Tell the format from one time; dates with the year first may leave out what is zero."""
    half = HALF_OF_DAY.search(text)
    if YEAR_FIRST.match(text) and not half:
        return ISO
    with warnings.catch_warnings(action="ignore"):  # that the day comes first, where it can be nothing else
        found = guess_datetime_format(text[: half.start()] if half else text)
    if found and half:
        return found.replace("%H", "%I") + half.group(1) + "%p" if "%H" in found else None
    return found
