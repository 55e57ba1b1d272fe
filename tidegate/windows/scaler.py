"""The scaler: standardises each feature at each station by its mean and deviation in the training span."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.windows.alerts import alert_events
from tidegate.windows.calendar import calendar_values
from tidegate.windows.panel import Doubles, Flags, Floats, Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.windows.window_grid import Grid

CONSTANT = 1e-9  # a deviation below this share of the mean is rounding: the values' own size decides, not 1


@dataclass(frozen=True)
class Scaler:
    """Standardises each feature at each station: `mean` and `deviation` (stations, features)."""

    mean: Doubles
    deviation: Doubles

    def scale(self, values: Doubles) -> tuple[Floats, Flags]:
        """Scale (stations, steps, features); missing values become 0, the mean, and are flagged as not observed."""
        with np.errstate(over="ignore"):
            scaled = ((values - self.mean[:, None]) / self.deviation[:, None]).astype(np.float32)
        observed: Flags = np.isfinite(scaled)
        return np.where(observed, scaled, np.float32(0)), observed

    def unscale(self, forecasts: npt.NDArray[Any], station: npt.NDArray[Any]) -> Doubles:
        """Convert forecasts (windows, horizon, targets) of the stations (windows,) back to the units of the targets."""
        targets = forecasts.shape[-1]
        mean, deviation = self.mean[station, None, :targets], self.deviation[station, None, :targets]
        return forecasts.astype(np.float64) * deviation + mean

    def in_units(self, forecasts: Forecasts, spec: WindowSpec, station: npt.NDArray[Any]) -> Forecasts:
        """Convert a model's forecasts for the stations (windows,) to units; alert probabilities stay as they are."""
        if spec.alert:
            return forecasts
        point, quantiles = self.unscale(forecasts.point, station), None
        if forecasts.quantiles is not None:
            levels = [self.unscale(forecasts.quantiles[..., index], station) for index in range(len(spec.quantiles))]
            quantiles = np.stack(levels, axis=-1)
        return Forecasts(point, quantiles)

    def as_json(self) -> dict[str, Any]:
        """Return the scaler as values that JSON can hold."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Scaler":
        """Read what `as_json` returned."""
        return cls(np.asarray(raw["mean"], np.float64), np.asarray(raw["deviation"], np.float64))


def fit_scaler(grid: Grid, steps: int, spec: WindowSpec) -> Scaler:
    """Fit a scaler to the first `steps` steps of the grid only.

    A feature that is constant or absent there is 0, the mean, also when it comes to life later; stations whose targets
    are so are to be left out first (`left_out.unlearnable`).
    """
    _, mean, deviation, constant = _moments(grid, steps)
    return Scaler(mean, np.where(constant, np.finfo(np.float64).max, deviation))


def target_moments(grid: Grid, steps: int, spec: WindowSpec) -> tuple[npt.NDArray[np.int64], Flags]:
    """Count the targets' values in the first `steps` steps, and say which are constant: (stations, targets)."""
    count, _, _, constant = _moments(grid, steps)
    targets = len(spec.targets)
    return count[:, :targets], constant[:, :targets]


def constant_covariates(grid: Grid, steps: int, spec: WindowSpec) -> Counter[str]:
    """Count the stations at which each covariate is constant in the first `steps` steps, or has no value there."""
    constant = _moments(grid, steps)[3]
    covariates = enumerate(spec.features[len(spec.targets) :], start=len(spec.targets))
    return Counter({name: int(constant[:, column].sum()) for column, name in covariates if constant[:, column].any()})


def _moments(grid: Grid, steps: int) -> tuple[npt.NDArray[np.int64], Doubles, Doubles, Flags]:
    """Compute count, mean, deviation and whether it is constant, of each station and feature: (stations, features)."""
    training = grid.values[:, :steps]
    observed = np.isfinite(training)
    count = observed.sum(axis=1)
    mean = np.where(observed, training, 0).sum(axis=1) / np.maximum(count, 1)
    centred = np.where(observed, training - mean[:, None], 0)
    deviation = np.sqrt((centred**2).sum(axis=1) / np.maximum(count, 1))
    return count, mean, deviation, deviation <= CONSTANT * np.abs(mean)


def to_panel(
    grid: Grid, scaler: Scaler, spec: WindowSpec, station: Starts | None = None, clean: Grid | None = None
) -> Panel:
    """Scale a grid and add its calendar.

    Args:
        grid: what lookbacks hold.
        scaler: of the grid's stations.
        spec: of the windows.
        station: the index in the spec of the station of each row.
        clean: what targets are compared with; by default the grid itself.
    """
    values, observed = scaler.scale(grid.values)
    truth = None
    if clean is not None:
        scaled, measured = scaler.scale(clean.values)
        targets = len(spec.targets)
        truth = np.where(measured, scaled, np.float32(np.nan))[..., :targets]
    return Panel.create(
        values,
        observed,
        spec,
        calendar_values(grid.times, spec.calendar, spec.time_zone),
        station,
        alert_events(grid if clean is None else clean, spec),
        truth,
    )
