"""The MLflow tracking store: opening it, and the error if it does not answer.

MLFLOW_TRACKING_URI names a server. Without it, the store is a SQLite file in mlflow/, with the artifacts beside it.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
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
from tidegate.workspace.paths import MLFLOW, PARAMS

if TYPE_CHECKING:
    import mlflow
    from mlflow import MlflowClient

# MLflow is imported where it is used: a forecast may need no more than what `read_only.py` reads.

EXPERIMENT = "tidegate"  # of workspaces that give `register.name` no other name; earlier releases had it for all
MLFLOWS_OWN = "0"  # the experiment Default, which would stand empty beside it
# Tags that are no part of the identity: MLflow shows none whose name begins with its own, as that of a process does.
PROCESS, PROCESS_BEFORE, CRASHED = "mlflow.tidegate.process", "process.mark", "process.crashed"
REMOTE = os.environ.get("MLFLOW_TRACKING_URI")  # read now, because MLflow itself sets it later
REFUSALS = ("INVALID_PARAMETER_VALUE", "INVALID_STATE")  # asking again is in vain
MAX_METRICS = 1000  # in one call of MLflow's REST interface
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
    known = _experiments(client)
    if (name := experiment_name()) not in known:
        client.create_experiment(name, artifact_location=artifacts)
        if not REMOTE and not known:
            client.delete_experiment(MLFLOWS_OWN)
    if moved := [found for found in known.values() if artifacts and found.artifact_location != artifacts]:
        _change_artifact_paths(moved[0].artifact_location, str(artifacts))
    mlflow.set_experiment(name)
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


def create_run(client: "MlflowClient", name: str, tags: Mapping[str, str], began: int) -> Any:
    """Create a run that began at a time, in milliseconds since 1970."""
    from mlflow.tracking.context.registry import resolve_tags

    own: Any = resolve_tags({**tags, PROCESS: processes.mark()})  # and who runs this, as MLflow's own runs are tagged
    return client.create_run(experiment_id(client), began, own, name)


def process_of(run: Any) -> str | None:
    """Give the mark of the process that has a run open; earlier releases had another name for it."""
    tags: dict[str, str] = run.data.tags
    return tags.get(PROCESS) or tags.get(PROCESS_BEFORE)


def log_metrics(client: "MlflowClient", run_id: str, metrics: Sequence[Any]) -> None:
    """Log any number of metrics."""
    for first in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[first : first + MAX_METRICS])


def find_runs(client: "MlflowClient", **tags: str) -> list[Any]:
    """Find the runs that have these tags, newest first."""
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return list(client.search_runs(experiment_ids(client), condition))


def experiment_name() -> str:
    """Give the name of the workspace's experiment: a data set has one, of the same name as its registered model."""
    return _registered_name(PARAMS.absolute(), PARAMS.stat().st_mtime_ns) if PARAMS.exists() else EXPERIMENT


@lru_cache(maxsize=1)
def _registered_name(params: Path, changed: int) -> str:
    """Give `register.name`: read once, because it is asked for whenever the store is opened."""
    from tidegate.workspace.settings import load_settings  # with pandas: what only reads the store does without

    return load_settings(params).register_.name


def experiment_id(client: "MlflowClient") -> str:
    """Get the id of the workspace's experiment."""
    return str(client.get_experiment_by_name(experiment_name()).experiment_id)


def experiment_ids(client: "MlflowClient") -> list[str]:
    """Get the ids of the experiments that may hold runs of this workspace."""
    return [str(experiment.experiment_id) for experiment in _experiments(client).values()]


def _experiments(client: "MlflowClient") -> dict[str, Any]:
    """Get the workspace's experiment, and that which earlier releases had, by name; those of them that are there."""
    found = {name: client.get_experiment_by_name(name) for name in dict.fromkeys([experiment_name(), EXPERIMENT])}
    return {name: experiment for name, experiment in found.items() if experiment is not None}
