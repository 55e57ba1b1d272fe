"""The season of a series, by evidence. Pure functions."""

import pandas as pd

from tidegate.workspace.columns import STATION

WEEK = "a week"
CLEARLY = 0.15  # more correlation than this is more than chance
LONGEST_WEEK, LONGEST_SLOW_SEASON = 400, 60  # steps: the lookback is at least a season, and must stay practical


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
