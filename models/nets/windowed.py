"""Windows gathered on the device, and the loss over what was observed.

The panel stays where the net runs; a batch is a list of starts, and the first layer gathers the windows from it. So
memory is the data's size, not data times lookback, and drawing other windows each epoch costs nothing.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from models.nets.engine import Trainable, sum_over_replicas
from models.nets.outputs import Cost
from tidegate.windows.calendar import calendar_columns
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec


def inputs_of(spec: WindowSpec, truth: bool = False) -> dict[str, Any]:
    """Make the inputs that a net may take: `past`, `calendar`, `ahead`, `station` and, for teaching, `truth`.

    past (batch, lookback, 2 · features) values, then flags; calendar (batch, lookback, columns); ahead (batch,
    horizon, columns), what is known of the horizon; station (batch,); truth (batch, horizon, 2 · targets).
    """
    calendar, known = len(calendar_columns(spec.calendar)), len(spec.known)
    shapes: dict[str, tuple[int, ...]] = {"past": (spec.lookback, 2 * len(spec.features)), "station": ()}
    if calendar:
        shapes["calendar"] = (spec.lookback, calendar)
    if calendar or known:
        shapes["ahead"] = (spec.horizon, calendar + 2 * known)
    if truth:
        shapes["truth"] = (spec.horizon, 2 * len(spec.targets))
    kinds = {"station": "int32"}
    return {name: keras.Input(shape, dtype=kinds.get(name, "float32"), name=name) for name, shape in shapes.items()}


def target_inputs(inputs: dict[str, Any], spec: WindowSpec) -> tuple[Any, Any]:
    """Take the targets' values and flags of the lookback: (batch, lookback, targets) each."""
    targets, features = len(spec.targets), len(spec.features)
    return inputs["past"][..., :targets], inputs["past"][..., features : features + targets]


def shared_inputs(inputs: dict[str, Any], spec: WindowSpec) -> Any:
    """Take what is not a target's own: covariates, their flags, the calendar (batch, lookback, columns), or None."""
    past, targets, features = inputs["past"], len(spec.targets), len(spec.features)
    parts = [past[..., targets:features], past[..., features + targets :]] if features > targets else []
    parts += [inputs["calendar"]] if "calendar" in inputs else []
    return ops.concatenate(parts, axis=-1) if parts else None


class Gather(keras.layers.Layer):
    """Gathers windows from resident cells: starts (batch, 2) → (batch, length, channels)."""

    def __init__(self, cells: np.ndarray, offset: int, length: int, **kwargs: Any) -> None:
        """Keep the cells (rows, steps, channels) on the device; windows begin `offset` steps after their start."""
        super().__init__(trainable=False, **kwargs)
        rows, self.steps, channels = cells.shape
        self.rows = rows
        self.window = np.arange(offset, offset + length, dtype="int32")
        flat = cells.reshape(rows * self.steps, channels)
        self.cells = self.add_weight(shape=flat.shape, initializer="zeros", trainable=False, name="cells")
        self.cells.assign(flat)

    def call(self, starts: Any) -> Any:
        """Gather the windows; what has one row alone is the same for every station."""
        row = starts[:, 0] if self.rows > 1 else ops.zeros_like(starts[:, 0])
        first = row * self.steps + starts[:, 1]
        return ops.take(self.cells, first[:, None] + ops.convert_to_tensor(self.window), axis=0)


class WindowedModel(Trainable):
    """A net with the panel it reads: starts (batch, 2) → the net's output (batch, horizon, targets, numbers)."""

    def __init__(self, net: keras.Model, panel: Panel, cost: Cost | None = None) -> None:
        """Put the gathering layers before the net and before the loss."""
        super().__init__()
        spec = panel.spec
        targets, known = len(spec.targets), len(spec.features) - len(spec.known)
        flags = panel.observed.astype("float32")
        self.net, self.cost, self.targets = net, cost, targets
        self.station = panel.station
        ahead = np.concatenate([panel.values[..., known:], flags[..., known:]], axis=-1)
        truth = np.concatenate(panel.outcomes(), axis=-1, dtype="float32")
        self.gathers = {
            "past": [Gather(np.concatenate([panel.values, flags], axis=-1), 0, spec.lookback)],
            "calendar": [Gather(panel.calendar[None], 0, spec.lookback)],
            "ahead": [
                Gather(cells, spec.lookback, spec.horizon) for cells in (panel.calendar[None], ahead) if cells.shape[-1]
            ],
        }
        self.truth = Gather(truth, spec.lookback, spec.outcomes)

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build: the net and the gathering layers have been."""
        self.built = True

    def call(self, starts: Any, training: bool = False) -> Any:
        """Forecast."""
        given = {}
        for name in self.net.input:
            if name == "station":
                given[name] = ops.take(ops.convert_to_tensor(self.station), starts[:, 0])
            elif name == "truth":
                given[name] = self.truth(starts)
            else:
                given[name] = ops.concatenate([gather(starts) for gather in self.gathers[name]], axis=-1)
        return self.net(given, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Average the cost over the targets that the whole batch observed; the others say nothing."""
        if self.cost is None:
            raise TypeError("this net was not made to be trained: give it a cost")
        truth, weight = ops.split(self.truth(x), [self.targets], axis=-1)
        return ops.sum(self.cost(y_pred, truth) * weight) / ops.maximum(sum_over_replicas(ops.sum(weight)), 1.0)
