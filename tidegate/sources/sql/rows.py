"""What a database gives, as long frames: numbers, and times with a zone or without, be they times there or text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from numbers import Number
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from tidegate.errors import SourceError
from tidegate.measurements.frame import conform
from tidegate.workspace.columns import ARRIVED, STATION, TIME

PLAUSIBLE_YEARS = (1800, 2200)
EARLIEST = "1800-01-01 00:00:00"
MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
DATE = r"\d{4}-\d\d-\d\d"
ZONE = r"[T ]\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"
UTC = ("Z", "+00", "+0000", "+00:00")
UNREADABLE = "is not a time that can be read: write it as 2025-12-31T18:00:00Z"


class TimeNotation:
    """How a column writes its times, as one of them shows, so that others can be compared with it in the database."""

    def __init__(self, sample: Any, zone: str, where: str) -> None:
        """Look at a time; `where` names its column in a sentence."""
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
        self._zoned = re.search(ZONE, self._sample) is not None

    def write(self, moment: pd.Timestamp) -> str:
        """Write a time like those in the column; of text with offsets, which has no order, a day before it."""
        if not self._zoned:
            moment = moment.tz_convert(self._zone)
        elif self.is_text and not self._sample.endswith(UTC):
            return str((moment - pd.Timedelta("1D")).date())
        clock = moment.tz_localize(None)
        if self.is_text:
            return clock.isoformat(sep=self._sample[10:11] or " ", timespec="seconds")[: len(self._sample)]
        return clock.isoformat(sep=" ") + ("+00:00" if self._zoned else "")

    def from_day(self, moment: pd.Timestamp) -> str:
        """Write a time like those in the column; of text, whose hours may be written in several ways, the day alone."""
        return self.write(moment)[:10] if self.is_text else self.write(moment)

    def span(self, month: str) -> tuple[str, str]:
        """Write where a month, 2024-01, begins and where the next one does."""
        after = str(pd.Period(month, "M") + 1)
        if self.is_text:
            return month, after
        rest = "-01 00:00:00" + ("+00:00" if self._zoned else "")
        return month + rest, after + rest


def plausible_month(parts: Sequence[Any], newest: Any, where: str) -> str:
    """Give a month as 2024-01, of such text or of year and month; `newest` is one of its times.

    Raises:
        SourceError: its rows have no time, or it is no month, or of a year in which nothing was measured.
    """
    if newest is None:
        raise _without_time(where)
    finite = None not in parts  # PostgreSQL's infinity is of no month
    text = str(parts[0]) if len(parts) == 1 else "{:04.0f}-{:02.0f}".format(*parts) if finite else ""
    found = MONTH.fullmatch(text)
    if not found or not PLAUSIBLE_YEARS[0] <= int(found[1]) <= PLAUSIBLE_YEARS[1]:
        raise SourceError(f"{where}: {str(newest)!r} {UNREADABLE}, or leave it out by dataset.options.query.")
    return found[0]


def _without_time(where: str) -> SourceError:
    return SourceError(f"{where} is empty in some rows: complete them, or leave them out by dataset.options.query.")


@dataclass(frozen=True)
class RowReader:
    """Makes long frames of rows."""

    what: str  # they are of, in a sentence
    columns: Mapping[str, str]  # the database's, by the long frame's: station and arrived only if it has them
    variables: Sequence[str]
    name: str  # of the station, where no column names it
    zone: str  # of times without one

    def frame(self, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
        """Make a long frame of some rows, whose cells are in the order of `columns`.

        Raises:
            SourceError: a station or a time is missing, or a cell is not what its column should hold.
        """
        cells = {
            label: pd.Series(list(column), dtype="object")
            for label, column in zip(self.columns, zip(*rows, strict=True), strict=True)
        }
        given = cells.get(STATION, pd.Series(self.name, index=cells[TIME].index, dtype="object"))
        cells[STATION] = given.map(str, na_action="ignore").str.strip()
        unnamed = cells[STATION].isna() | (cells[STATION] == "")
        if unnamed.any():
            raise SourceError(
                f"{self.what}: the row at {cells[TIME][unnamed].iloc[0]} names no station in column "
                f"{self.columns[STATION]!r}: complete it, or leave it out by dataset.options.query."
            )
        made = {STATION: cells[STATION]}
        for label in (TIME, ARRIVED):
            if label in cells:
                made[label] = self._times(cells, label)
        made.update({label: self._numbers(cells, label) for label in self.variables})
        return conform(pd.DataFrame(made), self.variables)

    def _times(self, cells: Mapping[str, pd.Series], label: str) -> pd.Series:
        column = cells[label]
        if all(isinstance(time, datetime) and time.tzinfo for time in column):
            written, zoned = column, pd.Series(True, index=column.index)
        else:
            text = column.map(str, na_action="ignore").astype("str").str.strip()
            written = text.where(text.str.match(DATE, na=False))
            zoned = text.str.contains(ZONE, regex=True, na=False)
        times = pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True).dt.as_unit("us")
        unread = times.isna() | ~times.dt.year.between(*PLAUSIBLE_YEARS)
        if label == ARRIVED:
            unread &= column.notna()
        if unread.any():
            self._refuse(cells, label, unread, f"{UNREADABLE}, or leave it out by dataset.options.query")
        clock = times.where(~zoned).dt.tz_localize(None)
        local = clock.dt.tz_localize(self.zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
        lost = clock.notna() & local.isna()
        if lost.any():
            self._refuse(
                cells,
                label,
                lost,
                f"does not exist or is ambiguous in {self.zone}, where the clock is changed: "
                "have dataset.options.query give times with their zone",
            )
        return times.where(zoned, local)

    def _numbers(self, cells: Mapping[str, pd.Series], label: str) -> pd.Series:
        found = pd.to_numeric(cells[label], errors="coerce").astype("float64")
        unread = (found.isna() & cells[label].notna()) | np.isinf(found)
        if unread.any():
            self._refuse(cells, label, unread, "is not a number: correct it, or leave it out by dataset.options.query")
        return found

    def _refuse(self, cells: Mapping[str, pd.Series], label: str, marked: pd.Series, what: str) -> NoReturn:
        first = int(np.flatnonzero(marked.to_numpy())[0])
        value = cells[label].iloc[first]
        shown = str(value) if isinstance(value, date) else repr(value)
        at = "" if label == TIME else f" at {cells[TIME].iloc[first]}"
        raise SourceError(
            f"{self.what}, station {cells[STATION].iloc[first]}{at}: {shown} in column {self.columns[label]!r} {what}."
        )
