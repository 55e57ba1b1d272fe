"""Heads: from the last state of the recurrent layers to a forecast of every horizon step, in one of three ways.

    direct      one linear layer predicts all horizon steps at once
    queries     a decoder cell takes one step from the last state for each segment of the horizon; its input is an
                embedding of the segment's position and channel; no forecast is fed back (Lin et al., SegRNN,
                arXiv:2308.11200)
    recursive   a decoder cell predicts segment after segment, each forecast its next input; see recursive.py

All three start from the state after the newest token, so every step of a forecast depends on the newest observation.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops
from keras.initializers import GlorotUniform, Orthogonal, RandomNormal

from models.nets.structure import GATES, HeadShape


class HorizonLayout(keras.layers.Layer):
    """Reshapes rows of numbers to (batch, horizon, targets, numbers)."""

    def __init__(self, horizon: int, targets: int, numbers: int, independent: bool, **kwargs: Any) -> None:
        """Set the shape."""
        super().__init__(**kwargs)
        self.horizon, self.targets, self.numbers, self.independent = horizon, targets, numbers, independent

    def call(self, flat: Any) -> Any:
        """Reshape (rows, steps · [targets ·] numbers), and keep the first `horizon` steps."""
        if self.independent:
            by_target = ops.reshape(flat, (-1, self.targets, flat.shape[-1] // self.numbers, self.numbers))
            return ops.transpose(by_target, (0, 2, 1, 3))[:, : self.horizon]
        steps = flat.shape[-1] // (self.targets * self.numbers)
        return ops.reshape(flat, (-1, steps, self.targets, self.numbers))[:, : self.horizon]


class RepeatRows(keras.layers.Layer):
    """Repeats the columns of a window, (batch, …), for each of its rows."""

    def __init__(self, times: int, **kwargs: Any) -> None:
        """Set the number of rows of a window."""
        super().__init__(**kwargs)
        self.times = times

    def call(self, inputs: Any) -> Any:
        """Repeat the columns."""
        return ops.repeat(inputs, self.times, axis=0)


def direct_head(state: list[Any], ahead: Any, shape: HeadShape, dropout: float, seeds: Iterator[int]) -> Any:
    """Predict all horizon steps from the state and what is known ahead (batch, horizon, columns), or None."""
    hidden = state[0]
    if dropout:
        hidden = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(hidden)
    if ahead is not None:
        flat = keras.layers.Flatten()(ahead)
        hidden = keras.layers.Concatenate()([hidden, RepeatRows(shape.targets)(flat) if shape.independent else flat])
    width = shape.horizon * shape.numbers * (1 if shape.independent else shape.targets)
    flat = keras.layers.Dense(width, kernel_initializer=GlorotUniform(next(seeds)), name="head")(hidden)
    return HorizonLayout(shape.horizon, shape.targets, shape.numbers, shape.independent, name="laid")(flat)


def query_head(state: list[Any], ahead: Any, shape: HeadShape, cell: str, dropout: float, seeds: Iterator[int]) -> Any:
    """Predict each segment of the horizon and each channel by one query to a decoder cell."""
    channels = shape.targets if shape.independent else 1
    answers = Query(cell, shape.segments, shape.targets, channels, next(seeds), name="query")(
        state if ahead is None else [*state, split_into_segments(ahead, shape)]
    )
    if dropout:
        answers = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(answers)
    readout = keras.layers.Dense(
        shape.segment * shape.numbers, kernel_initializer=GlorotUniform(next(seeds)), name="head"
    )
    return Unfold(shape.segment, shape.horizon, name="laid")(readout(answers))


def split_into_segments(ahead: Any, shape: HeadShape) -> Any:
    """Split what is known ahead (batch, horizon, columns) into the segments of the horizon, padded with zeros."""
    padding = shape.segments * shape.segment - shape.horizon
    padded = keras.layers.ZeroPadding1D((0, padding))(ahead) if padding else ahead
    return keras.layers.Reshape((shape.segments, shape.segment * ahead.shape[-1]))(padded)


class Query(keras.layers.Layer):
    """Takes one step of a cell from the last state for each position and channel: (batch, segments, targets, units).

    A query is the cell's input: the embedding of its position beside the embedding of its channel, each half as wide as
    the state. If anything is known ahead, a linear map of that is added to the cell's gates. The recurrent product U·h
    is the same for every query and is computed once per row, so a long horizon costs little more than its gates.
    """

    def __init__(self, cell: str, segments: int, targets: int, channels: int, seed: int, **kwargs: Any) -> None:
        """Set the numbers of segments and targets; the state has one row for each of `channels`."""
        super().__init__(**kwargs)
        self.cell, self.segments, self.targets, self.channels, self.seed = cell, segments, targets, channels, seed

    def build(self, shapes: Any) -> None:
        """Make the embeddings and the cell's weights."""
        state_parts = 2 if self.cell == "lstm" else 1
        units, gates = shapes[0][-1], GATES[self.cell]
        half = units // 2
        seeds = iter(range(self.seed * 10, self.seed * 10 + 10))

        def weight(name: str, shape: tuple[int, ...], initializer: Any) -> Any:
            return self.add_weight(shape=shape, initializer=initializer, name=name)

        self.position = weight("position", (self.segments, units - half), RandomNormal(stddev=1.0, seed=next(seeds)))
        self.channel = weight("channel", (self.targets, half), RandomNormal(stddev=1.0, seed=next(seeds)))
        self.kernel = weight("kernel", (units, gates * units), GlorotUniform(next(seeds)))
        self.recurrent = weight("recurrent", (units, gates * units), Orthogonal(seed=next(seeds)))
        self.bias = weight("bias", (2, gates * units), "zeros")
        if len(shapes) > state_parts:
            self.known = weight("known", (shapes[-1][-1], gates * units), GlorotUniform(next(seeds)))

    def call(self, parts: list[Any]) -> Any:
        """Compute all queries; parts are [h] or [h, c], (rows, units), and what is known ahead, by segment, if any."""
        lstm = self.cell == "lstm"
        units = parts[0].shape[-1]
        hidden, *rest = (
            ops.reshape(part, (-1, 1, self.channels, units)) if index < 1 + lstm else part
            for index, part in enumerate(parts)
        )
        positions = ops.repeat(self.position[:, None], self.targets, axis=1)
        channels = ops.repeat(self.channel[None], self.segments, axis=0)
        from_input = (ops.matmul(ops.concatenate([positions, channels], axis=-1), self.kernel) + self.bias[0])[None]
        if len(rest) > lstm:
            from_input = from_input + ops.matmul(rest[-1], self.known)[:, :, None]
        from_state = ops.matmul(hidden, self.recurrent) + self.bias[1]
        return CELL_STEPS[self.cell](from_input, from_state, hidden, rest)

    def compute_output_shape(self, shapes: Any) -> Any:
        """Return (batch, segments, targets, units)."""
        return (None, self.segments, self.targets, shapes[0][-1])


def _step_rnn(from_input: Any, from_state: Any, hidden: Any, rest: list[Any]) -> Any:
    return ops.tanh(from_input + from_state)


def _step_gru(from_input: Any, from_state: Any, hidden: Any, rest: list[Any]) -> Any:
    units = hidden.shape[-1]
    gates = ops.sigmoid(from_input[..., : 2 * units] + from_state[..., : 2 * units])
    update, reset = gates[..., :units], gates[..., units:]
    candidate = ops.tanh(from_input[..., 2 * units :] + reset * from_state[..., 2 * units :])
    return update * hidden + (1 - update) * candidate


def _step_lstm(from_input: Any, from_state: Any, hidden: Any, rest: list[Any]) -> Any:
    input_gate, forget_gate, candidate, output_gate = ops.split(from_input + from_state, 4, axis=-1)
    cell_state = ops.sigmoid(forget_gate) * rest[0] + ops.sigmoid(input_gate) * ops.tanh(candidate)
    return ops.sigmoid(output_gate) * ops.tanh(cell_state)


CELL_STEPS = {"rnn": _step_rnn, "gru": _step_gru, "lstm": _step_lstm}


class Unfold(keras.layers.Layer):
    """Joins segments (batch, segments, targets, segment · numbers) end to end: (batch, horizon, targets, numbers)."""

    def __init__(self, segment: int, horizon: int, **kwargs: Any) -> None:
        """Set the lengths of a segment and of the horizon."""
        super().__init__(**kwargs)
        self.segment, self.horizon = segment, horizon

    def call(self, answers: Any) -> Any:
        """Join the segments."""
        _, segments, targets, width = answers.shape
        by_step = ops.reshape(answers, (-1, segments, targets, self.segment, width // self.segment))
        targets_last = ops.transpose(by_step, (0, 1, 3, 2, 4))
        joined = ops.reshape(targets_last, (-1, segments * self.segment, targets, width // self.segment))
        return joined[:, : self.horizon]
