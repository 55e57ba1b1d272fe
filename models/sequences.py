"""Whole-sequence classification: one label a sequence, of any length, in one or several channels.

    sequence → segments → recurrent layers (both ways) → mean and maximum over what is there → softmax

Sequences are padded on the right and masked, so that a padded step says nothing; shorter ones need no cutting. Several
nets, each from a seed of its own, vote with their mean probability. Noise on the training sequences and dropout are
there for small training sets. The settings are for a split of the training file to choose, never for the test file.
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
from tidegate.workspace.params import Section
from tidegate.workspace.paths import read_json, write_json
from tidegate.workspace.progress import Progress, no_progress
from tidegate.workspace.settings import Real, Steps, Whole

ABOUT = "classifier.json"


@dataclass(frozen=True)
class Sequences:
    """Sequences padded on the right with 0: values (sequences, steps, channels), their lengths and labels."""

    values: Floats
    lengths: Starts  # (sequences,)
    labels: tuple[str, ...]

    def part(self, chosen: npt.NDArray[Any]) -> "Sequences":
        """Take some of them."""
        return Sequences(self.values[chosen], self.lengths[chosen], tuple(self.labels[place] for place in chosen))

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Say which steps are there: (sequences, steps)."""
        there: npt.NDArray[np.bool_] = np.arange(self.values.shape[1]) < self.lengths[:, None]
        return there


class Options(Section):
    """How a classifier is built and trained."""

    cell: Literal["rnn", "lstm", "gru"] = "gru"
    units: Steps = 32
    layers: Steps = 1
    bidirectional: bool = True
    segment: Steps = 1
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.3
    noise: Annotated[Real, Field(ge=0)] = 0.1  # deviation, on standardised training sequences
    epochs: Steps = 100
    batch: Steps = 16
    learning_rate: Annotated[Real, Field(gt=0)] = 0.003
    members: Steps = 3
    seed: Whole = 1


class Classifier:
    """Nets that vote."""

    def __init__(self, options: Options) -> None:
        """Begin without any."""
        self.options = options
        self.classes: tuple[str, ...] = ()
        self.nets: list[Any] = []
        self.mean = self.deviation = np.zeros(1, np.float32)

    def fit(self, train: Sequences, progress: Progress = no_progress) -> None:
        """Learn.

        Raises:
            DataError: there are fewer than two classes.
        """
        import keras

        from models.nets import training

        self.classes = tuple(sorted(set(train.labels)))
        if len(self.classes) < 2:
            raise DataError(
                f"All {len(train.labels)} training sequences are of class {self.classes[0]}: there is nothing to tell "
                "apart."
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
                _drawn(x, truth, self.options, seed),
                steps_per_epoch=batches,
                epochs=self.options.epochs,
                verbose=0,
                shuffle=False,
            )
            self.nets.append(net)
            progress(member + 1, self.options.members, "nets")

    def probabilities(self, sequences: Sequences) -> Floats:
        """Give each class's probability: (sequences, classes), in the order of `classes`."""
        x = _tokens(self._inputs(sequences), self.options.segment)
        votes = [np.asarray(net.predict(x, batch_size=256, verbose=0)) for net in self.nets]
        mean: Floats = np.mean(votes, axis=0, dtype=np.float32)
        return mean

    def predict(self, sequences: Sequences) -> list[str]:
        """Give the most likely class of each."""
        return [self.classes[place] for place in self.probabilities(sequences).argmax(axis=1)]

    def save(self, folder: Path) -> None:
        """Write what was learnt into an existing folder."""
        from models.nets import files

        about = {
            "options": self.options.model_dump(),
            "classes": self.classes,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }
        write_json(folder / ABOUT, about)
        for member, net in enumerate(self.nets):
            files.save_net(net, folder / f"net_{member + 1}.keras")

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read what `save` wrote, in Keras' safe mode.

        Raises:
            DataError: it is not there.
        """
        from models.nets import files

        about = read_json(folder / ABOUT)
        made = cls(Options(**about["options"]))
        made.classes = tuple(about["classes"])
        made.mean, made.deviation = (np.array(about[key], np.float32) for key in ("mean", "deviation"))
        made.nets = [files.load_net(folder / f"net_{member + 1}.keras") for member in range(made.options.members)]
        return made

    def _inputs(self, sequences: Sequences) -> Floats:
        """Standardise, and lay the mask beside the values: (sequences, steps, channels + 1)."""
        mask = sequences.mask[..., None]
        values = np.where(mask, (sequences.values - self.mean) / self.deviation, 0)
        short = -values.shape[1] % self.options.segment
        whole = np.concatenate([values, mask], axis=-1).astype(np.float32)
        return np.pad(whole, ((0, 0), (0, short), (0, 0)))


def _drawn(x: Floats, truth: npt.NDArray[Any], options: Options, seed: int) -> Any:
    """Give batches for ever, in an order drawn anew each epoch, with noise on what is there."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(x))
        for first in range(0, len(x), options.batch):
            chosen = np.resize(order[first : first + options.batch], options.batch)
            batch = x[chosen].copy()
            noise = rng.normal(scale=options.noise, size=batch[..., :-1].shape) if options.noise else 0.0
            batch[..., :-1] += noise * batch[..., -1:]
            yield _tokens(batch, options.segment), truth[chosen]


def _tokens(steps: Floats, segment: int) -> Floats:
    """Cut (sequences, steps, columns) into segments: (sequences, tokens, segment · columns)."""
    return steps.reshape(len(steps), -1, segment * steps.shape[-1])


def build_net(options: Options, columns: int, classes: int, seed: int) -> Any:
    """Build one net: tokens (batch, tokens, segment · columns), each step's mask its last column → (batch, classes)."""
    import itertools

    import keras
    from keras import ops

    from models.nets.cells import recurrent_layer

    seeds = itertools.count(1000 * seed)
    read = tokens = keras.Input((None, options.segment * columns))
    there = ops.max(tokens[..., columns - 1 :: columns], axis=-1)
    for layer in range(options.layers):
        name = f"{options.cell}_{layer + 1}"
        made = recurrent_layer(options.cell, options.units, seeds, return_sequences=True, name=name)
        made = keras.layers.Bidirectional(made) if options.bidirectional else made
        read = made(read, mask=ops.cast(there, "bool"))
        if options.dropout:
            read = keras.layers.Dropout(options.dropout, seed=next(seeds))(read)
    weight = ops.expand_dims(there, -1)
    mean = ops.sum(read * weight, axis=1) / ops.sum(weight, axis=1)
    most = ops.max(read * weight - 1e3 * (1 - weight), axis=1)
    pooled = keras.layers.Dropout(options.dropout, seed=next(seeds))(ops.concatenate([mean, most], axis=-1))
    glorot = keras.initializers.GlorotUniform(next(seeds))
    return keras.Model(tokens, keras.layers.Dense(classes, "softmax", kernel_initializer=glorot)(pooled))


def pad(series: Sequence[Floats], labels: Sequence[str]) -> Sequences:
    """Put sequences (steps, channels) of any length into one array.

    Raises:
        DataError: one is empty, or they differ in channels.
    """
    lengths = np.array([len(one) for one in series], np.int32)
    channels = {one.shape[1] for one in series}
    if len(channels) != 1 or not lengths.all():
        raise DataError("The sequences are empty, or differ in their number of channels: give each all channels.")
    values = np.zeros((len(series), lengths.max(), channels.pop()), np.float32)
    for row, one in enumerate(series):
        values[row, : len(one)] = one
    return Sequences(values, lengths, tuple(labels))


def read_ts(path: Path) -> Sequences:
    """Read a file of the UCR/UEA archive's .ts format: a header of @ lines, then channel:channel:…:label a line.

    Raises:
        DataError: the file is absent, or a line is not like that.
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
