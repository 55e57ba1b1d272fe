"""The recursive head: a decoder cell walks the horizon, each segment's forecast its next input.

Sutskever et al. (arXiv:1409.3215). In training it is given the truth instead, with a probability, the teacher forcing
ratio (Bengio et al., Scheduled Sampling, arXiv:1506.03099).
"""

import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops
from keras.initializers import GlorotUniform, Orthogonal

from models.nets.cells import LAYERS
from models.nets.heads import HeadShape, HorizonLayout, RepeatRows, by_segment
from models.nets.layers import ConfiguredLayer


def recursive(
    state: list[Any],
    newest: Any,
    ahead: Any,
    truth: Any,
    shape: HeadShape,
    cell: str,
    middle: int,
    seeds: Iterator[int],
) -> Any:
    """Walk the horizon from the newest token, (rows, segment [· targets]), feeding each forecast back.

    `truth` (rows, segments, segment [· targets] + 1) holds each segment's normalised truth and whether it is to be
    fed in the forecast's place, or is None; `middle` says which of the numbers is the point.
    """
    rows = shape.targets if shape.independent else 1
    channels = 1 if shape.independent else shape.targets
    inputs = []
    if ahead is not None:
        known = by_segment(ahead, shape)
        inputs.append(RepeatRows(rows)(known) if shape.independent else known)
    if truth is not None:
        inputs.append(truth)
    if not inputs:
        inputs.append(ZeroInputs(shape.segments, name="clock")(newest))
    walked = keras.layers.RNN(
        Feedback(
            cell, state[0].shape[-1], shape.segment * channels, shape.numbers, middle, truth is not None, next(seeds)
        ),
        return_sequences=True,
        name="decoder",
    )(inputs[0] if len(inputs) == 1 else keras.layers.Concatenate()(inputs), initial_state=[*state, newest])
    laid = keras.layers.Reshape((shape.segments * shape.segment * channels * shape.numbers,))(walked)
    return HorizonLayout(shape.horizon, shape.targets, shape.numbers, shape.independent, name="laid")(laid)


@keras.saving.register_keras_serializable("tidegate", name="Clock")
class ZeroInputs(ConfiguredLayer):
    """Something to walk over where nothing is known ahead: zeros (rows, segments, 1)."""

    def __init__(self, segments: int, **kwargs: Any) -> None:
        """Tick so many times."""
        super().__init__(**kwargs)
        self.segments = segments

    def call(self, newest: Any) -> Any:
        """Tick."""
        return ops.repeat(ops.zeros_like(newest[:, None, :1]), self.segments, axis=1)


@keras.saving.register_keras_serializable("tidegate")
class Feedback(ConfiguredLayer):
    """A decoder's step: its state is the cell's and the token before; its output, the numbers of the next token."""

    def __init__(
        self, cell: str, units: int, width: int, numbers: int, middle: int, taught: bool, seed: int, **kwargs: Any
    ) -> None:
        """Make a cell whose tokens hold `width` values of `numbers` numbers each."""
        super().__init__(**kwargs)
        self.cell, self.units, self.width, self.numbers = cell, units, width, numbers
        self.middle, self.taught, self.seed = middle, taught, seed
        layer = LAYERS[cell](
            units,
            kernel_initializer=GlorotUniform(10 * seed),
            recurrent_initializer=Orthogonal(seed=10 * seed + 1),
            seed=10 * seed + 2,
        )
        self.inner = layer.cell
        self.say = keras.layers.Dense(width * numbers, kernel_initializer=GlorotUniform(10 * seed + 3))
        self.state_size = [units] * (2 if cell == "lstm" else 1) + [width]
        self.output_size = width * numbers

    def build(self, shape: Any) -> None:
        """Build the cell for the columns that it sees: the token before, and what is known ahead."""
        columns = shape[-1] - (self.width + 1 if self.taught else 0)
        self.inner.build((None, self.width + columns))
        self.say.build((None, self.units))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Take a step; in training, the truth is the next token where its flag says so."""
        known, before = inputs, states[-1]
        if self.taught:
            known, truth, forced = (
                inputs[:, : -self.width - 1],
                inputs[:, -self.width - 1 : -1],
                inputs[:, -1:],
            )
        inner = list(states[:-1])
        hidden, inner = self.inner(ops.concatenate([before, known], axis=-1), inner)
        said = self.say(hidden)
        token = ops.reshape(said, (-1, self.width, self.numbers))[..., self.middle]
        if self.taught and training:
            token = forced * truth + (1 - forced) * token
        inner = inner if isinstance(inner, list | tuple) else [inner]
        return said, [*inner, token]


@keras.saving.register_keras_serializable("tidegate")
class Teacher(ConfiguredLayer):
    """Decides in training, for each window and segment, whether the truth is fed: adds that flag to the truth.

    `truth` (batch, horizon, 2 · targets) is values and flags; gives (rows, segments, width + 1) in the window's units.
    A segment with a gap in it is not fed. Outside training the flag is never set, and the truth never read.
    """

    def __init__(
        self, ratio: float, horizon: int, targets: int, segment: int, independent: bool, seed: int, **kwargs: Any
    ) -> None:
        """Feed the truth with probability `ratio`."""
        super().__init__(**kwargs)
        self.ratio, self.horizon, self.targets, self.segment = ratio, horizon, targets, segment
        self.independent, self.seed = independent, seed
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, truth: Any, shift: Any, scale: Any, training: bool = False) -> Any:
        """Draw."""
        segments = math.ceil(self.horizon / self.segment)
        own = self._cut((truth[..., : self.targets] - shift) / scale, segments)
        flag = ops.zeros_like(own[..., :1])
        if training:
            whole = ops.min(self._cut(truth[..., self.targets :], segments), axis=-1, keepdims=True)
            drawn = keras.random.uniform(ops.shape(flag), seed=self.draws)
            flag = whole * ops.cast(drawn < self.ratio, own.dtype)
        return ops.concatenate([own, flag], axis=-1)

    def _cut(self, series: Any, segments: int) -> Any:
        series = ops.pad(series, ((0, 0), (0, segments * self.segment - self.horizon), (0, 0)))
        if self.independent:
            return ops.reshape(ops.transpose(series, (0, 2, 1)), (-1, segments, self.segment))
        return ops.reshape(series, (-1, segments, self.segment * self.targets))
