"""The loss of each window whose mean is the metric that ranks: what two forecasts are compared by, origin by origin."""

from collections.abc import Callable

import numpy as np

from tidegate.evaluation.metrics import SURE, Array, Comparison, level_weights


def _absolute(compared: Comparison) -> Array:
    return np.abs(compared.errors)


def _squared(compared: Comparison) -> Array:
    return compared.errors**2


def _scaled(compared: Comparison) -> Array:
    return np.abs(compared.errors) / compared.scale


def _crps(compared: Comparison) -> Array:
    if compared.quantiles is None:
        raise TypeError("these forecasts have no quantiles")
    levels = np.asarray(compared.levels)
    missed = compared.measured[..., None] - compared.quantiles
    losses: Array = 2 * np.maximum(levels * missed, (levels - 1) * missed) @ level_weights(compared.levels)
    return losses


def _log(compared: Comparison) -> Array:
    chance = np.clip(np.asarray(compared.point, np.float64), SURE, 1 - SURE)
    return -np.log(np.where(compared.measured > 0, chance, 1 - chance)) + 0 * compared.measured


# By the metric of `evaluate.metric`: the loss of each value, NaN where nothing was measured. Of rmse it is the square.
LOSSES: dict[str, Callable[[Comparison], Array]] = {
    "mae": _absolute,
    "rmse": _squared,
    "mase": _scaled,
    "crps": _crps,
    "brier": _squared,
    "log_loss": _log,
}


def window_losses(metric: str, compared: Comparison) -> Array:
    """Give the mean loss of each window over its steps and targets: (windows,), NaN where nothing was measured."""
    losses = LOSSES[metric](compared)
    known = np.isfinite(losses)
    count = known.sum(axis=(1, 2))
    total = np.where(known, losses, 0.0).sum(axis=(1, 2))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
