"""Tokens: what a cell reads at a time. A token is one step or a segment of steps, of all channels or of one channel.

With segments of w steps the recurrence has w times fewer steps, and so has the path of the gradient (Lin et al.,
SegRNN, arXiv:2308.11200). With independent channels every target is a row of its own: one net, shared by all targets,
then learns from as many more series.
"""

from typing import Any

import keras
from keras import ops


class Tokens(keras.layers.Layer):
    """Cuts the lookback into tokens (rows, tokens, columns); rows are windows, or windows times targets.

    `per_target` (batch, lookback, targets, k) holds the columns of each target, `shared` (batch, lookback, columns)
    those that all targets have in common.
    """

    def __init__(self, segment: int, independent: bool, **kwargs: Any) -> None:
        """Set the number of steps in a token, and whether each target has its own row."""
        super().__init__(**kwargs)
        self.segment, self.independent = segment, independent

    def call(self, per_target: Any, shared: Any = None) -> Any:
        """Cut the lookback into tokens."""
        steps, targets, width = per_target.shape[1:]
        shared_width = 0 if shared is None else shared.shape[-1]
        tokens = steps // self.segment
        if not self.independent:
            merged = ops.reshape(per_target, (-1, steps, targets * width))
            merged = ops.concatenate([merged, shared], axis=-1) if shared_width else merged
            return ops.reshape(merged, (-1, tokens, self.segment * (targets * width + shared_width)))
        if shared_width:
            repeated = ops.repeat(ops.expand_dims(shared, 2), targets, axis=2)
            per_target = ops.concatenate([per_target, repeated], axis=-1)
        rows = ops.transpose(per_target, (0, 2, 1, 3))
        return ops.reshape(rows, (-1, tokens, self.segment * (width + shared_width)))


class NewestSegment(keras.layers.Layer):
    """Takes the newest segment of the targets (batch, lookback, targets), the first input of a recursive head."""

    def __init__(self, segment: int, independent: bool, **kwargs: Any) -> None:
        """Set the number of steps in a segment, and whether each target has its own row."""
        super().__init__(**kwargs)
        self.segment, self.independent = segment, independent

    def call(self, values: Any) -> Any:
        """Take the newest segment: (rows, segment [· targets])."""
        last = values[:, -self.segment :]
        if self.independent:
            return ops.reshape(ops.transpose(last, (0, 2, 1)), (-1, self.segment))
        return ops.reshape(last, (-1, self.segment * values.shape[-1]))


class ConcatContext(keras.layers.Layer):
    """Appends the context of each window (batch, columns) to its tokens (batch · rows, tokens, columns)."""

    def __init__(self, rows: int, **kwargs: Any) -> None:
        """Set the number of rows of a window."""
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, tokens: Any, context: Any) -> Any:
        """Repeat the context for each of the window's rows and tokens, and append it."""
        context = ops.repeat(context, self.rows, axis=0) if self.rows > 1 else context
        return ops.concatenate([tokens, ops.repeat(context[:, None], tokens.shape[1], axis=1)], axis=-1)


class StaticAttributes(keras.layers.Layer):
    """Looks up the attributes of each window's station in a fixed table (stations, attributes)."""

    def __init__(self, table: list[list[float]], **kwargs: Any) -> None:
        """Store the table."""
        super().__init__(**kwargs)
        self.table = [list(row) for row in table]

    def call(self, station: Any) -> Any:
        """Look up the attributes: (batch,) → (batch, attributes)."""
        return ops.take(ops.convert_to_tensor(self.table, "float32"), station, axis=0)
