"""The forecaster: turns recent measurements into forecasts, both as long frames in the variables' own units.

Besides the trained model it holds what forecasts need: the known stations and features, the scaler, the frequency and
the window's size. A registered model version is a forecaster.
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
from tidegate.measurements.plausible import plausible
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler, to_panel
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import starts_in
from tidegate.windows.store import SPEC, read_spec
from tidegate.windows.window_grid import Grid, to_grid
from tidegate.workspace.columns import FORECAST, KEYS, METHOD, ORIGIN, STATION, TIME, VARIABLE
from tidegate.workspace.paths import WINDOWS

MODEL, BASELINE = "model", "baseline"  # values of the column METHOD


class Forecaster:
    """A trained model with everything that its forecasts need."""

    def __init__(self, model: CalibratedModel, spec: WindowSpec, scaler: Scaler) -> None:
        """Combine the parts; `scaler` is that of the training windows."""
        self.model, self.spec, self.scaler = model, spec, scaler

    @classmethod
    def load(cls, model: Path, spec: Path = WINDOWS / SPEC) -> "Forecaster":
        """Load a model's folder, and the spec of the windows that it was trained on."""
        trained, window_spec = models.load(model)
        return cls(trained, window_spec, read_spec(spec)[1])

    def forecast(self, recent: pd.DataFrame) -> pd.DataFrame:
        """Forecast each station in `recent` from the newest measurements.

        Args:
            recent: long frame with the features, covering at least the lookback up to the newest step. Cells may be
                missing; rows before the lookback are not used. Covariates that are known ahead are in rows after the
                newest measurement, in which all other cells are missing.

        Returns:
            A long frame: station, origin (the newest measurement's time), time, variable, forecast, and a column for
            each quantile, such as "q0.05". For an alert, time is the end of the horizon, and forecast is the
            probability of the alert.

        Raises:
            DataError: a station is unknown, or has no target measured within the lookback.
        """
        frame = self.check_rows(recent)
        newest = self._newest(frame)
        grid = self._grid(frame, pd.DatetimeIndex([newest]), sorted(frame[STATION].unique()))
        panel, scaler = self._panel(grid)
        silent = ~panel.observed[:, : self.spec.lookback_steps, : len(self.spec.targets)].any(axis=(1, 2))
        if silent.any():
            raise DataError(
                f"Station {grid.stations[int(silent.argmax())]} has no {self.spec.targets[0]} in the last "
                f"{self.spec.lookback_steps} steps: give newer measurements, or leave the station out."
            )
        starts = np.stack([np.arange(len(grid.stations)), np.zeros(len(grid.stations))], axis=1).astype(np.int32)
        forecasts = scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])
        return self._long(forecasts, grid, starts)

    def forecast_all(
        self, frame: pd.DataFrame, origins: pd.DatetimeIndex, min_observed: float, stations: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Forecast all stations that the model knows, or some of them, from each of the origins.

        Args:
            frame: the result of `check_rows`, with stations that the model knows.
            origins: newest times of the lookbacks, on the regular grid, ascending.
            min_observed: share of a target's lookback that must have been measured.
            stations: stations to forecast; all by default.

        Returns:
            A long frame like that of `forecast`, with a column `method`: "model", or "baseline" where too little was
            measured. The baseline forecasts the values of the last season, or for an alert its frequency in the past,
            and has no quantiles.
        """
        stations = stations or self.spec.stations
        grid = self._grid(frame[frame[STATION].isin(stations)], origins, stations)
        panel, scaler = self._panel(grid)
        first = grid.times.get_indexer(origins) - self.spec.lookback_steps + 1
        station, start = np.meshgrid(np.arange(len(grid.stations)), first, indexing="ij")
        starts = np.stack([station.ravel(), start.ravel()], axis=1).astype(np.int32)
        observed = panel.past(starts)[1][..., : len(self.spec.targets)].mean(axis=1).min(axis=-1)
        sparse = observed < max(min_observed, 1 / self.spec.lookback_steps)
        forecasts = self.model.predict(panel, starts)
        if sparse.any():
            forecasts.point[sparse] = self._baseline(frame, origins[0]).predict(panel, starts[sparse]).point
        if forecasts.quantiles is not None:
            forecasts.quantiles[sparse] = np.nan
        rows = self._long(scaler.in_units(forecasts, self.spec, starts[:, 0]), grid, starts)
        rows_per_window = len(rows) // len(starts)
        return rows.assign(**{METHOD: np.repeat(np.where(sparse, BASELINE, MODEL), rows_per_window)})

    def forecasts_at(self, grid: Grid, starts: Starts) -> Forecasts:
        """Forecast windows of a grid, in the grid's own units: (windows, horizon, targets).

        `starts` holds for each window (station's row in the grid, first step of this forecaster's lookback).
        """
        panel, scaler = self._panel(grid)
        return scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])

    def check_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Convert rows to a valid long frame, and make implausible values missing as the data gate does.

        Raises:
            DataError: a column is absent, there is no row, or there are two rows of one station at one time.
        """
        frame = conform(rows, self.spec.features)
        spec = self.spec
        limits = zip(spec.features, spec.lowest, spec.highest, spec.sentinels, strict=False)
        for feature, low, high, sentinels in limits:
            frame[feature] = plausible(frame[feature], low, high, sentinels)
        if frame.empty:
            steps = self.spec.lookback_steps
            raise DataError(f"There are no measurements to forecast from: give the last {steps} steps.")
        if frame.duplicated(KEYS).any():
            row = frame[frame.duplicated(KEYS)].iloc[0]
            raise DataError(f"Station {row[STATION]} has two rows at {row[TIME]}: leave one.")
        return frame

    def _grid(self, frame: pd.DataFrame, origins: pd.DatetimeIndex, stations: Sequence[str]) -> Grid:
        """Put rows on the regular grid, from the first lookback's first step to the last horizon's last step."""
        step = step_of(self.spec.frequency)
        first, last = origins[0] - (self.spec.lookback_steps - 1) * step, origins[-1] + self.spec.horizon_steps * step
        frame = frame[frame[TIME].between(first, last)]
        # Rows at both ends make the grid of each station cover the whole span.
        edges = pd.MultiIndex.from_product([stations, [first, last]], names=KEYS).to_frame(index=False)
        frame = pd.concat([frame, edges]).drop_duplicates(KEYS).sort_values(KEYS)
        return to_grid(on_regular_grid(frame, step), self.spec.features)

    def _panel(self, grid: Grid) -> tuple[Panel, Scaler]:
        """Scale a grid as in training; also give the scaler of the grid's stations."""
        rows = self._rows_of(grid.stations)
        scaler = Scaler(self.scaler.mean[rows], self.scaler.deviation[rows])
        return to_panel(grid, scaler, self.spec, rows), scaler

    def _baseline(self, frame: pd.DataFrame, before: pd.Timestamp) -> naive.Family:
        """Make the baseline model; for an alert, its frequency is counted in the windows that end before a time."""
        kind = "alerts" if self.spec.alert else "values"
        baseline = naive.Family(naive.Options(method=models.BASELINES[kind]["method"]), self.spec)
        if self.spec.alert:
            step, past = step_of(self.spec.frequency), frame[frame[TIME] <= before]
            ends = past[TIME].min() + (self.spec.lookback_steps - 1) * step, before - self.spec.horizon_steps * step
            history = self._grid(past, pd.DatetimeIndex(ends), list(self.spec.stations))
            past_starts = starts_in(history, self.spec, (0, len(history.times)), 0.0)
            baseline.count_alerts(self._panel(history)[0], past_starts)
        return baseline

    def _newest(self, frame: pd.DataFrame) -> pd.Timestamp:
        """Find the origin: the newest row, or, with covariates known ahead, the newest row with another value.

        Raises:
            DataError: there is no such row, or a covariate known ahead has no value after it.
        """
        if not self.spec.known:
            return frame[TIME].max()
        measured = [feature for feature in self.spec.features if feature not in self.spec.known]
        newest = frame.loc[frame[measured].notna().any(axis=1), TIME].max()
        ahead = frame.loc[frame[TIME] > newest, list(self.spec.known)].notna().any()
        if pd.isna(newest) or not ahead.all():
            missing = ", ".join(ahead.index[~ahead])
            raise DataError(
                f"{missing or 'A target'} is not given for the {self.spec.horizon_steps} steps after the newest "
                f"measurement ({newest}): add rows with what is known ahead."
            )
        return newest

    def _rows_of(self, stations: Sequence[str]) -> Starts:
        """Give the stations' rows in the training panel.

        Raises:
            DataError: the model was not trained on a station.
        """
        known = {name: row for row, name in enumerate(self.spec.stations)}
        unknown = [name for name in stations if name not in known]
        if unknown:
            raise DataError(
                f"Station {unknown[0]} is none of those that this model was trained on ({', '.join(known)}): "
                "train with it first."
            )
        return np.array([known[name] for name in stations], np.int32)

    def _long(self, forecasts: Forecasts, grid: Grid, starts: Starts) -> pd.DataFrame:
        """Turn forecasts of windows into rows, ordered by window, time and variable."""
        variables, ahead = list(self.spec.targets), np.arange(self.spec.horizon_steps)
        if self.spec.alert:
            side, limit = self.spec.alert
            variables, ahead = [f"{variables[0]} {side} {limit:g}"], ahead[-1:]
        row, origin = starts[:, 0], starts[:, 1] + self.spec.lookback_steps - 1
        rows_per_window, times = len(ahead) * len(variables), origin[:, None] + 1 + ahead
        columns: dict[str, Any] = {
            STATION: np.asarray(grid.stations)[row].repeat(rows_per_window),
            ORIGIN: grid.times[origin].repeat(rows_per_window),
            TIME: grid.times[times.ravel()].repeat(len(variables)),
            VARIABLE: np.tile(variables, times.size),
            FORECAST: forecasts.point.reshape(-1),
        }
        if forecasts.quantiles is not None:
            for index, level in enumerate(self.spec.quantiles):
                columns[f"q{level:g}"] = forecasts.quantiles[..., index].reshape(-1)
        return pd.DataFrame(columns)
