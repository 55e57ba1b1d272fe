"""The test origins, and how candidates and champions are scored on them: all on the same ones."""

from dataclasses import dataclass

import numpy as np

from tidegate.errors import DataError
from tidegate.evaluation import metrics
from tidegate.evaluation.metrics import ALERTS, VALUES, Array, Comparison
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.scaler import Scaler
from tidegate.windows.store import read_spec, read_windows


@dataclass(frozen=True)
class TestOrigins:
    """The test origins: what was measured, in units, and what scales the errors."""

    panel: Panel
    starts: Starts
    scaler: Scaler
    measured: Array  # (windows, horizon, targets), NaN where missing; of alerts (windows, 1, 1)
    scale: Array  # (windows, 1, targets), of MASE

    def compare(self, forecasts: Forecasts) -> Comparison:
        """Lay forecasts, in units, beside what was measured."""
        return Comparison(forecasts.point, self.measured, self.scale, forecasts.quantiles, self.panel.spec.quantiles)

    @property
    def metrics(self) -> dict[str, metrics.Metric]:
        """The metrics that go with what is forecast."""
        return ALERTS if self.panel.spec.alert else VALUES


def read_test_origins() -> TestOrigins:
    """Read the test origins and what was measured after them."""
    panel, starts = read_windows()
    return test_origins_of(panel, starts, read_spec()[1])


def test_origins_of(panel: Panel, starts: dict[str, Starts], scaler: Scaler) -> TestOrigins:
    """Lay out the test origins of a panel, and what scales their errors, from the training span.

    Raises:
        DataError: a target repeats its season exactly.
    """
    spec, station = panel.spec, starts["test"][:, 0]
    future, observed = panel.future(starts["test"])
    outcome = future.astype(np.float64) if spec.alert else scaler.unscale(future, station)
    measured = np.where(observed, outcome, np.nan)
    training_end = int(starts["train"][:, 1].max()) + spec.lookback + spec.horizon
    training = np.where(panel.observed, panel.values, np.nan)[:, :training_end, : len(spec.targets)]
    scale = metrics.seasonal_scale(training.astype(np.float64), spec.season) * scaler.deviation[:, : len(spec.targets)]
    for row, column in np.argwhere(scale[np.unique(station)] == 0):
        name = spec.stations[np.unique(station)[row]]
        raise DataError(
            f"Target {spec.targets[column]} at station {name} repeats its season of {spec.season} steps exactly, so "
            "there is nothing to forecast: leave it out, or set another dataset.season_steps."
        )
    return TestOrigins(panel, starts["test"], scaler, measured, scale[station][:, None, :])


def score(
    compared: dict[str, Comparison], table: dict[str, metrics.Metric], baseline: str, ranked_by: str
) -> dict[str, dict[str, float]]:
    """Score each candidate over all origins, stations and steps; skill is by the metric that ranks.

    What cannot be said of these origins (AUROC where all are of one class) is left out.
    """
    scores = {name: {key: metric(own) for key, metric in table.items()} for name, own in compared.items()}
    reference = scores[baseline][ranked_by]
    if reference == 0:
        raise DataError("The baseline forecasts the test span without any error: there is nothing left to learn.")
    for own in scores.values():
        own["skill"] = metrics.skill(own[ranked_by], reference)
    return {
        name: {key: round(value, 6) for key, value in own.items() if np.isfinite(value)} for name, own in scores.items()
    }
