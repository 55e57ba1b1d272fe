"""What follows from a net's options without building it: the shapes of its head and of its weights. Free of Keras.

Training (Keras) and forecasting (NumPy) both build on this, so that they agree on what a stored array means.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.nets.options import Options
from tidegate.windows.calendar import calendar_columns
from tidegate.windows.panel import Floats, Forecasts
from tidegate.windows.spec import WindowSpec

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
BIASES = {"rnn": 1, "lstm": 1, "gru": 2}  # of a Keras cell: a GRU adds one to the input and one to the state
MIN_SCALE = 1e-2  # of a window, in training deviations; keeps the noise of an almost constant one from being magnified
MIN_DEVIATION = 1e-3  # of a normal distribution, in units of the window's scale
LAYER_NORM_EPSILON = 1e-3  # added to the variance

Shape = tuple[int, ...]


@dataclass(frozen=True)
class HeadShape:
    """The shape of a head's output: `numbers` for each horizon step and target, in segments of `segment` steps."""

    horizon: int
    targets: int
    numbers: int
    segment: int
    independent: bool  # whether rows are windows times targets

    @property
    def segments(self) -> int:
        """Return the number of segments that cover the horizon; steps beyond the horizon are cut off later."""
        return math.ceil(self.horizon / self.segment)


def kind_of(options: Options, spec: WindowSpec) -> str:
    """Return the kind of output; see outputs.py."""
    return "probability" if spec.alert else options.output


def numbers_per_value(kind: str, levels: Sequence[float]) -> int:
    """Return how many numbers a net outputs for each value that it forecasts."""
    return {"point": 1, "quantiles": len(levels), "gaussian": 2, "probability": 1}[kind]


def head_shape(options: Options, spec: WindowSpec) -> HeadShape:
    """Return the shape of the head's output."""
    numbers, independent = numbers_per_value(kind_of(options, spec), spec.quantiles), options.channels == "independent"
    return HeadShape(spec.target_steps, len(spec.targets), numbers, options.segment, independent)


def median_index(options: Options, spec: WindowSpec) -> int:
    """Return the index of the point forecast among the numbers of a value."""
    return spec.quantiles.index(0.5) if kind_of(options, spec) == "quantiles" else 0


def columns_ahead(spec: WindowSpec) -> int:
    """Count the columns that are known of each horizon step: calendar, covariates known ahead, and their flags."""
    return len(calendar_columns(spec.calendar)) + 2 * len(spec.known)


def weight_shapes(options: Options, spec: WindowSpec) -> dict[str, Shape]:
    """Return the shape of each weight of a net by name, in the order in which Keras gives and stores them."""
    shapes: dict[str, Shape] = {}
    columns = options.segment * _step_columns(options, spec) + len(spec.static[0] if spec.static else ())
    if options.station_embedding:
        shapes["station_embedding"] = (len(spec.stations), options.station_embedding)
        columns += options.station_embedding
    if options.segment > 1:
        shapes |= dense_shapes("embedded", columns, options.units)
        columns = options.units
    width = options.units * (2 if options.bidirectional else 1)
    for number in range(1, options.layers + 1):
        for direction in ("forward", "backward") if options.bidirectional else ("forward",):
            shapes |= cell_shapes(f"layer_{number}.{direction}", options.cell, columns, options.units)
        if options.layer_norm:
            shapes |= {f"layer_norm_{number}.gamma": (width,), f"layer_norm_{number}.beta": (width,)}
        columns = width
    return shapes | _head(options, spec, width)


def named_weights(shapes: Mapping[str, Shape], weights: Sequence[Floats]) -> dict[str, Floats]:
    """Give the weights of a net their names.

    Raises:
        ValueError: these are the weights of another net.
    """
    if (found := [array.shape for array in weights]) != (expected := list(shapes.values())):
        raise ValueError(f"these are the weights of another net: their shapes are {found}, and not {expected}")
    return dict(zip(shapes, (np.asarray(array, np.float32) for array in weights), strict=True))


def _step_columns(options: Options, spec: WindowSpec) -> int:
    """Count the columns of a step: values and flags of a row's targets and of all covariates, and the calendar."""
    targets = len(spec.targets)
    shared = 2 * (len(spec.features) - targets) + len(calendar_columns(spec.calendar))
    return shared + 2 * (1 if options.channels == "independent" else targets)


def dense_shapes(name: str, columns: int, units: int) -> dict[str, Shape]:
    """Return the shapes of a dense layer's weights."""
    return {f"{name}.kernel": (columns, units), f"{name}.bias": (units,)}


def cell_shapes(name: str, cell: str, columns: int, units: int) -> dict[str, Shape]:
    """Return the shapes of a Keras cell's weights."""
    width, biases = GATES[cell] * units, BIASES[cell]
    return {
        f"{name}.kernel": (columns, width),
        f"{name}.recurrent": (units, width),
        f"{name}.bias": (width,) if biases == 1 else (biases, width),
    }


def _head(options: Options, spec: WindowSpec, units: int) -> dict[str, Shape]:
    """Return the shapes of a head's weights; the state that it starts from has `units`."""
    shape, ahead = head_shape(options, spec), columns_ahead(spec)
    row_targets = 1 if shape.independent else shape.targets
    if options.head == "direct":
        columns = units + spec.horizon_steps * ahead
        return dense_shapes("head", columns, shape.horizon * shape.numbers * row_targets)
    if options.head == "recursive":
        token = shape.segment * row_targets
        # Without anything known ahead and without teacher forcing, Keras' decoder reads a column of zeros.
        known = shape.segment * ahead if ahead or options.teacher_forcing else 1
        return cell_shapes("decoder", options.cell, token + known, units) | dense_shapes(
            "head", units, token * shape.numbers
        )
    half, width = units // 2, GATES[options.cell] * units
    query = {"position": (shape.segments, units - half), "channel": (shape.targets, half)}
    query |= {"kernel": (units, width), "recurrent": (units, width), "bias": (2, width)}
    query |= {"known": (shape.segment * ahead, width)} if ahead else {}
    named = {f"query.{name}": of_query for name, of_query in query.items()}
    return named | dense_shapes("head", units, shape.segment * shape.numbers)


def to_forecasts(kind: str, levels: Sequence[float], output: Floats) -> Forecasts:
    """Turn a net's output (windows, horizon, targets, n) into forecasts."""
    if kind == "quantiles":
        return Forecasts(output[..., list(levels).index(0.5)], output)
    if kind == "gaussian":
        from scipy.special import ndtri  # imported here: it takes a while, and only this needs it

        standard_quantiles = ndtri(np.asarray(levels)).astype(np.float32)
        return Forecasts(output[..., 0], output[..., :1] + output[..., 1:] * standard_quantiles)
    if kind == "probability":
        return Forecasts(1 / (1 + np.exp(-output[..., 0])))
    return Forecasts(output[..., 0])
