"""The state of a training: its learning curve, its best epoch, early stopping, and how it resumes after it was killed.

After each epoch a checkpoint is written to a temporary file, which then replaces the old one in a single rename. It
holds everything that the next epochs depend on: the variables of the net (weights, and the states of its random
layers) and of the optimiser (moments, averages, step count), the best weights so far, and the remaining patience. The
order of the batches depends on the epoch's number alone. So a training that was killed resumes after its last complete
epoch, and ends with the same bits as one that was not.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tidegate.workspace.paths import atomic_output


class TrainingState(keras.callbacks.Callback):
    """Keeps the curve and the best weights by validation loss, stops when patience runs out, writes checkpoints."""

    def __init__(self, net: keras.Model, patience: int | None, checkpoint: Path | None) -> None:
        """Follow `net`.

        Without `patience` the training never stops early, and the net keeps its last weights. Without `checkpoint` no
        file is written.
        """
        super().__init__()
        self.net, self.patience, self.checkpoint = net, patience, checkpoint
        self.curve: list[dict[str, float]] = []
        self.best_weights: list[np.ndarray] = []
        self.lowest_loss, self.epochs_since_best, self.stopped = float("inf"), 0, False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the epoch to the curve; keep its weights if they are the best; write the checkpoint."""
        logs = logs or {}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"train_loss": float(logs["loss"]), "validation_loss": float(logs["val_loss"]), "learning_rate": rate}
        self.curve.append({"epoch": epoch, **row})
        if self.patience is not None:
            self.epochs_since_best += 1
            if row["validation_loss"] < self.lowest_loss or not self.best_weights:
                self.lowest_loss, self.epochs_since_best = row["validation_loss"], 0
                self.best_weights = self.net.get_weights()
            self.stopped = self.epochs_since_best >= self.patience
            self.model.stop_training = self.stopped
        if self.checkpoint:
            self._write(self.checkpoint)

    def finish(self) -> None:
        """Give the net its best weights."""
        if self.best_weights:
            self.net.set_weights(self.best_weights)

    def resume(self, optimizer: keras.optimizers.Optimizer) -> int:
        """Continue from the checkpoint, if there is one; return the number of epochs that are complete."""
        optimizer.build(self.net.trainable_variables)
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        with np.load(self.checkpoint, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            for name, variables in (("net", self.net.variables), ("optimizer", optimizer.variables)):
                for index, variable in enumerate(variables):
                    variable.assign(stored[f"{name}_{index}"])
            self.best_weights = [stored[f"best_{index}"] for index in range(about["best"])]
        self.curve, self.epochs_since_best, self.stopped = about["curve"], about["waited"], about["over"]
        self.lowest_loss = min((row["validation_loss"] for row in self.curve), default=float("inf"))
        return len(self.curve)

    def _write(self, path: Path) -> None:
        parts = {"net": self.net.variables, "optimizer": self.model.optimizer.variables, "best": self.best_weights}
        arrays = {
            f"{name}_{index}": keras.ops.convert_to_numpy(value)
            for name, values in parts.items()
            for index, value in enumerate(values)
        }
        about = {
            "curve": self.curve,
            "best": len(self.best_weights),
            "waited": self.epochs_since_best,
            "over": self.stopped,
        }
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)
