"""Trains NeuralForecast's RNN, LSTM and GRU for bench/training.py; a net with segments it does not have.

Its nets map each of the last states to a step of the horizon, where the others map the last one to all of them.
"""

import logging
from typing import Any

import pandas as pd
import turns
from neuralforecast import NeuralForecast, models
from neuralforecast.losses.pytorch import MAE
from pytorch_lightning import Callback


class AfterBatches(Callback):
    """Tells that an epoch has ended: each of its own epochs is a batch, for it batches by station."""

    def __init__(self, batches: int, ended: turns.Callable[[], None]) -> None:
        """Keep what is to be called, and after how many batches."""
        self.batches, self.ended = batches, ended

    def __deepcopy__(self, _: Any) -> "AfterBatches":
        """NeuralForecast copies what it is given; there is only one side to answer to."""
        return self

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Call it."""
        if trainer.global_step % self.batches == 0:
            self.ended()


def train(shape: dict[str, Any], epoch_ended: turns.Callable[[], None]) -> None:
    """Train a net of this shape: the first column is the target, the others are known of the past alone."""
    if shape["segment"] > 1:
        raise turns.NoSuchNetError
    values = turns.series(shape["columns"])
    others = [f"x{number}" for number in range(1, shape["columns"])]
    stations = [
        pd.DataFrame(station, columns=["y", *others]).assign(unique_id=f"S{number}", ds=range(len(station)))
        for number, station in enumerate(values)
    ]
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "auto"}
    model = getattr(models, shape["cell"].upper())(
        h=shape["horizon"],
        input_size=shape["steps"],
        encoder_hidden_size=shape["units"],
        encoder_n_layers=1,
        decoder_layers=1,
        hist_exog_list=others,
        scaler_type="identity",
        loss=MAE(),
        max_steps=1_000_000,
        learning_rate=0.003,
        batch_size=len(values),
        windows_batch_size=shape["batch"],
        callbacks=[AfterBatches(shape["batches"], epoch_ended)],
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        **quiet,
    )
    NeuralForecast([model], freq=1).fit(pd.concat(stations))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    turns.serve(train)
