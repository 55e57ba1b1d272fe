"""How a version did on its test span, day by day: what is usual for it, kept with the version's files."""

from pathlib import Path

import pandas as pd

from tidegate.evaluation.breakdown import BY_DAY
from tidegate.measurements.frame import read_frame, write_frame
from tidegate.tracking import registry
from tidegate.workspace.paths import EVALUATION

REFERENCE = "reference.parquet"


def write_reference(folder: Path, candidate: str) -> Path:
    """Write the days of a candidate's evaluation; give the file."""
    days = read_frame(EVALUATION / BY_DAY)
    path = folder / REFERENCE
    write_frame(path, days[days["model"] == candidate].drop(columns="model").reset_index(drop=True))
    return path


def read_reference(version: registry.ModelVersion) -> pd.DataFrame | None:
    """Read the days of a version's test span; None of a version that was registered without them.

    Raises:
        DataError: its files are gone.
        ServiceError: MLflow does not answer.
    """
    _, spec = registry.version_files(version)
    path = spec.with_name(REFERENCE)
    return read_frame(path) if path.exists() else None
