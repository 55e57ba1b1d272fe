"""The figures of a candidate."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tidegate.evaluation import plots
from tidegate.evaluation.metrics import Comparison
from tidegate.evaluation.origins import TestOrigins
from tidegate.windows.store import SPEC
from tidegate.workspace.paths import WINDOWS, read_json
from tidegate.workspace.settings import Settings

FORECASTS_DRAWN = 7


def horizon_figure(settings: Settings, test: TestOrigins, comparisons: dict[str, Comparison]) -> Figure:
    """Draw the error of the first target at each step ahead, a line a candidate."""
    curves = {name: np.nanmean(np.abs(comparison.errors[..., 0]), axis=0) for name, comparison in comparisons.items()}
    return plots.error_by_step(curves, settings.dataset.variables[test.panel.spec.targets[0]].unit)


def reliability_figure(name: str, comparison: Comparison) -> Figure:
    """Draw how often alerts came true, of a candidate."""
    known = np.isfinite(comparison.measured)
    return plots.reliability(name, comparison.point[known], comparison.measured[known])


def forecast_figure(name: str, settings: Settings, test: TestOrigins, comparison: Comparison) -> Figure:
    """Draw the candidate's forecasts, end to end, at its best, median and worst station over the last days."""
    spec = test.panel.spec
    unit = settings.dataset.variables[spec.targets[0]].unit
    begins = pd.Timestamp(read_json(WINDOWS / SPEC)["begins"])
    absolute = np.nanmean(np.abs(comparison.errors)[..., 0], axis=1)
    mean = pd.Series(absolute).groupby(test.starts[:, 0]).mean().sort_values()
    places = dict.fromkeys([mean.index[0], mean.index[len(mean) // 2], mean.index[-1]])
    panels = []
    for row, rank in zip(places, ("best", "median", "worst"), strict=False):
        here = np.flatnonzero(test.starts[:, 0] == row)
        apart = 1 if spec.alert else spec.horizon_steps
        shown = here[::-apart][: FORECASTS_DRAWN * (spec.horizon_steps // apart)][::-1]
        steps = (test.starts[shown, 1, None] + spec.lookback_steps + np.arange(spec.target_steps)).ravel()
        title = f"{name} at {spec.stations[row]} ({rank} station, mean absolute error {mean[row]:.3g} {unit})"
        times = list(begins + steps * pd.Timedelta(spec.frequency))
        band = None if comparison.quantiles is None else comparison.quantiles[shown, :, 0][..., [0, -1]].reshape(-1, 2)
        panels.append(
            plots.Span(
                title, times, comparison.measured[shown, :, 0].ravel(), comparison.point[shown, :, 0].ravel(), band
            )
        )
    label = "probability" if spec.alert else f"{spec.targets[0]}, {unit}"
    within = f"{spec.quantiles[-1] - spec.quantiles[0]:.0%} interval"
    return plots.forecast_against_measurement(panels, label, within)
