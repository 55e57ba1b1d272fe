"""The paths of a workspace, relative to its root, and functions that replace a file as a whole."""

import json
import os
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
REVISIONS = "revisions"  # within DATA: all versions of the rows that have several, one Parquet file a month
LATER = "later"  # within DATA: versions that became known after the moment as of which data/ was rebuilt
ACCEPTED = "accepted.parquet"  # within DATA: the profile of the data that last passed the gate
SERIES = "series.json"  # within DATA: the name of the series of its rows
DVC_LOCKS = Path(".dvc") / "tmp"
CHECKPOINTS = Path(".tidegate") / "checkpoints"  # outside the outputs, which DVC removes before a stage
UNSENT = Path(".tidegate") / "unsent"  # records of trainings that are not in MLflow yet
INCOMING_ROWS = Path(".tidegate") / "incoming"  # rows that an ingest has read and not merged yet
VALIDATION_PARTS = Path(".tidegate") / "validation"  # results of groups of stations, until they are merged
INGEST_STATE = Path(".tidegate") / "ingest.json"  # the state of the source and of data/ after the last ingest

EXPERIMENT = os.environ.get("DVC_EXP_NAME")  # of `dvc exp run`, in the workspace or not: DVC names every experiment

ARTIFACTS = Path("artifacts")
CLEAN = ARTIFACTS / "clean.parquet"
QUARANTINE = ARTIFACTS / "quarantine.parquet"
VALIDATION = ARTIFACTS / "validation.json"
FINDINGS = ARTIFACTS / "findings.csv"
PROFILE = ARTIFACTS / "profile.parquet"
DATA_DOCS = ARTIFACTS / "data_docs"
WINDOWS = ARTIFACTS / "windows"
MODELS = ARTIFACTS / "models"
MADE_FROM = "made_from.json"  # within the folder of a stage's output: the digests of its inputs
HISTORY = "history.csv"  # within the folder of a model: its learning curve
DIAGNOSIS = ARTIFACTS / "diagnosis"
EVALUATION = ARTIFACTS / "evaluation"
SCORES = ARTIFACTS / "scores"  # the figures that matter, a file a candidate: what DVC shows as metrics
BACKTEST = ARTIFACTS / "backtest.csv"
CLASSIFIER = ARTIFACTS / "classifier"
REGISTRATION = ARTIFACTS / "registration.json"

DVC_PAGE = Path(".dvc") / "plots" / "offline.html"  # what `dvc plots show` fills in

CHANGES = "changes.patch"  # within a version's files: what differed from the commit when it was registered

FORECASTS = Path("forecasts")
VERIFICATION = Path("verification")
SHADOW = Path("shadow")  # forecasts of a version on trial, and how they did
REPLAYS = Path("replays")  # workspaces of replays
CHAMPION_LOG = Path("champion_log.jsonl")  # a copy of what the registry holds
WATCH_STATE = Path(".tidegate") / "watch.json"
VERIFIED_STATE = Path(".tidegate") / "verified.json"  # what each month of forecasts was verified from
FORECAST_PAGE = FORECASTS / "latest.html"
REPORT = Path("reports") / "report.html"
LOGS = Path("logs")
# `dvc exp run --temp` runs in a copy that is deleted: its records go to the workspace's own store.
MLFLOW = Path(os.environ.get("DVC_ROOT", "") if EXPERIMENT else "") / "mlflow"
PREFECT_HOME = Path(".prefect")
PREFECT_SERVER = PREFECT_HOME / "server.json"  # the address of the workspace's Prefect server, while it runs
MLFLOW_SERVER = Path(".tidegate") / "mlflow_server.json"  # the same, of MLflow's


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to `path` when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.incoming")
    remove(temporary)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        if temporary.is_dir():
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; the same content gives the same bytes."""
    with atomic_output(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


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
    """Return the path of an output of another stage, if it exists.

    Raises:
        DataError: it does not exist.
    """
    if not path.exists():
        raise DataError(f"{path} is not here: tidegate run, or dvc repro, runs the stage that makes it.")
    return path
