"""Figures for MLflow. Drawn without pyplot: nothing global, and no display needed.

Colours are those of `colours.py`; the legend stands outside the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from tidegate.evaluation.colours import BASELINE, MEASURED

Array = npt.NDArray[np.float64]
Limits = tuple[float, float] | None  # the ends of the y axis; None: as the values ask for


def as_png(figure: Figure) -> bytes:
    """Draw a figure; that takes half a second, so what several runs show is drawn once."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def learning_curve(history: Sequence[Mapping[str, float]], colour: str, limits: Limits = None) -> Figure:
    """Draw training and validation loss over the epochs; the epoch that was kept is marked."""
    figure, axes = _axes("Learning curve", "epoch", "loss of scaled values")
    epochs = [row["epoch"] + 1 for row in history]
    for key, label, style in (("train_loss", "training", "--"), ("validation_loss", "validation", "-")):
        axes.plot(epochs, [row[key] for row in history], style, marker="o", color=colour, label=label)
    best = int(np.argmin([row["validation_loss"] for row in history]))
    axes.axvline(epochs[best], color="grey", linestyle=":", label=f"kept: epoch {best + 1}")
    axes.set_ylim(limits)
    _legend(axes)
    return figure


def gradient_flow(flows: Mapping[str, pd.DataFrame], colours: Mapping[str, str]) -> Figure:
    """Draw the norm of the loss's gradient at each step of the lookback, and what clipping leaves of it, dashed."""
    figure, axes = _axes("Gradient flow", "steps before the forecast", "norm of ∂loss/∂h, mean over windows")
    for name, flow in flows.items():
        axes.plot(flow["steps_back"], flow["gradient_norm"], label=name, color=colours[name])
        if (flow["clipped_norm"] < flow["gradient_norm"]).any():
            kept = flow["clipped_norm"].iloc[-1] / flow["gradient_norm"].iloc[-1]
            label = f"{name}, clipped × {kept:.2g}"
            axes.plot(flow["steps_back"], flow["clipped_norm"], color=colours[name], linestyle="--", label=label)
    axes.set_yscale("log")
    axes.invert_xaxis()
    _legend(axes)
    return figure


def error_by_step(by_model: Mapping[str, Array], unit: str, colours: Mapping[str, str]) -> Figure:
    """Draw the mean absolute error at each step ahead, a line a candidate."""
    figure, axes = _axes("Error by horizon", "steps ahead", f"mean absolute error, {unit}")
    for name, errors in by_model.items():
        axes.plot(np.arange(1, len(errors) + 1), errors, label=name, color=colours[name])
    axes.set_ylim(bottom=0)
    _legend(axes)
    return figure


@dataclass(frozen=True)
class Span:
    """Forecasts at one station: origin, time, measured, forecast, low, high; and the baseline's of the same origins."""

    title: str
    own: pd.DataFrame
    baseline: pd.DataFrame


def forecast_against_measurement(
    panels: Sequence[Span], label: str, within: str, colour: str, limits: Sequence[Limits], end_to_end: bool
) -> Figure:
    """Draw forecasts over measurements, a panel a station, with what lies `within` shaded, and their origins marked.

    With `end_to_end` forecasts of one value each are one line.
    """
    figure = Figure(figsize=(11, 2.8 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False)
    for axes, span, ends in zip(grid[:, 0], panels, limits, strict=True):
        axes.plot(span.own["time"], span.own["measured"], color=MEASURED, linewidth=1, label="measured")
        parts = [span.own] if end_to_end else [part for _, part in span.own.groupby("origin")]
        for number, part in enumerate(parts):
            first = number == 0  # one entry of the legend for all
            if part["low"].notna().any():
                axes.fill_between(
                    part["time"], part["low"], part["high"], color=colour, alpha=0.25, linewidth=0,
                    label=within if first else None,
                )  # fmt: skip
            axes.plot(part["time"], part["forecast"], color=colour, linewidth=1.6, label="forecast" if first else None)
            if not end_to_end:
                axes.axvline(part["origin"].iloc[0], color="grey", linestyle=":", linewidth=1)
        for number, (_, part) in enumerate(span.baseline.groupby("origin" if not end_to_end else "model")):
            named = "baseline" if number == 0 else None
            axes.plot(part["time"], part["forecast"], color=BASELINE, linestyle="--", linewidth=1.2, label=named)
        locator = AutoDateLocator()
        axes.xaxis.set(major_locator=locator, major_formatter=ConciseDateFormatter(locator))
        axes.set(
            title=span.title, ylabel=label, ylim=ends, xlabel="time (UTC)" + ("" if end_to_end else "; dotted: origins")
        )
        _legend(axes)
    return figure


def reliability(name: str, chance: Array, happened: Array, colour: str) -> Figure:
    """Draw how often alerts came true at each forecast probability; on the diagonal the two agree."""
    figure, axes = _axes(f"Reliability of {name}", "forecast probability", "share with an alert")
    in_tenth = np.minimum((chance * 10).astype(int), 9)
    filled = [tenth for tenth in range(10) if (in_tenth == tenth).any()]
    forecast = [float(chance[in_tenth == tenth].mean()) for tenth in filled]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    came = [float(happened[in_tenth == tenth].mean()) for tenth in filled]
    axes.plot(forecast, came, marker="o", color=colour, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _legend(axes)
    return figure


def _axes(title: str, x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _legend(axes: Any) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
