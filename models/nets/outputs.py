"""What a net's output numbers mean: a point, quantiles, a normal distribution or a probability; and the cost of each.

    point        ŷ                          |y − ŷ|, (y − ŷ)², or Huber's loss, which lies between them
    quantiles    q_1 < … < q_n, by level τ  pinball loss: max(τ (y − q), (τ − 1)(y − q)), mean over the levels
    gaussian     μ, σ                       negative log-likelihood: log σ + (y − μ)² / 2σ²
    probability  log-odds of an alert       cross-entropy

Quantiles cannot cross: the net predicts the median freely, and for every other quantile its distance, made positive by
a softplus, from the next one towards the median. Koenker and Bassett, Regression Quantiles, Econometrica 46 (1978).
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets.structure import MIN_DEVIATION

Cost = Callable[[Any, Any], Any]


class OutputDistribution(keras.layers.Layer):
    """Turns raw numbers (batch, horizon, targets, n) into the parameters of a forecast in the panel's units."""

    def __init__(self, kind: str, levels: Sequence[float], **kwargs: Any) -> None:
        """Choose the kind; `levels` are the levels of the quantiles, ascending, with 0.5 among them."""
        super().__init__(**kwargs)
        self.kind, self.levels = kind, list(levels)

    def call(self, raw: Any, shift: Any, scale: Any) -> Any:
        """Order the quantiles, make σ positive, and undo the window's normalisation (batch, 1, targets)."""
        shift, scale = shift[..., None], scale[..., None]
        if self.kind == "quantiles":
            raw = order_quantiles(raw, self.levels.index(0.5))
        elif self.kind == "gaussian":
            deviation = (ops.softplus(raw[..., 1:]) + MIN_DEVIATION) * scale
            return ops.concatenate([raw[..., :1] * scale + shift, deviation], axis=-1)
        elif self.kind == "probability":
            return raw
        return raw * scale + shift


def order_quantiles(raw: Any, middle: int) -> Any:
    """Turn raw numbers (…, n) into ascending quantiles: `middle` is the median's index, the others hold distances."""
    median = raw[..., middle : middle + 1]
    parts = [median]
    if middle + 1 < raw.shape[-1]:
        parts.append(median + ops.cumsum(ops.softplus(raw[..., middle + 1 :]), axis=-1))
    if middle:
        below = ops.cumsum(ops.softplus(ops.flip(raw[..., :middle], axis=-1)), axis=-1)
        parts.insert(0, ops.flip(median - below, axis=-1))
    return ops.concatenate(parts, axis=-1)


def cost_of(kind: str, levels: Sequence[float], loss: str) -> Cost:
    """Return the cost function of a net's output (batch, horizon, targets, n) and the truth (batch, horizon, targets).

    `loss` is the loss of a point forecast: mae, mse or huber.
    """

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

    def negative_log_likelihood(output: Any, truth: Any) -> Any:
        mean, deviation = output[..., 0], output[..., 1]
        return ops.log(deviation) + 0.5 * ops.square((truth - mean) / deviation)

    def cross_entropy(output: Any, truth: Any) -> Any:
        return ops.softplus(output[..., 0]) - truth * output[..., 0]

    costs = {"point": point, "quantiles": pinball, "gaussian": negative_log_likelihood, "probability": cross_entropy}
    return costs[kind]
