"""The lecture's equations, executable: the recurrent cells in NumPy, as they are written, and what flows back.

Nothing here is used in training; it is here to be read beside a textbook, and the tests hold it to Keras' layers and
their gradients, and to central differences. One sequence, no batch: x (steps, features), h (steps, units).

The vanilla RNN and its loss over a sequence (Elman 1990; the notation of Pascanu et al., arXiv:1211.5063):

    a_t = W x_t + U h_{t−1} + b        h_t = tanh(a_t)        o_t = V h_t + c        L = Σ_t ½ |o_t − y_t|²

Backpropagation through time (Werbos, Proc. IEEE 78, 1990): with δ_t = ∂L/∂a_t, from the last step to the first,

    δ_t = (Vᵀ (o_t − y_t) + Uᵀ δ_{t+1}) ∘ (1 − h_t²),   δ_{T+1} = 0

    ∂L/∂W = Σ_t δ_t x_tᵀ     ∂L/∂U = Σ_t δ_t h_{t−1}ᵀ     ∂L/∂b = Σ_t δ_t
    ∂L/∂V = Σ_t (o_t − y_t) h_tᵀ                          ∂L/∂c = Σ_t (o_t − y_t)

A gradient that goes back k steps is multiplied k times by Uᵀ diag(1 − h²): it vanishes where that shrinks, and explodes
where it grows. LSTM and GRU let it pass through a sum instead.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RNN:
    """The weights of a vanilla RNN with a linear readout, and, in the same shape, the gradients of its loss."""

    W: Array  # (units, features)
    U: Array  # (units, units)
    b: Array  # (units,)
    V: Array  # (outputs, units)
    c: Array  # (outputs,)


def rnn(net: RNN, x: Array, h0: Array) -> tuple[Array, Array]:
    """Run forward: hidden states h (steps, units) and outputs o (steps, outputs)."""
    h, states = h0, []
    for x_t in x:
        h = np.tanh(net.W @ x_t + net.U @ h + net.b)
        states.append(h)
    hidden = np.stack(states)
    return hidden, hidden @ net.V.T + net.c


def loss(o: Array, y: Array) -> Any:
    """Half the sum of squared errors of outputs (steps, outputs)."""
    return 0.5 * np.sum((o - y) ** 2)


def deltas(net: RNN, h: Array, o: Array, y: Array) -> Array:
    """Go back through time: δ_t = ∂L/∂a_t, (steps, units)."""
    delta = np.zeros_like(h)
    later = np.zeros_like(h[0])
    for t in reversed(range(len(h))):
        later = (net.V.T @ (o[t] - y[t]) + net.U.T @ later) * (1 - h[t] ** 2)
        delta[t] = later
    return delta


def backpropagation_through_time(net: RNN, x: Array, h0: Array, y: Array) -> RNN:
    """Give the gradient of the loss with respect to each weight."""
    h, o = rnn(net, x, h0)
    delta = deltas(net, h, o, y)
    before = np.concatenate([h0[None], h[:-1]])
    error = o - y
    return RNN(W=delta.T @ x, U=delta.T @ before, b=delta.sum(axis=0), V=error.T @ h, c=error.sum(axis=0))


def clip_by_global_norm(gradients: list[Array], limit: float) -> list[Array]:
    """Shorten a gradient that is longer than `limit`, its direction kept: g · limit / max(|g|, limit)."""
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    return [gradient * (limit / max(norm, limit)) for gradient in gradients]


def sigmoid(a: Array) -> Array:
    """Give 1 / (1 + e^(−a)), written so that no exponential overflows."""
    return 0.5 * (1 + np.tanh(0.5 * a))


@dataclass(frozen=True)
class LSTM:
    """The weights of an LSTM; rows are the gates i, f, g, o, one under the other."""

    W: Array  # (4 · units, features)
    U: Array  # (4 · units, units)
    b: Array  # (4 · units,)


def lstm(net: LSTM, x: Array, h0: Array, c0: Array) -> tuple[Array, Array]:
    """Run forward: hidden states h and memories c, (steps, units) each. Hochreiter and Schmidhuber (1997), with f.

    i = σ(W_i x + U_i h + b_i)      let in          g = tanh(W_g x + U_g h + b_g)   what to let in
    f = σ(W_f x + U_f h + b_f)      keep            c_t = f ∘ c_{t−1} + i ∘ g       memory
    o = σ(W_o x + U_o h + b_o)      let out         h_t = o ∘ tanh(c_t)
    """
    h, c, states, memories = h0, c0, [], []
    for x_t in x:
        i, f, g, o = np.split(net.W @ x_t + net.U @ h + net.b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
        memories.append(c)
    return np.stack(states), np.stack(memories)


@dataclass(frozen=True)
class GRU:
    """The weights of a GRU; rows are the gates z, r and the candidate n, one under the other."""

    W: Array  # (3 · units, features)
    U: Array  # (3 · units, units)
    b: Array  # (3 · units,)
    d: Array  # (3 · units,), beside the recurrent product


def gru(net: GRU, x: Array, h0: Array) -> Array:
    """Run forward: hidden states h (steps, units). Cho et al. (arXiv:1406.1078), the reset after the product.

    z = σ(W_z x + b_z + U_z h + d_z)     keep       n = tanh(W_n x + b_n + r ∘ (U_n h + d_n))   candidate
    r = σ(W_r x + b_r + U_r h + d_r)     reset      h_t = z ∘ h_{t−1} + (1 − z) ∘ n
    """
    h, states = h0, []
    for x_t in x:
        (asked_z, asked_r, asked_n) = np.split(net.W @ x_t + net.b, 3)
        (carried_z, carried_r, carried_n) = np.split(net.U @ h + net.d, 3)
        z, r = sigmoid(asked_z + carried_z), sigmoid(asked_r + carried_r)
        n = np.tanh(asked_n + r * carried_n)
        h = z * h + (1 - z) * n
        states.append(h)
    return np.stack(states)


def central_differences(f: Any, weights: Array, step: float = 1e-6) -> Array:
    """Differentiate f, a function of weights, by (f(w + ε) − f(w − ε)) / 2ε, one weight at a time."""
    slope = np.zeros_like(weights)
    for place in np.ndindex(weights.shape):
        shift = np.zeros_like(weights)
        shift[place] = step
        slope[place] = (f(weights + shift) - f(weights - shift)) / (2 * step)
    return slope
