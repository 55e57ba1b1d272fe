"""The forecaster: turns recent measurements into forecasts, both as long frames in the variables' own units.

Besides the trained model it holds what forecasts need: the known stations and features, the scaler, the frequency and
the window's size. A registered model version is a forecaster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import models
from models import naive
from models.conformal import CalibratedModel
from tidegate.errors import DataError
from tidegate.forecasting.fallback import Fallback
from tidegate.forecasting.rows import Rows, texts
from tidegate.forecasting.situation import Situation, situation_of
from tidegate.quality.sorted_rows import Microseconds, epoch_microseconds, step_microseconds
from tidegate.windows.arrival import ArrivalRules
from tidegate.windows.panel import Flags, Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler, to_panel
from tidegate.windows.spec import WindowSpec
from tidegate.windows.splits import starts_in
from tidegate.windows.store import SPEC, read_left_out, read_rules, read_spec
from tidegate.windows.window_grid import Grid
from tidegate.workspace.columns import (
    BASELINE,
    FORECAST,
    LATE_STEPS,
    METHOD,
    MODEL,
    ORIGIN,
    REASON,
    STATION,
    TIME,
    VARIABLE,
)
from tidegate.workspace.paths import WINDOWS


class Forecaster:
    """A trained model with everything that its forecasts need."""

    def __init__(
        self,
        model: CalibratedModel,
        spec: WindowSpec,
        scaler: Scaler,
        fallback: Fallback | None = None,
        left_out: Mapping[str, str] | None = None,
        rules: ArrivalRules | None = None,
    ) -> None:
        """Combine the parts: `scaler` and `rules` of the training windows, and why stations are `left_out` of them."""
        self.model, self.spec, self.scaler = model, spec, scaler
        self.fallback, self.left_out, self.rules = fallback or Fallback(spec), left_out or {}, rules or ArrivalRules()

    @classmethod
    def load(cls, model: Path, spec: Path = WINDOWS / SPEC) -> "Forecaster":
        """Load a model's folder, and the spec of the windows that it was trained on."""
        trained, window_spec = models.load(model)
        fallback = Fallback.load(window_spec, spec.parent)
        return cls(trained, window_spec, read_spec(spec)[1], fallback, read_left_out(spec), read_rules(spec))

    def forecast(self, recent: pd.DataFrame) -> pd.DataFrame:
        """Forecast each station in `recent` from the network's newest measurement.

        Args:
            recent: long frame with the features, of the lookback up to the newest step; of two lookbacks, if a station
                may be late. Cells may be missing; rows before that, between the grid's steps or blank are not used.
                Covariates that are known ahead are in rows after the newest measurement, in which all other cells are
                missing.

        Returns:
            A long frame: station, origin (the newest measurement's time), time, variable, forecast, a column for each
            quantile, such as "q0.05", method ("model" or "baseline") and, of a baseline, its reason. For an alert,
            time is the end of the horizon, and forecast is the probability of the alert.

        Raises:
            DataError: a station is unknown, or has no target measured within the lookback.
        """
        rows = Rows.checked(recent, self.spec)
        origin = rows.newest()
        columns, _, silent = self._forecast(rows, np.array([origin]), rows.stations)
        if silent:
            newest = pd.Timestamp(origin, unit="us")
            raise DataError(
                f"Station {silent[0]} has no {self.spec.targets[0]} in the last {self.spec.lookback_steps} steps up to "
                f"{newest:%Y-%m-%d %H:%M} UTC: give newer measurements, or leave the station out."
            )
        return pd.DataFrame(columns)

    def forecast_all(
        self, frame: pd.DataFrame, origins: pd.DatetimeIndex, stations: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Forecast all stations that the model knows, or some of them, from each of the origins.

        Args:
            frame: the result of `check_rows`, with stations that the model knows.
            origins: of the network, on the regular grid, ascending.
            stations: stations to forecast; all by default.

        Returns:
            A long frame like that of `forecast`, with `late_steps`: by how many steps the station's newest value was
            older than the origin, the lookback's length if there was none. Such a station has the baseline.
        """
        stations = stations or self.spec.stations
        rows = Rows.of(frame, self.spec).of_stations(stations)
        columns, late, _ = self._forecast(rows, epoch_microseconds(origins), stations)
        return pd.DataFrame({**columns, LATE_STEPS: late})

    def _forecast(
        self, rows: Rows, origins: Microseconds, stations: Sequence[str]
    ) -> tuple[dict[str, Any], Any, list[str]]:
        """Forecast stations from origins: columns of rows, how late each is, and stations silent for a lookback."""
        grid = self._grid(rows, origins, stations, extra_steps=self.spec.lookback_steps)
        panel, scaler = self._panel(grid)
        first = self.spec.lookback_steps + (origins - origins[0]) // step_microseconds(self.spec.frequency)
        station, start = np.meshgrid(np.arange(len(grid.stations)), first, indexing="ij")
        starts = np.stack([station.ravel(), start.ravel()], axis=1).astype(np.int32)
        situation = situation_of(panel, starts, self.fallback.usual)
        forecasts, by_model = self._model_forecasts(panel, situation)
        rest: Flags = np.asarray(~by_model.all(axis=1))
        if rest.any():
            _fill(forecasts, self._baseline_forecasts(panel, starts[rest], rows, origins[0]), rest, by_model)
        columns = self._long(scaler.in_units(forecasts, self.spec, starts[:, 0]), grid, starts)
        model = by_model.repeat(1 if self.spec.alert else len(self.spec.targets), axis=1)  # (windows, rows of each)
        partly = np.flatnonzero(rest).tolist()
        reasons = [situation.reason[row] or situation.beyond_horizon(self.spec, row) for row in partly]
        reason = np.zeros(model.shape, np.int64)
        reason[rest] = np.where(model[rest], 0, np.arange(1, len(reasons) + 1)[:, None])
        columns |= {METHOD: texts([BASELINE, MODEL], model.astype(np.int64)), REASON: texts(["", *reasons], reason)}
        late = np.where(situation.absent, self.spec.lookback_steps, situation.late).repeat(model.shape[1])
        return columns, late, [grid.stations[row] for row in starts[situation.silent, 0]]

    def _model_forecasts(self, panel: Panel, situation: Situation) -> tuple[Forecasts, Flags]:
        """Forecast with the model where it may, NaN elsewhere; say where, by horizon step."""
        steps, targets = self.spec.target_steps, 1 if self.spec.alert else len(self.spec.targets)
        shape = (len(situation.late), steps, targets)
        quantiles = None if self.spec.alert else np.full((*shape, len(self.spec.quantiles)), np.nan, np.float32)
        forecasts = Forecasts(np.full(shape, np.nan, np.float32), quantiles)
        lead = situation.late[:, None] + np.arange(steps)
        allowed = situation.reason == ""
        by_model = allowed[:, None] & (lead < steps)
        if not allowed.any():
            return forecasts, by_model
        model = self.model.predict(panel, situation.starts[allowed])
        finite = np.isfinite(model.point).all(axis=(1, 2))
        situation.reason[np.flatnonzero(allowed)[~finite]] = "the model's forecast is not finite"
        by_model[allowed] &= finite[:, None]
        index = np.minimum(lead, steps - 1)[allowed]
        forecasts.point[allowed] = np.take_along_axis(model.point, index[..., None], axis=1)
        if model.quantiles is not None and forecasts.quantiles is not None:
            forecasts.quantiles[allowed] = np.take_along_axis(model.quantiles, index[..., None, None], axis=1)
        return forecasts, by_model

    def _baseline_forecasts(self, panel: Panel, starts: Starts, rows: Rows, before: int) -> Forecasts:
        if self.spec.alert:
            return self._alert_baseline(rows, before).predict(panel, starts)
        return self.fallback.predict(panel, starts)

    def on_grid(self, grid: Grid) -> Callable[[Starts], Forecasts]:
        """Give what forecasts windows of a grid of values as they were given, in its own units.

        It takes for each window (station's row in the grid, first step of this forecaster's lookback), and gives
        (windows, horizon, targets).
        """
        panel, scaler = self._panel(grid)

        def forecast(starts: Starts) -> Forecasts:
            return scaler.in_units(self.model.predict(panel, starts), self.spec, starts[:, 0])

        return forecast

    def check_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Convert rows to a valid long frame, and make implausible values missing as the data gate does.

        Raises:
            DataError: a column is absent, there is no row, or there are two rows of one station at one time.
        """
        return Rows.checked(rows, self.spec).frame

    def _grid(self, rows: Rows, origins: Microseconds, stations: Sequence[str], extra_steps: int = 0) -> Grid:
        """Put rows on the regular grid, from (more than) the first lookback's first step to the last horizon's last."""
        step, lookback = step_microseconds(self.spec.frequency), self.spec.lookback_steps + extra_steps
        return rows.on_grid(stations, origins[0] - (lookback - 1) * step, origins[-1] + self.spec.horizon_steps * step)

    def _panel(self, grid: Grid) -> tuple[Panel, Scaler]:
        """Judge a grid of given values and scale it, as in training; also give the scaler of the grid's stations."""
        rows = self._rows_of(grid.stations)
        scaler = Scaler(self.scaler.mean[rows], self.scaler.deviation[rows])
        arrived = replace(grid, values=self.rules.passed(grid.values, self.spec, rows))
        return to_panel(arrived, scaler, self.spec, rows), scaler

    def _alert_baseline(self, rows: Rows, before: int) -> naive.Family:
        """Make the baseline of an alert, whose frequency is counted in the windows that end before a time."""
        baseline = naive.Family(naive.Options(method=models.BASELINES["alerts"]["method"]), self.spec)
        step, past = step_microseconds(self.spec.frequency), rows.where(rows.time <= before)
        ends = past.time.min() + (self.spec.lookback_steps - 1) * step, before - self.spec.horizon_steps * step
        history = self._grid(past, np.array(ends), self.spec.stations)
        past_starts = starts_in(history, self.spec, (0, len(history.times)), 0.0)
        baseline.count_alerts(self._panel(history)[0], past_starts)
        return baseline

    def _rows_of(self, stations: Sequence[str]) -> Starts:
        """Give the stations' rows in the training panel.

        Raises:
            DataError: the model was not trained on a station.
        """
        known = {name: row for row, name in enumerate(self.spec.stations)}
        unknown = [name for name in stations if name not in known]
        if unknown and unknown[0] in self.left_out:
            raise DataError(
                f"Station {unknown[0]} was left out when this model was trained ({self.left_out[unknown[0]]}): train "
                "again once it has measured more, and leave it out until then."
            )
        if unknown:
            raise DataError(
                f"Station {unknown[0]} is none of those that this model was trained on ({', '.join(known)}): "
                "train with it first."
            )
        return np.array([known[name] for name in stations], np.int32)

    def _long(self, forecasts: Forecasts, grid: Grid, starts: Starts) -> dict[str, Any]:
        """Turn forecasts of windows into columns of rows, ordered by window, time and variable."""
        variables, ahead = list(self.spec.targets), np.arange(self.spec.horizon_steps)
        if self.spec.alert:
            side, limit = self.spec.alert
            variables, ahead = [f"{variables[0]} {side} {limit:g}"], ahead[-1:]
        row, origin = starts[:, 0], starts[:, 1] + self.spec.lookback_steps - 1
        rows_per_window, times = len(ahead) * len(variables), origin[:, None] + 1 + ahead
        moments: Any = grid.times.array
        columns: dict[str, Any] = {
            STATION: texts(grid.stations, row.repeat(rows_per_window)),
            ORIGIN: moments[origin.repeat(rows_per_window)],
            TIME: moments[times.ravel().repeat(len(variables))],
            VARIABLE: texts(variables, np.tile(np.arange(len(variables)), times.size)),
            FORECAST: forecasts.point.reshape(-1),
        }
        if forecasts.quantiles is not None:
            for index, level in enumerate(self.spec.quantiles):
                columns[f"q{level:g}"] = forecasts.quantiles[..., index].reshape(-1)
        return columns


def _fill(forecasts: Forecasts, baseline: Forecasts, windows: Flags, by_model: Flags) -> None:
    """Put the baseline of some windows where the model does not forecast."""
    missing = ~by_model[windows][..., None]
    forecasts.point[windows] = np.where(missing, baseline.point, forecasts.point[windows])
    if forecasts.quantiles is not None and baseline.quantiles is not None:
        quantiles = np.where(missing[..., None], baseline.quantiles, forecasts.quantiles[windows])
        forecasts.quantiles[windows] = quantiles
