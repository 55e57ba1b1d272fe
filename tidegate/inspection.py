"""What a sample of someone's measurements looks like: which columns are what, and what each variable can be.

Everything here is a guess with its reason, to be seen and corrected in params.yaml. Pure functions of tables of text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tidegate import rules
from tidegate.calendar import plausible
from tidegate.frame import STATION, TIME
from tidegate.settings import OWN_NAMES

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
INDEX_NAMES = ("no", "index", "row", "unnamed: 0", "")
TARGET_NAMES = ("target", "ot", "pm2.5", "pm25", "traffic_volume", "load", "power", "demand", "temperature", "temp")
MISSING = ("", "NA", "NaN", "nan", "null", "None", "N/A", "-")
SUSPECTS = (-999.0, -9999.0, -99.9, -999.9, -200.0, -99.0, 999.0, 9999.0, 99999.0)
UNITS = re.compile(r"^(?P<name>.*?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*$")
CLOCKS = ("America/New_York", "Europe/Berlin", "Europe/London", "Australia/Sydney", "America/Santiago", "Asia/Tehran")
WIDE = "reading"  # the variable of a wide table
RESTING_SHARE = 0.05  # at its least value: rain, radiation at night
NUMERIC_SHARE, UNIQUE_SHARE, ABSENT_SHARE = 0.98, 0.9, 0.5

# Physical limits by the name of a variable and, where it matters, its unit.
LIMITS: tuple[tuple[str, str, float | None, float | None], ...] = (
    (r"(pm_?2\.?5|pm_?10)", "", 0, 1000),
    (r"(so2|no2|o3|ozone)", "", 0, 1000),
    (r"co", "", 0, 15000),
    (r"(rh|humid|humidity|relhum|clouds?(_all)?|cloud_cover)", "", 0, 100),
    (r"(pres|pressure|p|slp)", "", 850, 1090),
    (r"(wd|wind_dir|wind_direction)", "", 0, 360),
)
RELATED = (
    (r"pm_?2\.?5", r"pm_?10"),
    (r"(dewp?|dew_?point|tdew)", r"(temp|temperature|t)"),
    (r"wv|wind_speed|wspm", r"max_wv|wind_gust"),
)


@dataclass
class Columns:
    """Which columns of the files are what."""

    time: str | tuple[str, ...]
    aware: bool  # whether times carry a zone
    station: str | None
    wide: str | None  # the variable that the columns hold, one column a station
    values: tuple[str, ...]  # of a long table
    left_out: dict[str, str]  # column: why


@dataclass
class Clock:
    """What local times tell of their zone."""

    zone: str = "UTC"
    labels: str = "begin"
    infer: bool = False
    why: str = "the times carry no zone and show no change of the clock: name the stations' zone"


@dataclass
class Measured:
    """What one variable looks like."""

    column: str
    unit: str
    least: float
    middle: float
    most: float
    missing: float
    low: float | None = None
    high: float | None = None
    sentinels: tuple[float, ...] = ()
    stuck_steps: int | None = None
    floor: float | None = None
    spike: float | None = None
    notes: list[str] = field(default_factory=list)


def numbers(cells: "pd.Series[Any]", decimal: str = ".") -> tuple["pd.Series[float]", float]:
    """Read cells as numbers; give the share of the cells that hold something and could be read."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype("float64"), 1.0
    text = cells.astype("str").str.strip()
    there = ~text.isin(MISSING) & cells.notna()
    plain = text.str.replace(",", ".", regex=False) if decimal == "," else text
    found = pd.to_numeric(plain.where(there), errors="coerce")
    return found, float(found[there].notna().mean()) if there.any() else 0.0


def classify(tables: Sequence[pd.DataFrame], decimal: str, wide: bool | None = None) -> Columns:
    """Say which columns hold the time, the station and the values; `tables` are the files' samples.

    Raises:
        ValueError: no column holds times, or none holds numbers.
    """
    first = tables[0]
    left_out: dict[str, str] = {}
    time, aware = _time_of(first)
    others = [name for name in first.columns if name not in ((time,) if isinstance(time, str) else time)]
    numeric = [name for name in others if numbers(first[name], decimal)[1] >= NUMERIC_SHARE]
    for name in list(numeric):
        if name.lower() in INDEX_NAMES or _counts_up(first[name]):
            numeric.remove(name)
            left_out[name] = "it numbers the rows"
        elif name.lower() in PARTS:
            numeric.remove(name)
            left_out[name] = "a part of the time"
    if wide is None:
        wide = _looks_wide(tables, numeric, others)
    if wide:
        return Columns(time, aware, None, WIDE, (), {})
    station = _station_of(first, time, [name for name in others if name not in numeric])
    for name in others:
        if name not in numeric and name not in left_out and name != station:
            left_out[name] = "not numbers"
    if not numeric:
        raise ValueError("no column holds numbers")
    return Columns(time, aware, station, None, tuple(numeric), left_out)


def _time_of(table: pd.DataFrame) -> tuple[str | tuple[str, ...], bool]:
    """Find the column of times, those with a zone first, then those with a usual name; else columns of its parts."""
    found = []
    for place, name in enumerate(table.columns):
        cells = table[name].dropna().head(500)
        if pd.api.types.is_datetime64_any_dtype(cells):
            found.append((name, cells.dt.tz is not None, place))
            continue
        text = cells.astype("str").str.strip()
        if pd.api.types.is_numeric_dtype(cells) or pd.to_numeric(text, errors="coerce").notna().mean() > 0.5:
            continue
        times = _read_times(text)
        if len(times) and times.notna().mean() > 0.95:
            zoned = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all()
            found.append((name, bool(zoned), place))
    lower = {name.lower(): name for name in table.columns}
    if found:
        best = min(found, key=lambda one: (not one[1], one[0].lower() not in TIME_NAMES, one[2]))
        return best[0], best[1]
    if all(part in lower for part in PARTS[:3]):
        return tuple(lower[part] for part in PARTS if part in lower), False
    raise ValueError(f"no column holds times (columns: {', '.join(map(str, table.columns))})")


def _read_times(text: "pd.Series[str]") -> "pd.Series[Any]":
    try:
        return pd.to_datetime(text, errors="coerce", utc=True, format="mixed")
    except (ValueError, TypeError):
        return pd.Series(pd.NaT, index=text.index)


def _counts_up(cells: "pd.Series[Any]") -> bool:
    found = numbers(cells)[0].head(1000)
    return len(found) > 10 and bool((found.diff().dropna() == 1).all())


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


def say_step(step: pd.Timedelta) -> str:
    """Write a step as a frequency: 1h, 15min, 1D."""
    for unit, name in (("1D", "D"), ("1h", "h"), ("1min", "min"), ("1s", "s")):
        if step % pd.Timedelta(unit) == pd.Timedelta(0):
            return f"{step // pd.Timedelta(unit)}{name}"
    return f"{step.total_seconds():g}s"


def clock_of(local: "pd.Series[Any]", step: pd.Timedelta) -> Clock:
    """Tell from local times where the clock is changed: an hour that is never there in spring, or doubled in autumn."""
    if step > pd.Timedelta("1h"):
        return Clock(why="the times carry no zone: name the stations' zone")
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
                return Clock(zone, labels, True, why)
    return Clock()


def _skipped(zone: str, first: pd.Timestamp, last: pd.Timestamp, step: pd.Timedelta) -> pd.DatetimeIndex:
    """List one local time a year that does not exist in a zone."""
    found = []
    for year in range(first.year, last.year + 1):
        for when, _ in rules.changes(zone, year):
            before = pd.Timestamp(when, unit="us", tz="UTC") - pd.Timedelta("1us")
            local = before.tz_convert(zone).tz_localize(None).ceil("1h")
            try:
                local.tz_localize(zone)
            except Exception as error:  # pandas raises one class for what does not exist, another for what is doubled
                if "Nonexistent" in type(error).__name__ or "nonexistent" in str(error).lower():
                    found.append(local)
    return pd.DatetimeIndex([time for time in found if first < time < last])


def variable_name(column: str) -> tuple[str, str]:
    """Split a header into a name that is safe everywhere, and a unit."""
    found = UNITS.match(column)
    name, unit = (found["name"], found["unit"]) if found else (column, "")
    safe = re.sub(r"(?:[^\w.]|\.(?!\d))+", "_", name).strip("_.")
    return safe if safe and safe not in OWN_NAMES else f"{safe}_measured".strip("_"), unit.replace("\ufffd", "?")


def measured(name: str, unit: str, column: str, values: "pd.Series[float]", rows: pd.DataFrame, step: str) -> Measured:
    """Say what a variable can be; `rows` hold station and time, in the order of both."""
    missing = float(values.isna().mean())
    sentinels = suspects(values.dropna().to_numpy())
    valued = values.mask(values.isin(sentinels))
    clean = valued.dropna()
    least, middle, most = (float(clean.quantile(q)) for q in (0, 0.5, 1)) if len(clean) else (np.nan,) * 3
    found = Measured(column, unit or "1", least, middle, most, missing, sentinels=sentinels)
    if clean.empty:
        return found
    found.low, found.high = limits(name, clean)
    within = plausible(valued, found.low, found.high, ())
    if float((within == within.min()).mean()) > RESTING_SHARE and within.min() <= 0:
        found.floor = float(within.min())
    found.stuck_steps = stuck_steps(rows, within, step, found.floor)
    if found.floor is None:
        found.spike = spike_z(rows, within, step)
    return found


def suspects(values: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Give the usual marks of missing values that stand apart from all others."""
    found = []
    for suspect in SUSPECTS:
        others = values[~np.isin(values, SUSPECTS)]
        if not (values == suspect).any() or not len(others):
            continue
        spread = max(float(np.quantile(others, 0.99) - np.quantile(others, 0.01)), 1e-9)
        if suspect < others.min() - 0.5 * spread or suspect > others.max() + 0.5 * spread:
            found.append(suspect)
    return tuple(found)


def limits(name: str, clean: "pd.Series[float]") -> tuple[float | None, float | None]:
    """Give plausible limits: physical ones by the name where the bulk of the values keeps to them, else wide ones."""
    if float((clean == clean.min()).mean()) > 0.5:  # it mostly rests: what counts is what it does when it does not
        clean = clean[(clean > clean.min()) | (clean.index == clean.idxmin())]
    low, middle, high = (float(clean.quantile(q)) for q in (0.001, 0.5, 0.999))
    for pattern, _, least, most in LIMITS:
        if (
            re.fullmatch(pattern, name, re.IGNORECASE)
            and (least is None or low >= least)
            and (most is None or high <= most)
        ):
            return least, most
    down, up = max(middle - low, 1e-6), max(high - middle, 1e-6)
    # A long tail goes on far beyond what a sample shows of it; the other side does not.
    lowest = middle - 3 * down if down <= 3 * up else low - 10 * down
    highest = middle + 3 * up if up <= 3 * down else high + 10 * up
    if clean.min() >= 0:
        lowest = max(lowest, 0.0)
    return _rounded(lowest, up=False), _rounded(highest, up=True)


def _rounded(value: float, up: bool) -> float:
    """Round to two digits, outwards."""
    if value == 0:
        return 0.0
    size = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    return float(np.round((np.ceil if up else np.floor)(value / size) * size, 10))


def stuck_steps(rows: pd.DataFrame, values: "pd.Series[float]", step: str, floor: float | None) -> int | None:
    """Give how many equal values in a row are more than this variable's own nature: none if it rests anyway."""
    kept = values.mask(values <= floor) if floor is not None else values
    changed = (kept != kept.shift()) | (rows[STATION] != rows[STATION].shift())
    length = changed.cumsum()[kept.notna()].value_counts()
    if length.empty:
        return None
    steps = int(max(6, 4 * np.ceil(length.quantile(0.999))))
    marks = rules.stuck(rows[STATION], rows[TIME], values, step, steps, floor)
    caught = values[marks]
    capped = len(caught) and float((caught == values.max()).mean()) > 0.5  # humidity at 100 %
    return steps if steps <= 500 and marks.mean() < 0.05 and not capped else None


def spike_z(rows: pd.DataFrame, values: "pd.Series[float]", step: str) -> float | None:
    """Give the least robust z-score, of some, above which hardly anything lies."""
    for z in (20.0, 40.0, 80.0):
        if rules.spike(rows[STATION], rows[TIME], values, step, z).mean() < 1e-4:
            return z
    return None


def season(values: "pd.Series[float]", rows: pd.DataFrame, step: pd.Timedelta) -> tuple[int, str]:
    """Give the season in steps, and why: a day or a week, whichever the values repeat after more closely."""
    if step >= pd.Timedelta("1D"):
        return 7, "a week"
    day = int(pd.Timedelta("1D") // step)
    longest = rows[STATION].value_counts().index[0]
    own = values[rows[STATION] == longest].reset_index(drop=True)
    daily, weekly = (float(own.corr(own.shift(lag))) for lag in (day, 7 * day))
    if weekly > daily + 0.15 and 7 * day <= 400:
        return 7 * day, f"a week (correlation {weekly:.2f}, after a day {daily:.2f})"
    return day, f"a day (correlation {daily:.2f})"


def target_of(names: Sequence[str]) -> str:
    """Guess what is to be forecast: by its name, else the last variable."""
    lower = {name.lower(): name for name in names}
    for wanted in TARGET_NAMES:
        if wanted in lower:
            return lower[wanted]
    return names[-1]


def relations_of(names: Sequence[str]) -> list[str]:
    """List the relations that must hold between variables of these names."""
    found = []
    for less, more in RELATED:
        one = [name for name in names if re.fullmatch(less, name, re.IGNORECASE)]
        other = [name for name in names if re.fullmatch(more, name, re.IGNORECASE)]
        if one and other:
            found.append(f"{one[0]} <= {other[0]}")
    return found
