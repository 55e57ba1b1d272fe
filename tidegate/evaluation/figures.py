"""The figures of the candidates: all at the same stations and on the same axes, so that they can be compared."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tidegate.evaluation import plots
from tidegate.evaluation.colours import BASELINE, colours_of
from tidegate.evaluation.metrics import Array, Comparison
from tidegate.evaluation.origins import TestOrigins
from tidegate.workspace.paths import HISTORY, MODELS
from tidegate.workspace.settings import Settings


def figures_of(
    settings: Settings, test: TestOrigins, comparisons: Mapping[str, Comparison], shown: pd.DataFrame, baseline: str
) -> dict[str, dict[str, Figure]]:
    """Draw each candidate's figures, by candidate and name.

    Args:
        settings: of the workspace.
        test: the origins.
        comparisons: of each candidate.
        shown: what `shown_forecasts` gives.
        baseline: the candidate that is drawn beside the others.
    """
    colours = colours_of(settings.models, baseline)
    horizon = None if test.panel.spec.alert else _horizon_figure(settings, test, comparisons, colours)
    curves = {name: curve for name in comparisons if len(curve := pd.read_csv(MODELS / name / HISTORY))}
    losses = _limits([curve[["train_loss", "validation_loss"]].to_numpy() for curve in curves.values()])
    drawn: dict[str, dict[str, Figure]] = {}
    for name, comparison in comparisons.items():
        drawn[name] = {"forecast": _forecast_figure(name, settings, shown, colours)}
        if horizon:
            drawn[name]["error_by_horizon"] = horizon
        else:
            drawn[name]["reliability"] = _reliability_figure(name, comparison, colours[name])
        if name in curves:
            rows: Sequence[Mapping[str, float]] = curves[name].to_dict("records")  # type: ignore[assignment]
            drawn[name]["learning_curve"] = plots.learning_curve(rows, colours[name], losses)
    return drawn


def _horizon_figure(
    settings: Settings, test: TestOrigins, comparisons: Mapping[str, Comparison], colours: Mapping[str, str]
) -> Figure:
    """Draw the error of the first target at each step ahead, a line a candidate."""
    curves = {name: np.nanmean(np.abs(comparison.errors[..., 0]), axis=0) for name, comparison in comparisons.items()}
    return plots.error_by_step(curves, settings.dataset.variables[test.panel.spec.targets[0]].unit, colours)


def _reliability_figure(name: str, comparison: Comparison, colour: str) -> Figure:
    """Draw how often alerts came true, of a candidate."""
    known = np.isfinite(comparison.measured)
    return plots.reliability(name, comparison.point[known], comparison.measured[known], colour)


def _forecast_figure(name: str, settings: Settings, shown: pd.DataFrame, colours: Mapping[str, str]) -> Figure:
    """Draw a candidate's forecasts of the last days, and the baseline's, at the stations that all runs show."""
    target, alert = settings.dataset.targets[0], settings.window.alert
    unit = settings.dataset.variables[target].unit
    baselines = [other for other, colour in colours.items() if colour == BASELINE and other != name]
    panels = []
    for (rank, station), here in shown.groupby(["rank", "station"], sort=False):
        own = here[here["model"] == name]
        loss = (own["forecast"] - own["measured"]).abs().mean()
        title = f"{name} at {station} (the baseline's {rank} station): here it errs by {loss:.3g}"
        title += "" if alert else f" {unit} in the mean"
        limits = _limits([here[["measured", "forecast", "low", "high"]].to_numpy(float)])
        panels.append(plots.Span(title, own, here[here["model"].isin(baselines)], limits))
    label = "probability" if alert else f"{target}, {unit}"
    levels = settings.window.quantiles
    within = f"{100 * (levels[-1] - levels[0]):.0f} % interval"
    return plots.forecast_against_measurement(panels, label, within, colours[name], end_to_end=alert is not None)


def _limits(parts: Sequence[Array]) -> plots.Limits:
    """Give the ends of an axis that all values fit on; None without any."""
    values = np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    margin = 0.05 * float(np.ptp(finite)) or 0.5
    return float(finite.min()) - margin, float(finite.max()) + margin
