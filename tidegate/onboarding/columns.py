"""Which columns of someone's table hold what: times, stations, values; and what local times show of their zone.

These are guesses, each with its reason. Pure functions of tables of text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tidegate.quality import rules
from tidegate.workspace.columns import RESERVED, STATION, TIME

TIME_NAMES = ("time", "date", "datetime", "timestamp", "date_time", "time_hour", "valid", "ts")
PARTS = ("year", "month", "day", "hour", "minute")
STATION_NAMES = (
    "station",
    "station_id",
    "stationid",
    "site",
    "sensor",
    "location",
    "origin",
    "place",
    "id",
    "name",
    "series",
)
NUMBERED_STATIONS = (
    "station",
    "station_id",
    "stationid",
    "site",
    "site_id",
    "sensor",
    "sensor_id",
    "location_id",
    "id",
)
INDEX_NAMES = ("no", "index", "row", "unnamed: 0", "")
MISSING = ("", "NA", "NaN", "nan", "null", "None", "N/A", "-")
UNITS = re.compile(r"^(?P<name>.*?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*$")
CLOCKS = ("America/New_York", "Europe/Berlin", "Europe/London", "Australia/Sydney", "America/Santiago", "Asia/Tehran")
WIDE = "reading"  # the variable of a wide table
NUMERIC_SHARE = 0.98
UNIQUE_SHARE = 0.9


@dataclass
class ColumnRoles:
    """What the columns of the files hold."""

    time: str | tuple[str, ...]
    aware: bool  # whether times carry a zone
    station: str | None
    wide: str | None  # the variable that the columns hold, one column a station
    values: tuple[str, ...]  # of a long table; of a wide one the stations, where there are other columns
    left_out: dict[str, str]  # column: why
    time_format: str | None = None  # where the reader could not tell


@dataclass
class ZoneGuess:
    """What local times show of their zone."""

    zone: str = "UTC"
    labels: str = "begin"
    infer: bool = False
    why: str = "the times carry no zone and show no change of the clock: name the stations' zone"


def numbers(cells: "pd.Series[Any]", decimal: str = ".") -> tuple["pd.Series[float]", float]:
    """Read cells as numbers; give the share of the cells that hold something and could be read."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype("float64"), 1.0
    text = cells.astype("str").str.strip()
    present = ~text.isin(MISSING) & cells.notna()
    plain = text.str.replace(",", ".", regex=False) if decimal == "," else text
    parsed = pd.to_numeric(plain.where(present), errors="coerce")
    return parsed, float(parsed[present].notna().mean()) if present.any() else 0.0


def classify_columns(
    tables: Sequence[pd.DataFrame], decimal: str, wide: bool | None = None, station: str | None = None
) -> ColumnRoles:
    """Find the columns that hold the time, the station and the values; `tables` are samples of the files.

    `wide` and `station` are what the user has set; they are not guessed then.

    Raises:
        ValueError: no column holds times, or none holds numbers.
    """
    first = tables[0]
    left_out: dict[str, str] = {}
    time, aware = _time_of(first)
    time_format = _day_first(first[time]) if isinstance(time, str) else None
    others = [name for name in first.columns if name not in ((time,) if isinstance(time, str) else time)]
    numeric = [name for name in others if name != station and numbers(first[name], decimal)[1] >= NUMERIC_SHARE]
    for name in list(numeric):
        if station is None and name.lower() in NUMBERED_STATIONS and _names_stations(first[name]):
            numeric.remove(name)
            station = name
        elif name.lower() in INDEX_NAMES or _counts_up(first[name], decimal):
            numeric.remove(name)
            left_out[name] = "it numbers the rows"
        elif name.lower() in PARTS:
            numeric.remove(name)
            left_out[name] = "a part of the time"
    if wide is None:
        wide = _looks_wide(tables, numeric, others)
    if wide:
        return ColumnRoles(
            time, aware, None, WIDE, tuple(numeric) if len(numeric) < len(others) else (), {}, time_format
        )
    station = station or _station_of(first, time, [name for name in others if name not in numeric])
    for name in others:
        if name not in numeric and name not in left_out and name != station:
            left_out[name] = "not numbers"
    if not numeric:
        raise ValueError("no column holds numbers")
    return ColumnRoles(time, aware, station, None, tuple(numeric), left_out, time_format)


def _time_of(table: pd.DataFrame) -> tuple[str | tuple[str, ...], bool]:
    """Find the column of times, those with a zone first, then those with a usual name; else columns of its parts."""
    candidates = []  # name, whether its times carry a zone, position
    for position, name in enumerate(table.columns):
        cells = table[name].dropna().head(500)
        if pd.api.types.is_datetime64_any_dtype(cells):
            candidates.append((name, cells.dt.tz is not None, position))
            continue
        text = cells.astype("str").str.strip()
        if pd.api.types.is_numeric_dtype(cells) or pd.to_numeric(text, errors="coerce").notna().mean() > 0.5:
            continue
        times = _read_times(text)
        if len(times) and times.notna().mean() > 0.95:
            zoned = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all()
            candidates.append((name, bool(zoned), position))
    lower = {name.lower(): name for name in table.columns}
    if candidates:
        best = min(candidates, key=lambda column: (not column[1], column[0].lower() not in TIME_NAMES, column[2]))
        return best[0], best[1]
    if all(part in lower for part in PARTS[:3]):
        return tuple(lower[part] for part in PARTS if part in lower), False
    raise ValueError(f"no column holds times (columns: {', '.join(map(str, table.columns))})")


def _day_first(cells: "pd.Series[Any]") -> str | None:
    """Give the format of dates such as 13.01.2024 or 01/13/2024, told by the one in which a part is over 12."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return None
    text = cells.astype("str").str.strip()
    parts = text.str.extract(r"^(\d{1,2})[./-](\d{1,2})[./-]\d{4}").astype("float64")
    if parts[0].isna().any() or parts.empty:
        return None
    day_first = bool(parts[0].gt(12).any()) or not parts[1].gt(12).any()
    which = text[parts[0 if day_first else 1].gt(12)]
    return guess_datetime_format(str(which.iloc[0] if len(which) else text.iloc[0]), dayfirst=day_first)


def _read_times(text: "pd.Series[str]") -> "pd.Series[Any]":
    try:
        return pd.to_datetime(text, errors="coerce", utc=True, format=_day_first(text) or "mixed")
    except (ValueError, TypeError):
        return pd.Series(pd.NaT, index=text.index)


def _counts_up(cells: "pd.Series[Any]", decimal: str) -> bool:
    head = numbers(cells, decimal)[0].head(1000)
    return len(head) > 10 and bool(head.notna().all()) and bool((head.diff().dropna() == 1).all())


def _names_stations(cells: "pd.Series[Any]") -> bool:
    """Say whether numbers may be the names of stations: whole, and few."""
    parsed = numbers(cells)[0]
    return bool((parsed == parsed.round()).all()) and parsed.nunique() <= max(1, len(parsed) // 10)


def _looks_wide(tables: Sequence[pd.DataFrame], numeric: Sequence[str], others: Sequence[str]) -> bool:
    """Say whether each column is a station: their names are numbers, or each file has one and another."""
    if len(numeric) < len(others) or not numeric:
        return False
    if len(tables) > 1 and len(numeric) == 1:
        return len({table.columns[-1] for table in tables}) == len(tables)
    return sum(name.strip().isdigit() for name in numeric) > len(numeric) / 2


def _station_of(table: pd.DataFrame, time: str | tuple[str, ...], texts: Sequence[str]) -> str | None:
    """Find the column that names the station: by its name, or because times are unique only beside it."""
    for name in texts:
        if name.lower() in STATION_NAMES:
            return name
    keys = [time] if isinstance(time, str) else list(time)
    if 1 - table.duplicated(keys).mean() > UNIQUE_SHARE - 0.1:
        return None
    for name in texts:
        if 1 - table.duplicated([*keys, name]).mean() > UNIQUE_SHARE:
            return name
    return None


def frequency_of(rows: pd.DataFrame) -> pd.Timedelta:
    """Give the commonest step between the times of a station."""
    ordered = rows[[STATION, TIME]].drop_duplicates().sort_values([STATION, TIME])
    step = ordered.groupby(STATION)[TIME].diff().dropna()
    if step.empty:
        raise ValueError("there are fewer than two times at each station")
    common: pd.Timedelta = step.mode().iloc[0]
    return common


def frequency_text(step: pd.Timedelta) -> str:
    """Write a step as a frequency: 1h, 15min, 1D."""
    for unit, name in (("1D", "D"), ("1h", "h"), ("1min", "min"), ("1s", "s")):
        if step % pd.Timedelta(unit) == pd.Timedelta(0):
            return f"{step // pd.Timedelta(unit)}{name}"
    return f"{step.total_seconds():g}s"


def clock_of(local: "pd.Series[Any]", step: pd.Timedelta) -> ZoneGuess:
    """Tell from local times where the clock is changed: an hour that is never there in spring, or doubled in autumn."""
    if step > pd.Timedelta("1h"):
        return ZoneGuess(why="the times carry no zone: name the stations' zone")
    present = pd.DatetimeIndex(local.unique())
    for zone in CLOCKS:
        for labels, shift in (("begin", pd.Timedelta(0)), ("end", step)):
            skipped = _skipped(zone, present.min(), present.max(), step) + shift
            beside = skipped[
                (skipped - pd.Timedelta("3h")).isin(present) & (skipped + pd.Timedelta("3h")).isin(present)
            ]
            if len(beside) and not beside.isin(present).any():
                ends = ", as of times that name the end of an hour" if labels == "end" else ""
                why = f"the hour that is skipped there in spring is never there{ends}; name the very zone, if another"
                return ZoneGuess(zone, labels, True, why)
    return ZoneGuess()


def _skipped(zone: str, first: pd.Timestamp, last: pd.Timestamp, step: pd.Timedelta) -> pd.DatetimeIndex:
    """List one local time a year that does not exist in a zone."""
    skipped = []
    for year in range(first.year, last.year + 1):
        for when, _ in rules.clock_changes(zone, year):
            before = pd.Timestamp(when, unit="us", tz="UTC") - pd.Timedelta("1us")
            local = before.tz_convert(zone).tz_localize(None).ceil("1h")
            try:
                local.tz_localize(zone)
            except Exception as error:  # pandas raises one class for what does not exist, another for what is doubled
                if "Nonexistent" in type(error).__name__ or "nonexistent" in str(error).lower():
                    skipped.append(local)
    return pd.DatetimeIndex([time for time in skipped if first < time < last])


def variable_name(column: str) -> tuple[str, str]:
    """Split a header into a name that is safe everywhere, and a unit."""
    match = UNITS.match(column)
    name, unit = (match["name"], match["unit"]) if match else (column, "")
    safe = re.sub(r"(?:[^\w.]|\.(?!\d))+", "_", name).strip("_.")
    return safe if safe and safe not in RESERVED else f"{safe}_measured".strip("_"), unit.replace("\ufffd", "?")
