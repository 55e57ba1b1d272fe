"""Measurements on the regular grid, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tidegate.windows.panel import Doubles
from tidegate.workspace.columns import STATION, TIME


@dataclass(frozen=True)
class Grid:
    """Unscaled measurements: `values` (stations, steps, features), NaN where missing."""

    stations: tuple[str, ...]
    times: pd.DatetimeIndex
    values: Doubles

    def rows(self, rows: Sequence[int]) -> "Grid":
        """Take some of the stations, by their rows."""
        return Grid(tuple(self.stations[row] for row in rows), self.times, self.values[list(rows)])


def to_grid(clean: pd.DataFrame, features: tuple[str, ...]) -> Grid:
    """Convert a frame on a regular grid, sorted by station and then by time, to arrays."""
    stations = tuple(clean[STATION].unique())
    times = pd.DatetimeIndex(clean[TIME].iloc[: len(clean) // len(stations)])
    values = clean[list(features)].to_numpy("float64").reshape(len(stations), len(times), len(features))
    return Grid(stations, times, values)
