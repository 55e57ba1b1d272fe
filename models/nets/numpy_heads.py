"""The heads of heads.py and recursive.py in NumPy: from the last state to (windows, horizon, targets, numbers).

Each is called with the last layer's output (units, rows), its states (one, or one for each direction), what is known
ahead (windows, horizon, columns) or None, and the normalised lookback (windows, lookback, targets).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from models.nets import structure
from models.nets.numpy_cells import CELLS, State
from models.nets.options import Options
from tidegate.windows.panel import Floats
from tidegate.windows.spec import WindowSpec

Weights = Mapping[str, Floats]


class Head(ABC):
    """A head with its weights."""

    def __init__(self, options: Options, spec: WindowSpec, weights: Weights) -> None:
        """Prepare the weights."""
        self.shape = structure.head_shape(options, spec)
        self.rows_per_window = self.shape.targets if self.shape.independent else 1
        self.kernel = np.ascontiguousarray(weights["head.kernel"].T)
        self.bias = weights["head.bias"][:, None]

    @abstractmethod
    def __call__(self, hidden: Floats, states: Sequence[State], ahead: Floats | None, normal: Floats) -> Floats:
        """Predict every horizon step."""

    def by_step(self, flat: Floats) -> Floats:
        """Reshape (steps · [targets ·] numbers, rows) to (windows, steps, targets, numbers)."""
        numbers, targets = self.shape.numbers, self.shape.targets
        if self.shape.independent:
            return flat.reshape(-1, numbers, flat.shape[-1] // targets, targets).transpose(2, 0, 3, 1)
        return flat.reshape(-1, targets, numbers, flat.shape[-1]).transpose(3, 0, 1, 2)

    def by_segment(self, ahead: Floats) -> Floats:
        """Split what is known ahead into segments, padded with zeros: (segments, segment · columns, windows)."""
        windows, steps, columns = ahead.shape
        padded = np.zeros((windows, self.shape.segments * self.shape.segment, columns), np.float32)
        padded[:, :steps] = ahead
        return padded.reshape(windows, self.shape.segments, -1).transpose(1, 2, 0)


class DirectHead(Head):
    """One linear layer."""

    def __call__(self, hidden: Floats, states: Sequence[State], ahead: Floats | None, normal: Floats) -> Floats:
        """Predict every horizon step."""
        if ahead is not None:
            flat = ahead.reshape(len(ahead), -1).T.repeat(self.rows_per_window, axis=-1)
            hidden = np.concatenate([hidden, flat])
        return self.by_step(self.kernel @ hidden + self.bias)


class QueryHead(Head):
    """One step of a decoder cell for each segment and target."""

    def __init__(self, options: Options, spec: WindowSpec, weights: Weights) -> None:
        """Prepare the weights; the embeddings' products with the cell's are the same for all windows."""
        super().__init__(options, spec, weights)
        position, channel, kernel, recurrent, bias = (
            weights[f"query.{name}"] for name in ("position", "channel", "kernel", "recurrent", "bias")
        )
        self.cell = CELLS[options.cell](kernel, recurrent, bias if options.cell == "gru" else bias.sum(axis=0))
        known = weights.get("query.known")
        self.known = None if known is None else self.cell.input_product(known)
        pairs = [np.concatenate([place, target]) for place in position for target in channel]
        products = self.cell.input_weights @ np.array(pairs).T
        self.queries = products.reshape(-1, len(position), len(channel))  # (gates, segments, targets)

    def __call__(self, hidden: Floats, states: Sequence[State], ahead: Floats | None, normal: Floats) -> Floats:
        """Predict every horizon step."""
        windows, targets, segment = len(normal), self.shape.targets, self.shape.segment
        forecast = np.empty((windows, self.shape.segments * segment, targets, self.shape.numbers), np.float32)
        hidden, memory = (
            part.repeat(targets // self.rows_per_window, axis=-1) for part in (hidden, joined_memory(states))
        )
        state = self.cell.initial_state(windows * targets)
        state.hidden[...] = hidden
        from_state = self.cell.state_weights @ state.extended
        known = None if ahead is None else self.by_segment(ahead)
        for index in range(self.shape.segments):
            state.hidden[...], state.memory[...], state.from_state[...] = hidden, memory, from_state
            from_input = state.from_input.reshape(-1, windows, targets)
            from_input[...] = self.queries[:, None, index]
            if known is not None and self.known is not None:
                from_input += (self.known @ known[index])[..., None]
            self.cell.update(state)
            answers = self.kernel @ state.hidden + self.bias
            by_target = answers.reshape(segment, -1, windows, targets).transpose(2, 0, 3, 1)
            forecast[:, index * segment : (index + 1) * segment] = by_target
        return forecast[:, : self.shape.horizon]


class RecursiveHead(Head):
    """A decoder cell whose forecast of a segment is its next input."""

    def __init__(self, options: Options, spec: WindowSpec, weights: Weights) -> None:
        """Prepare the weights; those of an input that is always zero are left out."""
        super().__init__(options, spec, weights)
        kernel, recurrent, bias = (weights[f"decoder.{name}"] for name in ("kernel", "recurrent", "bias"))
        self.median = structure.median_index(options, spec)
        columns = self.shape.segment * structure.columns_ahead(spec)
        self.width = len(self.bias) // self.shape.numbers
        self.cell = CELLS[options.cell](kernel[: self.width + columns], recurrent, bias)

    def __call__(self, hidden: Floats, states: Sequence[State], ahead: Floats | None, normal: Floats) -> Floats:
        """Predict every horizon step."""
        rows = hidden.shape[-1]
        state = self.cell.initial_state(rows)
        state.hidden[...], state.memory[...] = hidden, joined_memory(states)
        token = np.zeros((self.cell.input_weights.shape[1], rows), np.float32)  # the last segment, and what is known
        token[: self.width] = self._newest_segment(normal)
        known = None if ahead is None else self.by_segment(ahead).repeat(self.rows_per_window, axis=-1)
        decoded = np.empty((self.shape.segments, len(self.bias), rows), np.float32)
        for index in range(self.shape.segments):
            if known is not None:
                token[self.width :] = known[index]
            self.cell.step(token, state)
            decoded[index] = self.kernel @ state.hidden + self.bias
            token[: self.width] = decoded[index].reshape(self.width, -1, rows)[:, self.median]
        return self.by_step(decoded.reshape(-1, rows))[:, : self.shape.horizon]

    def _newest_segment(self, normal: Floats) -> Floats:
        """Take the newest segment of the targets: (segment [· targets], rows)."""
        last = normal[:, -self.shape.segment :]
        order = (1, 0, 2) if self.shape.independent else (1, 2, 0)
        return last.transpose(order).reshape(self.width, -1)


def joined_memory(states: Sequence[State]) -> Floats:
    """Join the cell states c of both directions: (units, rows); zeros where the cell has none."""
    return np.concatenate([state.memory for state in states])


HEADS: dict[str, type[Head]] = {"direct": DirectHead, "queries": QueryHead, "recursive": RecursiveHead}
