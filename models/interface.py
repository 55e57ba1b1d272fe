"""The interface of all model families, and the base class of their sections in params.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidegate.windows.panel import Forecasts, Panel, Starts
from tidegate.workspace.params import Section
from tidegate.workspace.progress import Progress
from tidegate.workspace.settings import Train, Window

History = list[dict[str, float]]  # one row per epoch


@dataclass(frozen=True)
class Training:
    """What a candidate is trained with: the panel, the training and validation windows, and the recipe."""

    panel: Panel
    train: Starts  # (windows, 2)
    validation: Starts
    recipe: Train


class Model(Protocol):
    """A model that forecasts scaled windows; it is made with `Family(options, spec)`."""

    def fit(self, training: Training, progress: Progress, checkpoint: Path | None = None) -> History:
        """Train on the training windows; return the learning curve, empty if there is none.

        A training that takes long writes the file `checkpoint`, unless it is None, and resumes from it after it was
        killed.
        """

    def predict(self, panel: Panel, starts: Starts) -> Forecasts:
        """Forecast each window: scaled values (windows, horizon, targets), or alert probabilities (windows, 1, 1)."""

    def save(self, folder: Path) -> None:
        """Write the trained state into an existing folder; the same state always gives the same bytes."""

    def restore(self, folder: Path) -> None:
        """Read the state that `save` wrote."""


class ModelOptions(Section):
    """A section under models in params.yaml, without its keys `family` and `train`."""

    def refusal(self, window: Window) -> tuple[str, str] | None:
        """Return the key that is not compatible with the windows, and why; None if all keys are."""
        return None
