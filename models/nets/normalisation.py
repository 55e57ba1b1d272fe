"""Per-window normalisation: the net sees each window in the window's own units, and its forecast is brought back.

    none       x̃ = x                      ŷ = ỹ
    last       x̃ = x − x_last             ŷ = ỹ + x_last            (Zeng et al., arXiv:2205.13504, NLinear)
    standard   x̃ = (x − m) / s            ŷ = ỹ · s + m             (Kim et al., RevIN, ICLR 2022)

Only observed values count; x_last is the newest of them. A level that drifts from the training span to the test span
then no longer matters: a shift of the target shifts the forecast.
"""

from typing import Any

import keras
from keras import ops

from models.nets.layers import ConfiguredLayer

FLAT = 1e-2  # of the training deviation, added under the root: a window that hardly moves is not blown up


@keras.saving.register_keras_serializable("tidegate")
class Normalise(ConfiguredLayer):
    """Gives (normalised values, shift, scale) of values and flags (batch, lookback, channels)."""

    def __init__(self, method: str, **kwargs: Any) -> None:
        """Choose among none, last and standard."""
        super().__init__(**kwargs)
        self.method = method

    def call(self, values: Any, flags: Any) -> tuple[Any, Any, Any]:
        """Normalise: values (batch, lookback, channels), shift and scale (batch, 1, channels)."""
        shift, scale = ops.zeros_like(values[:, :1]), ops.ones_like(values[:, :1])
        if self.method == "last":
            shift = newest(values, flags)
        elif self.method == "standard":
            count = ops.maximum(ops.sum(flags, axis=1, keepdims=True), 1.0)
            shift = ops.sum(values * flags, axis=1, keepdims=True) / count
            square = ops.sum(ops.square(values - shift) * flags, axis=1, keepdims=True) / count
            scale = ops.sqrt(square + FLAT**2)
        return (values - shift) / scale * flags, shift, scale


def newest(values: Any, flags: Any) -> Any:
    """Take the newest observed value of each channel, 0 where there is none: (batch, 1, channels)."""
    steps = values.shape[1]
    order = ops.reshape(ops.arange(1, steps + 1, dtype=values.dtype), (1, steps, 1))
    latest = ops.max(order * flags, axis=1, keepdims=True)
    return ops.sum(values * flags * ops.cast(ops.equal(order, latest), values.dtype), axis=1, keepdims=True)
