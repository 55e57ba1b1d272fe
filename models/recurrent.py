"""Recurrent nets: a cell reads the lookback step by step, and a linear head says the whole horizon at once.

    h_t = cell(x_t, h_{t−1}),  t = 1 … lookback        ŷ = W h_lookback + b,  (horizon, targets) in one step

Cells: the vanilla RNN (Elman, Cognitive Science 14, 1990), LSTM (Hochreiter and Schmidhuber, Neural Computation 9,
1997) and GRU (Cho et al., arXiv:1406.1078). The head is direct, so no forecast is fed back, and every step of it
depends on the newest observation. Each x_t holds the scaled features and, beside them, whether each was observed.
"""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tidegate.panel import Floats, Panel, Starts, WindowSpec
from tidegate.parsing import Section
from tidegate.report import Report
from tidegate.settings import Steps, Train

if TYPE_CHECKING:
    import keras

# Keras takes seconds to import: it is loaded where a net is first built, read or run, not where options are checked.

NET = "net.keras"


class Options(Section):
    """The section of a recurrent candidate."""

    cell: Literal["rnn", "lstm", "gru"]
    units: Steps
    layers: Steps = 1
    dropout: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0


class Family:
    """A recurrent net and its training."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Remember what to build."""
        self.options, self.spec = options, spec
        self.net: Any = None

    def fit(
        self, panel: Panel, train: Starts, validation: Starts, recipe: Train, report: Report
    ) -> list[dict[str, float]]:
        """Train by backpropagation through time; the weights of the best validation epoch stand."""
        from models import training

        training.begin(recipe.seed)
        self.net = build_net(self.options, self.spec, recipe.seed)
        return training.fit(self.net, panel, train, validation, recipe, report)

    def predict(self, panel: Panel, starts: Starts) -> Floats:
        """Forecast each window: (windows, horizon, targets)."""
        from models import training

        return training.predict(self.net, panel, starts)

    def save(self, folder: Path) -> None:
        """Write the net as a .keras file."""
        from models import training

        training.save_net(self.net, folder / NET)

    def restore(self, folder: Path) -> None:
        """Read the net, in Keras' safe mode."""
        from models import training

        self.net = training.load_net(folder / NET)


def build_net(options: Options, spec: WindowSpec, seed: int = 0) -> "keras.Model":
    """Build the net: past (batch, lookback, 2 · features) → forecast (batch, horizon, targets).

    Every part has a seed of its own. Keras would take them from Python's global random state, which other threads of
    the process use too (Prefect's do), so that the same seed would not always give the same weights.
    """
    import keras
    from keras.initializers import GlorotUniform, Orthogonal

    seeds = itertools.count(1000 * seed)
    cells = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    past = keras.Input((spec.lookback, 2 * len(spec.features)), name="past")
    hidden = past
    for layer in range(1, options.layers + 1):
        deeper = layer < options.layers
        cell = cells[options.cell](
            options.units,
            return_sequences=deeper,
            kernel_initializer=GlorotUniform(next(seeds)),
            recurrent_initializer=Orthogonal(seed=next(seeds)),
            seed=next(seeds),
            name=f"{options.cell}_{layer}",
        )
        hidden = cell(hidden)
    if options.dropout:
        hidden = keras.layers.Dropout(options.dropout, seed=next(seeds), name="dropout")(hidden)
    head = GlorotUniform(next(seeds))
    flat = keras.layers.Dense(spec.horizon * len(spec.targets), kernel_initializer=head, name="head")(hidden)
    forecast = keras.layers.Reshape((spec.horizon, len(spec.targets)), name="forecast")(flat)
    return keras.Model(past, forecast, name=options.cell)
