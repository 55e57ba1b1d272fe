"""Gradient flow: how much of the loss's gradient reaches each step of the lookback.

For the first recurrent layer of a trained net, ∂L/∂h_t at every token t: L is a window's own loss, h_t the layer's
state after token t, and all that happens later is counted. In a vanilla RNN the norm shrinks by a factor a step
(Bengio, Simard and Frasconi, IEEE Trans. Neural Networks 5, 1994); gates are there to let it live. Clipping shortens
the gradient of the weights as a whole, and with it every step's share by the same factor.

It is measured by walking the layer token by token, with a tap at each state, a zero that is added to it, and asking for
the gradient there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets import engine
from models.nets.cells import LAYERS
from models.nets.outputs import Cost
from models.nets.windowed import WindowedModel
from tidegate.windows.panel import Floats, Panel, Starts


@dataclass(frozen=True)
class GradientFlow:
    """Mean norm of ∂L/∂h over windows, oldest token first: (tokens,); and of the weights' gradient of the batch."""

    norms: Floats
    weights_norm: float


def gradient_flow(net: keras.Model, panel: Panel, starts: Starts, cost: Cost) -> GradientFlow:
    """Measure it on the given windows."""
    layer = first_recurrent(net)
    model = WindowedModel(net, panel, cost)

    def windows() -> Any:
        output = model(starts)
        truth, weight = ops.split(model.truth(starts), [model.targets], axis=-1)
        spent = ops.sum(cost(output, truth) * weight, axis=(1, 2))
        return ops.sum(spent / ops.maximum(ops.sum(weight, axis=(1, 2)), 1.0))

    def batch() -> Any:
        return model.compute_loss(x=starts, y_pred=model(starts))

    with _tapped(layer) as taps:
        model(starts)  # the first walk sets the taps
        states = engine.gradients(windows, taps)
    norms = [np.linalg.norm(state, axis=-1).mean() for state in states]
    weights = engine.gradients(batch, net.trainable_variables)
    return GradientFlow(np.array(norms, np.float32), float(np.sqrt(sum(np.square(each).sum() for each in weights))))


def first_recurrent(net: keras.Model) -> keras.layers.Layer:
    """Find the first recurrent layer, the forward one where it reads both ways."""
    for layer in net.layers:
        inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
        if isinstance(inner, tuple(LAYERS.values())):
            return inner
    raise TypeError("this net has no recurrent layer")


@contextmanager
def _tapped(layer: Any) -> Iterator[list[Any]]:
    """Have a layer walk its tokens one by one, with a tap at each state; give the taps, set as it first walks."""
    taps: list[keras.Variable] = []
    plain = layer.call

    def walk(sequence: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states = list(initial_state or layer.get_initial_state(ops.shape(sequence)[0]))
        outputs = []
        for token in range(sequence.shape[1]):
            _, states = layer.cell(sequence[:, token], states, training=training)
            states = list(states) if isinstance(states, list | tuple) else [states]
            if token == len(taps):
                taps.append(keras.Variable(ops.zeros_like(states[0])))
            # The gradient in the tap is that of all that follows this state.
            states[0] = states[0] + taps[token].value
            outputs.append(states[0])
        read = ops.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
        return (read, *states) if layer.return_state else read

    layer.call = walk
    try:
        yield taps
    finally:
        layer.call = plain
