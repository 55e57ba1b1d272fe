"""The loss of each value that was forecast, NaN where nothing was measured: metrics are means of them.

All take forecasts beside what was measured and give (windows, horizon, targets).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.evaluation.comparison import SURE, Array, Comparison

Loss = Callable[[Comparison], Array]


def absolute(compared: Comparison) -> Array:
    """Absolute error, in the target's unit."""
    return np.abs(compared.errors)


def squared(compared: Comparison) -> Array:
    """Squared error; of the probability of an alert, Brier's score. Brier, Monthly Weather Review 78 (1950)."""
    return compared.errors**2


def scaled(compared: Comparison) -> Array:
    """Absolute error as a multiple of seasonal naive's, one season ahead, on the training span.

    The scale is `floored`, so that no station whose training span hardly varies rules the mean. Hyndman and Koehler,
    Another look at measures of forecast accuracy, International Journal of Forecasting 22 (2006).
    """
    return np.abs(compared.errors) / compared.scale


def pinball(compared: Comparison) -> Array:
    """Pinball loss, the mean over the levels: max(τ (y − q), (τ − 1)(y − q)), in the target's unit."""
    return _weighted_pinball(compared, np.full(len(compared.levels), 1 / len(compared.levels)))


def crps(compared: Comparison) -> Array:
    """Continuous ranked probability score, in the target's unit, as twice the integral of pinball loss over the levels.

    Each level stands for the levels nearest to it, up to 0 and 1. For a point forecast it would be the absolute error.
    Gneiting and Raftery, Strictly Proper Scoring Rules, J. Am. Stat. Assoc. 102 (2007).
    """
    return _weighted_pinball(compared, 2 * level_weights(compared.levels))


def level_weights(levels: tuple[float, ...]) -> Array:
    """Give the share of the probabilities that each level stands for: those nearest to it (levels,)."""
    ascending = np.asarray(levels)
    return np.diff(np.concatenate([[0.0], (ascending[1:] + ascending[:-1]) / 2, [1.0]]))


def inside(compared: Comparison) -> Array:
    """1 where the measurement lies within the outermost quantiles, else 0."""
    quantiles, measured = _quantiles(compared), compared.measured
    held = (measured >= quantiles[..., 0]) & (measured <= quantiles[..., -1])
    return np.where(compared.known, held, np.nan)


def width(compared: Comparison) -> Array:
    """Distance between the outermost quantiles, in the target's unit."""
    quantiles = _quantiles(compared)
    return np.where(compared.known, quantiles[..., -1] - quantiles[..., 0], np.nan)


def log(compared: Comparison) -> Array:
    """Negative logarithm of the probability of what happened, which is taken to be at least 1e-7 from 0 and 1."""
    chance = np.clip(np.asarray(compared.point, np.float64), SURE, 1 - SURE)
    return np.where(compared.known, -np.log(np.where(compared.measured > 0, chance, 1 - chance)), np.nan)


def window_means(losses: Array) -> Array:
    """Average the losses of each window over its steps and targets: (windows,), NaN where nothing was measured."""
    known = np.isfinite(losses)
    return mean_of(np.where(known, losses, 0.0).sum(axis=(1, 2)), known.sum(axis=(1, 2)))


def mean_of(total: npt.NDArray[Any], count: npt.NDArray[np.integer]) -> Array:
    """Divide sums by how many they are of: NaN where nothing was counted."""
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _weighted_pinball(compared: Comparison, weights: Array) -> Array:
    quantiles, losses = _quantiles(compared), np.zeros(compared.measured.shape)
    for column, (level, weight) in enumerate(zip(compared.levels, weights, strict=True)):
        missed = compared.measured - quantiles[..., column]
        losses += weight * np.maximum(level * missed, (level - 1) * missed)
    return losses


def _quantiles(compared: Comparison) -> npt.NDArray[Any]:
    if compared.quantiles is None:
        raise TypeError("these forecasts have no quantiles")
    return compared.quantiles
