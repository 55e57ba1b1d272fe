"""How nets learn, whatever their cells are: windows gathered on the device, clipping, early stopping, one seed.

The panel stays where the net runs; a batch is a list of starts, and the first layer gathers the windows from it. So
memory is the data's size, not data times lookback, and drawing other windows each epoch costs nothing.
"""

import itertools
import json
import math
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever a user's own Keras configuration says

import keras
import numpy as np
import tensorflow as tf

from tidegate.panel import Floats, Panel, Starts
from tidegate.report import Report
from tidegate.settings import Train

VALIDATION_WINDOWS = 8192  # at most, evenly spread: enough to see when to stop
PREDICT_BATCH = 512


def begin(seed: int) -> None:
    """Start from a clean slate: the same seed gives the same bits, whatever ran before in this process."""
    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)


class Gather(keras.layers.Layer):
    """Gathers windows from the resident panel: starts (batch, 2) → cells (batch, length, channels)."""

    def __init__(self, cells: np.ndarray, offset: int, length: int, **kwargs: Any) -> None:
        """Keep the cells (stations, steps, channels) on the device; windows begin `offset` steps after their start."""
        super().__init__(trainable=False, **kwargs)
        stations, self.steps, channels = cells.shape
        self.window = np.arange(offset, offset + length, dtype="int32")
        flat = cells.reshape(stations * self.steps, channels)
        self.cells = self.add_weight(shape=flat.shape, initializer="zeros", trainable=False, name="cells")
        self.cells.assign(flat)

    def call(self, starts: Any) -> Any:
        """Gather the windows."""
        first = starts[:, 0] * self.steps + starts[:, 1]
        return keras.ops.take(self.cells, first[:, None] + self.window[None, :], axis=0)


class Windowed(keras.Model):
    """A net with the panel it reads: starts (batch, 2) → forecasts (batch, horizon, targets)."""

    def __init__(self, net: keras.Model, panel: Panel, squared: bool = False) -> None:
        """Put the gathering layers before the net and before the loss."""
        super().__init__()
        spec, targets = panel.spec, len(panel.spec.targets)
        flags = panel.observed.astype("float32")
        self.net, self.squared = net, squared
        self.past = Gather(np.concatenate([panel.values, flags], axis=-1), 0, spec.lookback)
        self.future = Gather(panel.values[..., :targets], spec.lookback, spec.horizon)
        self.weight = Gather(flags[..., :targets], spec.lookback, spec.horizon)

    def build(self, input_shape: Any) -> None:
        """Nothing is left to build: the net and the gathering layers have been."""
        self.built = True

    def call(self, starts: Any, training: bool = False) -> Any:
        """Forecast."""
        return self.net(self.past(starts), training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Average the error over the targets that were observed; the others say nothing."""
        error, weight = y_pred - self.future(x), self.weight(x)
        cost = keras.ops.square(error) if self.squared else keras.ops.abs(error)
        return keras.ops.sum(cost * weight) / keras.ops.maximum(keras.ops.sum(weight), 1.0)


def drawn(starts: Starts, batches: int, batch: int, seed: int) -> Iterator[tuple[Starts]]:
    """Give batches of starts for ever: each epoch's `batches` are a new draw, without repetition within it.

    A generator, whose order nothing else can touch: Keras shuffles batches with Python's global random state, which
    other threads of the process use too.
    """
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(len(starts))
        for first in range(0, batches * batch, batch):
            yield (starts[order[first : first + batch]],)


def spread(starts: Starts, windows: int, batch: int) -> Starts:
    """Take evenly spread windows, as many whole batches as `windows` holds."""
    count = min(windows, len(starts)) // batch * batch
    return starts[np.linspace(0, len(starts) - 1, count).astype(int)]


class Progress(keras.callbacks.Callback):
    """Reports epochs and the newest validation loss."""

    def __init__(self, report: Report, epochs: int, batches: int) -> None:
        """Report to `report`."""
        super().__init__()
        self.report, self.epochs, self.batches = report, epochs, batches
        self.epoch, self.note = 0, ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        note = f"epoch {self.epoch + 1}/{self.epochs}{self.note}"
        self.report(self.epoch + (batch + 1) / self.batches, self.epochs, note)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the validation loss."""
        self.note = f" · validation loss {logs['val_loss']:.4f}" if logs else ""


def fit(
    net: keras.Model, panel: Panel, train: Starts, validation: Starts, recipe: Train, report: Report
) -> list[dict[str, float]]:
    """Train the net in place; give its learning curve, one row an epoch; the best epoch's weights stand."""
    model = Windowed(net, panel, squared=recipe.loss == "mse")
    batch = min(recipe.batch_windows, len(train), len(validation))
    batches = max(1, min(recipe.epoch_windows, len(train)) // batch)
    # No XLA: Keras turns it off where operations are deterministic.
    model.compile(keras.optimizers.Adam(recipe.learning_rate, global_clipnorm=recipe.clip_norm), jit_compile=False)
    curve = model.fit(
        drawn(train, batches, batch, recipe.seed),
        steps_per_epoch=batches,
        shuffle=False,
        epochs=recipe.epochs,
        validation_data=(spread(validation, VALIDATION_WINDOWS, batch),),
        validation_batch_size=batch,
        verbose=0,
        callbacks=[
            keras.callbacks.LearningRateScheduler(
                lambda epoch: recipe.learning_rate * recipe.learning_rate_decay**epoch
            ),
            keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience_epochs, restore_best_weights=True),
            Progress(report, recipe.epochs, batches),
        ],
    ).history
    return [
        {
            "epoch": epoch,
            "train_loss": float(curve["loss"][epoch]),
            "validation_loss": float(curve["val_loss"][epoch]),
            "learning_rate": float(curve["learning_rate"][epoch]),
        }
        for epoch in range(len(curve["loss"]))
    ]


def predict(net: keras.Model, panel: Panel, starts: Starts) -> Floats:
    """Forecast the windows: (windows, horizon, targets)."""
    if not len(starts):
        return np.empty((0, panel.spec.horizon, len(panel.spec.targets)), np.float32)
    model = Windowed(net, panel)
    batch = min(PREDICT_BATCH, len(starts))
    # Whole batches alone: a shorter last one would be traced for itself.
    padded = np.resize(starts, (math.ceil(len(starts) / batch) * batch, 2))
    model.compile(jit_compile=False)
    forecasts = model.predict(padded, batch_size=batch, verbose=0)
    return np.asarray(forecasts[: len(starts)], np.float32)


def save_net(net: keras.Model, path: Path) -> None:
    """Write a .keras file that is the same bytes for the same net: without the date and the zip's clock times."""
    with tempfile.TemporaryDirectory() as folder:
        stamped = Path(folder) / path.name
        net.save(stamped)
        with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps({"keras_version": keras.__version__}).encode()
                elif name == "config.json":
                    content = _numbered(content)
                target.writestr(zipfile.ZipInfo(name), content)


def _numbered(config: bytes) -> bytes:
    """Number the shared objects in the order they appear, where Keras writes their addresses in memory."""
    numbers: dict[bytes, bytes] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda match: numbers.setdefault(match[0], str(len(numbers)).encode()),
        config,
    )


def load_net(path: Path) -> keras.Model:
    """Read a .keras file; nothing in it can run code."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)
