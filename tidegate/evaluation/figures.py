"""The figures of the candidates: all at the same stations and on the same axes, so that they can be compared."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tidegate.evaluation import plots
from tidegate.evaluation.metrics import Array, Comparison
from tidegate.evaluation.origins import TestOrigins
from tidegate.windows.store import SPEC
from tidegate.workspace.paths import HISTORY, MODELS, WINDOWS, read_json
from tidegate.workspace.settings import Settings

FORECASTS_DRAWN = 7


def figures_of(
    settings: Settings, test: TestOrigins, comparisons: Mapping[str, Comparison]
) -> dict[str, dict[str, Figure]]:
    """Draw each candidate's figures, by candidate and name."""
    drawn: dict[str, dict[str, Figure]] = {name: {"forecast": figure} for name, figure in
                                           _forecast_figures(settings, test, comparisons).items()}  # fmt: skip
    horizon = None if test.panel.spec.alert else _horizon_figure(settings, test, comparisons)
    curves = {name: curve for name in comparisons if len(curve := pd.read_csv(MODELS / name / HISTORY))}
    losses = [curve[["train_loss", "validation_loss"]].to_numpy() for curve in curves.values()]
    for name, comparison in comparisons.items():
        drawn[name] |= {"error_by_horizon": horizon} if horizon else {"reliability": _reliability(name, comparison)}
        if name in curves:
            rows: Sequence[Mapping[str, float]] = curves[name].to_dict("records")  # type: ignore[assignment]
            drawn[name]["learning_curve"] = plots.learning_curve(rows, _limits(losses))
    return drawn


def _horizon_figure(settings: Settings, test: TestOrigins, comparisons: Mapping[str, Comparison]) -> Figure:
    """Draw the error of the first target at each step ahead, a line a candidate."""
    curves = {name: np.nanmean(np.abs(comparison.errors[..., 0]), axis=0) for name, comparison in comparisons.items()}
    return plots.error_by_step(curves, settings.dataset.variables[test.panel.spec.targets[0]].unit)


def _reliability(name: str, comparison: Comparison) -> Figure:
    """Draw how often alerts came true, of a candidate."""
    known = np.isfinite(comparison.measured)
    return plots.reliability(name, comparison.point[known], comparison.measured[known])


def _forecast_figures(
    settings: Settings, test: TestOrigins, comparisons: Mapping[str, Comparison]
) -> dict[str, Figure]:
    """Draw forecasts, end to end, over the last days at three stations: that of the least error, the median, the most.

    They are those of the errors' mean over all candidates.
    """
    spec = test.panel.spec
    errors = np.mean([_error_by_station(test, comparison) for comparison in comparisons.values()], axis=0)
    order = np.argsort(np.where(np.isfinite(errors), errors, np.inf), kind="stable")[: np.isfinite(errors).sum()]
    ranks = ("easiest", "median", "hardest")
    places = dict(zip(dict.fromkeys(order[[0, len(order) // 2, -1]].tolist()), ranks, strict=False))
    spans = {
        name: [_span(settings, test, name, comparison, row, rank) for row, rank in places.items()]
        for name, comparison in comparisons.items()
    }
    limits = [
        _limits([values for panels in spans.values() for values in panels[number].values])
        for number in range(len(places))
    ]
    unit = settings.dataset.variables[spec.targets[0]].unit
    label = "probability" if spec.alert else f"{spec.targets[0]}, {unit}"
    within = f"{spec.quantiles[-1] - spec.quantiles[0]:.0%} interval"
    return {name: plots.forecast_against_measurement(panels, label, within, limits) for name, panels in spans.items()}


def _error_by_station(test: TestOrigins, comparison: Comparison) -> Array:
    """Average the absolute error of the first target at each station: (stations,), NaN where nothing is known."""
    losses, at = np.abs(comparison.errors)[..., 0], test.starts[:, 0]
    known = np.isfinite(losses)
    stations = len(test.panel.spec.stations)
    total = np.bincount(at, np.where(known, losses, 0).sum(axis=1), stations)
    count = np.bincount(at, known.sum(axis=1), stations)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _span(settings: Settings, test: TestOrigins, name: str, comparison: Comparison, row: int, rank: str) -> plots.Span:
    """Take the last forecasts of a candidate at a station, which do not overlap."""
    spec = test.panel.spec
    begins = pd.Timestamp(read_json(WINDOWS / SPEC)["begins"])
    here = np.flatnonzero(test.starts[:, 0] == row)
    apart = 1 if spec.alert else spec.horizon_steps
    shown = here[::-apart][: FORECASTS_DRAWN * (spec.horizon_steps // apart)][::-1]
    steps = (test.starts[shown, 1, None] + spec.lookback_steps + np.arange(spec.target_steps)).ravel()
    error = float(_error_by_station(test, comparison)[row])
    unit = settings.dataset.variables[spec.targets[0]].unit
    title = f"{name} at {spec.stations[row]} ({rank} station, mean absolute error {error:.3g} {unit})"
    times = list(begins + steps * pd.Timedelta(spec.frequency))
    band = None if comparison.quantiles is None else comparison.quantiles[shown, :, 0][..., [0, -1]].reshape(-1, 2)
    return plots.Span(
        title, times, comparison.measured[shown, :, 0].ravel(), comparison.point[shown, :, 0].ravel(), band
    )


def _limits(parts: Sequence[Array]) -> tuple[float, float] | None:
    """Give the ends of an axis that all values fit on; None without any."""
    finite = [part[np.isfinite(part)] for part in parts]
    ends = [(part.min(), part.max()) for part in finite if part.size]
    if not ends:
        return None
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)
