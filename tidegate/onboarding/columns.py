"""Which columns of someone's table name the station, and which hold values. Guesses, each with its reason.

Pure functions of tables of text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidegate.onboarding.times import PART_NAMES, TimeColumn, find_time
from tidegate.workspace.columns import RESERVED

STATION_NAMES = (
    "station",
    "station_id",
    "stationid",
    "site",
    "site_no",
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
    "site_no",
    "sensor",
    "sensor_id",
    "location_id",
    "id",
)
QUANTITY_NAMES = (
    "variable",
    "parameter",
    "param",
    "pollutant",
    "metric",
    "quantity",
    "measure",
    "element",
    "indicator",
)
VALUE_NAMES = ("value", "val", "values", "measurement", "result", "reading", "concentration", "obs_value")
INDEX_NAMES = ("no", "index", "row", "unnamed: 0", "", "rownum", "row_number", "rowid", "record")
MISSING = ("", "NA", "NaN", "nan", "null", "None", "N/A", "-")
UNITS = re.compile(r"^(?P<name>.*?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*$")
SUFFIXES = {  # of names, after an underscore: the unit
    **dict.fromkeys(("c", "degc", "celsius"), "°C"),
    **dict.fromkeys(("f", "degf", "fahrenheit"), "°F"),
    **dict.fromkeys(("k", "kelvin"), "K"),
    **dict.fromkeys(("ms", "mps"), "m/s"),
    **{name: name for name in ("mm", "cm", "kw", "mw", "kwh", "mwh", "ppb", "ppm", "mph")},
    **dict.fromkeys(("pct", "percent"), "%"),
    "kmh": "km/h",
    "hpa": "hPa",
    "cms": "m³/s",
    "cfs": "ft³/s",
    "ugm3": "µg/m³",
}
LISTED_PARTS = ("year", "month", "day", "hour", "minute")  # columns of these can be listed in their order
WIDE = "reading"  # the variable of a wide table
NUMERIC_SHARE = 0.98
UNIQUE_SHARE = 0.9
SAME = 0.99  # share of rows


@dataclass(frozen=True)
class Told:
    """What the user has said of a source; None and empty where it is to be guessed."""

    time: tuple[str, ...] = ()
    time_format: str | None = None
    time_zone: str | None = None
    station: str | None = None
    targets: tuple[str, ...] = ()
    frequency: str | None = None
    wide: bool | None = None
    delimiter: str | None = None
    start: str | None = None


@dataclass
class ColumnRoles:
    """What the columns of the files hold."""

    time: TimeColumn | None  # none: rows are counted from a start
    station: str | None
    wide: str | None  # the variable that the columns hold, one column a station
    values: tuple[str, ...]  # of a long table; of a wide one the stations, where there are other columns
    left_out: dict[str, str]  # column: why

    @property
    def times(self) -> tuple[str, ...]:
        """Name the columns of the time."""
        return self.time.columns if self.time else ()


def numbers(cells: "pd.Series[Any]", decimal: str = ".") -> tuple["pd.Series[float]", float]:
    """Read cells as numbers; give the share of the cells that hold something and could be read."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype("float64"), 1.0
    text = cells.astype("str").str.strip()
    present = ~text.isin(MISSING) & cells.notna()
    plain = text.str.replace(",", ".", regex=False) if decimal == "," else text
    parsed = pd.to_numeric(plain.where(present), errors="coerce")
    return parsed, float(parsed[present].notna().mean()) if present.any() else 0.0


def classify_columns(tables: Sequence[pd.DataFrame], decimal: str, told: Told, invented: bool = False) -> ColumnRoles:
    """Find the columns that hold the time, the station and the values.

    Args:
        tables: samples of the files.
        decimal: their decimal mark.
        told: what the user has said, which is not guessed then.
        invented: whether the names of the columns say nothing.

    Raises:
        ValueError: no column holds times, or none holds numbers, or rows are series.
    """
    first = tables[0]
    _refuse_turned(first)
    time = None if told.start else find_time(first, told.time, told.time_format, invented)
    used = time.columns if time else ()
    others = [str(name) for name in first.columns if name not in used]
    values, left_out, station = _values_of(first, others, decimal, time, told)
    wide = _looks_wide(tables, values, others) if told.wide is None else told.wide
    if wide:
        values = [name for name in others if numbers(first[name], decimal)[1] >= NUMERIC_SHARE and name not in left_out]
        return ColumnRoles(time, None, WIDE, tuple(values) if len(values) < len(others) else (), {})
    texts = [name for name in others if name not in values and name not in left_out]
    station = station or _station_of(first, used, texts)
    left_out |= {name: "not numbers" for name in texts if name != station}
    _refuse_narrow(first, [*used, *([station] if station else [])], texts, values)
    if not values:
        raise ValueError("no column holds numbers")
    return ColumnRoles(time, station, None, tuple(values), left_out)


def _values_of(
    table: pd.DataFrame, others: Sequence[str], decimal: str, time: TimeColumn | None, told: Told
) -> tuple[list[str], dict[str, str], str | None]:
    """Give the columns of measurements, why others are left out, and the column of stations if it holds numbers."""
    station, left_out, values = told.station, dict[str, str](), []
    moments = time.read(table) if time else None
    for name in others:
        if name == station:
            continue
        if station is None and name.strip().lower() in NUMBERED_STATIONS and _names_stations(table[name]):
            station = name
        elif name in told.targets:
            values.append(name)
        elif numbers(table[name], decimal)[1] < NUMERIC_SHARE:
            if name.strip() == "" or table[name].astype("str").str.strip().isin(MISSING).all():
                left_out[name] = "it is empty"
        elif _numbers_rows(table[name], name, decimal):
            left_out[name] = "it numbers the rows"
        elif part := _part_of_time(table[name], name, moments):
            left_out[name] = part
        elif station is None and _has_leading_zeros(table[name]):
            station = name
        else:
            values.append(name)
    return values, left_out, station


def _numbers_rows(cells: "pd.Series[Any]", name: str, decimal: str) -> bool:
    if name.strip().lower() in INDEX_NAMES:
        return True
    head = numbers(cells, decimal)[0].head(1000)
    return len(head) > 10 and bool(head.notna().all()) and bool((head.diff().dropna() == 1).all())


def _part_of_time(cells: "pd.Series[Any]", name: str, times: "pd.Series[Any] | None") -> str | None:
    """Say of which part of the time a column is only a copy."""
    if name.strip().lower() in (each for names in PART_NAMES.values() for each in names):
        return "a part of the time"
    values = numbers(cells)[0]
    if times is None or not values.nunique() > 1:
        return None
    parts = {"hour": times.dt.hour, "weekday": times.dt.day_of_week, "day": times.dt.day, "month": times.dt.month}
    parts |= {"day of the year": times.dt.day_of_year, "year": times.dt.year}
    for part, copy in parts.items():
        shift = (values - copy) % 7 if part == "weekday" else values - copy  # weeks begin on any day
        if copy.nunique() > 1 and (shift == shift.mode().iloc[0]).mean() >= SAME:
            return f"a copy of the time's {part}"
    return None


def _has_leading_zeros(cells: "pd.Series[Any]") -> bool:
    text = cells.astype("str").str.strip()
    return bool(text.str.fullmatch(r"0\d+").any()) and bool(text.str.fullmatch(r"\d+").all()) and _names_stations(cells)


def _names_stations(cells: "pd.Series[Any]") -> bool:
    """Say whether numbers may be the names of stations: whole, and few."""
    parsed = numbers(cells)[0]
    return bool((parsed == parsed.round()).all()) and parsed.nunique() <= max(1, len(parsed) // 10)


def _looks_wide(tables: Sequence[pd.DataFrame], numeric: Sequence[str], others: Sequence[str]) -> bool:
    """Say whether each column is a station: names are numbers, or a word with numbers, or each file has another one."""
    if len(numeric) < len(others) or not numeric:
        return False
    if len(tables) > 1 and len(numeric) == 1:
        return len({table.columns[-1] for table in tables}) == len(tables)
    if sum(name.strip().isdigit() for name in numeric) > len(numeric) / 2:
        return True
    stems = {re.sub(r"[\s_-]*\d+$", "", name.strip()) for name in numeric}
    return len(numeric) >= 3 and len(stems) == 1 and all(name.strip()[-1:].isdigit() for name in numeric)


def _station_of(table: pd.DataFrame, times: Sequence[str], texts: Sequence[str]) -> str | None:
    """Find the column that names the station: by its name, or because times are unique only beside it."""
    for name in texts:
        if name.strip().lower() in STATION_NAMES:
            return name
    if not times or 1 - table.duplicated(list(times)).mean() > UNIQUE_SHARE - 0.1:
        return None
    for name in texts:
        if name.strip().lower() in QUANTITY_NAMES:
            continue
        repeats = table[name].nunique() <= len(table) / 10  # a station has several rows
        if repeats and 1 - table.duplicated([*times, name]).mean() > UNIQUE_SHARE:
            return name
    return None


def _refuse_turned(table: pd.DataFrame) -> None:
    """Refuse a table whose columns are times and whose rows are series.

    Raises:
        ValueError: it is one.
    """
    names = pd.Series([str(name).strip() for name in table.columns])
    dates = names[names.str.match(r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|(19|20)\d{2}$")]
    if len(dates) >= 3 and len(dates) > len(names) / 2:
        raise ValueError(
            f"each row is a series, and columns such as {dates.iloc[0]!r} are times: turn it, for example by "
            "pandas.read_csv(FILE, index_col=0).T.rename_axis('time').to_csv('turned.csv')"
        )


def _refuse_narrow(table: pd.DataFrame, keys: Sequence[str], texts: Sequence[str], values: Sequence[str]) -> None:
    """Refuse a table in which a column names the quantity that each row holds.

    Raises:
        ValueError: it is one.
    """
    quantity = next((name for name in texts if name.strip().lower() in QUANTITY_NAMES), None)
    value = next((name for name in values if name.strip().lower() in VALUE_NAMES), None)
    if quantity and value and quantity not in keys and table[quantity].nunique() > 1:
        raise ValueError(
            f"each row holds one quantity, which column {quantity!r} names: make a column of each, for example by "
            f"pandas.read_csv(FILE).pivot_table(index={list(keys)}, columns={quantity!r}, values={value!r})"
            ".to_csv('by_column.csv')"
        )


def variable_name(column: str) -> tuple[str, str]:
    """Split a header into a name that is safe everywhere, and a unit."""
    match = UNITS.match(column)
    name, unit = (match["name"], match["unit"]) if match else (column, "")
    safe = re.sub(r"(?:[^\w.]|\.(?!\d))+", "_", name).strip("_.")
    unit = unit.replace("\ufffd", "?") or SUFFIXES.get(safe.lower().rpartition("_")[2] if "_" in safe else "", "")
    return safe if safe and safe.lower() not in RESERVED else f"{safe}_measured".strip("_"), unit
