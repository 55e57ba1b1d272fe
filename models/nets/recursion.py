"""Forecasting by feeding forecasts back, for nets that say the next value after each step."""

import keras
import numpy as np
from keras import ops

from tidegate.windows.panel import Floats


def forecast_recursively(net: keras.Model, past: Floats, horizon: int) -> Floats:
    """Read the lookback (windows, steps, targets), then walk the horizon: (windows, horizon, targets).

    The net is a recurrent layer `lstm` and a readout `next`.
    """
    layer, readout = net.get_layer("lstm"), net.get_layer("next")
    states = layer.get_initial_state(len(past))
    for step in range(past.shape[1]):
        _, states = layer.cell(past[:, step], states)
    said = [readout(states[0])]
    for _ in range(1, horizon):
        _, states = layer.cell(said[-1], states)
        said.append(readout(states[0]))
    return np.asarray(ops.convert_to_numpy(ops.stack(said, axis=1)), np.float32)
