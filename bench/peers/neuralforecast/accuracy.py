"""Trains NeuralForecast's nets for bench/time_to_accuracy.py: prints seconds and error of each validation."""

import json
import logging
import sys

import numpy as np
import pandas as pd
from curve import Curve
from neuralforecast import NeuralForecast, models
from neuralforecast.losses.pytorch import MAE

LOOKBACK, HORIZON, UNITS = 96, 24, 64


def main(path: str, cell: str, steps: int) -> None:
    stored = np.load(path)
    values, split = stored["values"], int(stored["split"])
    others = [f"x{number}" for number in range(1, values.shape[2])]
    stations = [
        pd.DataFrame(station, columns=["y", *others]).assign(unique_id=f"S{number}", ds=range(len(station)))
        for number, station in enumerate(values)
    ]
    curve = Curve("ptl/val_loss")
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    model = getattr(models, cell.upper())(
        h=HORIZON,
        input_size=LOOKBACK,
        encoder_hidden_size=UNITS,
        encoder_n_layers=1,
        hist_exog_list=others,
        loss=MAE(),
        max_steps=steps,
        val_check_steps=steps,
        callbacks=[curve],
        enable_checkpointing=False,
        **quiet,
    )
    NeuralForecast([model], freq=1).fit(pd.concat(stations), val_size=values.shape[1] - split)
    print(json.dumps(curve.rows))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
