"""Forecasting by feeding forecasts back, for nets that say the next value after each step."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tidegate.panel import Floats


def walk(net: keras.Model, past: Floats, horizon: int) -> Floats:
    """Read the lookback (windows, steps, targets), then walk the horizon: (windows, horizon, targets).

    The net is a recurrent layer `lstm` and a readout `next`.
    """
    layer, readout = net.get_layer("lstm"), net.get_layer("next")

    @tf.function
    def along(series: Any) -> Any:
        states = layer.get_initial_state(tf.shape(series)[0])
        for step in tf.range(tf.shape(series)[1]):
            _, states = layer.cell(series[:, step], states)
        said = tf.TensorArray(tf.float32, horizon)
        value = readout(states[0])
        said = said.write(0, value)
        for step in tf.range(1, horizon):
            _, states = layer.cell(value, states)
            value = readout(states[0])
            said = said.write(step, value)
        return tf.transpose(said.stack(), (1, 0, 2))

    return np.asarray(along(tf.constant(past)), np.float32)
