"""How wrong forecasts are. Pure functions of forecasts beside what was measured; what was not measured is left out.

Of values: MAE, RMSE, MASE of the point; CRPS, coverage and width of the quantiles. Of alerts: Brier score, log loss,
AUROC, average precision, accuracy and macro-F1 at a probability of one half.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Forecasts beside what was measured, in units: (windows, horizon, targets), quantiles (…, levels).

    `measured` is NaN where nothing was; `scale` (windows, 1, targets) is `seasonal_scale` of each window's station.
    """

    point: npt.NDArray[Any]
    measured: Array
    scale: Array
    quantiles: npt.NDArray[Any] | None = None
    levels: tuple[float, ...] = ()

    def part(self, windows: Any = slice(None), steps: Any = slice(None), targets: Any = slice(None)) -> "Comparison":
        """Take some windows, steps and targets."""
        quantiles = None if self.quantiles is None else self.quantiles[windows][:, steps][:, :, targets]
        point, measured = (cells[windows][:, steps][:, :, targets] for cells in (self.point, self.measured))
        return Comparison(point, measured, self.scale[windows][:, :, targets], quantiles, self.levels)

    def any(self) -> bool:
        """Say whether anything was measured."""
        return bool(np.isfinite(self.measured).any())

    @property
    def errors(self) -> Array:
        """Forecast less measurement."""
        return np.asarray(self.point - self.measured, np.float64)


def mae(compared: Comparison) -> float:
    """Mean absolute error, in the target's unit (with several targets, over all of them)."""
    return float(np.nanmean(np.abs(compared.errors)))


def rmse(compared: Comparison) -> float:
    """Root of the mean squared error, in the target's unit (with several targets, over all of them)."""
    return float(np.sqrt(np.nanmean(compared.errors**2)))


def mase(compared: Comparison) -> float:
    """Mean absolute scaled error: below 1 is better than seasonal naive was, one season ahead, on the training span.

    Hyndman and Koehler, Another look at measures of forecast accuracy, International Journal of Forecasting 22 (2006).
    """
    return float(np.nanmean(np.abs(compared.errors) / compared.scale))


def pinball(compared: Comparison) -> float:
    """Mean pinball loss over the levels: max(τ (y − q), (τ − 1)(y − q)), in the target's unit."""
    return sum(_pinball_by_level(compared)) / len(compared.levels)


def crps(compared: Comparison) -> float:
    """Continuous ranked probability score, in the target's unit, as twice the integral of pinball loss over the levels.

    Each level stands for the levels nearest to it, up to 0 and 1. For a point forecast it would be the MAE. Gneiting
    and Raftery, Strictly Proper Scoring Rules, J. Am. Stat. Assoc. 102 (2007).
    """
    levels = np.asarray(compared.levels)
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    return 2 * float(np.dot(np.diff(edges), _pinball_by_level(compared)))


def coverage(compared: Comparison) -> float:
    """Share of the measurements within the outermost quantiles."""
    low, high = _quantiles(compared)[..., 0], _quantiles(compared)[..., -1]
    measured = np.isfinite(compared.measured)
    inside = (compared.measured >= low) & (compared.measured <= high)
    return float(inside[measured].mean())


def width(compared: Comparison) -> float:
    """Mean distance between the outermost quantiles, in the target's unit."""
    spread = _quantiles(compared)[..., -1] - _quantiles(compared)[..., 0]
    return float(spread[np.isfinite(compared.measured)].mean())


def brier(compared: Comparison) -> float:
    """Mean squared error of the probability. Brier, Monthly Weather Review 78 (1950)."""
    return float(np.nanmean(compared.errors**2))


def log_loss(compared: Comparison) -> float:
    """Mean negative logarithm of the probability given to what happened; probabilities are held 1e-7 from 0 and 1."""
    happened, chance = _alerts(compared)
    chance = np.clip(chance, 1e-7, 1 - 1e-7)
    return float(-np.mean(happened * np.log(chance) + (1 - happened) * np.log(1 - chance)))


def accuracy(compared: Comparison) -> float:
    """Share of the windows where a probability of one half or more, or less, was right."""
    happened, chance = _alerts(compared)
    return float(np.mean((chance >= 0.5) == happened))


def macro_f1(compared: Comparison) -> float:
    """Mean of both classes' F1, at a probability of one half; a class never said and never there counts 0."""
    happened, chance = _alerts(compared)
    return float(sk.f1_score(happened, chance >= 0.5, labels=[0, 1], average="macro", zero_division=0))


def auroc(compared: Comparison) -> float:
    """Chance that a window with an alert has a higher probability than one without; NaN if there is but one kind."""
    happened, chance = _alerts(compared)
    return float(sk.roc_auc_score(happened, chance)) if 0 < happened.mean() < 1 else float("nan")


def average_precision(compared: Comparison) -> float:
    """Precision averaged over recall, as steps; NaN if there was no alert."""
    happened, chance = _alerts(compared)
    return float(sk.average_precision_score(happened, chance)) if happened.any() else float("nan")


Metric = Callable[[Comparison], float]
VALUES: dict[str, Metric] = {
    "mae": mae, "rmse": rmse, "mase": mase, "crps": crps, "pinball": pinball, "coverage": coverage, "width": width
}  # fmt: skip
ALERTS: dict[str, Metric] = {
    "brier": brier, "log_loss": log_loss, "auroc": auroc, "average_precision": average_precision,
    "accuracy": accuracy, "macro_f1": macro_f1,
}  # fmt: skip
METRICS = {**VALUES, **ALERTS}


def skill(score: float, baseline: float) -> float:
    """Share of the baseline's error that is gone: 1 is perfect, 0 no better, negative worse."""
    return 1.0 - score / baseline


def seasonal_scale(values: Array, season: int) -> Array:
    """Mean absolute seasonal difference of (stations, steps, targets), missing steps left out: (stations, targets)."""
    difference = np.abs(values[:, season:] - values[:, :-season])
    counted = np.isfinite(difference)
    return np.where(counted, difference, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)


def _quantiles(compared: Comparison) -> npt.NDArray[Any]:
    if compared.quantiles is None:
        raise TypeError("these forecasts have no quantiles")
    return compared.quantiles


def _pinball_by_level(compared: Comparison) -> list[float]:
    losses = []
    for place, level in enumerate(compared.levels):
        error = compared.measured - _quantiles(compared)[..., place]
        losses.append(float(np.nanmean(np.maximum(level * error, (level - 1) * error))))
    return losses


def _alerts(compared: Comparison) -> tuple[npt.NDArray[np.int64], Array]:
    known = np.isfinite(compared.measured)
    return compared.measured[known].astype(np.int64), np.asarray(compared.point[known], np.float64)
