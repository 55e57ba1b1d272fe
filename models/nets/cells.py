"""Layers of recurrent cells: tokens in, the last state out.

    h_t = cell(x_t, h_{t−1}),  t = 1 … tokens

The vanilla RNN (Elman, Cognitive Science 14, 1990), LSTM (Hochreiter and Schmidhuber, Neural Computation 9, 1997) and
GRU (Cho et al., arXiv:1406.1078); models/equations.py writes them out. Between layers: dropout, layer normalisation
(Ba et al., arXiv:1607.06450), and residuals, a layer's input added to its output.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
from keras.initializers import GlorotUniform, Orthogonal

if TYPE_CHECKING:
    from models.recurrent import Options

LAYERS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def recurrent_layer(cell: str, units: int, seeds: Iterator[int], **kwargs: Any) -> keras.layers.Layer:
    """Make one layer, with a seed of its own for all that is drawn at random."""
    return LAYERS[cell](
        units,
        kernel_initializer=GlorotUniform(next(seeds)),
        recurrent_initializer=Orthogonal(seed=next(seeds)),
        seed=next(seeds),
        **kwargs,
    )


def stack(tokens: Any, options: "Options", seeds: Iterator[int]) -> list[Any]:
    """Read the tokens (rows, tokens, columns) through all layers; give the last one's state: [h], or [h, c] of an LSTM.

    Each part is (rows, units), twice as wide if read in both directions.
    """
    sequence, cell, layers = tokens, options.cell, options.layers
    for layer in range(1, layers + 1):
        cells = recurrent_layer(
            cell, options.units, seeds, return_sequences=layer < layers, return_state=True, name=f"{cell}_{layer}"
        )
        if options.bidirectional:
            cells = keras.layers.Bidirectional(cells, name=f"both_ways_{layer}")
        read, *state = cells(sequence)
        if options.bidirectional:
            half = len(state) // 2
            state = [
                keras.layers.Concatenate()([forth, back])
                for forth, back in zip(state[:half], state[half:], strict=True)
            ]
            read = state[0] if layer == layers else read
        before = sequence if layer < layers else sequence[:, -1]
        if options.residual and before.shape[-1] == read.shape[-1]:
            read = keras.layers.Add(name=f"residual_{layer}")([read, before])
        if options.layer_norm:
            read = keras.layers.LayerNormalization(name=f"layer_norm_{layer}")(read)
        if options.dropout and layer < layers:
            read = keras.layers.Dropout(options.dropout, seed=next(seeds), name=f"dropout_{layer}")(read)
        sequence = read
    return [sequence, *state[1:]]
