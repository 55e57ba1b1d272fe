"""Recurrent nets: a cell reads the lookback step by step or by segments, and a head predicts every horizon step.

    window → normalisation → tokens → recurrent layers → last state → head → output distribution, in the panel's units

Each part is a file in models/nets. The simplest net, with all options left out, reads single steps and predicts the
horizon with one linear layer. The options that improve the accuracy on long horizons most are, in this order,
`normalise: last`, `channels: independent` with several targets, and `segment` with `head: queries`.
"""

import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.interface import History, Training
from models.nets import files
from models.nets.inference import RecurrentNet
from models.nets.options import Options as Options
from models.nets.structure import HeadShape, head_shape, kind_of, median_index, to_forecasts
from tidegate.windows.panel import Floats, Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train

if TYPE_CHECKING:
    import keras

    from models.nets.gradients import GradientFlow

# Importing Keras takes seconds, so it is imported where a net is built or trained, and not to forecast with it.

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
        self.inference: RecurrentNet

    @cached_property
    def net(self) -> Any:
        """The Keras net, built when it is first needed: for all but forecasts."""
        net = build_net(self.options, self.spec)
        net.set_weights(list(self.inference.weights.values()))
        return net

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train by backpropagation through time; the net keeps the weights of the best validation epoch."""
        from models.nets import outputs
        from models.nets.training import fit_net, start_training

        recipe = training.recipe
        cost = outputs.cost_of(kind_of(self.options, self.spec), self.spec.quantiles, recipe.loss)
        with start_training(recipe.seed, recipe.device, recipe.replicas):
            self.net = build_net(self.options, self.spec, recipe.seed)
            history = fit_net(self.net, training, cost, progress, checkpoint)
        self.inference = RecurrentNet(self.options, self.spec, self.net.get_weights())
        return history

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets)."""
        return self._forecasts(self.inference.predict(panel, starts))

    def predict_with_keras(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window with the Keras net: slower, and the same but for rounding."""
        from models.nets import engine
        from models.nets.training import predict_net

        with engine.full_precision():
            return self._forecasts(predict_net(self.net, panel, starts))

    def _forecasts(self, output: Floats) -> Forecasts:
        return to_forecasts(kind_of(self.options, self.spec), self.spec.quantiles, output)

    def gradient_flow(self, panel: Panel, starts: Starts, recipe: Train) -> "GradientFlow":
        """Measure how much of the loss's gradient reaches each token of the lookback."""
        from models.nets import gradients, outputs

        cost = outputs.cost_of(kind_of(self.options, self.spec), self.spec.quantiles, recipe.loss)
        return gradients.gradient_flow(self.net, panel, starts, cost)

    def save(self, folder: Path) -> None:
        """Write the net's weights."""
        files.save_weights(list(self.inference.weights.values()), folder / files.NET)

    def restore(self, folder: Path) -> None:
        """Read the net's weights, or those in the .keras file of an older release."""
        self.inference = RecurrentNet(self.options, self.spec, files.read_weights(folder / files.NET))
        self.__dict__.pop("net", None)  # that of other weights


def build_net(options: Options, spec: WindowSpec, seed: int = 0) -> "keras.Model":
    """Build the net: the inputs of `windowed.inputs_of` → its output (batch, horizon, targets, numbers).

    Every part gets an explicit seed. Keras would otherwise draw it from Python's global random state, which other
    threads of the process (Prefect's, for example) use too, so the same seed would not always give the same weights.
    """
    import keras

    from models.nets import cells, heads, outputs, recursive, windowed
    from models.nets.normalisation import Normalise
    from models.nets.tokens import NewestSegment

    seeds, kind = itertools.count(1000 * seed), kind_of(options, spec)
    inputs = windowed.inputs_of(spec, truth=options.teacher_forcing > 0)
    normal, shift, scale = Normalise(options.normalise, name="normalise")(*windowed.target_inputs(inputs, spec))
    tokens = _tokens(options, spec, inputs, normal, seeds)
    state = cells.recurrent_stack(tokens, options, seeds)
    shape, ahead = head_shape(options, spec), inputs.get("ahead")
    if options.head == "direct":
        raw = heads.direct_head(state, ahead, shape, options.dropout, seeds)
    elif options.head == "queries":
        raw = heads.query_head(state, ahead, shape, options.cell, options.dropout, seeds)
    else:
        newest = NewestSegment(shape.segment, shape.independent, name="newest")(normal)
        truth = _truth(options, inputs, shape, shift, scale, next(seeds))
        raw = recursive.recursive_head(
            state, newest, ahead, truth, shape, options.cell, median_index(options, spec), seeds
        )
    forecast = outputs.OutputDistribution(kind, spec.quantiles, name="forecast")(raw, shift, scale)
    return keras.Model(inputs, forecast, name=options.cell)


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


def _truth(options: Options, inputs: dict[str, Any], shape: HeadShape, shift: Any, scale: Any, seed: int) -> Any:
    """Return the truth and its flags for a recursive head with teacher forcing, or None without it."""
    from models.nets.recursive import Teacher

    if not options.teacher_forcing:
        return None
    teacher = Teacher(
        options.teacher_forcing, shape.horizon, shape.targets, shape.segment, shape.independent, seed, name="teacher"
    )
    return teacher(inputs["truth"], shift, scale)
