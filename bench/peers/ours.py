"""Trains Tidegate's nets for bench/training.py: as `tidegate train` does, from the panel."""

from typing import Any

import numpy as np
import turns

from models import recurrent
from models.interface import Training
from tidegate.windows.panel import Panel
from tidegate.windows.spec import WindowSpec
from tidegate.workspace.settings import Train

EPOCHS = 1000  # more than are ever asked for


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape."""
    values = turns.series(shape["columns"] // 2)  # each column has a flag beside it
    spec = WindowSpec(
        tuple(f"S{number}" for number in range(len(values))),
        tuple(f"x{number}" for number in range(values.shape[2])),
        ("x0",),
        "1h",
        shape["steps"],
        shape["horizon"],
        24,
    )
    number = np.arange(shape["batches"] * shape["batch"])
    starts = np.stack([number % len(values), number // len(values)], axis=1).astype(np.int32)
    starts[:, 1] %= turns.STEPS - shape["steps"] - shape["horizon"] + 1
    recipe = Train(
        seed=1,
        epochs=EPOCHS,
        epoch_windows=len(starts),
        batch_windows=shape["batch"],
        loss="mae",
        learning_rate=0.003,
        patience_epochs=EPOCHS,
        clip_norm=1.0,
    )
    options = recurrent.Options(cell=shape["cell"], units=shape["units"], segment=shape["segment"])

    def progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if loss is not None:
            epoch_ended()

    panel = Panel.create(values, np.ones(values.shape, bool), spec)
    recurrent.Family(options, spec).fit(Training(panel, starts, starts[: shape["batch"]], recipe), progress)


if __name__ == "__main__":
    turns.serve(train)
