"""The net's inputs, windows gathered on the device, and the loss over the observed targets.

The panel is stored on the device where the net runs. A batch is only a list of starts, and the first layer gathers the
windows from the panel. So the memory used is the size of the data, not that size times the lookback, and to draw other
windows in each epoch costs nothing.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets.engine import Trainable, initial_values, replica_count, sum_over_replicas
from models.nets.outputs import Cost
from tidegate.windows.calendar import calendar_columns
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec


def inputs_of(spec: WindowSpec, truth: bool = False) -> dict[str, Any]:
    """Make the inputs of a net: `past`, `station` and, where there are any, `calendar`, `ahead` and `truth`.

    past (batch, lookback, 2 · features): values, then flags
    station (batch,): index of the station
    calendar (batch, lookback, columns)
    ahead (batch, horizon, columns): what is known of the horizon when the forecast is made
    truth (batch, horizon, 2 · targets): values, then flags, for teacher forcing
    """
    calendar, known = len(calendar_columns(spec.calendar)), len(spec.known)
    shapes: dict[str, tuple[int, ...]] = {"past": (spec.lookback_steps, 2 * len(spec.features)), "station": ()}
    if calendar:
        shapes["calendar"] = (spec.lookback_steps, calendar)
    if calendar or known:
        shapes["ahead"] = (spec.horizon_steps, calendar + 2 * known)
    if truth:
        shapes["truth"] = (spec.horizon_steps, 2 * len(spec.targets))
    types = {"station": "int32"}
    return {name: keras.Input(shape, dtype=types.get(name, "float32"), name=name) for name, shape in shapes.items()}


def target_inputs(inputs: dict[str, Any], spec: WindowSpec) -> tuple[Any, Any]:
    """Select the targets' values and flags in the lookback: (batch, lookback, targets) each."""
    targets, features = len(spec.targets), len(spec.features)
    return inputs["past"][..., :targets], inputs["past"][..., features : features + targets]


def shared_inputs(inputs: dict[str, Any], spec: WindowSpec) -> Any:
    """Select what all targets share: covariates, their flags, calendar; (batch, lookback, columns), or None."""
    past, targets, features = inputs["past"], len(spec.targets), len(spec.features)
    parts = [past[..., targets:features], past[..., features + targets :]] if features > targets else []
    parts += [inputs["calendar"]] if "calendar" in inputs else []
    return ops.concatenate(parts, axis=-1) if parts else None


class Gather(keras.layers.Layer):
    """Gathers windows from cells on the device: starts (batch, 2) → (batch, length, channels)."""

    def __init__(self, cells: np.ndarray, offset: int, length: int, **kwargs: Any) -> None:
        """Store the cells (rows, steps, channels) on the device; windows begin `offset` steps after their start."""
        super().__init__(trainable=False, **kwargs)
        rows, self.steps, channels = cells.shape
        self.rows = rows
        self.window = np.arange(offset, offset + length, dtype="int32")
        flat = cells.reshape(rows * self.steps, channels)
        # Zeros at first would be in memory besides, but with several replicas TensorFlow crashes where it sends values.
        several = replica_count() > 1
        initial = "zeros" if several else initial_values(flat)
        self.cells = self.add_weight(shape=flat.shape, initializer=initial, trainable=False, name="cells")
        if several:
            self.cells.assign(flat)

    def call(self, starts: Any) -> Any:
        """Gather the windows; cells with a single row are the same for every station."""
        row = starts[:, 0] if self.rows > 1 else ops.zeros_like(starts[:, 0])
        first = row * self.steps + starts[:, 1]
        return ops.take(self.cells, first[:, None] + ops.convert_to_tensor(self.window), axis=0)


class WindowedModel(Trainable):
    """A net with the panel it reads: starts (batch, 2) → the net's output (batch, horizon, targets, numbers)."""

    def __init__(self, net: keras.Model, panel: Panel, cost: Cost | None = None) -> None:
        """Make the layers that gather the net's inputs and the truth; `cost` is needed for training only."""
        super().__init__()
        spec = panel.spec
        targets, known = len(spec.targets), len(spec.features) - len(spec.known)
        flags = panel.observed.astype("float32")
        self.net, self.cost, self.targets = net, cost, targets
        self.station = panel.station
        ahead = np.concatenate([panel.values[..., known:], flags[..., known:]], axis=-1)
        truth = np.concatenate(panel.target_values(), axis=-1, dtype="float32")
        self.gathers = {
            "past": [Gather(np.concatenate([panel.values, flags], axis=-1), 0, spec.lookback_steps)],
            "calendar": [Gather(panel.calendar[None], 0, spec.lookback_steps)],
            "ahead": [
                Gather(cells, spec.lookback_steps, spec.horizon_steps)
                for cells in (panel.calendar[None], ahead)
                if cells.shape[-1]
            ],
        }
        self.truth = Gather(truth, spec.lookback_steps, spec.target_steps)

    def build(self, input_shape: Any) -> None:
        """Mark the model as built: the net and the gathering layers are built already."""
        self.built = True

    def call(self, starts: Any, training: bool = False) -> Any:
        """Gather the net's inputs and return its output."""
        inputs = {}
        for name in self.net.input:
            if name == "station":
                inputs[name] = ops.take(ops.convert_to_tensor(self.station), starts[:, 0])
            elif name == "truth":
                inputs[name] = self.truth(starts)
            else:
                inputs[name] = ops.concatenate([gather(starts) for gather in self.gathers[name]], axis=-1)
        return self.net(inputs, training=training)

    def sums(self, starts: Any, training: bool) -> tuple[Any, Any]:
        """Sum the costs of the observed targets, and count them; missing targets do not count."""
        return self._sums(starts, self(starts, training=training))

    def _sums(self, starts: Any, output: Any) -> tuple[Any, Any]:
        if self.cost is None:
            raise TypeError("this model cannot be trained: it was made without a cost")
        truth, weight = ops.split(self.truth(starts), [self.targets], axis=-1)
        return ops.sum(self.cost(output, truth) * weight), ops.sum(weight)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Average the cost over the observed targets of the whole batch."""
        cost, weight = self._sums(x, y_pred)
        return cost / ops.maximum(sum_over_replicas(weight), 1.0)
