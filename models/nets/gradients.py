"""Gradient flow: how much of the loss's gradient reaches each step of the lookback.

It is measured for the first recurrent layer of a trained net, as ∂L/∂h_t at every token t: L is the loss of one window,
h_t is the layer's state after token t, and the derivative covers everything that follows from that state. In a vanilla
RNN its norm typically shrinks by some factor with every step back in time (Bengio, Simard and Frasconi, IEEE Trans.
Neural Networks 5, 1994); the gates of an LSTM or a GRU are meant to prevent that. Clipping does not help: it scales the
gradient of the weights as a whole, and with it the contribution of every step by the same factor.

To measure it, the layer runs token by token, and a variable that is zero, called a tap, is added to each state. The
gradient with respect to the tap is the gradient with respect to the state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets import engine
from models.nets.cells import LAYERS, forward_layer
from models.nets.outputs import Cost
from models.nets.windowed import WindowedModel
from tidegate.windows.panel import Floats, Panel, Starts


@dataclass(frozen=True)
class GradientFlow:
    """Norms of gradients, measured on a batch of windows."""

    norms: Floats  # (tokens,) of ∂L/∂h, mean over the windows, oldest token first
    weights_norm: float  # of the gradient of the batch's loss with respect to all weights


def gradient_flow(net: keras.Model, panel: Panel, starts: Starts, cost: Cost) -> GradientFlow:
    """Measure the gradient flow on these windows."""
    layer = first_recurrent_layer(net)
    model = WindowedModel(net, panel, cost)

    def sum_of_window_losses() -> Any:
        output = model(starts)
        truth, weight = ops.split(model.truth(starts), [model.targets], axis=-1)
        costs = ops.sum(cost(output, truth) * weight, axis=(1, 2))
        return ops.sum(costs / ops.maximum(ops.sum(weight, axis=(1, 2)), 1.0))

    def batch_loss() -> Any:
        return model.compute_loss(x=starts, y_pred=model(starts))

    with _tapped(layer) as taps:
        model(starts)  # the first run makes the taps
        state_gradients = engine.gradients(sum_of_window_losses, taps)
    norms = [np.linalg.norm(gradient, axis=-1).mean() for gradient in state_gradients]
    weight_gradients = engine.gradients(batch_loss, net.trainable_variables)
    weights_norm = float(np.sqrt(sum(np.square(gradient).sum() for gradient in weight_gradients)))
    return GradientFlow(np.array(norms, np.float32), weights_norm)


def first_recurrent_layer(net: keras.Model) -> keras.layers.Layer:
    """Find the first recurrent layer; of a bidirectional one, the forward layer."""
    for layer in net.layers:
        recurrent: keras.layers.Layer = forward_layer(layer)
        if isinstance(recurrent, tuple(LAYERS.values())):
            return recurrent
    raise TypeError("this net has no recurrent layer")


@contextmanager
def _tapped(layer: Any) -> Iterator[list[Any]]:
    """Make a layer run token by token with a tap at each state; yield the list of taps, which its first run fills."""
    taps: list[keras.Variable] = []
    original_call = layer.call

    def call_with_taps(sequence: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states = list(initial_state or layer.get_initial_state(ops.shape(sequence)[0]))
        outputs = []
        for token in range(sequence.shape[1]):
            _, states = layer.cell(sequence[:, token], states, training=training)
            states = list(states) if isinstance(states, list | tuple) else [states]
            if token == len(taps):
                taps.append(keras.Variable(ops.zeros_like(states[0])))
            # The tap's gradient covers everything that follows from this state.
            states[0] = states[0] + taps[token].value
            outputs.append(states[0])
        output = ops.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
        return (output, *states) if layer.return_state else output

    layer.call = call_with_taps
    try:
        yield taps
    finally:
        layer.call = original_call
