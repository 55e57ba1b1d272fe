"""What a run will cost: rough figures, in proportion to what the default takes on two cores (docs/operations.md)."""

from collections.abc import Mapping
from typing import Any

from tidegate.workspace.settings import Settings, Window

STEP_SECONDS = {"rnn": 2.0e-6, "lstm": 3.2e-6, "gru": 4.4e-6}  # a window and step of training beside another, at UNITS
UNITS = 32
START_SECONDS = 30.0  # imports, diagnosis, registration
ROW_SECONDS = 8e-6  # ingest, gate and windows
FORECAST_SECONDS = 1.2e-4  # a test window and candidate
START_BYTES = 1.4e9
BESIDE_BYTES = 0.9e9  # a training in a process of its own
CELL_BYTES = 5  # a value in float32, and whether it was measured
CALENDAR = 4  # columns


def expected_cost(settings: Settings, window: Window, rows: int, features: int) -> str:
    """Say how long `tidegate run` will take, and with how much memory.

    Args:
        settings: of the workspace: candidates and training.
        window: as proposed.
        rows: measured at all stations together.
        features: targets and covariates.
    """
    seconds = START_SECONDS + rows * ROW_SECONDS
    seconds += rows * window.test_share * FORECAST_SECONDS * len(settings.models)
    train, trainings = settings.train, [0.0]
    for section in settings.models.values():
        if section.get("cell") in STEP_SECONDS:
            windows = min(train.epoch_windows, int(rows * (1 - window.test_share - window.validation_share)))
            trainings.append(train.epochs * windows * window.lookback_steps * _step_seconds(section))
    seconds += max(sum(trainings) / 2, *trainings)
    processes = 2 if len(trainings) > 2 else 1
    data = rows * (features + CALENDAR) * CELL_BYTES
    gigabytes = (START_BYTES + (processes - 1) * BESIDE_BYTES + processes * data) / 1e9
    minutes = max(1, round(seconds / 60))
    return f"about {minutes:,} minute{'s' if minutes > 1 else ''} and {gigabytes:.1f} GB of memory on two cores"


def _step_seconds(section: Mapping[str, Any]) -> float:
    size = max(1.0, int(section.get("units", UNITS)) / UNITS) ** 1.5
    return STEP_SECONDS[section["cell"]] * size * int(section.get("layers", 1)) / int(section.get("segment", 1))
