"""Trains Darts' BlockRNNModel for bench/time_to_accuracy.py: prints seconds and validation error after each epoch."""

import json
import logging
import sys
import time
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel
from pytorch_lightning import Callback

LOOKBACK, HORIZON, UNITS = 96, 24, 64


class Curve(Callback):
    """Keeps the learning curve."""

    def __init__(self) -> None:
        """Start with no epoch."""
        self.rows: list[tuple[float, float]] = []

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        """Keep an epoch's validation loss."""
        if not trainer.sanity_checking:
            self.rows.append((time.perf_counter() - self.began, float(trainer.callback_metrics["val_loss"])))


def main(path: str, cell: str, epochs: int) -> None:
    stored = np.load(path)
    values, split = stored["values"], int(stored["split"])
    curve = Curve()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    model = BlockRNNModel(
        LOOKBACK,
        HORIZON,
        model=cell.upper(),
        hidden_dim=UNITS,
        n_rnn_layers=1,
        n_epochs=epochs,
        loss_fn=torch.nn.L1Loss(),
        random_state=1,
        pl_trainer_kwargs={**quiet, "callbacks": [curve], "num_sanity_val_steps": 0},
    )
    spans = {"": values[:, :split], "val_": values[:, split - LOOKBACK :]}
    series = {
        f"{name}{kind}": [TimeSeries.from_values(station[:, columns]) for station in span]
        for name, span in spans.items()
        for kind, columns in (("series", slice(0, 1)), ("past_covariates", slice(1, None)))
    }
    model.fit(**series)
    print(json.dumps(curve.rows))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
