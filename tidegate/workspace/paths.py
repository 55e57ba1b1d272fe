"""Every path of a workspace, named once, relative to its root; and how files are replaced whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidegate.errors import DataError

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
DATA = Path("data")
DATA_DVC = Path("data.dvc")
MEASUREMENTS = "measurements"  # within DATA: one Parquet file a month
REVISIONS = "revisions"  # within DATA: every version of the rows that have several, one Parquet file a month
LATER = "later"  # within DATA: versions that were not known yet as of the moment that data/ was rebuilt for
ACCEPTED = "accepted.parquet"  # within DATA: what the data that the gate let pass last were like
SERIES = "series.json"  # within DATA: which series its rows are of
DVC_LOCKS = Path(".dvc") / "tmp"
CHECKPOINTS = Path(".tidegate") / "checkpoints"  # outside what DVC removes before a stage
UNSENT = Path(".tidegate") / "unsent"  # records of trainings that MLflow has not taken yet
INCOMING_ROWS = Path(".tidegate") / "incoming"  # what an ingest has read and not merged yet
VALIDATION_PARTS = Path(".tidegate") / "validation"  # what groups of stations came to, until they are put together
INGEST_STATE = Path(".tidegate") / "ingest.json"  # what the source and data/ looked like after the last ingest

ARTIFACTS = Path("artifacts")
CLEAN = ARTIFACTS / "clean.parquet"
QUARANTINE = ARTIFACTS / "quarantine.parquet"
VALIDATION = ARTIFACTS / "validation.json"
FINDINGS = ARTIFACTS / "findings.csv"
PROFILE = ARTIFACTS / "profile.parquet"
DATA_DOCS = ARTIFACTS / "data_docs"
WINDOWS = ARTIFACTS / "windows"
MODELS = ARTIFACTS / "models"
HISTORY = "history.csv"  # within a model's folder: its learning curve
DIAGNOSIS = ARTIFACTS / "diagnosis"
EVALUATION = ARTIFACTS / "evaluation"
BACKTEST = ARTIFACTS / "backtest.csv"
CLASSIFIER = ARTIFACTS / "classifier"
REGISTRATION = ARTIFACTS / "registration.json"

FORECASTS = Path("forecasts")
LOGS = Path("logs")
MLFLOW = Path("mlflow")
PREFECT_HOME = Path(".prefect")


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Give a path to write to aside, and put it in the place of `path` only once it is whole."""
    aside = path.with_name(f".{path.name}.incoming")
    remove(aside)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield aside
        if aside.is_dir():
            remove(path)
        aside.replace(path)
    finally:
        remove(aside)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is the same bytes for the same content."""
    with atomic_output(path) as aside:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        aside.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: it is absent or damaged.
    """
    try:
        return json.loads(require_file(path).read_text(encoding="utf-8"))
    except ValueError:
        raise DataError(f"{path} is damaged: delete it, and run the stage that makes it again.") from None


def require_file(path: Path) -> Path:
    """Give the path of something that another stage has made.

    Raises:
        DataError: it has not.
    """
    if not path.exists():
        raise DataError(f"{path} is not here: tidegate run, or dvc repro, runs the stage that makes it.")
    return path
