"""The forecaster: recent measurements in, forecasts out, both as long frames in their own units.

It holds what a net alone lacks: the stations and features it knows, the scaler, the regular grid and the window. The
registered model is one of these.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import models
from models import naive
from models.conformal import CalibratedModel
from tidegate.errors import DataError
from tidegate.measurements.frame import conform
from tidegate.measurements.grid import on_regular_grid, step_of
from tidegate.quality.rules import plausible
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler, to_panel
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import starts_in
from tidegate.windows.store import SPEC, read_spec
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace.columns import FORECAST, KEYS, METHOD, ORIGIN, STATION, TIME, VARIABLE
from tidegate.workspace.paths import WINDOWS

MODEL, BASELINE = "model", "baseline"  # by which method a row was forecast


class Forecaster:
    """A trained model with everything that its forecasts need."""

    def __init__(self, model: CalibratedModel, spec: WindowSpec, scaler: Scaler) -> None:
        """Put the parts together; `scaler` is the one of the training windows."""
        self.model, self.spec, self.scaler = model, spec, scaler

    @classmethod
    def load(cls, model: Path, spec: Path = WINDOWS / SPEC) -> "Forecaster":
        """Read a model's folder, and the spec of the windows that it was trained on."""
        trained, window_spec = models.load(model)
        return cls(trained, window_spec, read_spec(spec)[1])

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
        frame = self.checked(recent)
        newest = self._newest(frame)
        grid = self._laid(frame, pd.DatetimeIndex([newest]), sorted(frame[STATION].unique()))
        panel, scaler = self._panel(grid)
        silent = ~panel.observed[:, : self.spec.lookback, : len(self.spec.targets)].any(axis=(1, 2))
        if silent.any():
            raise DataError(
                f"Station {grid.stations[int(silent.argmax())]} has no {self.spec.targets[0]} in the last "
                f"{self.spec.lookback} steps: give newer measurements, or leave the station out."
            )
        starts = np.stack([np.arange(len(grid.stations)), np.zeros(len(grid.stations))], axis=1).astype(np.int32)
        forecasts = scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])
        return self._long(forecasts, grid, starts)

    def forecast_all(
        self, frame: pd.DataFrame, origins: pd.DatetimeIndex, enough: float, stations: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Forecast every station that the model knows, or some of them, from each of the origins.

        Args:
            frame: a frame that `checked` gave, of stations that the model knows.
            origins: newest times of the lookbacks, on the regular grid, ascending.
            enough: the share of a target's lookback that must have been measured.
            stations: those to forecast; all by default.

        Returns:
            A long frame as of `forecast`, with a column `method`: "model", or "baseline" where too little was measured.
            A baseline has no quantiles: its forecast is the last season's values, of an alert how often there was one.
        """
        stations = stations or self.spec.stations
        grid = self._laid(frame[frame[STATION].isin(stations)], origins, stations)
        panel, scaler = self._panel(grid)
        first = grid.times.get_indexer(origins) - self.spec.lookback + 1
        station, start = np.meshgrid(np.arange(len(grid.stations)), first, indexing="ij")
        starts = np.stack([station.ravel(), start.ravel()], axis=1).astype(np.int32)
        observed = panel.past(starts)[1][..., : len(self.spec.targets)].mean(axis=1).min(axis=-1)
        poor = observed < max(enough, 1 / self.spec.lookback)
        said = self.model.predict(panel, starts)
        if poor.any():
            said.point[poor] = self._baseline(frame, origins[0]).predict(panel, starts[poor]).point
        if said.quantiles is not None:
            said.quantiles[poor] = np.nan
        made = self._long(scaler.in_units(said, self.spec, starts[:, 0]), grid, starts)
        each = len(made) // len(starts)
        return made.assign(**{METHOD: np.repeat(np.where(poor, BASELINE, MODEL), each)})

    def forecasts_at(self, grid: Grid, starts: Starts) -> Forecasts:
        """Forecast windows of a grid in its own units: (windows, horizon, targets).

        `starts` are (station's row in the grid, first step of this forecaster's lookback).
        """
        panel, scaler = self._panel(grid)
        return scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])

    def checked(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Bring rows to the long frame's contract, and make missing what the data gate would have.

        Raises:
            DataError: a column is absent, there is no row, or two of one station at one time.
        """
        frame = conform(rows, self.spec.features)
        spec = self.spec
        for feature, low, high, no in zip(spec.features, spec.lowest, spec.highest, spec.sentinels, strict=False):
            frame[feature] = plausible(frame[feature], low, high, no)
        if frame.empty:
            raise DataError(f"There are no measurements to forecast from: give the last {self.spec.lookback} steps.")
        if frame.duplicated(KEYS).any():
            row = frame[frame.duplicated(KEYS)].iloc[0]
            raise DataError(f"Station {row[STATION]} has two rows at {row[TIME]}: leave one.")
        return frame

    def _laid(self, frame: pd.DataFrame, origins: pd.DatetimeIndex, stations: Sequence[str]) -> Grid:
        """Lay rows on the regular grid from the first lookback's first step to the last horizon's last."""
        step = step_of(self.spec.frequency)
        first, last = origins[0] - (self.spec.lookback - 1) * step, origins[-1] + self.spec.horizon * step
        frame = frame[frame[TIME].between(first, last)]
        # Rows at both ends, for each station, make the grid reach from the one to the other.
        edges = pd.MultiIndex.from_product([stations, [first, last]], names=KEYS).to_frame(index=False)
        frame = pd.concat([frame, edges]).drop_duplicates(KEYS).sort_values(KEYS)
        return to_grid(on_regular_grid(frame, step), self.spec.features)

    def _panel(self, grid: Grid) -> tuple[Panel, Scaler]:
        """Scale a grid as in training; give the scaler of its stations too."""
        station = self._rows_of(grid.stations)
        scaler = Scaler(self.scaler.mean[station], self.scaler.deviation[station])
        return to_panel(grid, scaler, self.spec, station), scaler

    def _baseline(self, frame: pd.DataFrame, before: pd.Timestamp) -> naive.Family:
        """Give what forecasts where the model should not; how often there were alerts is counted before a time."""
        kind = "alerts" if self.spec.alert else "values"
        baseline = naive.Family(naive.Options(method=models.BASELINES[kind]["method"]), self.spec)
        if self.spec.alert:
            step, past = step_of(self.spec.frequency), frame[frame[TIME] <= before]
            ends = past[TIME].min() + (self.spec.lookback - 1) * step, before - self.spec.horizon * step
            history = self._laid(past, pd.DatetimeIndex(ends), list(self.spec.stations))
            seen = starts_in(history, self.spec, (0, len(history.times)), 0.0)
            baseline.count(self._panel(history)[0], seen)
        return baseline

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

    def _rows_of(self, stations: Sequence[str]) -> Starts:
        known = {name: row for row, name in enumerate(self.spec.stations)}
        unknown = [name for name in stations if name not in known]
        if unknown:
            raise DataError(
                f"Station {unknown[0]} is none of those that this model was trained on ({', '.join(known)}): "
                "train with it first."
            )
        return np.array([known[name] for name in stations], np.int32)

    def _long(self, forecasts: Forecasts, grid: Grid, starts: Starts) -> pd.DataFrame:
        """Unfold forecasts of windows into rows: by window, then time, then variable."""
        variables, ahead = list(self.spec.targets), np.arange(self.spec.horizon)
        if self.spec.alert:
            side, limit = self.spec.alert
            variables, ahead = [f"{variables[0]} {side} {limit:g}"], ahead[-1:]
        row, origin = starts[:, 0], starts[:, 1] + self.spec.lookback - 1
        each, times = len(ahead) * len(variables), origin[:, None] + 1 + ahead
        columns: dict[str, Any] = {
            STATION: np.asarray(grid.stations)[row].repeat(each),
            ORIGIN: grid.times[origin].repeat(each),
            TIME: grid.times[times.ravel()].repeat(len(variables)),
            VARIABLE: np.tile(variables, times.size),
            FORECAST: forecasts.point.reshape(-1),
        }
        if forecasts.quantiles is not None:
            for place, level in enumerate(self.spec.quantiles):
                columns[f"q{level:g}"] = forecasts.quantiles[..., place].reshape(-1)
        return pd.DataFrame(columns)
