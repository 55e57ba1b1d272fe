"""The times of a file's rows: of one column, put together from several, or counted from the first row."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tidegate.errors import SourceError
from tidegate.measurements.grid import step_of
from tidegate.sources.cells import read_time_parts
from tidegate.sources.files.options import TIME_PARTS, Options, TimeColumns
from tidegate.sources.files.tables import Table, refuse
from tidegate.sources.files.timestamps import TimeReader, as_text, refuse_implausible
from tidegate.workspace.params import utc

# 18:00, 18.00.00, 6 PM, 18h30; and 1800 or 180000, without a mark between.
CLOCK = re.compile(
    r"^(?P<hour>\d{1,2})(?:[:.hH](?P<minute>\d{1,2})?)?(?:[:.](?P<second>\d{1,2})(?:\.\d+)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?$"
)
DIGITS = re.compile(r"^(?P<hour>\d{1,2})(?P<minute>\d{2})(?P<second>\d{2})?$")
MOST = {"hour": 24, "minute": 59, "second": 59}


class ColumnTimes:
    """Reads the times of one file, chunk by chunk."""

    def __init__(self, options: Options, frequency: str) -> None:
        """Begin a file."""
        self.options = options
        self.reader = TimeReader(options.time_format)
        self._step = step_of(frequency)
        self._rows_of: dict[str, int] = {}  # so far, of each station: for times that are counted

    def read(self, table: Table, rows: pd.DataFrame, stations: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Read times, in UTC where they carry a zone, else as local times; also give the text that messages quote."""
        columns = self.options.time
        if columns is None:
            return self._counted(stations)
        if isinstance(columns, str):
            return as_text(rows[columns]), self.reader.read(table, rows[columns])
        text = _joined(rows, self.options.times)
        if isinstance(columns, TimeColumns):
            times = self._put_together(table, rows, columns)
        else:
            parts = {part: rows[column] for part, column in zip(TIME_PARTS, columns, strict=False)}
            times = read_time_parts(parts)
        refuse_implausible(table, times, text)
        return text, times

    def close(self, table: Table) -> None:
        """Refuse a file in which no time shows whether the day or the month comes first."""
        self.reader.close(table)

    def _put_together(self, table: Table, rows: pd.DataFrame, columns: TimeColumns) -> pd.Series:
        parts = {part: rows[column] for part, column in columns.named.items()}
        if columns.date:
            dates = self.reader.read(table, parts["date"])
            if dates.dt.tz is not None:
                raise SourceError(f"{table.file}: the dates in {columns.date} carry a zone: give them as one column.")
        else:
            dates = dates_of_parts(parts)
        if columns.clock:
            return dates + _clock_times(table, parts["clock"])
        return dates + time_of_day(parts)

    def _counted(self, stations: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Count a station's rows in steps from the first one's time."""
        before = stations.map(self._rows_of).fillna(0).astype("int64")
        number = before + stations.groupby(stations).cumcount()
        for station, newest in number.groupby(stations).max().items():
            self._rows_of[str(station)] = int(newest) + 1
        times = pd.Series(utc(str(self.options.start)) + number * self._step, index=stations.index)
        return times.astype("str"), times


def _joined(rows: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    text = as_text(rows[columns[0]]).astype("str")
    for column in columns[1:]:
        text = text + " " + as_text(rows[column]).astype("str")
    return text.fillna("")


def dates_of_parts(parts: Mapping[str, pd.Series]) -> pd.Series:
    """Put days together from a year and a month and day, or a day of the year; NaT for what is no day."""
    if "day_of_year" not in parts:
        return read_time_parts({part: parts[part] for part in TIME_PARTS[:3]})
    year, day = (pd.to_numeric(parts[part], errors="coerce") for part in ("year", "day_of_year"))
    first = pd.to_datetime(pd.DataFrame({"year": year, "month": 1, "day": 1}), errors="coerce")
    return (first + pd.to_timedelta(day - 1, unit="D")).where((day == day.round()) & day.between(1, 366))


def time_of_day(parts: Mapping[str, pd.Series]) -> Any:
    """Add up the hour, minute and second, as far as there are any, to time since midnight; NaT for what is none."""
    since: Any = pd.Timedelta(0)
    for part in ("hour", "minute", "second"):
        if part in parts:
            count = pd.to_numeric(parts[part], errors="coerce")
            whole = count.between(0, MOST[part]) & (count == count.round())
            since = since + pd.to_timedelta(count.where(whole), unit=part)
    return since


def _clock_times(table: Table, cells: pd.Series) -> pd.Series:
    """Read times of day as lengths of time since midnight; refuse the first that is none."""
    since, text = read_clock(as_text(cells).astype("str")), as_text(cells).astype("str")
    if since.isna().any():
        refuse(table, since.isna(), text, "is not a time of day: write it as 18:00")
    return since


def read_clock(text: pd.Series) -> pd.Series:
    """Read text such as 18:00, 18.00.00, 1800 and 6:00 PM as time since midnight; NaT for what is none."""
    parts = text.str.extract(CLOCK)
    digits = text.str.extract(DIGITS)
    without_mark = parts["hour"].isna() & digits["hour"].notna()
    parts.loc[without_mark, ["hour", "minute", "second"]] = digits.loc[without_mark]
    numbers = parts[["hour", "minute", "second"]].astype("float64")
    numbers[["minute", "second"]] = numbers[["minute", "second"]].fillna(0)
    half = parts["half"].str.lower()
    hour = numbers["hour"].where(half.isna(), numbers["hour"] % 12 + 12 * (half == "p"))
    seconds = 3600 * hour + 60 * numbers["minute"] + numbers["second"]
    plausible = (numbers["minute"] < 60) & (numbers["second"] < 60) & (seconds <= 86_400)
    plausible &= half.isna() | numbers["hour"].between(1, 12)
    return pd.to_timedelta(seconds.where(plausible), unit="s")
