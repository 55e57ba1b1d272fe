"""A recurrent net's forecasts in NumPy, from its stored weights: neither Keras nor TensorFlow is imported.

    window → normalisation → tokens → recurrent layers → last state → head → output distribution, in the panel's units

Each part computes what the Keras layer of its name does in this folder, which explains it; tests hold the two together
for all options. Rows, which are windows or windows times targets, are the last axis of tokens and states, as
numpy_cells.py says why.
"""

from collections.abc import Sequence

import numpy as np

from models.nets import structure
from models.nets.batches import BATCH_ROWS, forecast_in_batches, windows_per_batch
from models.nets.numpy_cells import CELLS, Cell, SigmoidLSTM, State
from models.nets.numpy_heads import HEADS
from models.nets.options import Options
from tidegate.windows.panel import Flags, Floats, Panel, Starts, newest_step
from tidegate.windows.spec import WindowSpec

FLOAT_BYTES = 4


class RecurrentNet:
    """The forward pass of a recurrent net with its weights."""

    def __init__(self, options: Options, spec: WindowSpec, weights: Sequence[Floats]) -> None:
        """Prepare the weights, which are in the order in which Keras gives them.

        Raises:
            ValueError: these are the weights of another net.
        """
        self.options, self.spec = options, spec
        self.weights = structure.named_weights(structure.weight_shapes(options, spec), weights)
        self.directions = ("forward", "backward") if options.bidirectional else ("forward",)
        self.cells = {name: self._cell(name) for name in self._cell_names()}
        self.shape = structure.head_shape(options, spec)
        self.head = HEADS[options.head](options, spec, self.weights)
        self.kind = structure.kind_of(options, spec)
        self.static = np.array(spec.static, np.float32)  # (stations, attributes)
        rows = len(spec.targets) if self.shape.independent else 1
        self.batch = windows_per_batch(rows, self._row_bytes())

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Compute the net's output for the windows: (windows, horizon, targets, numbers)."""
        shape = (self.shape.horizon, self.shape.targets, self.shape.numbers)
        return forecast_in_batches(lambda batch: self._forward(panel, batch), starts, shape, self.batch)

    def _forward(self, panel: Panel, starts: Starts) -> Floats:
        """Compute the output of one batch of windows."""
        targets = len(self.spec.targets)
        values, observed = panel.past(starts)
        normal, shift, scale = normalised(values[..., :targets], observed[..., :targets], self.options.normalise)
        shared = [values[..., targets:], observed[..., targets:]]
        if self.spec.calendar:
            shared.append(panel.past_calendar(starts))
        columns = self._columns(normal, observed[..., :targets], shared)
        state, hidden = self._layers(self._tokens(columns, panel.station[starts[:, 0]]))
        ahead = panel.known_ahead(starts) if structure.columns_ahead(self.spec) else None
        raw = self.head(hidden, state, ahead, normal)
        return in_panel_units(raw, shift[..., None], scale[..., None], self.kind, self.spec)

    def _columns(self, normal: Floats, observed: Flags, shared: Sequence[np.ndarray]) -> Floats:
        """Put the columns of each step together: (lookback, columns, rows); `shared` is for all targets of a window."""
        windows, steps, targets = normal.shape
        by_row = (targets, 1) if self.shape.independent else (1, targets)  # rows of a window, targets of a row
        own = 2 * by_row[1]
        width = own + sum(part.shape[-1] for part in shared)
        columns = np.empty((steps, width, windows, by_row[0]), np.float32)
        for first, part in enumerate((normal, observed)):
            columns[:, first:own:2] = part.reshape(windows, steps, *by_row).transpose(1, 3, 0, 2)
        first = own
        for part in shared:
            columns[:, first : first + part.shape[-1]] = part.transpose(1, 2, 0)[..., None]
            first += part.shape[-1]
        return columns.reshape(steps, width, -1)

    def _tokens(self, columns: Floats, station: Starts) -> Floats:
        """Cut the steps into tokens, and append the context of each window's station: (tokens, columns, rows)."""
        rows = columns.shape[-1]
        tokens = columns.reshape(-1, self.options.segment * columns.shape[1], rows)
        contexts = [self.weights["station_embedding"]] if self.options.station_embedding else []
        contexts += [self.static] if self.spec.static else []
        if contexts:
            context = np.concatenate([table[station] for table in contexts], axis=-1).T
            without, tokens = tokens, np.empty((len(tokens), tokens.shape[1] + len(context), rows), np.float32)
            tokens[:, : without.shape[1]] = without
            tokens[:, without.shape[1] :] = context.repeat(rows // len(station), axis=-1)
        if self.options.segment > 1:
            tokens = self.weights["embedded.kernel"].T @ tokens
            tokens += self.weights["embedded.bias"][:, None]
            np.maximum(tokens, 0, out=tokens)
        return tokens

    def _layers(self, sequence: Floats) -> tuple[list[State], Floats]:
        """Read tokens (tokens, columns, rows) with all layers; return the last one's states and output (units, rows).

        There is one state, or one for each direction.
        """
        tokens, _, rows = sequence.shape
        width = self.options.units * len(self.directions)
        for number in range(1, self.options.layers + 1):
            last = number == self.options.layers
            output = None if last else np.empty((tokens, width, rows), np.float32)
            states = []
            for index, direction in enumerate(self.directions):
                order = slice(None, None, -1 if direction == "backward" else 1)
                part = slice(index * self.options.units, (index + 1) * self.options.units)
                written = None if output is None else output[order, part]
                states.append(self.cells[f"layer_{number}.{direction}"].run(sequence[order], written))
            if output is None:
                output, sequence = np.concatenate([state.hidden for state in states]), sequence[-1]
            if self.options.residual and sequence.shape == output.shape:
                output += sequence
            if self.options.layer_norm:
                output = self._layer_norm(output, number)
            sequence = output
        return states, sequence

    def _layer_norm(self, output: Floats, number: int) -> Floats:
        """Standardise each row's units, and scale and shift them."""
        centred = output - output.mean(axis=-2, keepdims=True)
        variance = np.square(centred).mean(axis=-2, keepdims=True)
        gamma, beta = (self.weights[f"layer_norm_{number}.{name}"][:, None] for name in ("gamma", "beta"))
        return centred / np.sqrt(variance + structure.LAYER_NORM_EPSILON) * gamma + beta

    def _cell_names(self) -> list[str]:
        return [f"layer_{n}.{way}" for n in range(1, self.options.layers + 1) for way in self.directions]

    def _cell(self, name: str) -> Cell:
        return CELLS[self.options.cell](*(self.weights[f"{name}.{part}"] for part in ("kernel", "recurrent", "bias")))

    def _row_bytes(self) -> int:
        """Estimate how much memory a row of a batch needs: its tokens, the layers' outputs, and the gates."""
        tokens = self.spec.lookback_steps // self.options.segment
        first, *_ = cells = list(self.cells.values())
        columns = max(cell.input_weights.shape[1] for cell in cells)
        if self.options.segment > 1:
            columns += len(self.weights["embedded.kernel"])
        width = self.options.units * len(self.directions) if self.options.layers > 1 else 0
        output = self.shape.segments * self.shape.segment * self.shape.numbers
        return FLOAT_BYTES * (2 * tokens * (columns + width) + 4 * len(first.state_weights) + 4 * output)


class LectureNet:
    """The forward pass of the lecture's net, which forecasts recursively, with its weights."""

    def __init__(self, units: int, targets: int, weights: Sequence[Floats]) -> None:
        """Prepare the weights of the LSTM and of its readout, in the order in which Keras gives them.

        Raises:
            ValueError: these are the weights of another net.
        """
        self.targets = targets
        shapes = structure.cell_shapes("lstm", "lstm", targets, units) | structure.dense_shapes("next", units, targets)
        named = structure.named_weights(shapes, weights)
        self.weights = list(named.values())
        self.cell = SigmoidLSTM(*self.weights[:3])
        self.kernel, self.bias = named["next.kernel"].T, named["next.bias"][:, None]

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Forecast the windows step by step, each forecast the next input: (windows, horizon, targets)."""
        horizon_steps = panel.spec.horizon_steps

        def forward(batch: Starts) -> Floats:
            past = panel.past(batch)[0][..., : self.targets]
            state = self.cell.run(np.ascontiguousarray(past.transpose(1, 2, 0)))
            forecasts = [self.kernel @ state.hidden + self.bias]
            for _ in range(1, horizon_steps):
                self.cell.step(forecasts[-1], state)
                forecasts.append(self.kernel @ state.hidden + self.bias)
            return np.stack(forecasts).transpose(2, 0, 1)

        return forecast_in_batches(forward, starts, (horizon_steps, self.targets), BATCH_ROWS)


def normalised(values: Floats, observed: Flags, method: str) -> tuple[Floats, Floats, Floats]:
    """Normalise (windows, lookback, targets) as normalisation.py does; also return shift and scale (windows, 1, …)."""
    flags = observed.astype(np.float32)
    shift, scale = np.zeros_like(values[:, :1]), np.ones_like(values[:, :1])
    if method == "last":
        shift = np.take_along_axis(values * flags, newest_step(observed), axis=1)
    elif method == "standard":
        count = np.maximum(flags.sum(axis=1, keepdims=True), 1)
        shift = (values * flags).sum(axis=1, keepdims=True) / count
        variance = (np.square(values - shift) * flags).sum(axis=1, keepdims=True) / count
        scale = np.sqrt(variance + np.float32(structure.MIN_SCALE**2))
    return (values - shift) / scale * flags, shift, scale


def in_panel_units(raw: Floats, shift: Floats, scale: Floats, kind: str, spec: WindowSpec) -> Floats:
    """Turn raw numbers (windows, horizon, targets, n) into what outputs.py says they mean."""
    if kind == "probability":
        return raw
    if kind == "gaussian":
        deviation = (softplus(raw[..., 1:]) + np.float32(structure.MIN_DEVIATION)) * scale
        return np.concatenate([raw[..., :1] * scale + shift, deviation], axis=-1)
    if kind == "quantiles":
        raw = ordered_quantiles(raw, spec.quantiles.index(0.5))
    return raw * scale + shift


def ordered_quantiles(raw: Floats, middle: int) -> Floats:
    """Turn raw numbers (…, n) into ascending quantiles: `middle` is the median's index, the others hold distances."""
    distances, quantiles = softplus(raw), raw.copy()
    for index in range(middle + 1, raw.shape[-1]):
        quantiles[..., index] = quantiles[..., index - 1] + distances[..., index]
    for index in range(middle - 1, -1, -1):
        quantiles[..., index] = quantiles[..., index + 1] - distances[..., index]
    return quantiles


def softplus(values: Floats) -> Floats:
    """Compute log(1 + e^x), in a form in which no exponential overflows."""
    return np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values)))
