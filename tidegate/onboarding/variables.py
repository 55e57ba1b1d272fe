"""What each variable of a sample can be: its limits, sentinels, resting value, season; and which one is the target.

Everything here is a guess with its reason, to be seen and corrected in params.yaml. Pure functions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tidegate.measurements.plausible import plausible
from tidegate.quality import rules
from tidegate.workspace.columns import STATION, TIME

TARGET_NAMES = ("target", "ot", "pm2.5", "pm25", "traffic_volume", "load", "power", "demand", "temperature", "temp")
SUSPECTS = (-999.0, -9999.0, -99.9, -999.9, -200.0, -99.0, 999.0, 9999.0, 99999.0)
RESTING_SHARE = 0.05  # at its least value: rain, radiation at night
ABSENT_SHARE = 0.5
WEEK = "a week"
CLEARLY = 0.15  # more correlation than this is more than chance
LONGEST_WEEK, LONGEST_SLOW_SEASON = 400, 60  # steps: the lookback is at least a season, and must stay practical

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
class VariableProfile:
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


def profile_variable(
    name: str, unit: str, column: str, values: "pd.Series[float]", rows: pd.DataFrame, step: str
) -> VariableProfile:
    """Say what a variable can be; `rows` hold station and time, in the order of both."""
    missing = float(values.isna().mean())
    sentinels = suspects(values.dropna().to_numpy())
    valued = values.mask(values.isin(sentinels))
    clean = valued.dropna()
    least, middle, most = (float(clean.quantile(q)) for q in (0, 0.5, 1)) if len(clean) else (np.nan,) * 3
    profile = VariableProfile(column, unit or "1", least, middle, most, missing, sentinels=sentinels)
    if clean.empty:
        return profile
    profile.low, profile.high = limits(name, clean)
    within = plausible(valued, profile.low, profile.high, ())
    if float((within == within.min()).mean()) > RESTING_SHARE and within.min() <= 0:
        profile.floor = float(within.min())
    profile.stuck_steps = stuck_steps(rows, within, step, profile.floor)
    if profile.floor is None:
        profile.spike = spike_z(rows, within, step)
    return profile


def suspects(values: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Give the usual marks of missing values that stand apart from all others."""
    sentinels = []
    for suspect in SUSPECTS:
        others = values[~np.isin(values, SUSPECTS)]
        if not (values == suspect).any() or not len(others):
            continue
        spread = max(float(np.quantile(others, 0.99) - np.quantile(others, 0.01)), 1e-9 * float(np.abs(others).max()))
        if suspect < others.min() - 0.5 * spread or suspect > others.max() + 0.5 * spread:
            sentinels.append(suspect)
    return tuple(sentinels)


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
    least = 1e-6 * max(abs(low), abs(high)) or 1e-6  # relative: values may be of any size
    down, up = max(middle - low, least), max(high - middle, least)
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
    return float(f"{(np.ceil if up else np.floor)(value / size) * size:.6g}")


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
    """Give the season in steps, and why; 1 where nothing repeats.

    Of steps shorter than a day it is a day, or a week where the values repeat more closely after one. Of longer steps
    it is a week or a year, if the values correlate clearly more after a whole one than after half of one.
    """
    longest = rows[STATION].value_counts().index[0]
    series = values[rows[STATION] == longest].reset_index(drop=True)
    if step >= pd.Timedelta("1D"):
        return _slow_season(series, step)
    day = int(pd.Timedelta("1D") // step)
    daily, weekly = (float(series.corr(series.shift(lag))) for lag in (day, 7 * day))
    if weekly > daily + CLEARLY and 7 * day <= LONGEST_WEEK:
        return 7 * day, f"{WEEK} (correlation {weekly:.2f}, after a day {daily:.2f})"
    return day, f"a day (correlation {daily:.2f})"


def _slow_season(series: "pd.Series[float]", step: pd.Timedelta) -> tuple[int, str]:
    seasons = []
    for name, length in ((WEEK, pd.Timedelta("7D")), ("a year", pd.Timedelta("365.25D"))):
        steps = round(length / step)
        if not 2 <= steps <= LONGEST_SLOW_SEASON or len(series) < 3 * steps:
            continue
        whole, half = (float(series.corr(series.shift(lag))) for lag in (steps, max(1, steps // 2)))
        if whole > half + CLEARLY:
            seasons.append((whole, steps, f"{name} (correlation {whole:.2f}, after half of one {half:.2f})"))
    if not seasons:
        return 1, "none: the values do not repeat after a week or a year"
    _, steps, why = max(seasons)
    return steps, why


def target_of(names: Sequence[str]) -> str:
    """Guess what is to be forecast: by its name, else the last variable."""
    lower = {name.lower(): name for name in names}
    for wanted in TARGET_NAMES:
        if wanted in lower:
            return lower[wanted]
    return names[-1]


def relations_of(names: Sequence[str]) -> list[str]:
    """List the relations that must hold between variables of these names."""
    relations = []
    for less, more in RELATED:
        lesser = [name for name in names if re.fullmatch(less, name, re.IGNORECASE)]
        greater = [name for name in names if re.fullmatch(more, name, re.IGNORECASE)]
        if lesser and greater:
            relations.append(f"{lesser[0]} <= {greater[0]}")
    return relations
