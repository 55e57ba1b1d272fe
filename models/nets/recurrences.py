"""Recurrent layers whose backward pass is written out, so that training on a CPU is faster; otherwise they are Keras'.

    rnn    h' = tanh(a)                                    a = x·W + b + h·U
    lstm   c' = f ∘ c + i ∘ g,  h' = o ∘ tanh(c')          i, f, g, o = σ, σ, tanh, σ of the parts of a
    gru    h' = z ∘ h + (1 − z) ∘ g                        z, r = σ(a_x + a_h);  g = tanh(a_x + r ∘ a_h)

Keras differentiates such a loop step by step, and adds up the gradient of the weights at each step: a small product and
a pass over all weights every time. Here the loops hold only what depends on the step before. The product of all inputs
with W comes before them; the gradient of W, U and b after them, as one product over all steps. All gates of a step take
one tanh, σ(a) being (1 + tanh(a/2)) / 2: XLA computes a gate of its own anew in each place that uses it.

The loops are compiled by TensorFlow's engine alone. Elsewhere, with a mask or on a GPU, whose cuDNN kernels are faster
still, Keras' own layers run. Both compute the same but for rounding; see models/equations.py for the formulas' sources.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets import engine

Step = tuple[list[Any], list[Any]]  # the states after a step, and what the backward pass needs of it


class _Explicit:
    """Replaces the loop of a Keras layer where that is faster; comes before the layer among the bases."""

    cell: Any
    go_backwards: bool
    return_sequences: bool
    advance: Callable[..., Step]
    retrace: Callable[..., Step]

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Read the sequences (rows, steps, columns); return the last output, all outputs and the states."""
        if mask is not None or not engine.writes_loops():
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        steps_first = ops.transpose(ops.flip(sequences, 1) if self.go_backwards else sequences, (1, 0, 2))
        # Copies, because of variables themselves TensorFlow would ask for the gradients in another way.
        weights = [ops.copy(part) for part in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)]
        outputs, *states = ops.custom_gradient(self._read)(steps_first, *initial_state, *weights)
        return states[0], ops.transpose(outputs, (1, 0, 2)) if self.return_sequences else outputs, states

    def _read(self, inputs: Any, *given: Any) -> Any:
        """Read the inputs (steps, rows, columns) from the given states with the given weights."""
        *initial, kernel, recurrent, bias = given
        input_bias, state_bias = (bias[0], bias[1]) if len(bias.shape) > 1 else (bias, None)
        read = ops.matmul(inputs, kernel) + input_bias

        def forward(states: list[Any], step: list[Any]) -> tuple[list[Any], list[Any]]:
            from_state = ops.matmul(states[0], recurrent)
            from_state = from_state if state_bias is None else from_state + state_bias
            after, kept = self.advance(states, step[0], from_state)
            return after, [*after, *kept]

        states, kept = engine.scan(forward, initial, [read])
        transposed = ops.transpose(recurrent)

        def gradient(of_outputs: Any, *of_states: Any) -> tuple[Any, ...]:
            before = [
                ops.concatenate([first[None], after[:-1]])
                for first, after in zip(initial, kept[: len(initial)], strict=True)
            ]

            def backward(of_states: list[Any], step: list[Any]) -> tuple[list[Any], list[Any]]:
                if self.return_sequences:
                    of_output, *step = step
                    of_states = [of_states[0] + of_output, *of_states[1:]]
                earlier, of_products = self.retrace(of_states, step[: len(initial)], step[len(initial) :])
                return [earlier[0] + ops.matmul(of_products[-1], transposed), *earlier[1:]], of_products

            steps = [of_outputs] * self.return_sequences + before + kept
            of_initial, of_products = engine.scan(backward, list(of_states), steps, reverse=True)
            of_read, of_from_state = of_products[0], of_products[-1]
            of_bias = ops.sum(of_read, (0, 1))
            if state_bias is not None:
                of_bias = ops.stack([of_bias, ops.sum(of_from_state, (0, 1))])
            return (
                ops.matmul(of_read, ops.transpose(kernel)),
                *of_initial,
                _product_over_steps(inputs, of_read),
                _product_over_steps(before[0], of_from_state),
                of_bias,
            )

        return (kept[0] if self.return_sequences else states[0], *states), gradient


def _product_over_steps(inputs: Any, gradients: Any) -> Any:
    """Multiply (steps, rows, n) with (steps, rows, m), summed over steps and rows: (n, m)."""
    flat = [ops.reshape(part, (-1, part.shape[-1])) for part in (inputs, gradients)]
    return ops.matmul(ops.transpose(flat[0]), flat[1])


class SimpleRNN(_Explicit, keras.layers.SimpleRNN):
    """Keras' SimpleRNN."""

    def advance(self, states: list[Any], read: Any, from_state: Any) -> Step:
        """Take a step."""
        return [ops.tanh(read + from_state)], []

    def retrace(self, of_states: list[Any], before: Sequence[Any], kept: Sequence[Any]) -> Step:
        """Take the gradient of the states after a step back to those before it, and to its products."""
        (hidden,) = kept
        of_product = of_states[0] * (1 - hidden * hidden)
        return [ops.zeros_like(hidden)], [of_product]


class LSTM(_Explicit, keras.layers.LSTM):
    """Keras' LSTM."""

    def advance(self, states: list[Any], read: Any, from_state: Any) -> Step:
        """Take a step."""
        halved = ops.cast(np.repeat([0.5, 0.5, 1, 0.5], self.units), read.dtype)
        squashed = ops.tanh(halved * (read + from_state))
        i, f, g, o = _lstm_gates(squashed)
        memory = f * states[1] + i * g
        output = ops.tanh(memory)
        return [o * output, memory], [squashed, output]

    def retrace(self, of_states: list[Any], before: Sequence[Any], kept: Sequence[Any]) -> Step:
        """Take the gradient of the states after a step back to those before it, and to its products."""
        _, _, squashed, output = kept
        i, f, g, o = _lstm_gates(squashed)
        of_memory = of_states[1] + of_states[0] * o * (1 - output * output)
        of_gates = [
            of_memory * g * i * (1 - i),
            of_memory * before[1] * f * (1 - f),
            of_memory * i * (1 - g * g),
            of_states[0] * output * o * (1 - o),
        ]
        return [ops.zeros_like(output), of_memory * f], [ops.concatenate(of_gates, axis=-1)]


class GRU(_Explicit, keras.layers.GRU):
    """Keras' GRU, with reset_after."""

    def advance(self, states: list[Any], read: Any, from_state: Any) -> Step:
        """Take a step."""
        gates = 2 * self.units
        squashed = ops.tanh(0.5 * (read[:, :gates] + from_state[:, :gates]))
        z, r = (_sigmoid(part) for part in ops.split(squashed, 2, axis=-1))
        g_state = from_state[:, gates:]
        g = ops.tanh(read[:, gates:] + r * g_state)
        return [z * states[0] + (1 - z) * g], [squashed, g, g_state]

    def retrace(self, of_states: list[Any], before: Sequence[Any], kept: Sequence[Any]) -> Step:
        """Take the gradient of the states after a step back to those before it, and to its products."""
        _, squashed, g, g_state = kept
        z, r = (_sigmoid(part) for part in ops.split(squashed, 2, axis=-1))
        of_g = of_states[0] * (1 - z) * (1 - g * g)
        of_z = of_states[0] * (before[0] - g) * z * (1 - z)
        of_r = of_g * g_state * r * (1 - r)
        of_read, of_from_state = (ops.concatenate([of_z, of_r, part], axis=-1) for part in (of_g, of_g * r))
        return [of_states[0] * z], [of_read, of_from_state]


def _lstm_gates(squashed: Any) -> tuple[Any, Any, Any, Any]:
    """Give i, f, g, o, of which the tanh was taken at once."""
    i, f, g, o = ops.split(squashed, 4, axis=-1)
    return _sigmoid(i), _sigmoid(f), g, _sigmoid(o)


def _sigmoid(squashed: Any) -> Any:
    """Give σ(a) from tanh(a/2)."""
    return 0.5 + 0.5 * squashed
