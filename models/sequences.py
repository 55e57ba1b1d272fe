"""Classification of whole sequences: one label per sequence, which may have any length and several channels.

    sequence → segments → (bidirectional) recurrent layers → mean and maximum over the steps → softmax

Sequences are padded on the right and masked, so padded steps have no influence and no sequence needs to be cut. Several
nets, each trained from its own seed, form an ensemble: their probabilities are averaged. Noise on the training
sequences and dropout help with small training sets. Choose the settings on a split of the training file, never on the
test file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tidegate.errors import DataError
from tidegate.windows.panel import Floats, Starts
from tidegate.workspace.field_types import Real, Steps, Whole
from tidegate.workspace.params import Section
from tidegate.workspace.paths import read_json, write_json
from tidegate.workspace.progress import Progress, no_progress

DESCRIPTION = "classifier.json"


@dataclass(frozen=True)
class Sequences:
    """Sequences padded on the right with 0: values (sequences, steps, channels), their lengths and labels."""

    values: Floats
    lengths: Starts  # (sequences,)
    labels: tuple[str, ...]

    def select(self, indices: npt.NDArray[Any]) -> "Sequences":
        """Return the sequences at these indices."""
        return Sequences(self.values[indices], self.lengths[indices], tuple(self.labels[index] for index in indices))

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Flag the steps that are not padding: (sequences, steps)."""
        mask: npt.NDArray[np.bool_] = np.arange(self.values.shape[1]) < self.lengths[:, None]
        return mask


class Options(Section):
    """How a classifier is built and trained."""

    cell: Literal["rnn", "lstm", "gru"] = "gru"  # of the recurrent layers
    units: Steps = 32  # of each
    layers: Steps = 1  # one upon the other
    bidirectional: bool = True  # whether the sequence is read from both ends
    segment: Steps = 1  # steps that the cell reads at a time
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.3  # between layers, and before the head
    noise: Annotated[Real, Field(ge=0)] = 0.1  # standard deviation of the noise on standardised training sequences
    epochs: Steps = 100  # over the training sequences
    batch: Steps = 16  # sequences of a gradient step
    learning_rate: Annotated[Real, Field(gt=0)] = 0.003  # at first; it decays by a cosine
    members: Steps = 3  # nets whose probabilities are averaged
    seed: Whole = 1  # of the first


class Classifier:
    """An ensemble of nets that classifies sequences."""

    def __init__(self, options: Options) -> None:
        """Start without nets; `fit` or `load` makes them."""
        self.options = options
        self.classes: tuple[str, ...] = ()
        self.nets: list[Any] = []
        self.mean = self.deviation = np.zeros(1, np.float32)

    def fit(self, train: Sequences, progress: Progress = no_progress) -> None:
        """Train the nets.

        Raises:
            DataError: there are fewer than two classes.
        """
        import keras

        from models.nets import training

        self.classes = tuple(sorted(set(train.labels)))
        if len(self.classes) < 2:
            raise DataError(
                f"All {len(train.labels)} training sequences are of class {self.classes[0]}: a classifier needs at "
                "least two classes."
            )
        cells = train.values[train.mask]
        self.mean, self.deviation = cells.mean(axis=0), np.maximum(cells.std(axis=0), 1e-6)
        x, truth = self._inputs(train), np.array([self.classes.index(label) for label in train.labels])
        batches = -(-len(truth) // self.options.batch)
        self.nets = []
        for member in range(self.options.members):
            seed = self.options.seed * 100 + member
            training.start_training(seed)
            net = build_net(self.options, x.shape[-1], len(self.classes), seed)
            schedule = keras.optimizers.schedules.CosineDecay(self.options.learning_rate, batches * self.options.epochs)
            optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
            net.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
            net.fit(
                _draw_batches(x, truth, self.options, seed),
                steps_per_epoch=batches,
                epochs=self.options.epochs,
                verbose=0,
                shuffle=False,
            )
            self.nets.append(net)
            progress(member + 1, self.options.members, "nets")

    def probabilities(self, sequences: Sequences) -> Floats:
        """Compute the probability of each class: (sequences, classes), in the order of `classes`."""
        x = _tokens(self._inputs(sequences), self.options.segment)
        members = [np.asarray(net.predict(x, batch_size=256, verbose=0)) for net in self.nets]
        mean: Floats = np.mean(members, axis=0, dtype=np.float32)
        return mean

    def predict(self, sequences: Sequences) -> list[str]:
        """Return the most likely class of each sequence."""
        return [self.classes[index] for index in self.probabilities(sequences).argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Write the trained classifier into an existing folder."""
        from models.nets import files

        description = {
            "options": self.options.model_dump(),
            "classes": self.classes,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }
        write_json(folder / DESCRIPTION, description)
        for member, net in enumerate(self.nets):
            files.save_weights(net.get_weights(), folder / f"net_{member + 1}.npz")

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read what `save` wrote, in this release or an older one.

        Raises:
            DataError: the files are not there.
        """
        from models.nets import files

        description = read_json(folder / DESCRIPTION)
        classifier = cls(Options(**description["options"]))
        classifier.classes = tuple(description["classes"])
        classifier.mean, classifier.deviation = (
            np.array(description[key], np.float32) for key in ("mean", "deviation")
        )
        for member in range(1, classifier.options.members + 1):
            net = classifier._built()
            net.set_weights(files.read_weights(folder / f"net_{member}.npz"))
            classifier.nets.append(net)
        return classifier

    def _built(self) -> Any:
        """Build a net for these classes, whose weights are to be read."""
        return build_net(self.options, len(self.mean) + 1, len(self.classes), seed=0)

    def _inputs(self, sequences: Sequences) -> Floats:
        """Standardise the values, append the mask, and pad to whole segments: (sequences, steps, channels + 1)."""
        mask = sequences.mask[..., None]
        values = np.where(mask, (sequences.values - self.mean) / self.deviation, 0)
        padding = -values.shape[1] % self.options.segment
        columns = np.concatenate([values, mask], axis=-1).astype(np.float32)
        return np.pad(columns, ((0, 0), (0, padding), (0, 0)))


def _draw_batches(x: Floats, truth: npt.NDArray[Any], options: Options, seed: int) -> Any:
    """Yield batches without end, in a new random order each epoch, with noise on the steps that are not padding."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(x))
        for first in range(0, len(x), options.batch):
            indices = np.resize(order[first : first + options.batch], options.batch)
            batch = x[indices].copy()
            noise = rng.normal(scale=options.noise, size=batch[..., :-1].shape) if options.noise else 0.0
            batch[..., :-1] += noise * batch[..., -1:]
            yield _tokens(batch, options.segment), truth[indices]


def _tokens(steps: Floats, segment: int) -> Floats:
    """Cut sequences (sequences, steps, columns) into tokens (sequences, tokens, segment · columns)."""
    return steps.reshape(len(steps), -1, segment * steps.shape[-1])


def build_net(options: Options, columns: int, classes: int, seed: int) -> Any:
    """Build one net: tokens (batch, tokens, segment · columns) → (batch, classes); a step's last column is its mask."""
    import itertools

    import keras
    from keras import ops

    from models.nets.cells import both_ways, recurrent_layer

    seeds = itertools.count(1000 * seed)
    hidden = tokens = keras.Input((None, options.segment * columns))
    token_mask = ops.max(tokens[..., columns - 1 :: columns], axis=-1)
    for number in range(options.layers):
        name = f"{options.cell}_{number + 1}"
        layer = recurrent_layer(options.cell, options.units, seeds, return_sequences=True, name=name)
        layer = both_ways(layer) if options.bidirectional else layer
        hidden = layer(hidden, mask=ops.cast(token_mask, "bool"))
        if options.dropout:
            hidden = keras.layers.Dropout(options.dropout, seed=next(seeds))(hidden)
    weight = ops.expand_dims(token_mask, -1)
    mean = ops.sum(hidden * weight, axis=1) / ops.sum(weight, axis=1)
    maximum = ops.max(hidden * weight - 1e3 * (1 - weight), axis=1)
    pooled = keras.layers.Dropout(options.dropout, seed=next(seeds))(ops.concatenate([mean, maximum], axis=-1))
    glorot = keras.initializers.GlorotUniform(next(seeds))
    return keras.Model(tokens, keras.layers.Dense(classes, "softmax", kernel_initializer=glorot)(pooled))


def pad(series: Sequence[Floats], labels: Sequence[str]) -> Sequences:
    """Pad sequences (steps, channels) of any length into one array.

    Raises:
        DataError: a sequence is empty, or their numbers of channels differ.
    """
    lengths = np.array([len(sequence) for sequence in series], np.int32)
    channels = {sequence.shape[1] for sequence in series}
    if len(channels) != 1 or not lengths.all():
        raise DataError("The sequences are empty, or differ in their number of channels: give each all channels.")
    values = np.zeros((len(series), lengths.max(), channels.pop()), np.float32)
    for row, sequence in enumerate(series):
        values[row, : len(sequence)] = sequence
    return Sequences(values, lengths, tuple(labels))


def read_ts(path: Path) -> Sequences:
    """Read a file in the .ts format of the UCR/UEA archive: @ header lines, then channel:channel:…:label on each line.

    Raises:
        DataError: the file cannot be read, a line has another format, or there are no sequences.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a file of the .ts format.") from None
    series, labels = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(("#", "@")):
            continue
        *channels, label = line.strip().split(":")
        try:
            cells = [[float(value) for value in channel.split(",")] for channel in channels]
            series.append(np.array(cells, np.float32).T)
        except ValueError:
            raise DataError(f"{path}, line {number}: this is not channel:…:label with numbers: correct it.") from None
        labels.append(label)
    if not series:
        raise DataError(f"{path} holds no sequences: give a file of the .ts format.")
    return pad(series, labels)
