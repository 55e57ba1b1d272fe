"""The forecaster: recent measurements in, forecasts out, both as long frames in their own units.

It holds what a net alone lacks: the stations and features it knows, the scaler, the regular grid and the window. The
registered model is one of these.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import models
from models import Model
from tidegate import windows
from tidegate.artifacts import WINDOWS
from tidegate.calendar import plausible, regular, step_of
from tidegate.errors import DataError
from tidegate.frame import KEYS, STATION, TIME, conform
from tidegate.panel import Panel, Starts, WindowSpec
from tidegate.windows import Doubles, Grid, Scaler

ORIGIN, VARIABLE, FORECAST = "origin", "variable", "forecast"


class Forecaster:
    """A trained model with everything that its forecasts need."""

    def __init__(self, model: Model, spec: WindowSpec, scaler: Scaler) -> None:
        """Put the parts together; `scaler` is the one of the training windows."""
        self.model, self.spec, self.scaler = model, spec, scaler

    @classmethod
    def load(cls, model: Path, spec: Path = WINDOWS / windows.SPEC) -> "Forecaster":
        """Read a model's folder, and the spec of the windows that it was trained on."""
        trained, window_spec = models.load(model)
        return cls(trained, window_spec, windows.read_spec(spec)[1])

    def forecast(self, recent: pd.DataFrame) -> pd.DataFrame:
        """Forecast each station in `recent` from its newest measurements on.

        Args:
            recent: long frame with the features, covering at least the lookback up to the newest step; cells may be
                missing, and rows before the lookback are not used.

        Returns:
            A long frame: station, origin (the newest measurement's time), time, variable, forecast.

        Raises:
            DataError: a station is unknown, or has no target measured within the lookback.
        """
        rows = self._grid_of(recent)
        station = self._rows_of(rows.stations)
        scaler = Scaler(self.scaler.mean[station], self.scaler.deviation[station])
        values, observed = scaler.scale(rows.values)
        silent = ~observed[..., : len(self.spec.targets)].any(axis=(1, 2))
        if silent.any():
            raise DataError(
                f"Station {rows.stations[int(silent.argmax())]} has no {self.spec.targets[0]} in the last "
                f"{self.spec.lookback} steps: give newer measurements, or leave the station out."
            )
        starts = np.stack([np.arange(len(station)), np.zeros(len(station))], axis=1).astype(np.int32)
        forecasts = self.model.predict(Panel(values, observed, self.spec), starts)
        return self._long(scaler.unscale(forecasts, starts[:, 0]), rows)

    def forecasts_at(self, grid: Grid, starts: Starts) -> Doubles:
        """Forecast windows of a grid in its own units: (windows, horizon, targets).

        `starts` are (station's row in the grid, first step of this forecaster's lookback).
        """
        station = self._rows_of(grid.stations)
        scaler = Scaler(self.scaler.mean[station], self.scaler.deviation[station])
        panel = Panel(*scaler.scale(grid.values), self.spec)
        return scaler.unscale(self.model.predict(panel, starts), starts[:, 0])

    def _grid_of(self, recent: pd.DataFrame) -> Grid:
        step = step_of(self.spec.frequency)
        frame = self._plausible(conform(recent, self.spec.features))
        if frame.empty:
            raise DataError(f"There are no measurements to forecast from: give the last {self.spec.lookback} steps.")
        if frame.duplicated(KEYS).any():
            row = frame[frame.duplicated(KEYS)].iloc[0]
            raise DataError(f"Station {row[STATION]} has two rows at {row[TIME]}: leave one.")
        newest = frame[TIME].max()
        first = newest - (self.spec.lookback - 1) * step
        frame = frame[frame[TIME] >= first]
        # A row at the first step, for each station, makes the grid reach back that far.
        edge = pd.DataFrame({STATION: frame[STATION].unique(), TIME: first})
        frame = pd.concat([frame, edge]).drop_duplicates(KEYS).sort_values(KEYS)
        return windows.to_grid(regular(frame, step), self.spec.features)

    def _plausible(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Make missing what the data gate would have: sentinels, and values beyond the physical limits."""
        for feature, low, high in zip(self.spec.features, self.spec.lowest, self.spec.highest, strict=False):
            frame[feature] = plausible(frame[feature], low, high, self.spec.sentinels)
        return frame

    def _rows_of(self, stations: Sequence[str]) -> Starts:
        known = {name: row for row, name in enumerate(self.spec.stations)}
        unknown = [name for name in stations if name not in known]
        if unknown:
            raise DataError(
                f"Station {unknown[0]} is none of those that this model was trained on ({', '.join(known)}): "
                "train with it first."
            )
        return np.array([known[name] for name in stations], np.int32)

    def _long(self, forecasts: Doubles, rows: Grid) -> pd.DataFrame:
        origin, step = rows.times[-1], step_of(self.spec.frequency)
        times = pd.DatetimeIndex([origin + (ahead + 1) * step for ahead in range(self.spec.horizon)])
        index = pd.MultiIndex.from_product([rows.stations, times, self.spec.targets], names=[STATION, TIME, VARIABLE])
        frame = pd.DataFrame({FORECAST: forecasts.reshape(-1)}, index=index).reset_index()
        frame.insert(1, ORIGIN, origin)
        return frame
