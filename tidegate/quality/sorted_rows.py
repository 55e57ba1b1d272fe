"""Rows in the order of station and time, as arrays: what the rules of the data gate work on."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Microseconds = npt.NDArray[np.int64]  # since 1970, UTC


@dataclass(frozen=True)
class SortedRows:
    """Rows sorted by station, then time.

    `order` gives each row's position before sorting, `first` marks the first row of each station.
    """

    order: npt.NDArray[np.intp] | None  # None: the rows were sorted already
    first: Flags
    time: Microseconds
    values: tuple[Doubles, ...]

    @property
    def station_number(self) -> npt.NDArray[np.intp]:
        """Number the stations from 0: (rows,)."""
        return np.cumsum(self.first) - 1

    def in_given_order(self, flags: Flags) -> Flags:
        """Bring flags of the sorted rows into the order that the rows had before."""
        if self.order is None:
            return flags
        unsorted = np.empty_like(flags)
        unsorted[self.order] = flags
        return unsorted


def sort_rows(station: "pd.Series[Any]", time: "pd.Series[Any]", *values: "pd.Series[Any]") -> SortedRows:
    """Sort rows by station, then time."""
    code, moments = pd.factorize(station)[0], epoch_microseconds(time)
    rising = (code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (moments[1:] >= moments[:-1]))
    numbers = [value.to_numpy(np.float64) for value in values]
    order = None
    if not rising.all():
        order = np.lexsort((moments, code))
        code, moments, numbers = code[order], moments[order], [column[order] for column in numbers]
    first = np.ones(len(code), bool)
    first[1:] = code[1:] != code[:-1]
    return SortedRows(order, first, moments, tuple(numbers))


def epoch_microseconds(time: "pd.Series[Any] | pd.DatetimeIndex") -> Microseconds:
    """Turn times into microseconds since 1970; those without a zone are taken as if they were UTC."""
    moments: Any = time.array
    return np.asarray(moments.as_unit("us").asi8)


def epoch_microsecond(moment: Any) -> int:
    """Turn one moment into microseconds since 1970."""
    time = pd.Timestamp(moment)
    return int((time.tz_localize("UTC") if time.tzinfo is None else time).value) // 1000


@functools.lru_cache(maxsize=256)
def step_microseconds(frequency: str) -> int:
    """Turn a frequency such as "1h" into microseconds."""
    return int(pd.Timedelta(frequency) // pd.Timedelta("1us"))


def most_common(numbers: npt.NDArray[np.int64]) -> int:
    """Give the number that occurs most often; the least of several."""
    values, counts = np.unique(numbers, return_counts=True)
    return int(values[counts.argmax()])
