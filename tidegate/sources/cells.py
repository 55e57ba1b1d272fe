"""Typed cells of every source: numbers as float64, and times in UTC.

Nothing is refused here: what cannot be read is NaN or NaT and marked, and each source refuses it in its own words.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

PLAUSIBLE_YEARS = (1800, 2200)  # the first and the last in which anything can have been measured
ISO = "ISO8601"
EPOCH_SECONDS = {"unix": 1.0, "unix_ms": 1e-3}  # in one unit of a count since 1970
LONGEST_EPOCH = 8e15  # microseconds; the year 2223
SHORTEST_ISO_DATE = 8  # characters: pandas would read 2024-01 as a date, too
DATE = r"\d{4}-\d\d-\d\d"
WITH_ZONE = r"\d[T ]\s*\d{1,2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
DATABASE_WITH_ZONE = r"[T ]\d\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"  # hours of two digits only


class CellTimes(NamedTuple):
    """The times of a column in UTC, and marks of those that could not be read."""

    times: pd.Series
    unreadable: pd.Series  # absent, not a time, or of an implausible year
    clock_change: pd.Series  # local times that the clock of their zone skips, or shows twice


def read_numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Read text, or the numbers of any type, as float64; mark what is neither missing nor a finite number."""
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    return numbers, (numbers.isna() & cells.notna()) | np.isinf(numbers)


def read_json_numbers(cells: Sequence[Any]) -> tuple[pd.Series, pd.Series]:
    """Read what JSON holds, also numbers in quotes, as float64, NaN for null; mark what is not a number."""
    numbers = [_json_number(cell) for cell in cells]
    unreadable = pd.Series([number is None for number in numbers], dtype="bool")
    return pd.Series(numbers, dtype="float64"), unreadable


def _json_number(cell: Any) -> float | None:
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float | str) or "_" in str(cell):
        return None
    try:
        return float(cell)
    except (ValueError, OverflowError):
        return None


def is_plausible_year(year: int) -> bool:
    """Say whether anything can have been measured in a year."""
    return PLAUSIBLE_YEARS[0] <= year <= PLAUSIBLE_YEARS[1]


def is_implausible(times: pd.Series) -> pd.Series:
    """Mark times that are absent, or of an implausible year."""
    moments: Any = times.array
    first, end = (pd.Timestamp(year, 1, 1, tz=moments.tz) for year in (PLAUSIBLE_YEARS[0], PLAUSIBLE_YEARS[1] + 1))
    return pd.Series(~((moments >= first) & (moments < end)), times.index)


def read_epoch(cells: pd.Series, unit: str) -> pd.Series:
    """Read counts since 1970, of a unit in EPOCH_SECONDS, as UTC; NaT for what is not a count, or too far away."""
    microseconds = read_numbers(cells)[0] * (EPOCH_SECONDS[unit] * 1e6)
    return pd.to_datetime(microseconds.where(microseconds.abs() < LONGEST_EPOCH).round(), unit="us", utc=True)


def read_text_times(text: pd.Series, time_format: str = ISO) -> pd.Series:
    """Read text as UTC, NaT for what is not a time; text without a zone is read as if it were UTC.

    Raises:
        ValueError: the format is not one.
    """
    times = pd.to_datetime(text, format=time_format, errors="coerce", utc=True)
    return times.where(text.str.len() >= SHORTEST_ISO_DATE) if time_format == ISO else times


def has_zone(text: pd.Series, pattern: str = WITH_ZONE) -> pd.Series:
    """Mark ISO 8601 text that ends with a zone or an offset."""
    return text.str.contains(pattern, regex=True, na=False)


def read_time_parts(parts: Mapping[str, pd.Series]) -> pd.Series:
    """Put local times together from columns of year, month, day and, if there, hour and minute."""
    numbers = {part: pd.to_numeric(cells, errors="coerce") for part, cells in parts.items()}
    times = pd.to_datetime(pd.DataFrame(numbers), errors="coerce")
    for part, count in (("hour", 24), ("minute", 60)):  # pandas would roll hour 99 into another day
        if part in numbers:
            times = times.where(numbers[part].isin(range(count)))
    return times


def read_database_times(cells: pd.Series, zone: str) -> CellTimes:
    """Read time objects or ISO 8601 text with a whole date; times without a zone are local to `zone`."""
    if all(isinstance(time, datetime) and time.tzinfo for time in cells):
        times, zoned = pd.to_datetime(cells, errors="coerce", utc=True), pd.Series(True, index=cells.index)
    else:
        text = cells.map(str, na_action="ignore").astype("str").str.strip()
        times = read_text_times(text.where(text.str.match(DATE, na=False)))
        zoned = has_zone(text, DATABASE_WITH_ZONE)
    return _in_utc(times, zoned, zone, is_implausible(times))


def read_json_times(cells: Sequence[Any], time_format: str, zone: str) -> CellTimes:
    """Read ISO 8601 text, or counts since 1970; text without a zone is local to `zone`."""
    pairs = [_json_time(cell, time_format) for cell in cells]
    times = pd.to_datetime(pd.Series([time for time, _ in pairs], dtype="object"), errors="coerce", utc=True)
    zoned = pd.Series([is_zoned for _, is_zoned in pairs], dtype="bool")
    return _in_utc(times, zoned, zone, times.isna())


def _json_time(cell: Any, time_format: str) -> tuple[datetime | None, bool]:
    """Read a plausible time, as if it were UTC if it has no zone; say whether it has one."""
    try:
        if time_format in EPOCH_SECONDS:
            count = _json_number(cell)
            time = datetime.fromtimestamp((math.nan if count is None else count) * EPOCH_SECONDS[time_format], UTC)
        else:
            time = datetime.fromisoformat(cell.strip())
    except (ValueError, OverflowError, OSError, AttributeError):
        return None, False
    if not is_plausible_year(time.year):
        return None, False
    return (time, True) if time.tzinfo else (time.replace(tzinfo=UTC), False)


def _in_utc(times: pd.Series, zoned: pd.Series, zone: str, unreadable: pd.Series) -> CellTimes:
    """Bring the times that have no zone, and were read as if they were UTC, from the clock of a zone to UTC."""
    times = times.dt.as_unit("us")
    local = times.where(~zoned & ~unreadable).dt.tz_localize(None)
    from_clock = local_to_utc(local, zone)
    return CellTimes(times.where(zoned, from_clock), unreadable, local.notna() & from_clock.isna())


def local_to_utc(local: pd.Series, zone: str, doubled: Literal["first", "second", "neither"] = "neither") -> pd.Series:
    """Bring the times of a zone's clock to UTC.

    Args:
        local: times without a zone.
        zone: whose clock shows them.
        doubled: which one is meant by a time that the clock shows twice, as it is set back; NaT for neither.

    Returns:
        The times in UTC, NaT also for those that the clock skips as it is set forward.
    """
    ambiguous: Any = "NaT" if doubled == "neither" else np.full(len(local), doubled == "first")
    return local.dt.tz_localize(zone, ambiguous=ambiguous, nonexistent="NaT").dt.tz_convert("UTC")


def skipped_to_utc(local: pd.Series, zone: str) -> pd.Series:
    """Bring times that a zone's clock skips to UTC, by the offset from before it was set forward."""
    clock = ZoneInfo(zone)
    seconds = [datetime.fromisoformat(str(time)).replace(tzinfo=clock).timestamp() for time in local]
    return pd.Series(pd.to_datetime(seconds, unit="s", utc=True), index=local.index)
