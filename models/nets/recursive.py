"""The recursive head: a decoder cell predicts the horizon segment by segment, each forecast its next input.

After Sutskever et al. (arXiv:1409.3215). With teacher forcing the decoder's next input in training is, with a given
probability, the truth instead of the forecast (Bengio et al., Scheduled Sampling, arXiv:1506.03099).
"""

import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops
from keras.initializers import GlorotUniform, Orthogonal

from models.nets.cells import LAYERS
from models.nets.heads import HorizonLayout, RepeatRows, split_into_segments
from models.nets.structure import HeadShape


def recursive_head(
    state: list[Any],
    newest: Any,
    ahead: Any,
    truth: Any,
    shape: HeadShape,
    cell: str,
    middle: int,
    seeds: Iterator[int],
) -> Any:
    """Predict the horizon from the newest segment, (rows, segment [· targets]), feeding each forecast back.

    `truth` (rows, segments, segment [· targets] + 1) holds each segment's normalised truth and a flag, whether it
    replaces the forecast as the next input; or it is None. `middle` is the index of the point forecast in the numbers.
    """
    rows = shape.targets if shape.independent else 1
    channels = 1 if shape.independent else shape.targets
    inputs = []
    if ahead is not None:
        known = split_into_segments(ahead, shape)
        inputs.append(RepeatRows(rows)(known) if shape.independent else known)
    if truth is not None:
        inputs.append(truth)
    if not inputs:
        inputs.append(ZeroInputs(shape.segments, name="clock")(newest))
    decoded = keras.layers.RNN(
        Feedback(
            cell, state[0].shape[-1], shape.segment * channels, shape.numbers, middle, truth is not None, next(seeds)
        ),
        return_sequences=True,
        name="decoder",
    )(inputs[0] if len(inputs) == 1 else keras.layers.Concatenate()(inputs), initial_state=[*state, newest])
    flat = keras.layers.Reshape((shape.segments * shape.segment * channels * shape.numbers,))(decoded)
    return HorizonLayout(shape.horizon, shape.targets, shape.numbers, shape.independent, name="laid")(flat)


class ZeroInputs(keras.layers.Layer):
    """Gives zeros (rows, segments, 1): the decoder's inputs if nothing is known ahead; they set its number of steps."""

    def __init__(self, segments: int, **kwargs: Any) -> None:
        """Set the number of segments."""
        super().__init__(**kwargs)
        self.segments = segments

    def call(self, newest: Any) -> Any:
        """Make zeros for as many rows as `newest` has."""
        return ops.repeat(ops.zeros_like(newest[:, None, :1]), self.segments, axis=1)


class Feedback(keras.layers.Layer):
    """A decoder cell: its state is an inner cell's state and the previous token, its output the next token's numbers.

    The weights' place in a .keras file follows from the names of the attributes `inner` and `say`.
    """

    def __init__(
        self, cell: str, units: int, width: int, numbers: int, middle: int, taught: bool, seed: int, **kwargs: Any
    ) -> None:
        """Make a cell whose tokens hold `width` values of `numbers` numbers each; `taught` means teacher forcing."""
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
        """Build the inner cell for its input columns: the previous token, and what is known ahead."""
        known_columns = shape[-1] - (self.width + 1 if self.taught else 0)
        self.inner.build((None, self.width + known_columns))
        self.say.build((None, self.units))

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Predict one segment; in training the truth is the next token where its flag is set."""
        known, previous = inputs, states[-1]
        if self.taught:
            known, truth, forced = (
                inputs[:, : -self.width - 1],
                inputs[:, -self.width - 1 : -1],
                inputs[:, -1:],
            )
        inner_states = list(states[:-1])
        hidden, inner_states = self.inner(ops.concatenate([previous, known], axis=-1), inner_states)
        output = self.say(hidden)
        token = ops.reshape(output, (-1, self.width, self.numbers))[..., self.middle]
        if self.taught and training:
            token = forced * truth + (1 - forced) * token
        inner_states = inner_states if isinstance(inner_states, list | tuple) else [inner_states]
        return output, [*inner_states, token]


class Teacher(keras.layers.Layer):
    """Draws in training, for each row and segment, whether the truth is fed, and appends this flag to the truth.

    `truth` (batch, horizon, 2 · targets) holds values and flags; the result (rows, segments, width + 1) is normalised.
    A segment with a missing value is never fed. Outside training the flag is never set and the truth is not used.
    """

    def __init__(
        self, ratio: float, horizon: int, targets: int, segment: int, independent: bool, seed: int, **kwargs: Any
    ) -> None:
        """Set the probability `ratio` of feeding the truth, and the shapes."""
        super().__init__(**kwargs)
        self.ratio, self.horizon, self.targets, self.segment = ratio, horizon, targets, segment
        self.independent, self.seed = independent, seed
        self.draws = keras.random.SeedGenerator(seed)  # the attribute's name is part of .keras files

    def call(self, truth: Any, shift: Any, scale: Any, training: bool = False) -> Any:
        """Normalise the truth, split it into segments, and append the flags."""
        segments = math.ceil(self.horizon / self.segment)
        values = self._split((truth[..., : self.targets] - shift) / scale, segments)
        flag = ops.zeros_like(values[..., :1])
        if training:
            complete = ops.min(self._split(truth[..., self.targets :], segments), axis=-1, keepdims=True)
            drawn = keras.random.uniform(ops.shape(flag), seed=self.draws)
            flag = complete * ops.cast(drawn < self.ratio, values.dtype)
        return ops.concatenate([values, flag], axis=-1)

    def _split(self, series: Any, segments: int) -> Any:
        """Split (batch, horizon, targets) into (rows, segments, width), padded with zeros."""
        series = ops.pad(series, ((0, 0), (0, segments * self.segment - self.horizon), (0, 0)))
        if self.independent:
            return ops.reshape(ops.transpose(series, (0, 2, 1)), (-1, segments, self.segment))
        return ops.reshape(series, (-1, segments, self.segment * self.targets))
