"""From the last state to the horizon: three ways to say all of its steps.

    direct      one linear layer says every step at once
    queries     a decoder cell is asked for each segment of the horizon, by its position and its channel, one step from
                the last state; no forecast is fed back (Lin et al., SegRNN, arXiv:2308.11200)
    recursive   a decoder cell walks the horizon, each segment's forecast its next input; see recursive.py

All three start from the state after the newest token, so every step of a forecast depends on the newest observation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops
from keras.initializers import GlorotUniform, Orthogonal, RandomNormal

from models.nets.layers import ConfiguredLayer

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True)
class HeadShape:
    """What a head has to say: `numbers` for each step and target, in segments of so many steps."""

    horizon: int
    targets: int
    numbers: int
    segment: int
    independent: bool  # whether rows are windows times targets

    @property
    def segments(self) -> int:
        """Segments that cover the horizon; what the last one says beyond it is cut off."""
        return math.ceil(self.horizon / self.segment)


@keras.saving.register_keras_serializable("tidegate", name="Lay")
class HorizonLayout(ConfiguredLayer):
    """Lays rows of numbers out as (batch, horizon, targets, numbers)."""

    def __init__(self, horizon: int, targets: int, numbers: int, independent: bool, **kwargs: Any) -> None:
        """Remember the shape."""
        super().__init__(**kwargs)
        self.horizon, self.targets, self.numbers, self.independent = horizon, targets, numbers, independent

    def call(self, flat: Any) -> Any:
        """Take (rows, steps · [targets ·] numbers), of which the first `horizon` steps count."""
        if self.independent:
            apart = ops.reshape(flat, (-1, self.targets, flat.shape[-1] // self.numbers, self.numbers))
            return ops.transpose(apart, (0, 2, 1, 3))[:, : self.horizon]
        steps = flat.shape[-1] // (self.targets * self.numbers)
        return ops.reshape(flat, (-1, steps, self.targets, self.numbers))[:, : self.horizon]


@keras.saving.register_keras_serializable("tidegate", name="Rows")
class RepeatRows(ConfiguredLayer):
    """Repeats what is of a window, (batch, …), for each of its rows."""

    def __init__(self, times: int, **kwargs: Any) -> None:
        """Repeat so many times."""
        super().__init__(**kwargs)
        self.times = times

    def call(self, whole: Any) -> Any:
        """Repeat."""
        return ops.repeat(whole, self.times, axis=0)


def direct(state: list[Any], ahead: Any, shape: HeadShape, dropout: float, seeds: Iterator[int]) -> Any:
    """Say the whole horizon from the state and what is known ahead (batch, horizon, columns), or None."""
    hidden = state[0]
    if dropout:
        hidden = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(hidden)
    if ahead is not None:
        flat = keras.layers.Flatten()(ahead)
        hidden = keras.layers.Concatenate()([hidden, RepeatRows(shape.targets)(flat) if shape.independent else flat])
    width = shape.horizon * shape.numbers * (1 if shape.independent else shape.targets)
    flat = keras.layers.Dense(width, kernel_initializer=GlorotUniform(next(seeds)), name="head")(hidden)
    return HorizonLayout(shape.horizon, shape.targets, shape.numbers, shape.independent, name="laid")(flat)


def queries(state: list[Any], ahead: Any, shape: HeadShape, cell: str, dropout: float, seeds: Iterator[int]) -> Any:
    """Ask for each segment of the horizon, of each channel."""
    channels = shape.targets if shape.independent else 1
    answers = Query(cell, shape.segments, shape.targets, channels, next(seeds), name="query")(
        state if ahead is None else [*state, by_segment(ahead, shape)]
    )
    if dropout:
        answers = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(answers)
    say = keras.layers.Dense(shape.segment * shape.numbers, kernel_initializer=GlorotUniform(next(seeds)), name="head")(
        answers
    )
    return Unfold(shape.segment, shape.horizon, name="laid")(say)


def by_segment(ahead: Any, shape: HeadShape) -> Any:
    """Cut what is known ahead, (batch, horizon, columns), into the horizon's segments, zeros after its end."""
    short = shape.segments * shape.segment - shape.horizon
    whole = keras.layers.ZeroPadding1D((0, short))(ahead) if short else ahead
    return keras.layers.Reshape((shape.segments, shape.segment * ahead.shape[-1]))(whole)


@keras.saving.register_keras_serializable("tidegate")
class Query(ConfiguredLayer):
    """One step of a cell from the last state, for each position and channel: (batch, segments, targets, units).

    A query's input is its position's embedding beside its channel's, each half as wide as the state, and, where
    anything is known ahead, a linear map of that. The recurrent product U·h is the same for every query, so it is
    computed once a row: the cost of a long horizon lies in the gates alone.
    """

    def __init__(self, cell: str, segments: int, targets: int, channels: int, seed: int, **kwargs: Any) -> None:
        """Make queries for so many segments and targets; the state has a row for each of `channels`."""
        super().__init__(**kwargs)
        self.cell, self.segments, self.targets, self.channels, self.seed = cell, segments, targets, channels, seed

    def build(self, shapes: Any) -> None:
        """Make the embeddings and the cell's weights."""
        states = 2 if self.cell == "lstm" else 1
        units, gates = shapes[0][-1], GATES[self.cell]
        half = units // 2
        draws = iter(range(self.seed * 10, self.seed * 10 + 10))

        def weight(name: str, shape: tuple[int, ...], initializer: Any) -> Any:
            return self.add_weight(shape=shape, initializer=initializer, name=name)

        self.position = weight("position", (self.segments, units - half), RandomNormal(stddev=1.0, seed=next(draws)))
        self.channel = weight("channel", (self.targets, half), RandomNormal(stddev=1.0, seed=next(draws)))
        self.kernel = weight("kernel", (units, gates * units), GlorotUniform(next(draws)))
        self.recurrent = weight("recurrent", (units, gates * units), Orthogonal(seed=next(draws)))
        self.bias = weight("bias", (2, gates * units), "zeros")
        if len(shapes) > states:
            self.known = weight("known", (shapes[-1][-1], gates * units), GlorotUniform(next(draws)))

    def call(self, parts: list[Any]) -> Any:
        """Ask: parts are [h] or [h, c], (rows, units), and what is known of each segment, if anything."""
        lstm = self.cell == "lstm"
        units = parts[0].shape[-1]
        hidden, *rest = (
            ops.reshape(part, (-1, 1, self.channels, units)) if place < 1 + lstm else part
            for place, part in enumerate(parts)
        )
        places = ops.repeat(self.position[:, None], self.targets, axis=1)
        channels = ops.repeat(self.channel[None], self.segments, axis=0)
        asked = (ops.matmul(ops.concatenate([places, channels], axis=-1), self.kernel) + self.bias[0])[None]
        if len(rest) > lstm:
            asked = asked + ops.matmul(rest[-1], self.known)[:, :, None]
        return STEP[self.cell](asked, ops.matmul(hidden, self.recurrent) + self.bias[1], hidden, rest)

    def compute_output_shape(self, shapes: Any) -> Any:
        """Give (batch, segments, targets, units)."""
        return (None, self.segments, self.targets, shapes[0][-1])


def _step_rnn(asked: Any, carried: Any, hidden: Any, rest: list[Any]) -> Any:
    return ops.tanh(asked + carried)


def _step_gru(asked: Any, carried: Any, hidden: Any, rest: list[Any]) -> Any:
    units = hidden.shape[-1]
    gates = ops.sigmoid(asked[..., : 2 * units] + carried[..., : 2 * units])
    update, reset = gates[..., :units], gates[..., units:]
    candidate = ops.tanh(asked[..., 2 * units :] + reset * carried[..., 2 * units :])
    return update * hidden + (1 - update) * candidate


def _step_lstm(asked: Any, carried: Any, hidden: Any, rest: list[Any]) -> Any:
    let_in, forget, candidate, let_out = ops.split(asked + carried, 4, axis=-1)
    memory = ops.sigmoid(forget) * rest[0] + ops.sigmoid(let_in) * ops.tanh(candidate)
    return ops.sigmoid(let_out) * ops.tanh(memory)


STEP = {"rnn": _step_rnn, "gru": _step_gru, "lstm": _step_lstm}


@keras.saving.register_keras_serializable("tidegate")
class Unfold(ConfiguredLayer):
    """Lays segments (batch, segments, targets, segment · numbers) end to end: (batch, horizon, targets, numbers)."""

    def __init__(self, segment: int, horizon: int, **kwargs: Any) -> None:
        """Remember how long a segment and the horizon are."""
        super().__init__(**kwargs)
        self.segment, self.horizon = segment, horizon

    def call(self, answers: Any) -> Any:
        """Lay out."""
        _, segments, targets, width = answers.shape
        cut = ops.reshape(answers, (-1, segments, targets, self.segment, width // self.segment))
        ordered = ops.transpose(cut, (0, 1, 3, 2, 4))
        whole = ops.reshape(ordered, (-1, segments * self.segment, targets, width // self.segment))
        return whole[:, : self.horizon]
