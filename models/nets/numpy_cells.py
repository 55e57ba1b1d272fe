"""The recurrent cells in NumPy, for forecasts: the equations of models/equations.py, for many rows at a time.

Rows are the last axis of every array here: tokens (tokens, columns, rows), states (units, rows). So each gate is one
block of memory, and an operation on all its rows is a single call. Products with the input and with the state are one
matrix product each, and results go into buffers that every step uses again.

Of NumPy's functions, exp is much faster than tanh, so gates are computed with it: σ(a) = 1 / (1 + e^(−a)) and
tanh(a) = 2 σ(2a) − 1. The factors −1 and −2 are multiplied into the weights once, which is exact. Where e^(−a) is
infinite, σ is 0, as it should be: callers switch NumPy's warning off (see batches.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from tidegate.windows.panel import Floats

ONE = np.float32(1)


class State:
    """A cell's state for some rows, and the buffers in which its next state is computed."""

    def __init__(self, units: int, gates: int, rows: int) -> None:
        """Make a state of zeros."""
        self.extended = np.zeros((units + 1, rows), np.float32)  # h, and a row of ones by which the bias is multiplied
        self.extended[-1] = 1
        self.hidden = self.extended[:-1]
        self.memory = np.zeros((units, rows), np.float32)  # c, of an LSTM
        self.from_input, self.from_state = (np.empty((gates * units, rows), np.float32) for _ in range(2))
        self.spare = np.empty((units, rows), np.float32)


class Cell(ABC):
    """A cell with its weights; see its subclasses for the equations."""

    FACTORS: ClassVar[tuple[int, ...]]  # of each gate's weights: −1 for σ, −2 for tanh, 1 for neither

    def __init__(self, kernel: Floats, recurrent: Floats, bias: Floats) -> None:
        """Prepare the weights as Keras stores them: (columns, gates · units), (units, gates · units), its bias."""
        self.units = len(recurrent)
        self.factors = np.repeat(np.array(self.FACTORS, np.float32), self.units)
        self.input_weights = self.input_product(kernel)
        with_bias = np.concatenate([recurrent, self.state_bias(bias)[None]])
        self.state_weights = np.ascontiguousarray((with_bias * self.factors).T)

    def state_bias(self, bias: Floats) -> Floats:
        """Return what is added to the product with the state."""
        return bias

    def input_product(self, kernel: Floats) -> Floats:
        """Prepare other weights of an input, (columns, gates · units), for a product with it."""
        return np.ascontiguousarray((kernel * self.factors).T)

    def initial_state(self, rows: int) -> State:
        """Make a state of zeros."""
        return State(self.units, len(self.FACTORS), rows)

    def run(self, tokens: Floats, outputs: Floats | None = None) -> State:
        """Read tokens (tokens, columns, rows) in order; write the state after each to outputs (tokens, units, rows)."""
        state = self.initial_state(tokens.shape[-1])
        for index, token in enumerate(tokens):
            self.step(token, state)
            if outputs is not None:
                outputs[index] = state.hidden
        return state

    def step(self, token: Floats, state: State) -> None:
        """Read a token (columns, rows)."""
        np.matmul(self.input_weights, token, out=state.from_input)
        np.matmul(self.state_weights, state.extended, out=state.from_state)
        self.update(state)

    @abstractmethod
    def update(self, state: State) -> None:
        """Replace the state by the next one, from the products with the input and with the state in its buffers."""


class RNN(Cell):
    """h_t = tanh(W x + U h + b)."""

    FACTORS = (1,)

    def update(self, state: State) -> None:
        """Replace the state by the next one."""
        np.add(state.from_input, state.from_state, out=state.hidden)
        np.tanh(state.hidden, out=state.hidden)


class LSTM(Cell):
    """c_t = f ∘ c + i ∘ g and h_t = o ∘ tanh(c_t), with i, f, o = σ(…) and g = tanh(…)."""

    FACTORS = (-1, -1, -2, -1)

    def update(self, state: State) -> None:
        """Replace the state by the next one."""
        gates = np.add(state.from_input, state.from_state, out=state.from_state)
        input_gate, forget_gate, candidate, output_gate = sigmoid_of_negated(gates).reshape(4, self.units, -1)
        self.finish_candidate(candidate)
        np.multiply(state.memory, forget_gate, out=state.memory)
        np.add(state.memory, np.multiply(candidate, input_gate, out=candidate), out=state.memory)
        np.multiply(self.squash(state.memory, state.spare), output_gate, out=state.hidden)

    def finish_candidate(self, candidate: Floats) -> None:
        """Turn σ(2a) into tanh(a)."""
        np.add(candidate, candidate, out=candidate)
        np.subtract(candidate, ONE, out=candidate)

    def squash(self, memory: Floats, out: Floats) -> Floats:
        """Compute tanh(c)."""
        return np.tanh(memory, out=out)


class SigmoidLSTM(LSTM):
    """The lecture's LSTM, with σ in place of each tanh."""

    FACTORS = (-1, -1, -1, -1)

    def finish_candidate(self, candidate: Floats) -> None:
        """Leave σ(a) as it is."""

    def squash(self, memory: Floats, out: Floats) -> Floats:
        """Compute σ(c)."""
        return sigmoid_of_negated(np.negative(memory, out=out))


class GRU(Cell):
    """h_t = z ∘ h + (1 − z) ∘ n, with z, r = σ(…) and n = tanh(W x + b + r ∘ (U h + d))."""

    FACTORS = (-1, -1, 1)

    def __init__(self, kernel: Floats, recurrent: Floats, bias: Floats) -> None:
        """Prepare the weights; bias (2, 3 · units) is added to the input's product and to the state's."""
        super().__init__(kernel, recurrent, bias)
        self.candidate_bias = bias[0, 2 * self.units :, None]

    def state_bias(self, bias: Floats) -> Floats:
        """Add both biases; of the candidate only the one that the reset gate acts upon."""
        both = bias[0] + bias[1]
        return np.concatenate([both[: 2 * self.units], bias[1, 2 * self.units :]])

    def update(self, state: State) -> None:
        """Replace the state by the next one."""
        split = 2 * self.units
        gates, candidate = state.from_state[:split], state.from_state[split:]
        np.add(gates, state.from_input[:split], out=gates)
        update_gate, reset_gate = sigmoid_of_negated(gates).reshape(2, self.units, -1)
        np.multiply(candidate, reset_gate, out=candidate)
        np.add(candidate, state.from_input[split:], out=candidate)
        np.add(candidate, self.candidate_bias, out=candidate)
        np.tanh(candidate, out=candidate)
        np.subtract(state.hidden, candidate, out=state.hidden)  # z ∘ h + (1 − z) ∘ n = z ∘ (h − n) + n
        np.multiply(state.hidden, update_gate, out=state.hidden)
        np.add(state.hidden, candidate, out=state.hidden)


CELLS: dict[str, Callable[..., Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def sigmoid_of_negated(negated: Floats) -> Floats:
    """Compute σ(a) in place from −a."""
    np.exp(negated, out=negated)
    np.add(negated, ONE, out=negated)
    return np.divide(ONE, negated, out=negated)
