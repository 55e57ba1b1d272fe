"""The times in a column of a file, all read in the format of the first one, chunk by chunk."""

import re
import warnings

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tidegate.errors import SourceError, one_line
from tidegate.sources.cells import EPOCH_SECONDS, ISO, has_zone, is_implausible, read_epoch, read_text_times
from tidegate.sources.files.tables import Table, refuse

UNREADABLE = "is not a time that can be read: correct it, or set dataset.options.time_format"
WITH_OR_WITHOUT_ZONE = (ISO, "mixed")  # formats in which a time may carry a zone or not
YEAR_FIRST = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}")
HALF_OF_DAY = re.compile(r"(\s*)[AP]M$", re.IGNORECASE)
END_OF_DAY = r"(?<=[T ])24(?=[:.]00(?:[:.]00)?)"
EITHER_ORDER = re.compile(r"%[dm]\W%[dm]\W")  # 01/02/2024


class TimeReader:
    """Reads the text, numbers or timestamps of one column."""

    def __init__(self, time_format: str | None) -> None:
        """Set the format of the times; without one, it is guessed from the first time."""
        self.format = time_format
        self._zoned: bool | None = None
        self._in_doubt: str | None = None  # a time whose day and month may be the other way round

    def read(self, table: Table, cells: pd.Series, absent: pd.Series | None = None) -> pd.Series:
        """Read times: in UTC where they carry a zone, else as local times; NaT where they are absent."""
        text = as_text(cells)
        absent = pd.Series(False, index=cells.index) if absent is None else absent
        if absent.all() and len(cells):
            return pd.Series(pd.NaT, index=cells.index)
        if isinstance(cells.dtype, pd.DatetimeTZDtype):
            times = cells.dt.tz_convert("UTC")
        elif pd.api.types.is_datetime64_dtype(cells):
            times = cells
        elif self.format in EPOCH_SECONDS:
            times = read_epoch(cells, self.format)
        elif pd.api.types.is_numeric_dtype(cells) and self.format is None:
            raise SourceError(
                f"{table.file}: column {cells.name!r} holds numbers, not times: write them as dates, "
                "or set dataset.options.time_format to unix or unix_ms."
            )
        else:
            times = self._read_text(table, text.where(~absent), text)
        refuse_implausible(table, times, text, absent)
        return times

    def close(self, table: Table) -> None:
        """Refuse a file in which no time shows whether the day or the month comes first."""
        if self._in_doubt:
            raise SourceError(
                f"{table.file}: its times, such as {self._in_doubt!r}, may be month first or day first: "
                "set dataset.options.time_format."
            )

    def _read_text(self, table: Table, present: pd.Series, text: pd.Series) -> pd.Series:
        """Read the text that is present; messages quote `text`, as the file has it."""
        present = present.str.replace(r"\s*(UTC|GMT)$", "Z", regex=True)
        first = str(present.dropna().iloc[0])
        if self.format is None:
            self.format = _guess_format(re.sub(END_OF_DAY, "00", first))
            if self.format is None:
                refuse(table, present.notna(), text, UNREADABLE)
            self._in_doubt = first if EITHER_ORDER.match(self.format) else None
        midnight = present.str.contains(END_OF_DAY, regex=True, na=False)  # 24:00 is the next day's 0:00
        if midnight.any():
            present = present.str.replace(END_OF_DAY, "00", regex=True)
        try:
            times = read_text_times(present, self.format)
        except ValueError as error:
            reason = one_line(error)
            raise SourceError(f"{table.file}: dataset.options.time_format is not one ({reason}): correct it.") from None
        if self._in_doubt and present.str.extract(r"^(\d+)\W(\d+)").astype("float64").gt(12).any(axis=None):
            self._in_doubt = None
        times = times.where(~midnight, times + pd.Timedelta("1D")) if midnight.any() else times
        return times if self._has_zone(table, present, text) else times.dt.tz_localize(None)

    def _has_zone(self, table: Table, present: pd.Series, text: pd.Series) -> bool:
        """Say whether the times carry a zone, all of them or none."""
        if self.format not in WITH_OR_WITHOUT_ZONE:
            return "%z" in str(self.format).lower()
        zoned = has_zone(present)
        if self._zoned is None:
            self._zoned = bool(zoned[present.notna()].iloc[0])
        different = present.notna() & (zoned != self._zoned)
        if different.any():
            difference = (
                "no time zone, and those before it have one" if self._zoned else "a time zone, and those before do not"
            )
            refuse(table, different, text, f"has {difference}: write all alike")
        return self._zoned


def as_text(cells: pd.Series) -> pd.Series:
    """Give cells as the text that messages quote; timestamps, which are slow to write as text, unchanged."""
    return cells if pd.api.types.is_datetime64_any_dtype(cells) else cells.astype("str").fillna("").str.strip()


def refuse_implausible(table: Table, times: pd.Series, text: pd.Series, absent: pd.Series | None = None) -> None:
    """Refuse what could not be read, or is of an implausible year."""
    refused = is_implausible(times)
    if absent is not None:
        refused &= ~absent
    if refused.any():
        refuse(table, refused, text, UNREADABLE)


def _guess_format(text: str) -> str | None:
    """Guess the format from one time; dates with the year first are ISO 8601, with or without leading zeros."""
    half = HALF_OF_DAY.search(text)
    if YEAR_FIRST.match(text) and not half:
        return ISO
    with warnings.catch_warnings(action="ignore"):  # that the day comes first, where it can be nothing else
        guess = guess_datetime_format(text[: half.start()] if half else text)
    if guess and half:
        return guess.replace("%H", "%I") + half.group(1) + "%p" if "%H" in guess else None
    return guess
