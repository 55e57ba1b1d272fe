"""What every family keeps to, and what the sections of all families have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.workspace.params import Section
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train, Window

History = list[dict[str, float]]  # one row an epoch


@dataclass(frozen=True)
class Training:
    """What a candidate learns from: the panel, its training and validation windows, and the recipe."""

    panel: Panel
    train: Starts  # (windows, 2)
    validation: Starts
    recipe: Train


class Model(Protocol):
    """A forecaster of scaled windows. Made as `Family(options, spec)`."""

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Learn from the training windows; give the learning curve, empty if there is none.

        What takes long keeps a file at `checkpoint`, if that is given, and goes on from it after a kill.
        """

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: (windows, horizon, targets), scaled; of alerts the probability, (windows, 1, 1)."""

    def save(self, folder: Path) -> None:
        """Write what was learnt into an existing folder, the same bytes for the same state."""

    def restore(self, folder: Path) -> None:
        """Read what `save` wrote."""


class ModelOptions(Section):
    """A section of params.yaml under models, without its `family` and `train`."""

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Say which key does not go with the windows, and why; None if all do."""
        return None
