"""The test origins: candidates and champions are scored on the same ones, some at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError
from tidegate.evaluation import metrics
from tidegate.evaluation.comparison import Array, Comparison
from tidegate.evaluation.metrics import Metric
from tidegate.windows.panel import Flags, Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler
from tidegate.windows.store import SPEC, read_spec, read_windows
from tidegate.workspace.paths import WINDOWS, read_json

WINDOWS_AT_ONCE = 8192  # so many are forecast and scored together: a few MB an array


@dataclass(frozen=True)
class TestOrigins:
    """The test windows, and what their errors are scaled by."""

    panel: Panel
    starts: Starts  # in the order of the stations
    scaler: Scaler
    station_scale: Array  # (stations, targets), of MASE

    def compare(self, forecasts: Forecasts) -> Comparison:
        """Put forecasts, in units, beside what was measured."""
        return Comparison(forecasts.point, self.measured, self.scale, forecasts.quantiles, self.panel.spec.quantiles)

    def in_units(self, forecasts: Forecasts) -> Forecasts:
        """Convert a model's forecasts of the windows from the panel's units to the targets'."""
        return self.scaler.in_units(forecasts, self.panel.spec, self.starts[:, 0])

    @cached_property
    def measured(self) -> Array:
        """What was measured: (windows, horizon, targets), NaN where nothing was; of alerts (windows, 1, 1)."""
        future, observed = self.panel.future(self.starts)
        outcome = future.astype(np.float64)
        if not self.panel.spec.alert:
            outcome = self.scaler.unscale(future, self.starts[:, 0])
        return np.where(observed, outcome, np.nan)

    @property
    def scale(self) -> Array:
        """The scale of each window's station: (windows, 1, targets)."""
        return self.station_scale[self.starts[:, 0]][:, None, :]

    def part(self, windows: Flags | npt.NDArray[np.intp] | slice) -> "TestOrigins":
        """Take some of the windows."""
        return replace(self, starts=self.starts[windows])

    def parts(self) -> Iterator["TestOrigins"]:
        """Take all windows, some at a time: their forecasts need not fit into memory together."""
        for first in range(0, len(self.starts), WINDOWS_AT_ONCE):
            yield self.part(slice(first, first + WINDOWS_AT_ONCE))

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of what is forecast."""
        return metrics.metrics_for(self.panel.spec.alert)


def numbers_by_group(group: npt.NDArray[np.integer], groups: int) -> list[npt.NDArray[np.intp]]:
    """Give for each group, 0 to `groups` - 1, the positions that belong to it, ascending; in one pass for all."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.searchsorted(group[order], np.arange(1, groups)))


def read_test_origins() -> TestOrigins:
    """Read the test windows, and what was measured after them."""
    panel, starts = read_windows()
    return test_origins_of(panel, starts, read_spec()[1])


def test_origins_of(panel: Panel, starts: dict[str, Starts], scaler: Scaler) -> TestOrigins:
    """Take the test windows of a panel, and what scales their errors from the training span.

    Raises:
        DataError: a target repeats its season exactly.
    """
    spec, station = panel.spec, starts["test"][:, 0]
    targets, season = len(spec.targets), spec.season_steps
    training_end = int(starts["train"][:, 1].max()) + spec.lookback_steps + spec.horizon_steps
    values, passed = panel.measured_targets()
    training = np.where(passed, values, np.nan)[:, :training_end].astype(np.float64)
    scale = metrics.seasonal_scale(training, season) * scaler.deviation[:, :targets]
    tested = np.unique(station)
    scale[tested] = metrics.floored(scale[tested])
    for row, column in np.argwhere(scale[tested] == 0):
        raise DataError(
            f"Target {spec.targets[column]} at station {spec.stations[tested[row]]}, as at most stations, repeats its "
            f"season of {season} steps exactly, so there is nothing to forecast: leave it out, or set another "
            "dataset.season_steps."
        )
    return TestOrigins(panel, starts["test"], scaler, scale)


def first_not_finite(test: TestOrigins, forecasts: Forecasts) -> str:
    """Name station and time of the first forecast that is no number; empty if all are numbers."""
    parts = [part for part in (forecasts.point, forecasts.quantiles) if part is not None]
    finite = np.logical_and.reduce([np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in parts])
    if finite.all():
        return ""
    first = test.part(np.flatnonzero(~finite)[:1])
    station = test.panel.spec.stations[first.starts[0, 0]]
    return f"station {station} from {origin_times(first)[0]:%Y-%m-%d %H:%M} UTC"


def origin_times(test: TestOrigins) -> pd.DatetimeIndex:
    """Give the time of each window's origin."""
    return times_of(test, test.starts[:, 1])


def times_of(test: TestOrigins, starts: npt.NDArray[np.integer]) -> pd.DatetimeIndex:
    """Give the time of the origin of windows that start at these steps."""
    begins = pd.Timestamp(read_json(WINDOWS / SPEC)["begins"])
    steps = starts + test.panel.spec.lookback_steps - 1
    return begins + pd.to_timedelta(steps * pd.Timedelta(test.panel.spec.frequency).to_timedelta64())
