"""The forecaster: recent measurements in, forecasts out, both as long frames in their own units.

It holds what a net alone lacks: the stations and features it knows, the scaler, the regular grid and the window. The
registered model is one of these.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import models
from models.conformal import Calibrated
from tidegate import windows
from tidegate.artifacts import WINDOWS
from tidegate.calendar import plausible, regular, step_of
from tidegate.errors import DataError
from tidegate.frame import KEYS, STATION, TIME, conform
from tidegate.panel import Forecasts, Starts, WindowSpec
from tidegate.windows import Grid, Scaler

ORIGIN, VARIABLE, FORECAST = "origin", "variable", "forecast"


class Forecaster:
    """A trained model with everything that its forecasts need."""

    def __init__(self, model: Calibrated, spec: WindowSpec, scaler: Scaler) -> None:
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
                missing, and rows before the lookback are not used. What is known ahead stands in rows after the
                newest measurement, which have nothing else.

        Returns:
            A long frame: station, origin (the newest measurement's time), time, variable, forecast, and a column for
            each quantile, "q0.05" say. Of an alert: time is the end of the horizon, and forecast its probability.

        Raises:
            DataError: a station is unknown, or has no target measured within the lookback.
        """
        rows = self._grid_of(recent)
        station = self._rows_of(rows.stations)
        scaler = Scaler(self.scaler.mean[station], self.scaler.deviation[station])
        panel = windows.to_panel(rows, scaler, self.spec, station)
        silent = ~panel.observed[:, : self.spec.lookback, : len(self.spec.targets)].any(axis=(1, 2))
        if silent.any():
            raise DataError(
                f"Station {rows.stations[int(silent.argmax())]} has no {self.spec.targets[0]} in the last "
                f"{self.spec.lookback} steps: give newer measurements, or leave the station out."
            )
        starts = np.stack([np.arange(len(station)), np.zeros(len(station))], axis=1).astype(np.int32)
        forecasts = self.model.predict(panel, starts)
        return self._long(scaler.in_units(forecasts, self.spec, starts[:, 0]), rows)

    def forecasts_at(self, grid: Grid, starts: Starts) -> Forecasts:
        """Forecast windows of a grid in its own units: (windows, horizon, targets).

        `starts` are (station's row in the grid, first step of this forecaster's lookback).
        """
        station = self._rows_of(grid.stations)
        scaler = Scaler(self.scaler.mean[station], self.scaler.deviation[station])
        panel = windows.to_panel(grid, scaler, self.spec, station)
        return scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])

    def _grid_of(self, recent: pd.DataFrame) -> Grid:
        step = step_of(self.spec.frequency)
        frame = self._plausible(conform(recent, self.spec.features))
        if frame.empty:
            raise DataError(f"There are no measurements to forecast from: give the last {self.spec.lookback} steps.")
        if frame.duplicated(KEYS).any():
            row = frame[frame.duplicated(KEYS)].iloc[0]
            raise DataError(f"Station {row[STATION]} has two rows at {row[TIME]}: leave one.")
        newest = self._newest(frame)
        first, last = newest - (self.spec.lookback - 1) * step, newest + self.spec.horizon * step
        frame = frame[frame[TIME].between(first, last)]
        # Rows at both ends, for each station, make the grid reach from the lookback's first step to the horizon's last.
        edges = pd.MultiIndex.from_product([frame[STATION].unique(), [first, last]], names=KEYS).to_frame(index=False)
        frame = pd.concat([frame, edges]).drop_duplicates(KEYS).sort_values(KEYS)
        return windows.to_grid(regular(frame, step), self.spec.features)

    def _newest(self, frame: pd.DataFrame) -> pd.Timestamp:
        """Find the origin: the newest row, or, where covariates are known ahead, the newest with anything else.

        Raises:
            DataError: there is none, or nothing is given of what is known ahead.
        """
        if not self.spec.known:
            return frame[TIME].max()
        measured = [feature for feature in self.spec.features if feature not in self.spec.known]
        newest = frame.loc[frame[measured].notna().any(axis=1), TIME].max()
        ahead = frame.loc[frame[TIME] > newest, list(self.spec.known)].notna().any()
        if pd.isna(newest) or not ahead.all():
            blank = ", ".join(ahead.index[~ahead])
            raise DataError(
                f"{blank or 'A target'} is not given for the {self.spec.horizon} steps after the newest measurement "
                f"({newest}): add rows with what is known ahead."
            )
        return newest

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

    def _long(self, forecasts: Forecasts, rows: Grid) -> pd.DataFrame:
        origin, horizon = rows.times[self.spec.lookback - 1], rows.times[self.spec.lookback :]
        times, variables = horizon, list(self.spec.targets)
        if self.spec.alert:
            side, limit = self.spec.alert
            times, variables = horizon[-1:], [f"{variables[0]} {side} {limit:g}"]
        index = pd.MultiIndex.from_product([rows.stations, times, variables], names=[STATION, TIME, VARIABLE])
        columns = {FORECAST: forecasts.point.reshape(-1)}
        if forecasts.quantiles is not None:
            for place, level in enumerate(self.spec.quantiles):
                columns[f"q{level:g}"] = forecasts.quantiles[..., place].reshape(-1)
        frame = pd.DataFrame(columns, index=index).reset_index()
        frame.insert(1, ORIGIN, origin)
        return frame
