"""The course of a training: its curve, its best epoch, when to stop, and how to go on after a kill.

After each epoch all that the next ones depend on is written aside and put in place in one rename: the net's variables
(weights, and the states of its random layers), the optimiser's (moments, averages, the step count), the best weights so
far and the patience left. The order of the batches is a function of the epoch. So a training that was killed goes on
after its last whole epoch, and ends with the bits of one that was not.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tidegate.workspace.paths import atomic_output


class TrainingState(keras.callbacks.Callback):
    """Keeps the curve and the best weights by validation loss; stops when patience ends; writes checkpoints."""

    def __init__(self, net: keras.Model, patience: int | None, checkpoint: Path | None) -> None:
        """Follow `net`; without patience it never stops, and the last weights stand; without a path nothing is kept."""
        super().__init__()
        self.net, self.patience, self.checkpoint = net, patience, checkpoint
        self.curve: list[dict[str, float]] = []
        self.best: list[np.ndarray] = []
        self.lowest, self.waited, self.over = float("inf"), 0, False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch; keep its weights if they are the best."""
        logs = logs or {}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"train_loss": float(logs["loss"]), "validation_loss": float(logs["val_loss"]), "learning_rate": rate}
        self.curve.append({"epoch": epoch, **row})
        if self.patience is not None:
            self.waited += 1
            if row["validation_loss"] < self.lowest or not self.best:
                self.lowest, self.waited, self.best = row["validation_loss"], 0, self.net.get_weights()
            self.over = self.waited >= self.patience
            self.model.stop_training = self.over
        if self.checkpoint:
            self._write(self.checkpoint)

    def finish(self) -> None:
        """Let the best weights stand."""
        if self.best:
            self.net.set_weights(self.best)

    def resume(self, optimizer: keras.optimizers.Optimizer) -> int:
        """Take up a training where its checkpoint left it, if there is one; give the number of epochs done."""
        optimizer.build(self.net.trainable_variables)
        if self.checkpoint is None or not self.checkpoint.exists():
            return 0
        with np.load(self.checkpoint, allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            for name, variables in (("net", self.net.variables), ("optimizer", optimizer.variables)):
                for place, variable in enumerate(variables):
                    variable.assign(kept[f"{name}_{place}"])
            self.best = [kept[f"best_{place}"] for place in range(about["best"])]
        self.curve, self.waited, self.over = about["curve"], about["waited"], about["over"]
        self.lowest = min((row["validation_loss"] for row in self.curve), default=float("inf"))
        return len(self.curve)

    def _write(self, path: Path) -> None:
        parts = {"net": self.net.variables, "optimizer": self.model.optimizer.variables, "best": self.best}
        arrays = {
            f"{name}_{place}": keras.ops.convert_to_numpy(value)
            for name, values in parts.items()
            for place, value in enumerate(values)
        }
        about = {"curve": self.curve, "best": len(self.best), "waited": self.waited, "over": self.over}
        with atomic_output(path) as aside, aside.open("wb") as out:
            np.savez(out, about=np.array(json.dumps(about)), **arrays)
