"""The test origins, and how candidates and champions are scored on them: all on the same ones."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from tidegate.errors import DataError
from tidegate.evaluation import metrics
from tidegate.evaluation.metrics import Array, Comparison, Metric
from tidegate.windows.panel import Flags, Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler
from tidegate.windows.store import SPEC, read_spec, read_windows
from tidegate.workspace.paths import WINDOWS, read_json


@dataclass(frozen=True)
class TestOrigins:
    """The test windows with what was measured after them, in units, and what scales the errors."""

    panel: Panel
    starts: Starts
    scaler: Scaler
    measured: Array  # (windows, horizon, targets), NaN where missing; of alerts (windows, 1, 1)
    scale: Array  # (windows, 1, targets), of MASE

    def compare(self, forecasts: Forecasts) -> Comparison:
        """Put forecasts, in units, beside what was measured."""
        return Comparison(forecasts.point, self.measured, self.scale, forecasts.quantiles, self.panel.spec.quantiles)

    def part(self, windows: Flags) -> "TestOrigins":
        """Take some of the windows."""
        starts, measured, scale = self.starts[windows], self.measured[windows], self.scale[windows]
        return replace(self, starts=starts, measured=measured, scale=scale)

    def windows_by_station(self) -> list[npt.NDArray[np.intp]]:
        """Give the numbers of the windows of each station of the panel."""
        return numbers_by_group(self.starts[:, 0], len(self.panel.spec.stations))

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
    future, observed = panel.future(starts["test"])
    outcome = future.astype(np.float64) if spec.alert else scaler.unscale(future, station)
    measured = np.where(observed, outcome, np.nan)
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
    return TestOrigins(panel, starts["test"], scaler, measured, scale[station][:, None, :])


def origin_times(test: TestOrigins) -> pd.DatetimeIndex:
    """Give the time of each window's origin."""
    begins = pd.Timestamp(read_json(WINDOWS / SPEC)["begins"])
    steps = test.starts[:, 1] + test.panel.spec.lookback_steps - 1
    return begins + pd.to_timedelta(steps * pd.Timedelta(test.panel.spec.frequency).to_timedelta64())


def score(
    comparisons: dict[str, Comparison], table: dict[str, Metric], baseline: str, ranked_by: str
) -> dict[str, dict[str, float]]:
    """Score each candidate over all origins, stations and steps; skill is by the metric that ranks.

    A metric that is undefined for these origins (AUROC where all are of one class) is left out.

    Raises:
        DataError: the baseline makes no error.
    """
    scores = {
        name: {key: metric(comparison) for key, metric in table.items()} for name, comparison in comparisons.items()
    }
    reference = scores[baseline][ranked_by]
    if reference == 0:
        raise DataError("The baseline forecasts the test span without any error: there is nothing left to learn.")
    for of_candidate in scores.values():
        of_candidate["skill"] = metrics.skill(of_candidate[ranked_by], reference)
    return {
        name: {key: metrics.rounded(value) for key, value in of_candidate.items() if np.isfinite(value)}
        for name, of_candidate in scores.items()
    }
