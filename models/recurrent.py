"""Recurrent nets: a cell reads the lookback, step by step or by segments, and a head says the whole horizon.

    window → its own units → tokens → cells → last state → head → meaning → back to the panel's units

Each part is a file in models/nets. The plain net (all options left out) reads steps and says the horizon through one
linear layer. What carries accuracy on long horizons, in the order of its effect: `normalise: last`, `channels:
independent` with several targets, and `segment` with `head: queries`.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from models.interface import History, ModelOptions, Training
from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Real, Share, Steps, Train, Whole, Window

if TYPE_CHECKING:
    import keras

    from models.nets import heads
    from models.nets.gradients import GradientFlow

# Keras takes seconds to import: it is loaded where a net is first built, read or run, not where options are checked.

NET = "net.keras"
SPACE = {  # what tuning searches, unless told otherwise
    "units": [32, 64, 128],
    "layers": [1, 2],
    "dropout": (0.0, 0.5),
    "normalise": ["none", "last", "standard"],
    "train.learning_rate": (0.0003, 0.01),
}


class Options(ModelOptions):
    """The section of a recurrent candidate."""

    cell: Literal["rnn", "lstm", "gru"]
    units: Steps
    layers: Steps = 1
    bidirectional: bool = False
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.0  # between layers, and before the head
    layer_norm: bool = False
    residual: bool = False
    segment: Steps = 1  # steps that the cell reads at a time
    channels: Literal["mixed", "independent"] = "mixed"
    normalise: Literal["none", "last", "standard"] = "none"
    head: Literal["direct", "queries", "recursive"] = "direct"
    teacher_forcing: Share = 0.0  # of a recursive head
    station_embedding: Whole = 0  # columns learnt for each station
    output: Literal["point", "quantiles", "gaussian"] = "point"

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Say what of the section does not go with the windows."""
        if window.lookback_steps % self.segment:
            return "segment", f"is {self.segment}, which does not divide window.lookback_steps {window.lookback_steps}"
        if window.alert and (self.output, self.head) != ("point", "direct"):
            return "output", "and head are for values: with window.alert leave them out"
        if self.teacher_forcing and self.head != "recursive":
            return "teacher_forcing", f"is for head: recursive, and head is {self.head}"
        return None


class Family:
    """A recurrent net and its training."""

    def __init__(self, options: Options, spec: WindowSpec) -> None:
        """Remember what to build."""
        self.options, self.spec = options, spec
        self.net: Any = None

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train by backpropagation through time; the weights of the best validation epoch stand."""
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
        return outputs.forecasts(_kind(self.options, self.spec), self.spec.quantiles, output)

    def gradient_flow(self, panel: Panel, starts: Starts, recipe: Train) -> "GradientFlow":
        """Measure how much of the loss's gradient reaches each token of the lookback."""
        from models.nets import gradients, outputs

        cost = outputs.cost_of(_kind(self.options, self.spec), self.spec.quantiles, recipe.loss)
        return gradients.gradient_flow(self.net, panel, starts, cost)

    def save(self, folder: Path) -> None:
        """Write the net as a .keras file."""
        from models.nets import files

        files.save_net(self.net, folder / NET)

    def restore(self, folder: Path) -> None:
        """Read the net, in Keras' safe mode."""
        from models.nets import files

        self.net = files.load_net(folder / NET)


def build_net(options: Options, spec: WindowSpec, seed: int = 0) -> "keras.Model":
    """Build the net: the inputs of `windowed.inputs_of` → its output (batch, horizon, targets, numbers).

    Every part has a seed of its own. Keras would take them from Python's global random state, which other threads of
    the process use too (Prefect's do), so that the same seed would not always give the same weights.
    """
    import keras

    from models.nets import cells, heads, outputs, recursive, windowed
    from models.nets.normalisation import Normalise
    from models.nets.tokens import NewestSegment

    seeds, kind = itertools.count(1000 * seed), _kind(options, spec)
    inputs = windowed.inputs_of(spec, truth=options.teacher_forcing > 0)
    normal, shift, scale = Normalise(options.normalise, name="normalise")(*windowed.target_inputs(inputs, spec))
    tokens = _tokens(options, spec, inputs, normal, seeds)
    state = cells.stack(tokens, options, seeds)
    shape = heads.HeadShape(
        spec.outcomes,
        len(spec.targets),
        outputs.numbers(kind, spec.quantiles),
        options.segment,
        options.channels == "independent",
    )
    ahead = inputs.get("ahead")
    if options.head == "direct":
        raw = heads.direct(state, ahead, shape, options.dropout, seeds)
    elif options.head == "queries":
        raw = heads.queries(state, ahead, shape, options.cell, options.dropout, seeds)
    else:
        middle = spec.quantiles.index(0.5) if kind == "quantiles" else 0
        newest = NewestSegment(shape.segment, shape.independent, name="newest")(normal)
        taught = _taught(options, inputs, shape, shift, scale, next(seeds))
        raw = recursive.recursive(state, newest, ahead, taught, shape, options.cell, middle, seeds)
    forecast = outputs.OutputDistribution(kind, spec.quantiles, name="forecast")(raw, shift, scale)
    return keras.Model(inputs, forecast, name=options.cell)


def _kind(options: Options, spec: WindowSpec) -> str:
    return "probability" if spec.alert else options.output


def _tokens(options: Options, spec: WindowSpec, inputs: dict[str, Any], normal: Any, seeds: Iterator[int]) -> Any:
    """Cut the lookback into what the cell reads: (rows, tokens, columns)."""
    import keras

    from models.nets import windowed
    from models.nets.tokens import ConcatContext, StaticAttributes, Tokens

    own = keras.ops.stack([normal, windowed.target_inputs(inputs, spec)[1]], axis=-1)
    tokens = Tokens(options.segment, options.channels == "independent", name="tokens")(
        own, windowed.shared_inputs(inputs, spec)
    )
    context = []
    if options.station_embedding:
        table = keras.layers.Embedding(
            len(spec.stations),
            options.station_embedding,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=next(seeds)),
            name="station_embedding",
        )
        context.append(table(inputs["station"]))
    if spec.static:
        context.append(StaticAttributes([list(row) for row in spec.static], name="static")(inputs["station"]))
    rows = len(spec.targets) if options.channels == "independent" else 1
    for known in context:
        tokens = ConcatContext(rows)(tokens, known)
    if options.segment > 1:
        initializer = keras.initializers.GlorotUniform(next(seeds))
        tokens = keras.layers.Dense(options.units, "relu", kernel_initializer=initializer, name="embedded")(tokens)
    return tokens


def _taught(
    options: Options, inputs: dict[str, Any], shape: "heads.HeadShape", shift: Any, scale: Any, seed: int
) -> Any:
    """Give the truth with its flags, for a recursive head that is taught, or None."""
    from models.nets.recursive import Teacher

    if not options.teacher_forcing:
        return None
    teacher = Teacher(
        options.teacher_forcing, shape.horizon, shape.targets, shape.segment, shape.independent, seed, name="teacher"
    )
    return teacher(inputs["truth"], shift, scale)
