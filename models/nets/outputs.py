"""What a net's numbers mean: a point, quantiles, or a normal distribution; and what each costs when it is wrong.

    point       ŷ                          |y − ŷ|, (y − ŷ)², or Huber's between them
    quantiles   q_1 < … < q_n, by level τ  pinball loss: max(τ (y − q), (τ − 1)(y − q)), mean over the levels
    gaussian    μ, σ                       −log density: log σ + (y − μ)² / 2σ²
    probability log-odds of an alert       cross-entropy

Quantiles cannot cross: the median is free, and the others lie a positive distance (softplus) further out each. Koenker
and Bassett, Regression Quantiles, Econometrica 46 (1978).
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.stats import norm

from models.nets.layers import ConfiguredLayer
from tidegate.windows.panel import Floats, Forecasts

NARROWEST = 1e-3  # of the window's scale: no σ below it

Cost = Callable[[Any, Any], Any]


def numbers(kind: str, levels: Sequence[float]) -> int:
    """Count the numbers that a net says for each value that it forecasts."""
    return {"point": 1, "quantiles": len(levels), "gaussian": 2, "probability": 1}[kind]


@keras.saving.register_keras_serializable("tidegate", name="Meaning")
class OutputDistribution(ConfiguredLayer):
    """Turns raw numbers (batch, horizon, targets, n) into the parameters of a forecast in the panel's units."""

    def __init__(self, kind: str, levels: Sequence[float], **kwargs: Any) -> None:
        """Choose the kind; `levels` are those of quantiles, ascending, with 0.5 among them."""
        super().__init__(**kwargs)
        self.kind, self.levels = kind, list(levels)

    def call(self, raw: Any, shift: Any, scale: Any) -> Any:
        """Order the quantiles, make σ positive, and undo the window's normalisation (batch, 1, targets)."""
        shift, scale = shift[..., None], scale[..., None]
        if self.kind == "quantiles":
            raw = ordered(raw, self.levels.index(0.5))
        elif self.kind == "gaussian":
            deviation = (ops.softplus(raw[..., 1:]) + NARROWEST) * scale
            return ops.concatenate([raw[..., :1] * scale + shift, deviation], axis=-1)
        elif self.kind == "probability":
            return raw
        return raw * scale + shift


def ordered(raw: Any, middle: int) -> Any:
    """Make numbers (…, n) ascending: the one in the middle stands, the others are distances outwards from it."""
    median = raw[..., middle : middle + 1]
    parts = [median]
    if middle + 1 < raw.shape[-1]:
        parts.append(median + ops.cumsum(ops.softplus(raw[..., middle + 1 :]), axis=-1))
    if middle:
        below = ops.cumsum(ops.softplus(ops.flip(raw[..., :middle], axis=-1)), axis=-1)
        parts.insert(0, ops.flip(median - below, axis=-1))
    return ops.concatenate(parts, axis=-1)


def cost_of(kind: str, levels: Sequence[float], loss: str) -> Cost:
    """Give the cost of a net's output (batch, horizon, targets, n) for truths (batch, horizon, targets)."""

    def point(output: Any, truth: Any) -> Any:
        error = output[..., 0] - truth
        size = ops.abs(error)
        if loss == "huber":
            return ops.where(size < 1.0, 0.5 * ops.square(error), size - 0.5)
        return ops.square(error) if loss == "mse" else size

    def pinball(output: Any, truth: Any) -> Any:
        error = truth[..., None] - output
        tau = ops.convert_to_tensor(np.asarray(levels, "float32"))
        return ops.mean(ops.maximum(tau * error, (tau - 1.0) * error), axis=-1)

    def likelihood(output: Any, truth: Any) -> Any:
        mean, deviation = output[..., 0], output[..., 1]
        return ops.log(deviation) + 0.5 * ops.square((truth - mean) / deviation)

    def entropy(output: Any, truth: Any) -> Any:
        return ops.softplus(output[..., 0]) - truth * output[..., 0]

    return {"point": point, "quantiles": pinball, "gaussian": likelihood, "probability": entropy}[kind]


def forecasts(kind: str, levels: Sequence[float], output: Floats) -> Forecasts:
    """Read a net's output (windows, horizon, targets, n) as forecasts."""
    if kind == "quantiles":
        return Forecasts(output[..., list(levels).index(0.5)], output)
    if kind == "gaussian":
        away = norm.ppf(np.asarray(levels)).astype(np.float32)
        return Forecasts(output[..., 0], output[..., :1] + output[..., 1:] * away)
    if kind == "probability":
        return Forecasts(1 / (1 + np.exp(-output[..., 0])))
    return Forecasts(output[..., 0])
