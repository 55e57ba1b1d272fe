"""The MLflow tracking store: opening it, and the error if it does not answer.

MLFLOW_TRACKING_URI names a server. Without it, the store is a SQLite file in mlflow/, with the artifacts beside it.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

# MLflow retries by itself, and doubles the wait each time: for half a minute here, by default for four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

# Left over from other work with MLflow, these would turn a record into part of somebody else's run or experiment.
os.environ.pop("MLFLOW_RUN_ID", None)
os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)

from tidegate.errors import RecordRefused, ServiceError, UserError, without_secrets
from tidegate.workspace import processes
from tidegate.workspace.paths import MLFLOW

if TYPE_CHECKING:
    import mlflow
    from mlflow import MlflowClient

# MLflow is imported where it is used: a forecast may need no more than what `read_only.py` reads.

EXPERIMENT = "tidegate"
PROCESS, CRASHED = "process.mark", "process.crashed"  # tags that are no part of the identity
REMOTE = os.environ.get("MLFLOW_TRACKING_URI")  # read now, because MLflow itself sets it later
REFUSALS = ("INVALID_PARAMETER_VALUE", "INVALID_STATE")  # asking again is in vain
DATABASE, ARTIFACTS = MLFLOW / "mlflow.db", MLFLOW / "artifacts"


@contextmanager
def tracking_client() -> "Iterator[MlflowClient]":
    """Open the store, and create the experiment at first use.

    Raises:
        ServiceError: the store does not answer, also within the block.
        RecordRefused: it answers, and refuses for good what it was asked.
    """
    from mlflow.exceptions import MlflowException

    opened = False
    try:
        client = open_client()
        opened = True
        yield client
    except (MlflowException, OSError, sqlite3.Error) as error:
        where = f"at {REMOTE}" if REMOTE else str(DATABASE)
        reason = " ".join(str(error).split())[:300]
        if opened and isinstance(error, MlflowException) and error.error_code in REFUSALS:
            raise RecordRefused(without_secrets(f"MLflow's store {where} refuses this ({reason})")) from error
        raise ServiceError(
            without_secrets(
                f"MLflow's store {where} does not answer as it should ({reason}): see that it is up, then run this "
                "again; what is already done is kept."
            )
        ) from error


def open_client() -> "MlflowClient":
    """Open the store as `tracking_client` does, but raise the errors of MLflow as they are.

    Raises:
        UserError: the address has a password, which MLflow would write into its messages.
    """
    if REMOTE and REMOTE.startswith("http") and without_secrets(REMOTE) != REMOTE:
        raise UserError(
            "MLFLOW_TRACKING_URI holds a password: give the address alone, the rest in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )
    import mlflow

    MLFLOW.mkdir(exist_ok=True)
    if not REMOTE and DATABASE.exists():
        with closing(sqlite3.connect(DATABASE)) as database:
            database.execute("PRAGMA schema_version")  # fails here if it is no database: MLflow would log it at length
    if not REMOTE and not DATABASE.exists():
        _create_database()
    mlflow.set_tracking_uri(REMOTE or f"sqlite:///{DATABASE.absolute()}")
    client = mlflow.MlflowClient()
    artifacts = None if REMOTE else ARTIFACTS.absolute().as_uri()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    elif artifacts and experiment.artifact_location != artifacts:
        _change_artifact_paths(experiment.artifact_location, artifacts)
    mlflow.set_experiment(EXPERIMENT)
    return client


def _create_database() -> None:
    """Let MLflow create its database aside, and put it in place whole: half made, it could never be opened."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = DATABASE.with_name(f".{DATABASE.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    SqlAlchemyStore(f"sqlite:///{aside.absolute()}", ARTIFACTS.absolute().as_uri()).engine.dispose()
    with suppress(FileExistsError):  # another process was first
        os.link(aside, DATABASE)
    aside.unlink()


def _change_artifact_paths(old: str, new: str) -> None:
    """Correct the artifact paths in the SQLite file after the workspace was moved, or restored elsewhere.

    MLflow writes absolute paths into its database, and has no command to change them.
    """
    with closing(sqlite3.connect(DATABASE)) as database, database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, column_type, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
                if "CHAR" in column_type.upper() or "TEXT" in column_type.upper():
                    cell = f'"{column}"'
                    change = f'UPDATE "{table}" SET {cell} = ? || substr({cell}, ?) WHERE substr({cell}, 1, ?) = ?'  # noqa: S608
                    database.execute(change, (new, len(old) + 1, len(old), old))


def start_run(tags: Mapping[str, str], **run: Any) -> "mlflow.ActiveRun":
    """Start a run or resume one, and tag it with this process: if the process dies, the run can be closed."""
    import mlflow

    return mlflow.start_run(**run, tags={**tags, PROCESS: processes.mark()})


def find_runs(client: "MlflowClient", **tags: str) -> list[Any]:
    """Find the runs that have these tags, newest first."""
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return list(client.search_runs([experiment_id(client)], condition))


def experiment_id(client: "MlflowClient") -> str:
    """Get the id of the experiment."""
    return str(client.get_experiment_by_name(EXPERIMENT).experiment_id)
