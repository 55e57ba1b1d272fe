"""Normalisation of each window by its own values; the net's forecast is transformed back afterwards.

    none       x̃ = x                      ŷ = ỹ
    last       x̃ = x − x_last             ŷ = ỹ + x_last            (Zeng et al., arXiv:2205.13504, NLinear)
    standard   x̃ = (x − m) / s            ŷ = ỹ · s + m             (Kim et al., RevIN, ICLR 2022)

x_last is the newest observed value of the window; m and s are the mean and the standard deviation of its observed
values. With `last` and `standard`, a shift of the target shifts its forecast by the same amount, so it does no harm if
the level of a series changes between the training span and the test span.
"""

from typing import Any

import keras
from keras import ops

from models.nets.structure import MIN_SCALE


class Normalise(keras.layers.Layer):
    """Turns values and flags (batch, lookback, channels) into normalised values, their shift and their scale."""

    def __init__(self, method: str, **kwargs: Any) -> None:
        """Choose the method: none, last or standard."""
        super().__init__(**kwargs)
        self.method = method

    def call(self, values: Any, flags: Any) -> tuple[Any, Any, Any]:
        """Normalise: values (batch, lookback, channels), shift and scale (batch, 1, channels)."""
        shift, scale = ops.zeros_like(values[:, :1]), ops.ones_like(values[:, :1])
        if self.method == "last":
            shift = newest_values(values, flags)
        elif self.method == "standard":
            count = ops.maximum(ops.sum(flags, axis=1, keepdims=True), 1.0)
            shift = ops.sum(values * flags, axis=1, keepdims=True) / count
            variance = ops.sum(ops.square(values - shift) * flags, axis=1, keepdims=True) / count
            scale = ops.sqrt(variance + MIN_SCALE**2)
        return (values - shift) / scale * flags, shift, scale


def newest_values(values: Any, flags: Any) -> Any:
    """Return the newest observed value of each channel, or 0 if none was observed: (batch, 1, channels)."""
    steps = values.shape[1]
    order = ops.reshape(ops.arange(1, steps + 1, dtype=values.dtype), (1, steps, 1))
    latest = ops.max(order * flags, axis=1, keepdims=True)
    return ops.sum(values * flags * ops.cast(ops.equal(order, latest), values.dtype), axis=1, keepdims=True)
