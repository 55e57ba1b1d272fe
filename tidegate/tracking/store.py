"""MLflow's store: where it is, and what is said when it is away.

MLFLOW_TRACKING_URI names a server; without it the store is a SQLite file in mlflow/, with the files beside it.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

# MLflow tries again by itself, waiting twice as long each time: for half a minute, not for the four of its defaults.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tidegate.errors import ServiceError, UserError, without_secrets
from tidegate.workspace import processes
from tidegate.workspace.paths import MLFLOW

EXPERIMENT = "tidegate"
PROCESS, CRASHED = "process.mark", "process.crashed"  # tags; no part of the identity
REMOTE = os.environ.get("MLFLOW_TRACKING_URI")  # read before MLflow itself sets it, to what it is told to use
FILE, FILES = MLFLOW / "mlflow.db", MLFLOW / "artifacts"


@contextmanager
def tracking_client() -> Iterator[MlflowClient]:
    """Open the store, and make the experiment at first use.

    Raises:
        ServiceError: it does not answer, or refuses.
    """
    try:
        yield open_client()
    except (MlflowException, OSError) as error:
        where = f"at {REMOTE}" if REMOTE else str(FILE)
        reason = " ".join(str(error).split())[:300]
        raise ServiceError(
            without_secrets(
                f"MLflow's store {where} does not answer as it should ({reason}): see that it is up, then run this "
                "again; what is done already stands."
            )
        ) from error


def open_client() -> MlflowClient:
    """Open the store, whatever it answers; see `store`.

    Raises:
        UserError: the address holds a password, which MLflow would write into its messages.
    """
    if REMOTE and REMOTE.startswith("http") and without_secrets(REMOTE) != REMOTE:
        raise UserError(
            "MLFLOW_TRACKING_URI holds a password: give the address alone, the rest in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    MLFLOW.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(REMOTE or f"sqlite:///{FILE.absolute()}")
    client = MlflowClient()
    files = None if REMOTE else FILES.absolute().as_uri()
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        client.create_experiment(EXPERIMENT, artifact_location=files)
    elif files and found.artifact_location != files:
        _move(found.artifact_location, files)
    mlflow.set_experiment(EXPERIMENT)
    return client


def _move(old: str, new: str) -> None:
    """Let the embedded store find its files where they are: the workspace has been moved, or restored elsewhere.

    MLflow writes whole paths into its database, and has no command to change them.
    """
    with closing(sqlite3.connect(FILE)) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
                if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                    cell = f'"{column}"'
                    change = f'UPDATE "{table}" SET {cell} = ? || substr({cell}, ?) WHERE substr({cell}, 1, ?) = ?'  # noqa: S608
                    database.execute(change, (new, len(old) + 1, len(old), old))


def start_run(tags: Mapping[str, str], **which: Any) -> mlflow.ActiveRun:
    """Begin a run, or take one up again, as this process's: should it die, the run can be closed."""
    return mlflow.start_run(**which, tags={**tags, PROCESS: processes.mark()})


def runs_where(client: MlflowClient, **tags: str) -> list[Any]:
    """Find the runs that bear these tags, newest first."""
    clause = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return list(client.search_runs([experiment_id(client)], clause))


def experiment_id(client: MlflowClient) -> str:
    """Give the id of the experiment."""
    return str(client.get_experiment_by_name(EXPERIMENT).experiment_id)
