"""Recurrent nets: a cell reads the lookback step by step or by segments, and a head predicts every horizon step.

    window → normalisation → tokens → recurrent layers → last state → head → output distribution, in the panel's units

Each part is a file in models/nets. The simplest net, with all options left out, reads single steps and predicts the
horizon with one linear layer. The options that improve the accuracy on long horizons most are, in this order,
`normalise: last`, `channels: independent` with several targets, and `segment` with `head: queries`.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.interface import History, Training
from models.nets.options import Options as Options
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train

if TYPE_CHECKING:
    import keras

    from models.nets import heads
    from models.nets.gradients import GradientFlow

# Importing Keras takes seconds, so it is imported where a net is built, read or run, and not to check the options.

SPACE = {  # what tuning searches by default
    "units": [32, 64, 128],
    "layers": [1, 2],
    "dropout": (0.0, 0.5),
    "normalise": ["none", "last", "standard"],
    "train.learning_rate": (0.0003, 0.01),
}


class Family:
    """A recurrent net and its training."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Store the options; `fit` or `restore` makes the net."""
        self.options, self.spec = options, spec
        self.net: Any = None

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train by backpropagation through time; the net keeps the weights of the best validation epoch."""
        from models.nets import outputs
        from models.nets.training import fit_net, start_training

        recipe = training.recipe
        cost = outputs.cost_of(_kind(self.options, self.spec), self.spec.quantiles, recipe.loss)
        with start_training(recipe.seed, recipe.device, recipe.replicas):
            self.net = build_net(self.options, self.spec, recipe.seed)
            return fit_net(self.net, training, cost, progress, checkpoint)

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        from models.nets import outputs
        from models.nets.training import predict_net

        output = predict_net(self.net, panel, starts)
        return outputs.to_forecasts(_kind(self.options, self.spec), self.spec.quantiles, output)

    def gradient_flow(self, panel: Panel, starts: Starts, recipe: Train) -> "GradientFlow":
        """Measure how much of the loss's gradient reaches each token of the lookback."""
        from models.nets import gradients, outputs

        cost = outputs.cost_of(_kind(self.options, self.spec), self.spec.quantiles, recipe.loss)
        return gradients.gradient_flow(self.net, panel, starts, cost)

    def save(self, folder: Path) -> None:
        """Write the net's weights."""
        from models.nets import files

        files.save_weights(self.net, folder / files.NET)

    def restore(self, folder: Path) -> None:
        """Build the net, and read its weights; or read the .keras file of an older release."""
        from models.nets import files

        self.net = files.load_net(folder / files.NET, lambda: build_net(self.options, self.spec))


def build_net(options: Options, spec: WindowSpec, seed: int = 0) -> "keras.Model":
    """Build the net: the inputs of `windowed.inputs_of` → its output (batch, horizon, targets, numbers).

    Every part gets an explicit seed. Keras would otherwise draw it from Python's global random state, which other
    threads of the process (Prefect's, for example) use too, so the same seed would not always give the same weights.
    """
    import keras

    from models.nets import cells, heads, outputs, recursive, windowed
    from models.nets.normalisation import Normalise
    from models.nets.tokens import NewestSegment

    seeds, kind = itertools.count(1000 * seed), _kind(options, spec)
    inputs = windowed.inputs_of(spec, truth=options.teacher_forcing > 0)
    normal, shift, scale = Normalise(options.normalise, name="normalise")(*windowed.target_inputs(inputs, spec))
    tokens = _tokens(options, spec, inputs, normal, seeds)
    state = cells.recurrent_stack(tokens, options, seeds)
    numbers, independent = outputs.numbers_per_value(kind, spec.quantiles), options.channels == "independent"
    shape = heads.HeadShape(spec.target_steps, len(spec.targets), numbers, options.segment, independent)
    ahead = inputs.get("ahead")
    if options.head == "direct":
        raw = heads.direct_head(state, ahead, shape, options.dropout, seeds)
    elif options.head == "queries":
        raw = heads.query_head(state, ahead, shape, options.cell, options.dropout, seeds)
    else:
        middle = spec.quantiles.index(0.5) if kind == "quantiles" else 0
        newest = NewestSegment(shape.segment, shape.independent, name="newest")(normal)
        truth = _truth(options, inputs, shape, shift, scale, next(seeds))
        raw = recursive.recursive_head(state, newest, ahead, truth, shape, options.cell, middle, seeds)
    forecast = outputs.OutputDistribution(kind, spec.quantiles, name="forecast")(raw, shift, scale)
    return keras.Model(inputs, forecast, name=options.cell)


def _kind(options: Options, spec: WindowSpec) -> str:
    """Return the kind of output; see nets/outputs.py."""
    return "probability" if spec.alert else options.output


def _tokens(options: Options, spec: WindowSpec, inputs: dict[str, Any], normal: Any, seeds: Iterator[int]) -> Any:
    """Turn the lookback and its context into the tokens that the cell reads: (rows, tokens, columns)."""
    import keras

    from models.nets import windowed
    from models.nets.tokens import ConcatContext, StaticAttributes, Tokens

    per_target = keras.ops.stack([normal, windowed.target_inputs(inputs, spec)[1]], axis=-1)
    tokens = Tokens(options.segment, options.channels == "independent", name="tokens")(
        per_target, windowed.shared_inputs(inputs, spec)
    )
    contexts = []
    if options.station_embedding:
        embedding = keras.layers.Embedding(
            len(spec.stations),
            options.station_embedding,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=next(seeds)),
            name="station_embedding",
        )
        contexts.append(embedding(inputs["station"]))
    if spec.static:
        contexts.append(StaticAttributes([list(row) for row in spec.static], name="static")(inputs["station"]))
    rows = len(spec.targets) if options.channels == "independent" else 1
    for context in contexts:
        tokens = ConcatContext(rows)(tokens, context)
    if options.segment > 1:
        initializer = keras.initializers.GlorotUniform(next(seeds))
        tokens = keras.layers.Dense(options.units, "relu", kernel_initializer=initializer, name="embedded")(tokens)
    return tokens


def _truth(
    options: Options, inputs: dict[str, Any], shape: "heads.HeadShape", shift: Any, scale: Any, seed: int
) -> Any:
    """Return the truth and its flags for a recursive head with teacher forcing, or None without it."""
    from models.nets.recursive import Teacher

    if not options.teacher_forcing:
        return None
    teacher = Teacher(
        options.teacher_forcing, shape.horizon, shape.targets, shape.segment, shape.independent, seed, name="teacher"
    )
    return teacher(inputs["truth"], shift, scale)
