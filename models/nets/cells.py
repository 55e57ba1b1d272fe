"""Recurrent layers: they read the tokens in order and return the last state.

    h_t = cell(x_t, h_{t−1}),  t = 1 … number of tokens

The cell is a vanilla RNN (Elman, Cognitive Science 14, 1990), an LSTM (Hochreiter and Schmidhuber, Neural Computation
9, 1997) or a GRU (Cho et al., arXiv:1406.1078); models/equations.py gives their equations. Between the layers there can
be dropout, layer normalisation (Ba et al., arXiv:1607.06450), and residual connections, which add a layer's input to
its output.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras.initializers import GlorotUniform, Orthogonal

from models.nets import recurrences
from models.nets.options import Options

LAYERS = {"rnn": recurrences.SimpleRNN, "lstm": recurrences.LSTM, "gru": recurrences.GRU}


def recurrent_layer(cell: str, units: int, seeds: Iterator[int], **kwargs: Any) -> keras.layers.Layer:
    """Make one recurrent layer, with explicit seeds for everything that it draws at random."""
    return LAYERS[cell](
        units,
        kernel_initializer=GlorotUniform(next(seeds)),
        recurrent_initializer=Orthogonal(seed=next(seeds)),
        seed=next(seeds),
        **kwargs,
    )


def both_ways(layer: keras.layers.Layer, **kwargs: Any) -> keras.layers.Layer:
    """Read in both directions with layers like this one, which Keras copies by the name of its class."""
    with keras.saving.custom_object_scope({type(layer).__name__: type(layer)}):
        return keras.layers.Bidirectional(layer, **kwargs)


def recurrent_stack(tokens: Any, options: Options, seeds: Iterator[int]) -> list[Any]:
    """Read the tokens (rows, tokens, columns) with all layers; return the last layer's state: [h], an LSTM's [h, c].

    Each part of the state is (rows, units), or (rows, 2 · units) where the layers are bidirectional.
    """
    sequence, cell, layers = tokens, options.cell, options.layers
    for number in range(1, layers + 1):
        layer = recurrent_layer(
            cell, options.units, seeds, return_sequences=number < layers, return_state=True, name=f"{cell}_{number}"
        )
        if options.bidirectional:
            layer = both_ways(layer, name=f"both_ways_{number}")
        output, *state = layer(sequence)
        if options.bidirectional:
            half = len(state) // 2
            state = [
                keras.layers.Concatenate()([forward, backward])
                for forward, backward in zip(state[:half], state[half:], strict=True)
            ]
            output = state[0] if number == layers else output
        layer_input = sequence if number < layers else sequence[:, -1]
        if options.residual and layer_input.shape[-1] == output.shape[-1]:
            output = keras.layers.Add(name=f"residual_{number}")([output, layer_input])
        if options.layer_norm:
            output = keras.layers.LayerNormalization(name=f"layer_norm_{number}")(output)
        if options.dropout and number < layers:
            output = keras.layers.Dropout(options.dropout, seed=next(seeds), name=f"dropout_{number}")(output)
        sequence = output
    return [sequence, *state[1:]]


def forward_layer(layer: keras.layers.Layer) -> Any:
    """Give the layer itself, or of a bidirectional one the layer that reads forwards."""
    return layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer


def tokens_read(layer: keras.layers.Layer) -> int:
    """Count the tokens that a layer reads one after another; 0 if it is not recurrent."""
    directions = 2 if isinstance(layer, keras.layers.Bidirectional) else 1
    if directions == 1 and not isinstance(layer, keras.layers.RNN):
        return 0
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]  # beside the tokens, states to begin from
    return directions * int(inputs[0].shape[1])


def gates_read(layer: keras.layers.Layer) -> int:
    """Count the gates that a layer computes of all tokens of a row, of all units; 0 if it is not recurrent."""
    if not (tokens := tokens_read(layer)):
        return 0
    cell = forward_layer(layer).cell
    cell = getattr(cell, "inner", cell)  # of a decoder, which is a cell around another one
    return tokens * int(cell.kernel.shape[-1])
