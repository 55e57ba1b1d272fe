"""Trains Darts' BlockRNNModel for bench/training.py; a net with segments it does not have."""

import logging
from typing import Any

import turns
from darts import TimeSeries
from darts.models import BlockRNNModel
from pytorch_lightning import Callback


class AfterEach(Callback):
    """Tells that an epoch has ended."""

    def __init__(self, ended: turns.Callable[[], None]) -> None:
        """Keep what is to be called."""
        self.ended = ended

    def __deepcopy__(self, _: Any) -> "AfterEach":
        """Darts copies what it is given; there is only one side to answer to."""
        return self

    def on_train_epoch_end(self, *_: Any) -> None:
        """Call it."""
        self.ended()


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape: the first column is the target, the others are past covariates."""
    if shape["segment"] > 1:
        raise turns.NoSuchNetError
    values = turns.series(shape["columns"])
    windows = shape["batches"] * shape["batch"]
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "auto"}
    model = BlockRNNModel(
        shape["steps"],
        shape["horizon"],
        model=shape["cell"].upper(),
        hidden_dim=shape["units"],
        n_rnn_layers=1,
        batch_size=shape["batch"],
        n_epochs=1000,
        pl_trainer_kwargs={**quiet, "callbacks": [AfterEach(epoch_ended)], "gradient_clip_val": 1.0},
    )
    model.fit(
        [TimeSeries.from_values(station[:, :1]) for station in values],
        past_covariates=[TimeSeries.from_values(station[:, 1:]) for station in values],
        max_samples_per_ts=-(-windows // len(values)),
    )


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    turns.serve(train)
