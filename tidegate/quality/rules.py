"""Rules for series of measurements: each marks the rows that break it. Pure functions of columns.

All take `station`, `time` and, where it matters, `value`, columns of one length (rows,), in any order of rows, and give
flags (rows,), True where the rule is broken. A duration is a number of steps of a `frequency` such as "1h".
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.quality.sorted_rows import (
    Doubles,
    Flags,
    epoch_microsecond,
    epoch_microseconds,
    most_common,
    sort_rows,
    step_microseconds,
)

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
SEASON_MONTHS = 3
LONGEST_LOSS = 6 * 3_600_000_000  # microseconds: a longer hole is not put down to a change of the clock


def off_grid(station: Any, time: Any, frequency: str, offset: int | None = None) -> Flags:
    """Mark times between the steps; steps count from where most times lie, or from an offset in microseconds.

    Hours of a zone that is half an hour off, or days that begin at local midnight, are as regular as those of UTC.
    """
    phase = epoch_microseconds(time) % step_microseconds(frequency)
    return phase != (offset if offset is not None else most_common(phase)) if len(phase) else np.zeros(0, bool)


def unordered(station: Any, time: Any) -> Flags:
    """Mark rows that are not later than the row of their station before them, in the given order of rows."""
    moments = pd.Series(epoch_microseconds(time))
    return (moments <= moments.groupby(pd.factorize(station)[0]).shift()).to_numpy()


def sentinel(value: Any, sentinels: Sequence[float]) -> Flags:
    """Mark values that mean "missing"."""
    return np.isin(value.to_numpy(np.float64), list(sentinels))


def out_of_range(value: Any, lowest: float | None, highest: float | None) -> Flags:
    """Mark values beyond the physical limits."""
    numbers = value.to_numpy(np.float64)
    low = np.zeros(len(numbers), bool) if lowest is None else numbers < lowest
    return low if highest is None else low | (numbers > highest)


def relation(less: Any, more: Any) -> Flags:
    """Mark rows in which the variable that should be the lesser is the greater."""
    return less.to_numpy(np.float64) > more.to_numpy(np.float64)


def stuck(station: Any, time: Any, value: Any, frequency: str, steps: int, floor: float | None = None) -> Flags:
    """Mark repeats of a value that stays the same for more than so many steps; at or below `floor` it may rest.

    A stuck sensor repeats its last true value: that one is not suspect, its repeats are.
    """
    rows = sort_rows(station, time, value)
    (values,) = rows.values
    changed = np.ones(len(values), bool)
    follows = np.diff(rows.time) == step_microseconds(frequency)
    changed[1:] = (values[1:] != values[:-1]) | rows.first[1:] | ~follows
    run = np.cumsum(changed) - 1
    long = np.bincount(run)[run] > steps if len(run) else changed
    flags = long & ~changed & ~np.isnan(values)
    return rows.in_given_order(flags if floor is None else flags & (values > floor))


def spike(station: Any, time: Any, value: Any, frequency: str, z: float) -> Flags:
    """Mark values that stand out from both their neighbours, in the same direction, by a robust z-score above z.

    What stands out is x[t] less the nearer of its neighbours; its scale is 1.4826 times the median of
    |x[t] - (x[t-1] + x[t+1]) / 2|, of the station in the season (three months of the year).
    """
    rows = sort_rows(station, time, value)
    (values,), step = rows.values, step_microseconds(frequency)
    flags = np.zeros(len(values), bool)
    if len(values) < 3:
        return flags
    inner = ~rows.first[1:-1] & ~rows.first[2:] & (np.diff(rows.time)[:-1] == step) & (np.diff(rows.time)[1:] == step)
    before, here, after = values[:-2], values[1:-1], values[2:]
    stands_out = np.maximum(np.minimum(here - before, here - after), np.minimum(before - here, after - here))
    bend = np.abs(here - (before + after) / 2)
    usable = inner & ~np.isnan(bend)
    month = rows.time[1:-1].astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    season = (month + 1) % 12 // SEASON_MONTHS  # December opens winter
    group = rows.station_number[1:-1] * (12 // SEASON_MONTHS) + season
    scale = MAD_TO_DEVIATION * _medians(bend, group, usable)
    with np.errstate(invalid="ignore"):
        flags[1:-1] = usable & (scale > 0) & (stands_out > z * scale)
    return rows.in_given_order(flags)


def _medians(values: Doubles, group: npt.NDArray[np.int64], usable: Flags) -> Doubles:
    """Give each row the median of the usable values of its group, or, where that is 0, their mean."""
    by_group = pd.Series(values[usable]).groupby(group[usable])
    median = by_group.median()
    median = median.where(median > 0, by_group.mean())
    return np.asarray(pd.Series(group).map(median), np.float64)


def gap(station: Any, time: Any, value: Any, frequency: str, steps: int) -> Flags:
    """Mark values that come after more than so many steps without one."""
    rows = sort_rows(station, time, value)
    flags = np.zeros(len(rows.time), bool)
    valued = np.flatnonzero(~np.isnan(rows.values[0]))
    number = rows.station_number[valued]
    long = (np.diff(rows.time[valued]) > (steps + 1) * step_microseconds(frequency)) & (number[1:] == number[:-1])
    flags[valued[1:][long]] = True
    return rows.in_given_order(flags)


def missing(station: Any, time: Any, value: Any, share: float) -> Flags:
    """Mark missing values of stations that lack more than a share of them, counted from their first value on."""
    rows = sort_rows(station, time, value)
    number, absent = rows.station_number, np.isnan(rows.values[0])
    begun = _running_count(~absent, rows.first) > 0  # nowhere, if there is no value: `unmeasured` tells that
    lost = absent & begun
    lost_count, steps = np.bincount(number, lost), np.bincount(number, begun)
    return rows.in_given_order(lost & (lost_count > share * steps)[number])


def _running_count(flags: Flags, first: Flags) -> npt.NDArray[np.int64]:
    """Count the flags so far, of each station."""
    total = np.cumsum(flags)
    before = np.where(first, total - flags, 0)
    return total - np.maximum.accumulate(before)


def freshness(station: Any, time: Any, value: Any, frequency: str, steps: int, until: str | None = None) -> Flags:
    """Mark the newest value of stations that have been silent for more than so many steps before `until`.

    Without `until`, that is the newest row of all. A station without any value is `unmeasured`, not silent.
    """
    rows = sort_rows(station, time, value)
    flags = np.zeros(len(rows.time), bool)
    if not len(flags):
        return flags
    end = int(rows.time.max()) if until is None else epoch_microsecond(until)
    position = np.arange(len(flags))
    valued = np.where(np.isnan(rows.values[0]), -1, position)
    newest = np.maximum.reduceat(valued, np.flatnonzero(rows.first))
    newest = newest[newest >= 0]
    flags[newest[end - rows.time[newest] > steps * step_microseconds(frequency)]] = True
    return rows.in_given_order(flags)


def unmeasured(station: Any, time: Any, value: Any) -> Flags:
    """Mark the first row of stations that have no value at all."""
    rows = sort_rows(station, time, value)
    measured = np.bincount(rows.station_number, ~np.isnan(rows.values[0])) > 0
    return rows.in_given_order(rows.first & ~measured[rows.station_number])


def clock_change(station: Any, time: Any, time_zone: str, frequency: str) -> Flags:
    """Mark rows at which an hour is lost or doubled where the clock is changed in a zone.

    Of times with a zone: the row after a hole of a few hours that touches the hours around a change, as there is where
    local times were taken for others. Of times without one, which are local: those that do not exist, and those of the
    doubled hour that do not occur twice.
    """
    if time.dt.tz is None:
        return _local_changes(station, time, time_zone)
    rows, step = sort_rows(station, time), step_microseconds(frequency)
    flags = np.zeros(len(rows.time), bool)
    holes = np.flatnonzero((np.diff(rows.time) > step) & ~rows.first[1:]) + 1
    if not len(holes):
        return flags
    begins, ends = rows.time[holes - 1] + step, rows.time[holes] - step  # first and last step of each hole
    years = rows.time[holes].astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
    for year in np.unique(years):
        for change, shift in clock_changes(time_zone, int(year)):
            around = shift + step
            hit = (ends >= change - around) & (begins < change + around) & (ends - begins < LONGEST_LOSS)
            flags[holes[hit]] = True
    return rows.in_given_order(flags)


@functools.lru_cache(maxsize=256)
def clock_changes(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """List when the clock is changed in a year, and by how much, in microseconds (the amount without its sign)."""
    hours = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", tz="UTC", unit="us")
    naive = hours.tz_convert(zone).tz_localize(None)
    offset = (naive - hours.tz_localize(None)).to_numpy().astype("timedelta64[us]").astype(np.int64)
    rows = np.flatnonzero(np.diff(offset)) + 1
    moments = hours.asi8
    return tuple((int(moments[row]), int(abs(offset[row] - offset[row - 1]))) for row in rows)


def _local_changes(station: Any, time: Any, zone: str) -> Flags:
    local = pd.DatetimeIndex(time)
    nowhere = local.tz_localize(zone, nonexistent="NaT", ambiguous=np.ones(len(local), bool)).isna()
    double = local.tz_localize(zone, nonexistent="shift_forward", ambiguous="NaT").isna()
    together = pd.DataFrame({"station": np.asarray(station), "time": local}).groupby(["station", "time"])["time"]
    return np.asarray(nowhere | (double & (together.transform("size").to_numpy() != 2)))


def revision(value: Any, standing: Any, tolerance: float) -> Flags:
    """Mark values that have been replaced by one that differs by more than the tolerance."""
    return np.abs(value.to_numpy(np.float64) - standing.to_numpy(np.float64)) > tolerance
