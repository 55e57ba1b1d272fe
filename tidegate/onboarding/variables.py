"""What each variable of a sample can be: its limits, marks of missing values, resting value, signs of a faulty sensor.

Everything here is a guess with its reason, to be seen and corrected in params.yaml. Pure functions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tidegate.measurements.plausible import plausible
from tidegate.onboarding.limits import is_category, limits
from tidegate.quality import rules
from tidegate.workspace.columns import STATION, TIME

RESTING_SHARE = 0.05  # at its least value: rain, radiation at night
ABSENT_SHARE = 0.5
RECURRING, SAME_HOUR = 3, 0.5  # what stands out so often, most of it at one hour of the day, is a habit

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
    is_category: bool = False
    notes: list[str] = field(default_factory=list)


def profile_variable(
    name: str,
    unit: str,
    column: str,
    values: "pd.Series[float]",
    rows: pd.DataFrame,
    step: str,
    sentinels: tuple[float, ...],
) -> VariableProfile:
    """Say what a variable can be; `rows` hold station and time, in the order of both."""
    missing = float(values.isna().mean())
    valued = values.mask(values.isin(sentinels))
    clean = valued.dropna()
    least, middle, most = (float(clean.quantile(q)) for q in (0, 0.5, 1)) if len(clean) else (np.nan,) * 3
    profile = VariableProfile(column, unit or "1", least, middle, most, missing, sentinels=sentinels)
    if clean.empty:
        return profile
    profile.is_category = is_category(clean)
    profile.low, profile.high = limits(name, unit, clean, rows[TIME])
    if profile.is_category:
        return profile
    within = pd.Series(plausible(np.asarray(valued, np.float64), profile.low, profile.high, ()), valued.index)
    if float((within == within.min()).mean()) > RESTING_SHARE and within.min() <= 0:
        profile.floor = float(within.min())
    profile.stuck_steps = stuck_steps(rows, within, step, profile.floor)
    if profile.floor is None:
        profile.spike = spike_z(rows, within, step)
    return profile


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
        marks = rules.spike(rows[STATION], rows[TIME], values, step, z)
        hours = rows.loc[marks, TIME].dt.hour.value_counts()
        recurs = len(hours) and hours.iloc[0] >= RECURRING and hours.iloc[0] >= SAME_HOUR * marks.sum()
        if marks.mean() < 1e-4 and not recurs:
            return z
    return None


def relations_of(names: Sequence[str]) -> list[str]:
    """List the relations that must hold between variables of these names."""
    relations = []
    for less, more in RELATED:
        lesser = [name for name in names if re.fullmatch(less, name, re.IGNORECASE)]
        greater = [name for name in names if re.fullmatch(more, name, re.IGNORECASE)]
        if lesser and greater:
            relations.append(f"{lesser[0]} <= {greater[0]}")
    return relations
