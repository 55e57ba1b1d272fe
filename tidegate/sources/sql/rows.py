"""Rows of a database as long frames, and the notation of the times in one of its columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from numbers import Number
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from tidegate.errors import SourceError
from tidegate.measurements.frame import conform, station_names
from tidegate.sources.cells import (
    DATABASE_WITH_ZONE,
    PLAUSIBLE_YEARS,
    is_plausible_year,
    read_database_times,
    read_numbers,
)
from tidegate.workspace.columns import ARRIVED, STATION, TIME

EARLIEST = f"{PLAUSIBLE_YEARS[0]}-01-01 00:00:00"
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
UTC = ("Z", "+00", "+0000", "+00:00")
UNREADABLE = "is not a time that can be read: write it as 2025-12-31T18:00:00Z"


class TimeNotation:
    """The notation of a column's times, as one of them shows it; for times to compare with them in the database."""

    def __init__(self, sample: Any, zone: str, where: str) -> None:
        """Take the notation from one time; `where` names the column in messages."""
        if sample is None:
            raise _without_time(where)
        if isinstance(sample, Number):
            raise SourceError(
                f"{where} holds numbers, not times: make times of them in dataset.options.query, by "
                "to_timestamp(…) in PostgreSQL or datetime(…, 'unixepoch') in SQLite."
            )
        if not isinstance(sample, date | str):
            raise SourceError(f"{where} holds {sample!r}, which is not a time: name another column.")
        self.is_text, self._zone = isinstance(sample, str), zone
        self._sample = sample.strip() if isinstance(sample, str) else str(sample)
        self._zoned = re.search(DATABASE_WITH_ZONE, self._sample) is not None

    def write(self, moment: pd.Timestamp) -> str:
        """Write a time like those in the column; for text with offsets, which is not sorted, the day before it."""
        if not self._zoned:
            moment = moment.tz_convert(self._zone)
        elif self.is_text and not self._sample.endswith(UTC):
            return str((moment - pd.Timedelta("1D")).date())
        clock = moment.tz_localize(None)
        if self.is_text:
            return clock.isoformat(sep=self._sample[10:11] or " ", timespec="seconds")[: len(self._sample)]
        return clock.isoformat(sep=" ") + ("+00:00" if self._zoned else "")

    def from_day(self, moment: pd.Timestamp) -> str:
        """Write a time like those in the column; for text, whose hours may be in several notations, only its day."""
        return self.write(moment)[:10] if self.is_text else self.write(moment)

    def span(self, month: str) -> tuple[str, str]:
        """Write the begin of a month, 2024-01, and of the next one."""
        following = str(pd.Period(month, "M") + 1)
        if self.is_text:
            return month, following
        first_day = "-01 00:00:00" + ("+00:00" if self._zoned else "")
        return month + first_day, following + first_day


@dataclass(frozen=True)
class TimeLimits:
    """The times between which rows are requested, in the notation of the time column."""

    notation: TimeNotation
    since: str | None  # of the first rows; None where the query itself uses :since
    parameters: dict[str, str]  # the values of :since and :until, if the query uses them


def plausible_month(parts: Sequence[Any], newest: Any, where: str) -> str:
    """Give a month as 2024-01, from such text or from year and month; `newest` is the newest of its times.

    Raises:
        SourceError: its rows have no time, or it is not a month, or of a year in which nothing was measured.
    """
    if newest is None:
        raise _without_time(where)
    is_finite = None not in parts  # PostgreSQL's infinity has no month
    text = str(parts[0]) if len(parts) == 1 else "{:04.0f}-{:02.0f}".format(*parts) if is_finite else ""
    month = MONTH.fullmatch(text)
    if not month or not is_plausible_year(int(month[1])):
        raise SourceError(f"{where}: {str(newest)!r} {UNREADABLE}, or leave it out by dataset.options.query.")
    return month[0]


def _without_time(where: str) -> SourceError:
    return SourceError(f"{where} is empty in some rows: complete them, or leave them out by dataset.options.query.")


@dataclass(frozen=True)
class RowReader:
    """Makes long frames of rows."""

    source_name: str  # the table or the query, in messages
    columns: Mapping[str, str]  # database column by column of the long frame; station and arrived only if it has them
    variables: Sequence[str]
    station: str  # the only station, if no column names it
    zone: str  # of times without a zone

    def frame(self, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
        """Make a long frame of some rows, whose cells are in the order of `columns`.

        Raises:
            SourceError: a station or a time is missing, or a cell does not fit its column.
        """
        cells = {
            label: pd.Series(list(column), dtype="object")
            for label, column in zip(self.columns, zip(*rows, strict=True), strict=True)
        }
        stations = cells.get(STATION, pd.Series(self.station, index=cells[TIME].index, dtype="object"))
        cells[STATION] = station_names(stations).str.strip()
        unnamed = cells[STATION].isna() | (cells[STATION] == "")
        if unnamed.any():
            raise SourceError(
                f"{self.source_name}: the row at {cells[TIME][unnamed].iloc[0]} names no station in column "
                f"{self.columns[STATION]!r}: complete it, or leave it out by dataset.options.query."
            )
        columns = {STATION: cells[STATION]}
        columns.update({label: self._times(cells, label) for label in (TIME, ARRIVED) if label in cells})
        columns.update({label: self._numbers(cells, label) for label in self.variables})
        return conform(pd.DataFrame(columns), self.variables)

    def _times(self, cells: Mapping[str, pd.Series], label: str) -> pd.Series:
        times, unreadable, clock_change = read_database_times(cells[label], self.zone)
        if label == ARRIVED:
            unreadable &= cells[label].notna()
        if unreadable.any():
            self._refuse(cells, label, unreadable, f"{UNREADABLE}, or leave it out by dataset.options.query")
        if clock_change.any():
            what = f"does not exist or is ambiguous in {self.zone}, where the clock is changed: "
            self._refuse(cells, label, clock_change, what + "have dataset.options.query give times with their zone")
        return times

    def _numbers(self, cells: Mapping[str, pd.Series], label: str) -> pd.Series:
        numbers, unreadable = read_numbers(cells[label])
        if unreadable.any():
            what = "is not a number: correct it, or leave it out by dataset.options.query"
            self._refuse(cells, label, unreadable, what)
        return numbers

    def _refuse(self, cells: Mapping[str, pd.Series], label: str, marked: pd.Series, what: str) -> NoReturn:
        """Refuse the first of the marked rows; `what` is the end of the message."""
        first = int(np.flatnonzero(marked.to_numpy())[0])
        value = cells[label].iloc[first]
        shown = str(value) if isinstance(value, date) else repr(value)
        time = "" if label == TIME else f" at {cells[TIME].iloc[first]}"
        raise SourceError(
            f"{self.source_name}, station {cells[STATION].iloc[first]}{time}: "
            f"{shown} in column {self.columns[label]!r} {what}."
        )
