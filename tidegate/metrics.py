"""How wrong forecasts are. Pure functions of errors (windows, horizon, targets), NaN where nothing was measured."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def mae(errors: Array, scale: Array) -> float:
    """Mean absolute error, in the target's unit (with several targets, over all of them)."""
    return float(np.nanmean(np.abs(errors)))


def rmse(errors: Array, scale: Array) -> float:
    """Root of the mean squared error, in the target's unit (with several targets, over all of them)."""
    return float(np.sqrt(np.nanmean(errors**2)))


def mase(errors: Array, scale: Array) -> float:
    """Mean absolute scaled error: below 1 is better than seasonal naive was, one season ahead, on the training span.

    `scale` (windows, 1, targets) is `seasonal_scale` of each window's station. Hyndman and Koehler, Another look at
    measures of forecast accuracy, International Journal of Forecasting 22 (2006).
    """
    return float(np.nanmean(np.abs(errors) / scale))


METRICS: dict[str, Callable[[Array, Array], float]] = {"mae": mae, "rmse": rmse, "mase": mase}


def skill(score: float, baseline: float) -> float:
    """Share of the baseline's error that is gone: 1 is perfect, 0 no better, negative worse."""
    return 1.0 - score / baseline


def seasonal_scale(values: Array, season: int) -> Array:
    """Mean absolute seasonal difference of (stations, steps, targets), missing steps left out: (stations, targets)."""
    difference = np.abs(values[:, season:] - values[:, :-season])
    counted = np.isfinite(difference)
    return np.where(counted, difference, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
