"""Recursive forecasts of a net that predicts the next value after each step: each forecast is the next input."""

import keras
import numpy as np
from keras import ops

from tidegate.windows.panel import Floats


def forecast_recursively(net: keras.Model, past: Floats, horizon_steps: int) -> Floats:
    """Read the lookback (windows, steps, targets), then forecast step by step: (windows, horizon, targets).

    The net has a recurrent layer named `lstm` and an output layer named `next`.
    """
    layer, readout = net.get_layer("lstm"), net.get_layer("next")
    states = layer.get_initial_state(len(past))
    for step in range(past.shape[1]):
        _, states = layer.cell(past[:, step], states)
    forecasts = [readout(states[0])]
    for _ in range(1, horizon_steps):
        _, states = layer.cell(forecasts[-1], states)
        forecasts.append(readout(states[0]))
    return np.asarray(ops.convert_to_numpy(ops.stack(forecasts, axis=1)), np.float32)
