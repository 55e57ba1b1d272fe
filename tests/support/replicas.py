"""A training that several devices or machines may share."""

import json
from pathlib import Path

from interrupted import RECIPE
from panels import all_starts, noise, spec_of

import models
from models.interface import Training
from tidegate.windows.panel import Panel
from tidegate.workspace.progress import no_progress

SECTION = {"family": "recurrent", "cell": "gru", "units": 6}


def data() -> Panel:
    return noise(spec_of(2, 2, lookback=8, horizon=3), 200, missing=0.4)


def train(folder: str, replicas: int = 1) -> None:
    """Train on noise with holes, so that replicas observe different numbers of cells; keep model, curve, forecasts."""
    panel = data()
    changes = {"epochs": 4, "epoch_windows": 128, "batch_windows": 32, "replicas": replicas}
    starts, validation = all_starts(panel, end=130), all_starts(panel, 130)
    model, history = models.fit(
        "gru", SECTION, Training(panel, starts, validation, RECIPE.model_copy(update=changes)), no_progress
    )
    models.save(model, SECTION, panel.spec, Path(folder))
    results = {"history": history, "point": model.predict(panel, starts[:9]).point.tolist()}
    results["device"] = models.training_device(model, replicas)
    (Path(folder) / "results.json").write_text(json.dumps(results))
