"""The lecture's equations are what Keras computes, and their gradients are derivatives."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from models import equations
from models.equations import GRU, LSTM, RNN

STEPS, FEATURES, UNITS, OUTPUTS = 7, 3, 5, 2
precisions = pytest.mark.parametrize(("kind", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])


def draw(kind: str, *shape: int, seed: int = 0) -> np.ndarray:
    return (0.5 * np.random.default_rng([seed, *shape]).standard_normal(shape)).astype(kind)


def net_of(kind: str) -> RNN:
    return RNN(
        W=draw(kind, UNITS, FEATURES), U=draw(kind, UNITS, UNITS, seed=1), b=draw(kind, UNITS),
        V=draw(kind, OUTPUTS, UNITS), c=draw(kind, OUTPUTS),
    )  # fmt: skip


def keras_layer(kind: str, name: str, weights: list[np.ndarray]) -> Any:
    import keras

    layer = getattr(keras.layers, name)(UNITS, return_sequences=True, dtype=kind)
    layer.build((1, STEPS, FEATURES))
    layer.set_weights(weights)
    return layer


@precisions
def test_the_rnn_runs_as_keras_does(kind: str, tolerance: float) -> None:
    net, x, h0 = net_of(kind), draw(kind, STEPS, FEATURES), draw(kind, UNITS, seed=2)
    layer = keras_layer(kind, "SimpleRNN", [net.W.T, net.U.T, net.b])
    expected = np.asarray(layer(x[None], initial_state=h0[None]))[0]
    assert np.allclose(equations.rnn(net, x, h0)[0], expected, rtol=0, atol=tolerance)


@precisions
def test_the_lstm_runs_as_keras_does(kind: str, tolerance: float) -> None:
    net = LSTM(draw(kind, 4 * UNITS, FEATURES), draw(kind, 4 * UNITS, UNITS), draw(kind, 4 * UNITS))
    x, h0, c0 = draw(kind, STEPS, FEATURES), draw(kind, UNITS, seed=2), draw(kind, UNITS, seed=3)
    layer = keras_layer(kind, "LSTM", [net.W.T, net.U.T, net.b])
    expected = np.asarray(layer(x[None], initial_state=[h0[None], c0[None]]))[0]
    assert np.allclose(equations.lstm(net, x, h0, c0)[0], expected, rtol=0, atol=tolerance)


@precisions
def test_the_gru_runs_as_keras_does(kind: str, tolerance: float) -> None:
    net = GRU(
        draw(kind, 3 * UNITS, FEATURES), draw(kind, 3 * UNITS, UNITS),
        draw(kind, 3 * UNITS), draw(kind, 3 * UNITS, seed=4),
    )  # fmt: skip
    x, h0 = draw(kind, STEPS, FEATURES), draw(kind, UNITS, seed=2)
    layer = keras_layer(kind, "GRU", [net.W.T, net.U.T, np.stack([net.b, net.d])])
    expected = np.asarray(layer(x[None], initial_state=h0[None]))[0]
    assert np.allclose(equations.gru(net, x, h0), expected, rtol=0, atol=tolerance)


@precisions
def test_backpropagation_through_time_gives_keras_gradients(kind: str, tolerance: float) -> None:
    import tensorflow as tf

    net, x, h0, y = net_of(kind), draw(kind, STEPS, FEATURES), draw(kind, UNITS, seed=2), draw(kind, STEPS, OUTPUTS)
    layer = keras_layer(kind, "SimpleRNN", [net.W.T, net.U.T, net.b])
    readout = [tf.Variable(net.V), tf.Variable(net.c)]
    with tf.GradientTape() as tape:
        hidden = layer(x[None], initial_state=h0[None])[0]
        error = hidden @ tf.transpose(readout[0]) + readout[1] - y
        loss = 0.5 * tf.reduce_sum(error**2)
    kernel, recurrent, bias, *out = tape.gradient(loss, [*layer.trainable_weights, *readout])
    expected = RNN(np.transpose(kernel), np.transpose(recurrent), np.asarray(bias), *map(np.asarray, out))
    found = equations.backpropagation_through_time(net, x, h0, y)
    assert float(equations.loss(equations.rnn(net, x, h0)[1], y)) == pytest.approx(float(loss), rel=tolerance)
    for name, gradient in asdict(found).items():
        assert np.allclose(gradient, getattr(expected, name), rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize("name", ["W", "U", "b", "V", "c"])
def test_backpropagation_through_time_gives_the_slope_of_the_loss(name: str) -> None:
    net, x, h0 = net_of("float64"), draw("float64", STEPS, FEATURES), draw("float64", UNITS, seed=2)
    y = draw("float64", STEPS, OUTPUTS)

    def loss_at(weights: np.ndarray) -> float:
        return float(equations.loss(equations.rnn(replace(net, **{name: weights}), x, h0)[1], y))

    slope = equations.central_differences(loss_at, getattr(net, name))
    found = getattr(equations.backpropagation_through_time(net, x, h0, y), name)
    assert np.allclose(found, slope, rtol=1e-6, atol=1e-8)


def test_delta_is_the_slope_of_the_loss_in_the_hidden_state_before_its_squashing() -> None:
    net, x, h0 = net_of("float64"), draw("float64", STEPS, FEATURES), draw("float64", UNITS, seed=2)
    y = draw("float64", STEPS, OUTPUTS)
    h, o = equations.rnn(net, x, h0)
    found = equations.deltas(net, h, o, y)
    # a push at a_t is a push at b, at that step alone
    pushes = np.zeros((STEPS, UNITS))

    def loss_at(pushes: np.ndarray) -> float:
        state, total = h0, 0.0
        for t in range(STEPS):
            state = np.tanh(net.W @ x[t] + net.U @ state + net.b + pushes[t])
            total += 0.5 * float(np.sum((net.V @ state + net.c - y[t]) ** 2))
        return total

    assert np.allclose(found, equations.central_differences(loss_at, pushes), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("factor", "grows"), [(0.5, False), (3.0, True)])
def test_the_gradient_vanishes_or_explodes_with_the_recurrent_weights(factor: float, grows: bool) -> None:
    steps = 40
    net = RNN(np.zeros((2, 1)), factor * np.eye(2), np.zeros(2), np.ones((1, 2)), np.zeros(1))
    h = np.zeros((steps, 2))  # at rest, tanh is the identity
    error = np.zeros((steps, 1))
    error[-1] = 1.0
    norms = np.linalg.norm(equations.deltas(net, h, error, np.zeros((steps, 1))), axis=1)
    assert norms[0] / norms[-1] == pytest.approx(factor ** (steps - 1))
    assert (norms[0] > norms[-1]) == grows


def test_clipping_keeps_the_direction_and_bounds_the_length() -> None:
    import keras

    gradients = [np.array([3.0, 0.0]), np.array([[4.0]])]
    clipped = equations.clip_by_global_norm(gradients, 1.0)
    assert np.sqrt(sum(np.sum(part**2) for part in clipped)) == pytest.approx(1.0)
    assert clipped[0][0] / clipped[1][0, 0] == pytest.approx(3 / 4)
    assert equations.clip_by_global_norm(gradients, 10.0)[0][0] == 3.0
    optimizer = keras.optimizers.SGD(global_clipnorm=1.0)
    assert np.allclose(optimizer._clip_gradients([np.float32(g) for g in gradients])[0], clipped[0], atol=1e-6)
