"""Figures for MLflow. Drawn without pyplot: nothing global, and no display needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


Limits = tuple[float, float] | None  # the ends of the y axis; None: as the values ask for


def learning_curve(history: Sequence[Mapping[str, float]], limits: Limits = None) -> Figure:
    """Draw training and validation loss over the epochs; the epoch that was kept is marked."""
    figure, axes = _axes("Learning curve", "epoch", "loss of scaled values")
    epochs = [row["epoch"] + 1 for row in history]
    for key, label in (("train_loss", "training"), ("validation_loss", "validation")):
        axes.plot(epochs, [row[key] for row in history], marker="o", label=label)
    best = int(np.argmin([row["validation_loss"] for row in history]))
    axes.axvline(epochs[best], color="grey", linestyle=":", label=f"kept: epoch {best + 1}")
    axes.set_ylim(limits)
    axes.legend()
    return figure


def gradient_flow(flows: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the norm of the loss's gradient at each step of the lookback, and what clipping leaves of it, dashed."""
    figure, axes = _axes("Gradient flow", "steps before the forecast", "norm of ∂loss/∂h, mean over windows")
    for name, flow in flows.items():
        (line,) = axes.plot(flow["steps_back"], flow["gradient_norm"], label=name)
        if (flow["clipped_norm"] < flow["gradient_norm"]).any():
            kept = flow["clipped_norm"].iloc[-1] / flow["gradient_norm"].iloc[-1]
            label = f"{name}, clipped × {kept:.2g}"
            axes.plot(flow["steps_back"], flow["clipped_norm"], color=line.get_color(), linestyle="--", label=label)
    axes.set_yscale("log")
    axes.invert_xaxis()
    axes.legend()
    return figure


def error_by_step(by_model: Mapping[str, Array], unit: str) -> Figure:
    """Draw the mean absolute error at each step ahead, a line a candidate."""
    figure, axes = _axes("Error by horizon", "steps ahead", f"mean absolute error, {unit}")
    for name, errors in by_model.items():
        axes.plot(np.arange(1, len(errors) + 1), errors, label=name)
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


@dataclass(frozen=True)
class Span:
    """Forecasts over measurements at one station: times, measured and forecast (steps,), band (steps, 2)."""

    title: str
    times: Sequence[object]
    measured: Array
    forecast: Array
    band: Array | None = None

    @property
    def values(self) -> list[Array]:
        """All that is drawn."""
        return [self.measured, self.forecast, *([] if self.band is None else [self.band])]


def forecast_against_measurement(panels: Sequence[Span], label: str, within: str, limits: Sequence[Limits]) -> Figure:
    """Draw forecasts over measurements, a panel a station, with what lies `within` shaded."""
    figure = Figure(figsize=(10, 2.8 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)
    for axes, span, ends in zip(grid[:, 0], panels, limits, strict=True):
        if span.band is not None:
            low, high = span.band.T
            axes.fill_between(span.times, low, high, color="tab:orange", alpha=0.2, linewidth=0, label=within)
        axes.plot(span.times, span.measured, color="black", linewidth=1, label="measured")
        axes.plot(span.times, span.forecast, color="tab:orange", linewidth=1.2, label="forecast")
        axes.set(title=span.title, ylabel=label, ylim=ends)
        axes.legend(loc="upper right")
    return figure


def reliability(name: str, chance: Array, happened: Array) -> Figure:
    """Draw how often alerts came true at each forecast probability; on the diagonal the two agree."""
    figure, axes = _axes(f"Reliability of {name}", "forecast probability", "share with an alert")
    in_tenth = np.minimum((chance * 10).astype(int), 9)
    filled = [tenth for tenth in range(10) if (in_tenth == tenth).any()]
    forecast = [float(chance[in_tenth == tenth].mean()) for tenth in filled]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(forecast, [float(happened[in_tenth == tenth].mean()) for tenth in filled], marker="o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def _axes(title: str, x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes
