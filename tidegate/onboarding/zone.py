"""The frequency of times, and what local times show of their zone. Guesses, each with its reason; pure functions."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tidegate.quality import rules
from tidegate.workspace.columns import STATION, TIME

CLOCKS = ("America/New_York", "Europe/Berlin", "Europe/London", "Australia/Sydney", "America/Santiago", "Asia/Tehran")


@dataclass
class ZoneGuess:
    """What local times show of their zone."""

    zone: str = "UTC"
    labels: str = "begin"
    infer: bool = False
    why: str = "the times carry no zone and show no change of the clock: name the stations' zone"


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
