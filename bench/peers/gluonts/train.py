"""Trains GluonTS' DeepAR for bench/training.py: an LSTM that unrolls over the horizon too; it has no other net."""

import logging
import tempfile
from typing import Any

import pandas as pd
import turns
from gluonts.dataset.common import ListDataset
from gluonts.torch import DeepAREstimator
from lightning.pytorch import Callback


class AfterEach(Callback):
    """Tells that an epoch has ended."""

    def __init__(self, ended: turns.Callable[[], None]) -> None:
        """Keep what is to be called."""
        self.ended = ended

    def on_train_epoch_end(self, *_: Any) -> None:
        """Call it."""
        self.ended()


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape: the first column is the target, the others are known at every step.

    It reads `steps` of the past and the horizon as one sequence, and forecasts a distribution; the target's own value
    of the step before is its one lag.
    """
    if shape["cell"] != "lstm" or shape["segment"] > 1:
        raise turns.NoSuchNetError
    start = pd.Period("2024-01-01 00:00", freq="h")
    stations = [
        {"start": start, "target": station[:, 0], "feat_dynamic_real": station[:, 1:].T}
        for station in turns.series(shape["columns"])
    ]
    estimator = DeepAREstimator(
        freq="h",
        prediction_length=shape["horizon"],
        context_length=shape["steps"],
        num_layers=1,
        hidden_size=shape["units"],
        lr=0.003,
        num_feat_dynamic_real=shape["columns"] - 1,
        lags_seq=[1],
        time_features=[],
        batch_size=shape["batch"],
        num_batches_per_epoch=shape["batches"],
        trainer_kwargs={
            "max_epochs": 100_000,
            "gradient_clip_val": 1.0,
            "callbacks": [AfterEach(epoch_ended)],
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tempfile.gettempdir(),  # it keeps its best weights
            "logger": False,
            "accelerator": "auto",
        },
    )
    estimator.train(ListDataset(stations, freq="h"))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    turns.serve(train)
