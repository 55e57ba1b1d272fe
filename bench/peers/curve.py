"""The learning curve of a net that PyTorch Lightning trains, for bench/time_to_accuracy.py."""

import time
from typing import Any

from pytorch_lightning import Callback


class Curve(Callback):
    """Keeps seconds since training began, and the validation error, of each validation."""

    def __init__(self, metric: str) -> None:
        """Start with no validation; `metric` is the library's name of the error."""
        self.metric, self.rows = metric, list[tuple[float, float]]()

    def __deepcopy__(self, _: Any) -> "Curve":
        """A library may copy what it is given; there is only one curve to read afterwards."""
        return self

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        """Keep a validation."""
        if not trainer.sanity_checking:
            self.rows.append((time.perf_counter() - self.began, float(trainer.callback_metrics[self.metric])))
