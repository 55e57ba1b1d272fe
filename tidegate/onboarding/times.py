"""Which columns of someone's table hold the time: one, or several together. Guesses.

Pure functions of tables of text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidegate.onboarding.time_formats import READABLE, TIME_NAMES, format_of, read_times
from tidegate.sources.cells import EPOCH_SECONDS, PLAUSIBLE_YEARS, is_implausible
from tidegate.sources.files.time_columns import dates_of_parts, read_clock, time_of_day

PART_NAMES = {  # in lower case
    "year": ("year", "yr", "yyyy", "yy", "jahr"),
    "month": ("month", "mon", "mm", "mo", "mnth", "monat"),
    "day": ("day", "dd", "dy", "dom", "mday", "tag", "day_of_month"),
    "day_of_year": ("doy", "yday", "jday", "day_of_year", "julian_day"),
    "hour": ("hour", "hr", "hh", "hour_of_day", "hod", "stunde", "hour_ending", "he"),
    "minute": ("minute", "min", "mi", "minutes"),
    "second": ("second", "sec", "ss", "seconds"),
}
SPANS = {"year": PLAUSIBLE_YEARS, "month": (1, 12), "day": (1, 31), "day_of_year": (1, 366), "hour": (0, 24)}
SPANS |= {"minute": (0, 59), "second": (0, 59)}
UNIQUE = 0.9  # share of rows
HEAD = 2000  # rows in which a format is looked for


@dataclass(frozen=True)
class TimeColumn:
    """What holds the time, as the options of files name it."""

    time: str | dict[str, str]  # a column, or columns by part
    format: str | None = None  # where the reader of files could not tell
    aware: bool = False  # whether times carry a zone
    doubt: str = ""  # another way to read them, which fits as well

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns."""
        return (self.time,) if isinstance(self.time, str) else tuple(self.time.values())

    def read(self, table: pd.DataFrame) -> "pd.Series[Any]":
        """Read the times without their zone; NaT for what is none."""
        if isinstance(self.time, str):
            return read_times(table[self.time], self.format)
        parts = {part: table[column] for part, column in self.time.items()}
        dates = read_times(parts["date"], self.format) if "date" in parts else dates_of_parts(parts)
        return dates + (read_clock(_text(parts["clock"])) if "clock" in parts else time_of_day(parts))


def find_time(table: pd.DataFrame, told: Sequence[str], time_format: str | None, invented: bool) -> TimeColumn:
    """Find what holds the time.

    Args:
        table: rows of a file, as text or typed.
        told: the columns that the user has named; none, to guess.
        time_format: what the user has set.
        invented: whether the names of the columns say nothing.

    Raises:
        ValueError: no column does.
    """
    looked_at = table[list(told)] if told else table
    dates = list(_date_columns(looked_at, time_format))
    parts = _parts(looked_at, invented)
    if dates:
        best = min(dates, key=lambda found: (not found.aware, str(found.time).strip().lower() not in TIME_NAMES))
        return best if isinstance(best.time, str) and best.aware else _with_time_of_day(table, best, told, parts)
    if "year" in parts and ({"month", "day"} <= set(parts) or "day_of_year" in parts):
        unused = {"day_of_year"} if {"month", "day"} <= set(parts) else {"month", "day"}
        kept = {part: column for part, column in parts.items() if part not in unused}
        if "hour" not in kept and (clock := _clock_column(table, told, kept.values())):
            kept = {**{part: kept[part] for part in kept if part not in ("minute", "second")}, "clock": clock}
        return TimeColumn(kept)
    raise ValueError(_without_time(table, told, parts))


def _date_columns(table: pd.DataFrame, time_format: str | None) -> Iterator[TimeColumn]:
    """Give each column of dates or times."""
    for name in table.columns:
        cells = table[name].dropna().head(HEAD)
        if pd.api.types.is_datetime64_any_dtype(cells):
            yield TimeColumn(name, aware=cells.dt.tz is not None)
            continue
        text = _text(cells)
        text = text[text != ""]
        if text.empty:
            continue
        found, doubt = (time_format, "") if time_format else format_of(str(name), text)
        is_number = _number(text).notna().mean() > 0.5
        if (found or not is_number) and (~is_implausible(read_times(text, found))).mean() > READABLE:
            zoned = bool(text.str.contains(r"\d[T ].*(?:Z|[+-]\d{2}:?\d{2})$").all())
            yield TimeColumn(name, found, zoned or found in EPOCH_SECONDS, doubt)


def _with_time_of_day(table: pd.DataFrame, date: TimeColumn, told: Sequence[str], parts: dict[str, str]) -> TimeColumn:
    """Add the column of clock times, or those of hours, to one of dates that has none."""
    times = date.read(table)
    if not (times.dropna() == times.dropna().dt.normalize()).all() or times.nunique() > UNIQUE * len(times):
        return date
    name = str(date.time)
    clock = _clock_column(table, told, [name])
    hours = {part: column for part, column in parts.items() if part in ("hour", "minute", "second") and column != clock}
    if clock:
        return TimeColumn({"date": name, "clock": clock}, date.format, doubt=date.doubt)
    if "hour" in hours:
        return TimeColumn({"date": name, **hours}, date.format, doubt=date.doubt)
    return date


def _clock_column(table: pd.DataFrame, told: Sequence[str], others: Any) -> str | None:
    """Find the column of times of day."""
    for name in told or table.columns:
        if name in others:
            continue
        text = _text(table[name].dropna().head(HEAD))
        marked = text.str.fullmatch(r"\d{1,2}[:.h]\d{2}([:.]\d{2})?(\.\d+)?(\s*[AaPp]\.?[Mm]\.?)?").mean()
        by_name = str(name).lower() in ("time", "clock", "hour", "hhmm", "time_of_day", "heure", "uhrzeit")
        if (marked > READABLE or (by_name and str(name).lower() != "hour")) and len(text):
            since = read_clock(text)
            dotted_numbers = bool(text.str.fullmatch(r"\d+\.\d+").all()) and not by_name
            if since.notna().mean() > READABLE and not dotted_numbers and since.nunique() > 1:
                return str(name)
    return None


def _parts(table: pd.DataFrame, invented: bool) -> dict[str, str]:
    """Find the columns of the parts of a time: by their names, or by a run of such numbers."""
    if invented:
        return _parts_by_content(table)
    lower = {str(name).strip().lower().lstrip("#"): str(name) for name in table.columns}
    found = {}
    for part, names in PART_NAMES.items():
        column = next((lower[name] for name in names if name in lower), None)
        if column is not None and _lies_within(table[column], part):
            found[part] = column
    return found


def _parts_by_content(table: pd.DataFrame) -> dict[str, str]:
    names = [str(name) for name in table.columns]
    for position, name in enumerate(names):
        years = _number(table[name])
        if not _lies_within(table[name], "year") or years.max() - years.min() > 100 or years.min() < 1900:
            continue
        found = {"year": name}
        for part, column in zip(("month", "day", "hour", "minute"), names[position + 1 :], strict=False):
            if not _lies_within(table[column], part):
                break
            found[part] = column
        if "day" in found:
            return found
    return {}


def _lies_within(cells: "pd.Series[Any]", part: str) -> bool:
    first, last = SPANS[part]
    if pd.api.types.is_datetime64_any_dtype(cells):
        return False
    numbers = _number(cells)
    return bool(numbers.notna().all() and (numbers == numbers.round()).all() and numbers.between(first, last).all())


def _without_time(table: pd.DataFrame, told: Sequence[str], parts: dict[str, str]) -> str:
    """Say what is lacking, and what helps."""
    if told:
        absent = [name for name in told if name not in table.columns]
        return (
            f"no column {absent[0]!r}" if absent else f"{', '.join(told)} cannot be read as times: give --time-format"
        )
    listed = ", ".join(str(name) for name in table.columns[:12])
    if "year" in parts or "month" in parts or "hour" in parts:
        lacking = next(part for part in ("year", "month", "day") if part not in parts)
        return f"{', '.join(parts.values())} look like parts of a time, and no column holds the {lacking}: add it"
    return (
        f"no column holds times (columns: {listed}): name it with --time, or, where rows follow each other at a fixed "
        "step, say --start and --frequency"
    )


def _number(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_numeric(cells, errors="coerce")


def _text(cells: "pd.Series[Any]") -> "pd.Series[str]":
    return cells.astype("str").fillna("").str.strip()
