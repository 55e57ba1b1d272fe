"""What values a variable can have: its physical limits, marks of missing values, categories. Guesses; pure functions.

Limits never cut what occurs regularly, nor a season that the sample does not show.
"""

import re
from typing import Any

import numpy as np
import pandas as pd

SUSPECTS = (
    *(-999.0, -9999.0, -99.9, -999.9, -200.0, -99.0, -9999.9, -99999.0, -32768.0, -8888.0, -7777.0, -6999.0),
    *(99.0, 999.0, 9999.0, 99999.0, 99.9, 999.9, 9999.9),
)
SHORT = 1000.0  # marks below it, and not below 0, might be measured once
OFTEN, REGULAR_SHARE = 3, 0.002  # a value that occurs so often is no outlier
TOGETHER = 0.5  # share of the rows with a mark in which another column has it, too
MOST_CLASSES = 12
RESTING = 0.5  # share of the values at the least one
YEAR = pd.Timedelta("350D")  # about
WIDE, WIDER = 3.0, 10.0  # times the sample's own span, beyond its middle: of a whole year, of less

# Physical limits by the name of a variable: where the bulk of the values keeps to them.
LIMITS: tuple[tuple[str, float | None, float | None], ...] = (
    (r"(pm_?2\.?5|pm_?10)", 0, 1000),
    (r"(so2|no2|o3|ozone)", 0, 1000),
    (r"co", 0, 15000),
    (r"(rh|humid|humidity|relhum|clouds?(_all)?|cloud_cover)", 0, 100),
    (r"(pres|pressure|p|slp)", 850, 1090),
    (r"(wd|wind_dir|wind_direction)", 0, 360),
)
TEMPERATURE = re.compile(
    r"(air_?|water_?|soil_?|surface_?|outdoor_?|outside_?|dry_bulb_?|sea_?)?(t|ta|temp|temperature|t2m|tair|tmp|dewp?|"
    r"dew_?point|tdew|tmin|tmax)(_?(out|air|min|max|mean|avg|c|f|k|degc|degf|celsius|2m))*\d*",
    re.IGNORECASE,
)
TEMPERATURE_LIMITS = {"°C": (-90.0, 60.0), "°F": (-130.0, 140.0), "K": (180.0, 335.0)}
CELSIUS = ("c", "degc", "celsius", "deg c", "°c", "ºc", "grad c")
FAHRENHEIT = ("f", "degf", "fahrenheit", "deg f", "°f", "ºf")


def is_category(values: "pd.Series[float]") -> bool:
    """Say whether numbers are classes or flags: whole, and few different ones."""
    present = values.dropna()
    if len(present) < 10 * MOST_CLASSES or present.nunique() > MOST_CLASSES:
        return False
    return bool((present == present.round()).all()) and float(present.abs().max()) <= 1000


def marks_of_missing(values: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    """Give the marks of missing values of each column: those that stand apart, and those that stand beside them.

    What one column proves is looked for in the others: where they have the mark in the same rows, or never go below 0.
    """
    found = {str(name): suspects(values[name].dropna().to_numpy()) for name in values}
    for mark in sorted({mark for marks in found.values() for mark in marks}):
        proven = [name for name, marks in found.items() if mark in marks]
        rows = (values[proven] == mark).any(axis=1)
        for name in found:
            has = values[name] == mark
            if mark in found[name] or not has.any():
                continue
            others = values.loc[~has & ~values[name].isin(SUSPECTS), name].dropna()
            beyond = mark < 0 and (others >= 0).all()
            if float(rows[has].mean()) >= TOGETHER or beyond:
                found[name] = tuple(sorted((*found[name], mark), key=SUSPECTS.index))
    return found


def suspects(values: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Give the usual marks of missing values that stand apart from all others."""
    others = values[~np.isin(values, SUSPECTS)]
    if not len(others):
        return ()
    spread = max(float(np.quantile(others, 0.99) - np.quantile(others, 0.01)), 1e-9 * float(np.abs(others).max()))
    marks = []
    for suspect in SUSPECTS:
        times = int((values == suspect).sum())
        apart = suspect < others.min() - 0.5 * spread or suspect > others.max() + 0.5 * spread
        if times and apart and (times >= OFTEN or not 0 < suspect < SHORT):
            marks.append(suspect)
    return tuple(marks)


def limits(
    name: str, unit: str, clean: "pd.Series[float]", times: "pd.Series[Any]"
) -> tuple[float | None, float | None]:
    """Give plausible limits: physical ones by name and unit where the bulk keeps to them, else wide ones.

    Args:
        name: of the variable.
        unit: its unit, empty if unknown.
        clean: its values.
        times: of the sample, whose span tells whether all seasons are in it.
    """
    if is_category(clean):
        return None, None
    low, middle, high = (float(clean.quantile(q)) for q in (0.001, 0.5, 0.999))
    for least, most in _physical(name, unit, low, high):
        if (least is None or low >= least) and (most is None or high <= most):
            return least, most
    resting = float((clean == clean.min()).mean()) > RESTING
    if resting:  # what counts is what it does when it does not rest
        moving = clean[clean > clean.min()]
        low, middle, high = (float(moving.quantile(q)) for q in (0.001, 0.5, 0.999)) if len(moving) else (low,) * 3
    return _wide(clean, low, middle, high, WIDE if times.max() - times.min() >= YEAR else WIDER)


def _wide(
    clean: "pd.Series[float]", low: float, middle: float, high: float, factor: float
) -> tuple[float | None, float | None]:
    """Give limits well beyond what a sample shows, and beyond each value that it has often."""
    least = 1e-6 * max(abs(low), abs(high)) or 1e-6  # relative: values may be of any size
    down, up = max(middle - low, least), max(high - middle, least)
    # A long tail goes on far beyond what a sample shows of it; the other side does not.
    lowest = middle - factor * down if down <= 3 * up else low - 10 * down
    highest = middle + factor * up if up <= 3 * down else high + 10 * up
    counts = clean.value_counts()
    regular = counts.index[(counts >= OFTEN) & (counts >= REGULAR_SHARE * len(clean))]
    if len(regular):
        lowest, highest = min(lowest, float(regular.min())), max(highest, float(regular.max()))
    if clean.min() >= 0:
        lowest = max(lowest, 0.0)
    return _rounded(lowest, up=False), _rounded(highest, up=True)


def _physical(name: str, unit: str, low: float, high: float) -> list[tuple[float | None, float | None]]:
    """List the physical limits that may be a variable's, the likeliest first."""
    if TEMPERATURE.fullmatch(name):
        return [TEMPERATURE_LIMITS[scale] for scale in _scales(unit, low, high)]
    return [(least, most) for pattern, least, most in LIMITS if re.fullmatch(pattern, name, re.IGNORECASE)]


def _scales(unit: str, low: float, high: float) -> list[str]:
    """Name the temperature scales that a unit means, or, without one, that the values can be of."""
    lower = unit.strip().lower()
    if lower in CELSIUS or lower in FAHRENHEIT:
        return ["°C" if lower in CELSIUS else "°F"]
    if lower in ("k", "kelvin"):
        return ["K"]
    return ["K"] if low > 180 else ["°C", "°F"]


def _rounded(value: float, up: bool) -> float:
    """Round to two digits, outwards."""
    if value == 0:
        return 0.0
    size = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    return float(f"{(np.ceil if up else np.floor)(value / size) * size:.6g}")
