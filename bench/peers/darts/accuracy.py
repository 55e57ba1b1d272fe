"""Trains Darts' BlockRNNModel for bench/time_to_accuracy.py: prints seconds and validation error after each epoch."""

import json
import logging
import sys

import numpy as np
import torch
from curve import Curve
from darts import TimeSeries
from darts.models import BlockRNNModel

LOOKBACK, HORIZON, UNITS = 96, 24, 64


def main(path: str, cell: str, epochs: int) -> None:
    stored = np.load(path)
    values, split = stored["values"], int(stored["split"])
    curve = Curve("val_loss")
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
