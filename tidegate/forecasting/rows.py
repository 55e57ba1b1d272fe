"""The measurements that forecasts start from, checked, as arrays, and on the regular grid.

A forecast for one station is made of few numbers: with arrays it takes a tenth of the time that frames take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError
from tidegate.measurements.frame import long_columns
from tidegate.measurements.plausible import plausible
from tidegate.quality.rules import off_grid
from tidegate.quality.sorted_rows import Doubles, Flags, Microseconds, step_microseconds
from tidegate.sources.cells import is_implausible
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid
from tidegate.workspace.columns import STATION, TIME

TEXT = pd.StringDtype(na_value=np.nan)  # the type named "str"


@dataclass(frozen=True)
class Rows:
    """Rows of measurements, in any order."""

    spec: WindowSpec
    stations: tuple[str, ...]
    station: npt.NDArray[np.intp]  # of each row, its index in `stations` (rows,)
    time: Microseconds  # (rows,)
    values: Doubles  # (rows, features), NaN where missing

    @classmethod
    def checked(cls, frame: pd.DataFrame, spec: WindowSpec) -> "Rows":
        """Read a frame of any order of columns; implausible values become missing, as in the data gate.

        Raises:
            DataError: a column is absent, there is no row, or there are two rows of one station at one time.
        """
        columns = long_columns(frame, spec.features)
        times = pd.Series(columns[TIME])
        if (wrong := is_implausible(times)).any():
            first = int(wrong.to_numpy().argmax())
            raise DataError(f"Row {first + 1}: the year of {times[first]} cannot be right: correct or remove it.")
        limits = zip(spec.features, spec.lowest, spec.highest, spec.sentinels, strict=False)
        for feature, low, high, sentinels in limits:
            columns[feature] = plausible(columns[feature], low, high, sentinels)
        if not len(times) or (between := off_grid(columns[STATION], times, spec.frequency)).all():
            raise DataError(f"There are no measurements to forecast from: give the last {spec.lookback_steps} steps.")
        rows = cls._of(columns, spec, ~between)
        rows._require_distinct()
        return rows

    @classmethod
    def of(cls, frame: pd.DataFrame, spec: WindowSpec) -> "Rows":
        """Read a frame that `frame` has given."""
        return cls._of({name: frame[name].array for name in frame.columns}, spec, np.ones(len(frame), bool))

    @classmethod
    def _of(cls, columns: dict[str, Any], spec: WindowSpec, chosen: Flags) -> "Rows":
        station, stations = pd.factorize(columns[STATION][chosen])
        values = np.stack([np.asarray(columns[feature])[chosen] for feature in spec.features], axis=-1)
        return cls(spec, tuple(stations), station, columns[TIME].as_unit("us").asi8[chosen], values)

    def _require_distinct(self) -> None:
        # All lie whole steps apart, so that station and time make one number.
        step = self.time // step_microseconds(self.spec.frequency)
        number = self.station * (step.max() - step.min() + 1) + step
        if len(pd.unique(number)) < len(number):
            row = int(pd.Series(number).duplicated().argmax())
            when = pd.Timestamp(self.time[row], unit="us", tz="UTC")
            raise DataError(f"Station {self.stations[self.station[row]]} has two rows at {when}: leave one.")

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a long frame."""
        columns = {
            STATION: texts(self.stations, self.station),
            TIME: moments(self.time),
            **{feature: self.values[:, index] for index, feature in enumerate(self.spec.features)},
        }
        return pd.DataFrame(columns)

    def where(self, chosen: Flags) -> "Rows":
        """Choose some of the rows."""
        return Rows(self.spec, self.stations, self.station[chosen], self.time[chosen], self.values[chosen])

    def of_stations(self, names: Sequence[str]) -> "Rows":
        """Choose the rows of some stations."""
        return self.where(np.isin(self.station, np.flatnonzero(np.isin(self.stations, list(names)))))

    def newest(self) -> int:
        """Find the newest time with a measurement, which a covariate known ahead is not.

        Raises:
            DataError: there is none.
        """
        measured = len(self.spec.features) - len(self.spec.known)
        has_value = np.isfinite(self.values[:, :measured]).any(axis=1)
        if not has_value.any():
            steps, names = self.spec.lookback_steps, ", ".join(self.spec.features[:measured])
            raise DataError(f"No row has a value of {names}: give the last {steps} steps.")
        return int(self.time[has_value].max())

    def on_grid(self, stations: Sequence[str], first: int, last: int) -> Grid:
        """Put the rows of stations, in the order of their names, on the steps from a time to another one."""
        names, step = sorted(stations), step_microseconds(self.spec.frequency)
        times = np.arange(first, last + 1, step)
        values = np.full((len(names), len(times), len(self.spec.features)), np.nan)
        number = {name: row for row, name in enumerate(names)}
        row = np.array([number.get(name, -1) for name in self.stations])[self.station]
        column, between = np.divmod(self.time - first, step)
        inside = (row >= 0) & (column >= 0) & (column < len(times)) & (between == 0)
        values[row[inside], column[inside]] = self.values[inside]
        return Grid(tuple(names), pd.DatetimeIndex(moments(times)), values)


def moments(microseconds: Microseconds) -> Any:
    """Make a column of times in UTC."""
    return pd.DatetimeIndex(microseconds.view("M8[us]"), tz="UTC").array


def texts(choices: Sequence[str], number: npt.NDArray[np.integer]) -> Any:
    """Make a column of text from the numbers of its choices."""
    return pd.array(choices, dtype=TEXT).take(number.ravel())
