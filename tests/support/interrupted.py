"""Trainings that can be killed at any moment."""

import json
import os
import signal
from pathlib import Path
from unittest.mock import patch

from panels import all_starts, noise, spec_of
from workspaces import ROOT

import models
from models.interface import Training
from tidegate.workspace import settings
from tidegate.workspace.progress import Progress

RECIPE = settings.load_settings(ROOT / "params.yaml").train
CHANGES = {
    "epochs": 6,
    "epoch_windows": 128,
    "batch_windows": 32,
    "averaging": 0.9,
    "weight_decay": 0.01,
    "patience_epochs": 9,
}
SECTIONS = {
    "gru": {"family": "recurrent", "cell": "gru", "units": 5, "dropout": 0.3, "layers": 2},
    "compiled": {"family": "recurrent", "cell": "gru", "units": 5, "dropout": 0.3},
    "compiled deep": {"family": "recurrent", "cell": "gru", "units": 5, "dropout": 0.3, "layers": 2},
    "taught": {"family": "recurrent", "cell": "lstm", "units": 5, "head": "recursive", "teacher_forcing": 0.5},
    "lecture": {"family": "lecture", "units": 4, "epochs": 6},
}


def train(name: str, folder: Path, progress: Progress, **changes: float) -> None:
    """Train on noise; write the model and its curve into the folder."""
    panel = noise(spec_of(2, 2, lookback=8, horizon=3), 200)
    recipe = RECIPE.model_copy(update={**CHANGES, **changes})
    folder.mkdir(exist_ok=True)
    starts, validation = all_starts(panel, end=130), all_starts(panel, 130)
    given = Training(panel, starts, validation, recipe)
    with patch("models.nets.training.WORTH_COMPILING", 0 if name.startswith("compiled") else 10**9):
        model, history = models.fit(name, SECTIONS[name], given, progress, folder / "checkpoint.npz")
    models.save(model, SECTIONS[name], panel.spec, folder)
    (folder / "history.json").write_text(json.dumps(history))


def train_and_die(name: str, folder: str, moment: float) -> None:
    """Train in this process, on a single core; it kills itself when so many epochs are done."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

    def progress(done: float, total: float, note: str = "", loss: float | None = None) -> None:
        if done >= moment:
            os.kill(os.getpid(), signal.SIGKILL)

    train(name, Path(folder), progress)
