"""What a cell reads at a time: one step, or a segment of steps; all channels together, or each for itself.

A segment of w steps makes the recursion w times shorter, and with it the path of the gradient (Lin et al., SegRNN,
arXiv:2308.11200). Independent channels share one net, which then learns from targets times as many series.
"""

from typing import Any

import keras
from keras import ops

from models.nets.layers import ConfiguredLayer


@keras.saving.register_keras_serializable("tidegate")
class Tokens(ConfiguredLayer):
    """Cuts the lookback into tokens, (rows, tokens, columns); rows are windows, or windows times targets.

    `own` (batch, lookback, targets, k) is what each target has of its own, `shared` (batch, lookback, columns) what
    all have in common.
    """

    def __init__(self, segment: int, independent: bool, **kwargs: Any) -> None:
        """Cut into segments of so many steps; 1 reads step by step."""
        super().__init__(**kwargs)
        self.segment, self.independent = segment, independent

    def call(self, own: Any, shared: Any = None) -> Any:
        """Cut."""
        steps, targets, width = own.shape[1:]
        common = 0 if shared is None else shared.shape[-1]
        count = steps // self.segment
        if not self.independent:
            whole = ops.reshape(own, (-1, steps, targets * width))
            whole = ops.concatenate([whole, shared], axis=-1) if common else whole
            return ops.reshape(whole, (-1, count, self.segment * (targets * width + common)))
        if common:
            spread = ops.repeat(ops.expand_dims(shared, 2), targets, axis=2)
            own = ops.concatenate([own, spread], axis=-1)
        apart = ops.transpose(own, (0, 2, 1, 3))
        return ops.reshape(apart, (-1, count, self.segment * (width + common)))


@keras.saving.register_keras_serializable("tidegate", name="Newest")
class NewestSegment(ConfiguredLayer):
    """Takes the newest segment of the targets (batch, lookback, targets), as a recursive head says one."""

    def __init__(self, segment: int, independent: bool, **kwargs: Any) -> None:
        """Take so many steps."""
        super().__init__(**kwargs)
        self.segment, self.independent = segment, independent

    def call(self, values: Any) -> Any:
        """Take: (rows, segment [· targets])."""
        last = values[:, -self.segment :]
        if self.independent:
            return ops.reshape(ops.transpose(last, (0, 2, 1)), (-1, self.segment))
        return ops.reshape(last, (-1, self.segment * values.shape[-1]))


@keras.saving.register_keras_serializable("tidegate", name="Beside")
class ConcatContext(ConfiguredLayer):
    """Puts what is known of each window (batch, columns) beside its tokens (batch · rows, tokens, columns)."""

    def __init__(self, rows: int, **kwargs: Any) -> None:
        """Remember how many rows a window has."""
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, tokens: Any, context: Any) -> Any:
        """Repeat the context for each of the window's rows and tokens."""
        context = ops.repeat(context, self.rows, axis=0) if self.rows > 1 else context
        return ops.concatenate([tokens, ops.repeat(context[:, None], tokens.shape[1], axis=1)], axis=-1)


@keras.saving.register_keras_serializable("tidegate", name="Attributes")
class StaticAttributes(ConfiguredLayer):
    """Looks up each window's station in a table (stations, attributes) that is known and not learnt."""

    def __init__(self, table: list[list[float]], **kwargs: Any) -> None:
        """Keep the table."""
        super().__init__(**kwargs)
        self.table = [list(row) for row in table]

    def call(self, station: Any) -> Any:
        """Look up: (batch,) → (batch, attributes)."""
        return ops.take(ops.convert_to_tensor(self.table, "float32"), station, axis=0)
