"""The equations of the lecture as executable NumPy: the recurrent cells, their loss and its gradients.

Training does not use this module. It is meant to be read beside a textbook, and the tests compare it with Keras' layers
and their gradients, and with central differences. It handles one sequence and no batch: x (steps, features),
h (steps, units).

The vanilla RNN and its loss over a sequence (Elman 1990; notation of Pascanu et al., arXiv:1211.5063):

    a_t = W x_t + U h_{t−1} + b        h_t = tanh(a_t)        o_t = V h_t + c        L = Σ_t ½ |o_t − y_t|²

Backpropagation through time (Werbos, Proc. IEEE 78, 1990) computes δ_t = ∂L/∂a_t from the last step T back to the
first, and from it the gradient of every weight:

    δ_t = (Vᵀ (o_t − y_t) + Uᵀ δ_{t+1}) ∘ (1 − h_t²),   δ_{T+1} = 0

    ∂L/∂W = Σ_t δ_t x_tᵀ     ∂L/∂U = Σ_t δ_t h_{t−1}ᵀ     ∂L/∂b = Σ_t δ_t
    ∂L/∂V = Σ_t (o_t − y_t) h_tᵀ                          ∂L/∂c = Σ_t (o_t − y_t)

A gradient that flows back over k steps is multiplied k times by a matrix diag(1 − h²) Uᵀ. If these matrices shrink it,
the gradient vanishes; if they stretch it, the gradient explodes. An LSTM and a GRU carry their state from step to step
in a sum, c_t = f ∘ c_{t−1} + … and h_t = z ∘ h_{t−1} + …: along this path the gradient is multiplied only by the gate f
or z, and it survives as long as the gate stays close to 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RNN:
    """The weights of a vanilla RNN with a linear readout; also used for the gradient of the loss by each weight."""

    W: Array  # (units, features)
    U: Array  # (units, units)
    b: Array  # (units,)
    V: Array  # (outputs, units)
    c: Array  # (outputs,)


def rnn(net: RNN, x: Array, h0: Array) -> tuple[Array, Array]:
    """Run the RNN forward; return the hidden states h (steps, units) and the outputs o (steps, outputs)."""
    h, states = h0, []
    for x_t in x:
        h = np.tanh(net.W @ x_t + net.U @ h + net.b)
        states.append(h)
    hidden = np.stack(states)
    return hidden, hidden @ net.V.T + net.c


def loss(o: Array, y: Array) -> Any:
    """Compute half the sum of the squared errors of the outputs (steps, outputs)."""
    return 0.5 * np.sum((o - y) ** 2)


def deltas(net: RNN, h: Array, o: Array, y: Array) -> Array:
    """Compute δ_t = ∂L/∂a_t for every step, backwards in time: (steps, units)."""
    delta = np.zeros_like(h)
    next_delta = np.zeros_like(h[0])
    for t in reversed(range(len(h))):
        next_delta = (net.V.T @ (o[t] - y[t]) + net.U.T @ next_delta) * (1 - h[t] ** 2)
        delta[t] = next_delta
    return delta


def backpropagation_through_time(net: RNN, x: Array, h0: Array, y: Array) -> RNN:
    """Compute the gradient of the loss with respect to each weight."""
    h, o = rnn(net, x, h0)
    delta = deltas(net, h, o, y)
    previous_h = np.concatenate([h0[None], h[:-1]])
    error = o - y
    return RNN(W=delta.T @ x, U=delta.T @ previous_h, b=delta.sum(axis=0), V=error.T @ h, c=error.sum(axis=0))


def clip_by_global_norm(gradients: list[Array], limit: float) -> list[Array]:
    """Scale a gradient that is longer than `limit` down to it, in the same direction: g · limit / max(|g|, limit)."""
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    return [gradient * (limit / max(norm, limit)) for gradient in gradients]


def sigmoid(a: Array) -> Array:
    """Compute 1 / (1 + e^(−a)), in a form in which no exponential overflows."""
    return 0.5 * (1 + np.tanh(0.5 * a))


@dataclass(frozen=True)
class LSTM:
    """The weights of an LSTM: the rows of the gates i, f, g, o, stacked in this order."""

    W: Array  # (4 · units, features)
    U: Array  # (4 · units, units)
    b: Array  # (4 · units,)


def lstm(net: LSTM, x: Array, h0: Array, c0: Array) -> tuple[Array, Array]:
    """Run the LSTM forward; return the hidden states h and the cell states c, (steps, units) each.

    i = σ(W_i x + U_i h + b_i)      input gate      g = tanh(W_g x + U_g h + b_g)   candidate
    f = σ(W_f x + U_f h + b_f)      forget gate     c_t = f ∘ c_{t−1} + i ∘ g       cell state
    o = σ(W_o x + U_o h + b_o)      output gate     h_t = o ∘ tanh(c_t)             hidden state

    Here x is x_t and h is h_{t−1}. Hochreiter and Schmidhuber (1997), with the forget gate that was added later.
    """
    h, c, states, cell_states = h0, c0, [], []
    for x_t in x:
        i, f, g, o = np.split(net.W @ x_t + net.U @ h + net.b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
        cell_states.append(c)
    return np.stack(states), np.stack(cell_states)


@dataclass(frozen=True)
class GRU:
    """The weights of a GRU: the rows of the gates z, r and of the candidate n, stacked in this order."""

    W: Array  # (3 · units, features)
    U: Array  # (3 · units, units)
    b: Array  # (3 · units,)
    d: Array  # (3 · units,), added to the recurrent product U h


def gru(net: GRU, x: Array, h0: Array) -> Array:
    """Run the GRU forward; return the hidden states h (steps, units).

    z = σ(W_z x + b_z + U_z h + d_z)  update gate   n = tanh(W_n x + b_n + r ∘ (U_n h + d_n))   candidate
    r = σ(W_r x + b_r + U_r h + d_r)  reset gate    h_t = z ∘ h_{t−1} + (1 − z) ∘ n             hidden state

    Here x is x_t and h is h_{t−1}. Cho et al. (arXiv:1406.1078), with the reset gate applied after the product U h, as
    Keras and cuDNN do.
    """
    h, states = h0, []
    for x_t in x:
        (input_z, input_r, input_n) = np.split(net.W @ x_t + net.b, 3)
        (recurrent_z, recurrent_r, recurrent_n) = np.split(net.U @ h + net.d, 3)
        z, r = sigmoid(input_z + recurrent_z), sigmoid(input_r + recurrent_r)
        n = np.tanh(input_n + r * recurrent_n)
        h = z * h + (1 - z) * n
        states.append(h)
    return np.stack(states)


def central_differences(f: Any, weights: Array, step: float = 1e-6) -> Array:
    """Approximate the derivative of f by each weight as (f(w + ε) − f(w − ε)) / 2ε, where ε is `step`."""
    slope = np.zeros_like(weights)
    for index in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[index] = step
        slope[index] = (f(weights + shift) - f(weights - shift)) / (2 * step)
    return slope
