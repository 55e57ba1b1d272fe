"""The figures of the candidates: all at the same stations and on the same axes, so that they can be compared."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tidegate.evaluation import plots
from tidegate.evaluation.breakdown import Tallies
from tidegate.evaluation.comparison import Array, Comparison
from tidegate.evaluation.origins import TestOrigins
from tidegate.workspace.paths import HISTORY, MODELS
from tidegate.workspace.settings import Settings

Colours = Mapping[str, str]  # of the candidates


def figures_of(
    settings: Settings,
    test: TestOrigins,
    tallies: Tallies,
    shown: pd.DataFrame,
    baseline: str,
    colours: Colours,
) -> dict[str, dict[str, bytes]]:
    """Draw each candidate's figures as PNG, by candidate and name; `shown` is what `shown_forecasts` gives."""
    horizon = None
    if not test.panel.spec.alert:  # the same for all
        horizon = plots.as_png(_horizon_figure(settings, test, tallies, colours))
    curves = {name: curve for name in tallies if len(curve := pd.read_csv(MODELS / name / HISTORY))}
    limits = _limits([curve[["train_loss", "validation_loss"]].to_numpy() for curve in curves.values()])
    drawn: dict[str, dict[str, bytes]] = {}
    for name, tally in tallies.items():
        figures = {"forecast": _forecast_figure(name, settings, shown, baseline, colours)}
        if not horizon:
            figures["reliability"] = _reliability(name, tally.alerts(), colours[name])
        if name in curves:
            rows: Sequence[Mapping[str, float]] = curves[name].to_dict("records")  # type: ignore[assignment]
            figures["learning_curve"] = plots.learning_curve(rows, colours[name], limits)
        drawn[name] = {label: plots.as_png(figure) for label, figure in figures.items()}
        if horizon:
            drawn[name]["error_by_horizon"] = horizon
    return drawn


def _horizon_figure(settings: Settings, test: TestOrigins, tallies: Tallies, colours: Colours) -> Figure:
    """Draw the error of the first target at each step ahead, a line a candidate."""
    curves = {name: tally.means(axes=(0,), target=0) for name, tally in tallies.items()}
    return plots.error_by_step(curves, settings.dataset.variables[test.panel.spec.targets[0]].unit, colours)


def _reliability(name: str, compared: Comparison, colour: str) -> Figure:
    """Draw how often alerts came true, of a candidate."""
    return plots.reliability(name, compared.point[compared.known], compared.measured[compared.known], colour)


def _forecast_figure(name: str, settings: Settings, shown: pd.DataFrame, baseline: str, colours: Colours) -> Figure:
    """Draw a candidate's forecasts of the last days, and the baseline's, at the stations that all candidates show."""
    target, alert = settings.dataset.targets[0], settings.window.alert is not None
    unit = settings.dataset.variables[target].unit
    panels, limits = [], []
    for (rank, station), here in shown.groupby(["rank", "station"], sort=False):
        own = here[here["model"] == name]
        error = (own["forecast"] - own["measured"]).abs().mean()
        title = (
            f"{name} at {station} ({rank} station; mean absolute error here {error:.3g}{'' if alert else ' ' + unit})"
        )
        panels.append(plots.Span(title, own, here[here["model"] == baseline] if name != baseline else here.iloc[:0]))
        limits.append(_limits([here[column].to_numpy() for column in ("measured", "forecast", "low", "high")]))
    label = "probability" if alert else f"{target}, {unit}"
    levels = settings.window.quantiles
    within = f"{100 * (levels[-1] - levels[0]):.0f} % interval"
    return plots.forecast_against_measurement(panels, label, within, colours[name], limits, end_to_end=alert)


def _limits(parts: Sequence[Array]) -> tuple[float, float] | None:
    """Give the ends of an axis that all values fit on; None without any."""
    finite = [part[np.isfinite(part)] for part in parts]
    ends = [(part.min(), part.max()) for part in finite if part.size]
    if not ends:
        return None
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)
