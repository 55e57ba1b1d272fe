"""Rules for series of measurements: each marks the rows that break it. Pure functions of arrays.

All take `station`, `time` and, where it matters, `value`, arrays of one length (rows,), in any order of rows, and give
flags (rows,), True where the rule is broken. A duration is given in steps of a `frequency` such as "1h".
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Moments = npt.NDArray[np.int64]  # microseconds since 1970, UTC

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
SEASON_MONTHS = 3
LONGEST_LOSS = 6 * 3_600_000_000  # microseconds: what is put down to a change of the clock


@dataclass(frozen=True)
class SortedRows:
    """Rows in the order of station and time; `order` says where each stood, `first` marks the first of each station."""

    order: npt.NDArray[np.intp] | None  # None: they stood so already
    first: Flags
    time: Moments
    values: tuple[Doubles, ...]

    @property
    def place(self) -> npt.NDArray[np.intp]:
        """Number the stations: (rows,)."""
        return np.cumsum(self.first) - 1

    def back(self, marks: Flags) -> Flags:
        """Give flags in the order in which the rows stood."""
        if self.order is None:
            return marks
        given = np.empty_like(marks)
        given[self.order] = marks
        return given


def epoch_microseconds(time: "pd.Series[Any]") -> Moments:
    """Turn times into microseconds since 1970; those without a zone are taken as they stand."""
    kind: Any = "datetime64[us, UTC]" if time.dt.tz is not None else "datetime64[us]"
    return np.asarray(time.astype(kind).astype("int64"), np.int64)


def step_microseconds(frequency: str) -> int:
    """Turn a frequency into microseconds."""
    return int(pd.Timedelta(frequency) // pd.Timedelta("1us"))


def sort_rows(station: "pd.Series[Any]", time: "pd.Series[Any]", *values: "pd.Series[Any]") -> SortedRows:
    """Put rows in the order of station and time."""
    code, at = pd.factorize(station)[0], epoch_microseconds(time)
    rising = (code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (at[1:] >= at[:-1]))
    numbers = [value.to_numpy(np.float64) for value in values]
    order = None
    if not rising.all():
        order = np.lexsort((at, code))
        code, at, numbers = code[order], at[order], [each[order] for each in numbers]
    first = np.ones(len(code), bool)
    first[1:] = code[1:] != code[:-1]
    return SortedRows(order, first, at, tuple(numbers))


def off_grid(station: Any, time: Any, frequency: str, offset: int | None = None) -> Flags:
    """Times between the steps, which are counted from where most of them lie, or from an offset in microseconds.

    Hours of a zone that is half an hour off, or days that begin at local midnight, are as regular as those of UTC.
    """
    phase = epoch_microseconds(time) % step_microseconds(frequency)
    return phase != (offset if offset is not None else most_common(phase)) if len(phase) else np.zeros(0, bool)


def most_common(numbers: npt.NDArray[np.int64]) -> int:
    """Give the number that stands most often; of several the least."""
    found, counts = np.unique(numbers, return_counts=True)
    return int(found[counts.argmax()])


def unordered(station: Any, time: Any) -> Flags:
    """Rows that are not later than the row of their station before them, in the order in which they stand."""
    at = pd.Series(epoch_microseconds(time))
    return (at <= at.groupby(pd.factorize(station)[0]).shift()).to_numpy()


def sentinel(value: Any, sentinels: Sequence[float]) -> Flags:
    """Values that mean "missing"."""
    return np.isin(value.to_numpy(np.float64), list(sentinels))


def out_of_range(value: Any, lowest: float | None, highest: float | None) -> Flags:
    """Values beyond the physical limits."""
    numbers = value.to_numpy(np.float64)
    low = np.zeros(len(numbers), bool) if lowest is None else numbers < lowest
    return low if highest is None else low | (numbers > highest)


def relation(less: Any, more: Any) -> Flags:
    """Rows in which the lesser of two variables is the greater."""
    return less.to_numpy(np.float64) > more.to_numpy(np.float64)


def stuck(station: Any, time: Any, value: Any, frequency: str, steps: int, floor: float | None = None) -> Flags:
    """Repeats of a value that stays the same for more than so many steps; at or below `floor` it may rest.

    A stuck sensor repeats its last true value: that one is not suspect, its repeats are.
    """
    laid = sort_rows(station, time, value)
    (values,) = laid.values
    changed = np.ones(len(values), bool)
    follows = np.diff(laid.time) == step_microseconds(frequency)
    changed[1:] = (values[1:] != values[:-1]) | laid.first[1:] | ~follows
    run = np.cumsum(changed) - 1
    long = np.bincount(run)[run] > steps if len(run) else changed
    marks = long & ~changed & ~np.isnan(values)
    return laid.back(marks if floor is None else marks & (values > floor))


def spike(station: Any, time: Any, value: Any, frequency: str, z: float) -> Flags:
    """Values that stand out from both their neighbours, in the same direction, by a robust z-score above z.

    What stands out is x[t] less the nearer of its neighbours; its scale is 1.4826 times the median of
    |x[t] - (x[t-1] + x[t+1]) / 2|, of the station in the season (three months of the year).
    """
    laid = sort_rows(station, time, value)
    (values,), step = laid.values, step_microseconds(frequency)
    marks = np.zeros(len(values), bool)
    if len(values) < 3:
        return marks
    inner = ~laid.first[1:-1] & ~laid.first[2:] & (np.diff(laid.time)[:-1] == step) & (np.diff(laid.time)[1:] == step)
    before, here, after = values[:-2], values[1:-1], values[2:]
    out = np.maximum(np.minimum(here - before, here - after), np.minimum(before - here, after - here))
    bend = np.abs(here - (before + after) / 2)
    usable = inner & ~np.isnan(bend)
    month = laid.time[1:-1].astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    group = laid.place[1:-1] * (12 // SEASON_MONTHS) + (month + 1) % 12 // SEASON_MONTHS  # December opens winter
    scale = MAD_TO_DEVIATION * medians(bend, group, usable)
    with np.errstate(invalid="ignore"):
        marks[1:-1] = usable & (scale > 0) & (out > z * scale)
    return laid.back(marks)


def medians(values: Doubles, group: npt.NDArray[np.int64], usable: Flags) -> Doubles:
    """Give each row the median of the usable values of its group, or, where that is 0, their mean."""
    by_group = pd.Series(values[usable]).groupby(group[usable])
    middle = by_group.median()
    middle = middle.where(middle > 0, by_group.mean())
    return np.asarray(pd.Series(group).map(middle), np.float64)


def gap(station: Any, time: Any, value: Any, frequency: str, steps: int) -> Flags:
    """Values that come after more than so many steps without one."""
    laid = sort_rows(station, time, value)
    marks = np.zeros(len(laid.time), bool)
    valued = np.flatnonzero(~np.isnan(laid.values[0]))
    place = laid.place[valued]
    long = (np.diff(laid.time[valued]) > (steps + 1) * step_microseconds(frequency)) & (place[1:] == place[:-1])
    marks[valued[1:][long]] = True
    return laid.back(marks)


def missing(station: Any, time: Any, value: Any, share: float) -> Flags:
    """Missing values of stations that lack more than a share of them, from their first value on, if they have one."""
    laid = sort_rows(station, time, value)
    place, absent = laid.place, np.isnan(laid.values[0])
    begun = _running(~absent, laid.first) > 0
    begun |= ~(np.bincount(place, begun) > 0)[place]
    lost = absent & begun
    count, of = np.bincount(place, lost), np.bincount(place, begun)
    return laid.back(lost & (count > share * of)[place])


def freshness(station: Any, time: Any, value: Any, frequency: str, steps: int, until: Any = None) -> Flags:
    """The newest value of stations whose newest is more than so many steps before `until`, or the newest of all."""
    laid = sort_rows(station, time, value)
    marks = np.zeros(len(laid.time), bool)
    if not len(marks):
        return marks
    end = int(laid.time.max()) if until is None else epoch_microsecond(until)
    row = np.arange(len(marks))
    valued = np.where(np.isnan(laid.values[0]), -1, row)
    first = np.flatnonzero(laid.first)
    newest = np.maximum.reduceat(valued, first)
    shown = np.where(newest < 0, first, newest)  # of one that has no value at all: its first row
    behind = end - laid.time[shown]
    marks[shown[(behind > steps * step_microseconds(frequency)) | (newest < 0)]] = True
    return laid.back(marks)


def epoch_microsecond(moment: Any) -> int:
    """Turn a moment into microseconds since 1970."""
    time = pd.Timestamp(moment)
    return int((time.tz_localize("UTC") if time.tzinfo is None else time).value) // 1000


def _running(flags: Flags, first: Flags) -> npt.NDArray[np.int64]:
    """Count the flags so far, of each station."""
    total = np.cumsum(flags)
    before = np.where(first, total - flags, 0)
    return total - np.maximum.accumulate(before)


def clock_change(station: Any, time: Any, zone: str, frequency: str) -> Flags:
    """Rows at which an hour is lost or doubled where the clock is changed in a zone.

    Of times with a zone: the row after a hole of a few hours that touches those around a change, as there is where
    local times were taken for others. Of times without one, which are local: those that do not exist, and those of the
    doubled hour that do not stand twice.
    """
    if time.dt.tz is None:
        return _local_changes(station, time, zone)
    laid, step = sort_rows(station, time), step_microseconds(frequency)
    marks = np.zeros(len(laid.time), bool)
    holes = np.flatnonzero((np.diff(laid.time) > step) & ~laid.first[1:]) + 1
    if not len(holes):
        return marks
    begins, ends = laid.time[holes - 1] + step, laid.time[holes] - step  # first and last step that is not there
    years = laid.time[[0, -1]] if laid.order is None else np.array([laid.time.min(), laid.time.max()])
    whole = laid.time[holes].astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
    for year in np.unique(whole) if len(years) else ():
        for change, shift in clock_changes(zone, int(year)):
            around = shift + step
            hit = (ends >= change - around) & (begins < change + around) & (ends - begins < LONGEST_LOSS)
            marks[holes[hit]] = True
    return laid.back(marks)


@functools.lru_cache(maxsize=256)
def clock_changes(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """List when the clock is changed in a year, and by how much, in microseconds (the amount without its sign)."""
    hours = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", tz="UTC", unit="us")
    naive = hours.tz_convert(zone).tz_localize(None)
    offset = (naive - hours.tz_localize(None)).to_numpy().astype("timedelta64[us]").astype(np.int64)
    at = np.flatnonzero(np.diff(offset)) + 1
    when = hours.asi8
    return tuple((int(when[row]), int(abs(offset[row] - offset[row - 1]))) for row in at)


def _local_changes(station: Any, time: Any, zone: str) -> Flags:
    local = pd.DatetimeIndex(time)
    nowhere = local.tz_localize(zone, nonexistent="NaT", ambiguous=np.ones(len(local), bool)).isna()
    double = local.tz_localize(zone, nonexistent="shift_forward", ambiguous="NaT").isna()
    stands = pd.DataFrame({"station": np.asarray(station), "time": local}).groupby(["station", "time"])["time"]
    return np.asarray(nowhere | (double & (stands.transform("size").to_numpy() != 2)))


def revision(value: Any, standing: Any, tolerance: float) -> Flags:
    """Values that have been replaced by one that differs by more than the tolerance."""
    return np.abs(value.to_numpy(np.float64) - standing.to_numpy(np.float64)) > tolerance


# Drift: what is new against what was accepted, at the same station in the same month of the year.


def plausible(values: pd.Series, lowest: float | None, highest: float | None, sentinels: Sequence[float]) -> pd.Series:
    """Make missing what a value alone shows to be no measurement: a sentinel, or one beyond the physical limits."""
    low, high = (-np.inf if lowest is None else lowest), (np.inf if highest is None else highest)
    return values.where(values.between(low, high) & ~values.isin(sentinels))
