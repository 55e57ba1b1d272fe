"""The training recipe of all nets, independent of their architecture.

Adam or AdamW (Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101); clipping of the gradient by its
global norm or by value, against exploding gradients (Pascanu et al., arXiv:1211.5063); a learning rate that is constant
at first and then decays; early stopping on the validation windows; and, as an option, a moving average of the weights.
A single seed determines all random numbers.
"""

import itertools
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models.interface import History, Training
from models.nets import engine
from models.nets.cells import gates_read, tokens_read
from models.nets.outputs import Cost
from models.nets.training_state import TrainingState
from models.nets.windowed import WindowedModel
from tidegate.windows.panel import Floats, Panel, Starts, evenly_spaced
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train

VALIDATION_WINDOWS = 8192  # at most so many are used, evenly spaced: enough to decide when to stop
PREDICT_BATCH = 512
# Compiling takes some seconds, and saves a quarter of a millisecond or more for each token that is read one after
# another in a step, so it pays from so many on. No clock may decide this: compiled, the bits are others.
WORTH_COMPILING = 20_000
STEPS_AN_EXECUTION = 16  # of a compiled training: the more, the less of Keras' own work between steps
PART_WINDOWS = 16  # at least, of the part of a batch that a core computes at a time
PART_GATES = 200_000  # or more, if so many gates of all their tokens do: numbers that fit into a core's cache


def start_training(seed: int, device: str = "any", replicas: int = 1) -> AbstractContextManager[Any]:
    """Reset Keras and set the seed, so that the same seed gives the same bits, whatever ran before in this process.

    Returns the scope to build and train in, in which devices or machines share each batch.

    Raises:
        GateClosed: the devices are not there.
        UserError: the engine does not support these settings.
    """
    scope = engine.configure(device, replicas)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return scope


def draw_batches(starts: Starts, batches: int, batch: int, seed: int, first_epoch: int = 0) -> Iterator[tuple[Starts]]:
    """Yield batches of starts without end: in each epoch a new random draw of windows, in which none appears twice.

    The order is drawn here because Keras shuffles with Python's global random state, which other threads of the process
    use too.
    """
    for epoch in itertools.count(first_epoch):
        order = np.arange(len(starts), dtype=np.int32)  # half of what `permutation` takes, and the same order
        np.random.default_rng([seed, epoch]).shuffle(order)
        for first in range(0, batches * batch, batch):
            yield (starts[order[first : first + batch]],)


def group_batches(batches: Iterator[tuple[Starts]], an_epoch: int) -> Iterator[tuple[Starts]]:
    """Join the batches of an epoch in groups (STEPS_AN_EXECUTION, batch, 2); an epoch's last is filled up with −1."""
    while True:
        for first in range(0, an_epoch, STEPS_AN_EXECUTION):
            count = min(STEPS_AN_EXECUTION, an_epoch - first)
            group = np.stack([batch for (batch,) in itertools.islice(batches, count)])
            yield (np.pad(group, ((0, STEPS_AN_EXECUTION - count), (0, 0), (0, 0)), constant_values=-1),)


def is_worth_compiling(net: keras.Model, steps: int) -> bool:
    """Say whether a training of so many steps gains more than compiling costs."""
    return steps * sum(tokens_read(layer) for layer in net.layers) >= WORTH_COMPILING


def parts_of(batch: int, net: keras.Model) -> int:
    """Return into how many equal parts a batch is divided: two or more where each gets PART_WINDOWS windows."""
    windows = max(PART_WINDOWS, PART_GATES // max(1, sum(gates_read(layer) for layer in net.layers)))
    most = max(min(2, batch // PART_WINDOWS), batch // windows, 1)
    return max(parts for parts in range(1, most + 1) if batch % parts == 0)


class ProgressCallback(keras.callbacks.Callback):
    """Passes epochs and the latest validation loss on to `progress`."""

    def __init__(self, progress: Progress, epochs: int, batches: int, steps: int = 1) -> None:
        """Set the callback, and the numbers of epochs, of batches in an epoch and of steps in an execution."""
        super().__init__()
        self.progress, self.epochs, self.batches, self.steps = progress, epochs, batches, steps
        self.epoch, self.note = 0, ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Store the epoch's number."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the progress by one batch."""
        note = f"epoch {self.epoch + 1}/{self.epochs}{self.note}"
        done = min((batch + 1) * self.steps, self.batches)
        self.progress(self.epoch + done / self.batches, self.epochs, note)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Pass on the validation loss."""
        loss = float((logs or {})["val_loss"])
        self.note = f" · validation loss {loss:.4f}"
        self.progress(epoch + 1, self.epochs, f"epoch {epoch + 1}/{self.epochs}{self.note}", loss)


def learning_rate(recipe: Train, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 0: constant at first, then times a factor in each epoch."""
    return recipe.learning_rate * recipe.learning_rate_decay ** max(0, epoch - recipe.learning_rate_hold_epochs)


def optimizer_of(recipe: Train) -> keras.optimizers.Optimizer:
    """Make the recipe's optimiser."""
    return keras.optimizers.Adam(
        recipe.learning_rate,
        weight_decay=recipe.weight_decay or None,
        global_clipnorm=recipe.clip_norm,
        clipvalue=recipe.clip_value,
        use_ema=recipe.averaging > 0,
        ema_momentum=recipe.averaging or None,
    )


def fit_net(
    net: keras.Model, training: Training, cost: Cost, progress: Progress, checkpoint: Path | None = None
) -> History:
    """Train the net in place; it keeps the best epoch's weights. Return its learning curve, one row per epoch.

    With a checkpoint, a training that was killed resumes after its last complete epoch.
    """
    recipe, train, validation = training.recipe, training.train, training.validation
    model = WindowedModel(net, training.panel, cost)
    batch = min(recipe.batch_windows, len(train), len(validation))
    batch = max(1, batch // engine.replica_count()) * engine.replica_count()
    batches = max(1, min(recipe.epoch_windows, len(train)) // batch)
    compiled = engine.compiles(recipe.replicas) and is_worth_compiling(net, recipe.epochs * batches)
    steps = STEPS_AN_EXECUTION if compiled else 1
    state = TrainingState(net, recipe.patience_epochs, checkpoint)
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(recipe, epoch)),
        ProgressCallback(progress, recipe.epochs, batches, steps),
        state,
    ]
    model.parts = parts_of(batch, net) if compiled else 0
    model.compile(optimizer_of(recipe), jit_compile=False)  # the model itself compiles what each core computes
    epochs_done = state.resume(model.optimizer)
    if recipe.averaging:  # the first callback, so that the averaged weights are the ones validated and kept
        average = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        average._ema_weights_in_model = epochs_done > 0  # as at the end of an epoch
        callbacks.insert(0, average)
    if epochs_done < recipe.epochs and not state.stopped:
        drawn = draw_batches(train, batches, batch, recipe.seed, epochs_done)
        model.fit(
            group_batches(drawn, batches) if compiled else drawn,
            steps_per_epoch=math.ceil(batches / steps),
            shuffle=False,
            initial_epoch=epochs_done,
            epochs=recipe.epochs,
            validation_data=(evenly_spaced(validation, min(VALIDATION_WINDOWS, len(validation)) // batch * batch),),
            validation_batch_size=batch,
            verbose=0,
            callbacks=callbacks,
        )
    state.finish()
    return state.curve


def predict_net(net: keras.Model, panel: Panel, starts: Starts) -> Floats:
    """Compute the net's output for the windows: (windows, horizon, targets, numbers)."""
    if not len(starts):
        return np.empty((0, *net.output.shape[1:]), np.float32)
    model = WindowedModel(net, panel)
    batch = min(PREDICT_BATCH, len(starts))
    # All batches have the same size: TensorFlow would trace a shorter last one once more.
    padded = np.resize(starts, (math.ceil(len(starts) / batch) * batch, 2))
    model.compile(jit_compile=False)
    output = model.predict(padded, batch_size=batch, verbose=0)
    return np.asarray(output[: len(starts)], np.float32)
