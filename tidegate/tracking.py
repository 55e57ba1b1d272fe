"""MLflow: a run for each trained model, and the registry. The only file, but for the served model, that imports it.

Runs are found again by tags: the candidate, the data and the digest of what was learnt. No run id stands in a file
of the pipeline.
"""

import math
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis

from tidegate import identity, processes
from tidegate.artifacts import DATA, HISTORY, MLFLOW, MODELS
from tidegate.errors import DataError
from tidegate.identity import Identity
from tidegate.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "tidegate"
STUDY = "tidegate.study"
PROCESS, CRASHED = "process.mark", "process.crashed"  # no part of the identity
DIGEST, SECONDS = "tidegate.digest", "train_seconds"
CHAMPION, CHALLENGER = "champion", "challenger"
PACKAGES = ("keras", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "ruamel.yaml", "tensorflow")
REMOTE = os.environ.get("MLFLOW_TRACKING_URI")  # read before MLflow itself sets it, to what it is told to use
ROOT = Path(__file__).parent.parent


def prepare() -> MlflowClient:
    """Open the store that MLFLOW_TRACKING_URI names, or the embedded one; make the experiment at first use."""
    MLFLOW.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(REMOTE or f"sqlite:///{(MLFLOW / 'mlflow.db').absolute()}")
    client = MlflowClient()
    if client.get_experiment_by_name(EXPERIMENT) is None:
        location = None if REMOTE else (MLFLOW / "artifacts").absolute().as_uri()
        client.create_experiment(EXPERIMENT, artifact_location=location)
    mlflow.set_experiment(EXPERIMENT)
    return client


def record_training(
    identity: Identity,
    digest: str,
    params: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    seconds: float | None,
    device: Mapping[str, str],
) -> str:
    """Record a trained model as a run: parameters, curve, data set, identity and device as tags; give its id."""
    client = prepare()
    now = get_current_time_millis()
    curve = [
        Metric(name, value, now, int(row["epoch"]) + 1)
        for row in history
        for name, value in row.items()
        if name != "epoch"
    ]
    if seconds is not None:
        curve.append(Metric(SECONDS, seconds, now, 0))
    learnt_on = {f"learnt_on.{key}": value for key, value in device.items()}
    with _begun({**identity.tags(), **learnt_on, DIGEST: digest}, run_name=identity.candidate) as run:
        mlflow.log_params(dict(params))
        source = CodeDatasetSource({"dvc": f"{DATA}.dvc", "md5": identity.data})
        mlflow.log_input(MetaDataset(source, name=DATA.name, digest=identity.data), context="training")
        client.log_batch(run.info.run_id, metrics=curve)
        return str(run.info.run_id)


def find_run(candidate: str, data: str, digest: str) -> str | None:
    """Find the newest run of a trained model, by its tags."""
    wanted = {"tidegate.candidate": candidate, "tidegate.data": data, DIGEST: digest}
    clause = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
    client = prepare()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], clause, max_results=1)
    return runs[0].info.run_id if runs else None


def run_of(settings: Settings, candidate: str) -> str:
    """Find the run of a trained candidate, or make it: DVC may have restored a model that was trained elsewhere."""
    whose, digest = identity.of_candidate(settings, candidate), identity.folder_digest(MODELS / candidate)
    found = find_run(candidate, whose.data, digest)
    return found or record_training(
        whose, digest, identity.parameters(settings, candidate), learning_curve(candidate), None, {}
    )


def learning_curve(candidate: str) -> list[dict[str, float]]:
    """Read the learning curve of a trained candidate, one row an epoch."""
    return pd.read_csv(MODELS / candidate / HISTORY).to_dict("records")  # type: ignore[return-value]


def identity_tags(run_id: str) -> dict[str, str]:
    """Give the tags that name the model of a run."""
    tags = prepare().get_run(run_id).data.tags
    return {key: value for key, value in tags.items() if key.startswith("tidegate.")}


def record_evaluation(run_id: str, scores: Mapping[str, float], figures: "Mapping[str, Figure]") -> None:
    """Add test metrics and figures to a model's run; a second time changes nothing."""
    client = prepare()
    known = client.get_run(run_id).data.metrics
    for name, value in scores.items():
        if known.get(f"test_{name}") != value:
            client.log_metric(run_id, f"test_{name}", value)
    record_figures(run_id, figures)


def record_figures(run_id: str, figures: "Mapping[str, Figure]") -> None:
    """Add figures to a model's run."""
    client = prepare()
    for name, figure in figures.items():
        client.log_figure(run_id, figure, f"figures/{name}.png")


def begin_search(whose: Identity, study: str) -> str:
    """Find the run of a search, or make it; its trials are its children."""
    client = prepare()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id], f"tags.`{STUDY}` = '{study}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {f"tidegate.search.{key}": str(value) for key, value in vars(whose).items()}
    with _begun({**tags, STUDY: study}, run_name=f"tune {whose.candidate}") as run:
        return str(run.info.run_id)


def record_trial(
    parent: str,
    number: int,
    params: Mapping[str, Any],
    value: float | None,
    curve: Mapping[int, float],
    outcome: str,
) -> None:
    """Record a trial as a child of its search: its values, validation losses and error."""
    client, now = prepare(), get_current_time_millis()
    seen = [Metric("validation_loss", loss, now, epoch) for epoch, loss in curve.items()]
    seen += [Metric("validation_error", value, now, 0)] if value is not None else []
    tags = {MLFLOW_PARENT_RUN_ID: parent, "tidegate.outcome": outcome}
    with _begun(tags, run_name=f"trial {number + 1}") as run:
        mlflow.log_params(dict(params))
        client.log_batch(run.info.run_id, metrics=seen)


def record_classification(params: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Record a classifier of whole sequences as a run: its options and files, and its test scores."""
    prepare()
    with _begun({}, run_name=f"classify {params['train']}"):
        mlflow.log_params(dict(params))
        mlflow.log_metrics({f"test_{name}": value for name, value in scores.items() if math.isfinite(value)})


def close_dead() -> int:
    """Close the runs that are said to run in a process of this host that is gone; count them."""
    client = prepare()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    closed = 0
    for run in client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'"):
        whose = run.data.tags.get(PROCESS)
        if whose and processes.is_dead(whose):
            client.set_tag(run.info.run_id, CRASHED, f"its process is gone ({whose})")
            client.set_terminated(run.info.run_id, "FAILED")
            closed += 1
    return closed


def _begun(tags: Mapping[str, str], **which: str) -> mlflow.ActiveRun:
    """Begin a run, or take one up again, as this process's: should it die, the run can be closed."""
    return mlflow.start_run(**which, tags={**tags, PROCESS: processes.mark()})


def train_seconds(run_id: str) -> float | None:
    """Say how long the model of a run took to train, if it was trained here."""
    seconds: float | None = prepare().get_run(run_id).data.metrics.get(SECONDS)
    return seconds


def find_version(name: str, tags: Mapping[str, str]) -> ModelVersion | None:
    """Find the registered version that bears an identity's tags."""
    for found in prepare().search_model_versions(f"name = '{name}'"):
        if all(found.tags.get(key) == value for key, value in tags.items()):
            return found
    return None


def champion(name: str) -> ModelVersion | None:
    """Give the present champion of a registered model, if there is one."""
    try:
        return prepare().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def parts_of(found: ModelVersion) -> tuple[Path, Path]:
    """Fetch a version's files: the model's folder and the spec of its windows.

    Raises:
        DataError: the store no longer has them.
    """
    try:
        folder = Path(download_artifacts(f"models:/{found.name}/{found.version}")) / "artifacts"
        model = next(path.parent for path in folder.rglob("model.json"))
    except (MlflowException, OSError, StopIteration) as error:
        raise DataError(
            f"the files of {found.name} version {found.version} are gone from the store ({error})"
        ) from None
    return model, folder / "spec.json"


def register(
    name: str,
    run_id: str,
    model: Path,
    spec: Path,
    example: tuple[pd.DataFrame, pd.DataFrame],
    tags: Mapping[str, str],
) -> ModelVersion:
    """Register a forecaster as a new version, with its code, signature and example."""
    recent, forecasts = example
    prepare()
    with _begun({}, run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="forecaster",
            python_model=str(ROOT / "tidegate" / "served.py"),
            code_paths=[str(ROOT / package) for package in ("tidegate", "models")],
            artifacts={"model": str(model), "spec": str(spec)},
            signature=ModelSignature(_schema(recent), _schema(forecasts)),
            input_example=recent.assign(time=recent["time"].astype("str")),
            pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        )
    return mlflow.register_model(logged.model_uri, name, tags=dict(tags))


def set_alias(found: ModelVersion, alias: str) -> None:
    """Let an alias point to a version."""
    prepare().set_registered_model_alias(found.name, alias, found.version)


def set_tag(found: ModelVersion, key: str, value: str) -> None:
    """Set a tag of a version."""
    prepare().set_model_version_tag(found.name, found.version, key, value)


def _schema(frame: pd.DataFrame) -> Schema:
    """Describe a long frame. Times are of any type: MLflow's own date type would refuse those with a zone."""
    kinds = {"f": DataType.double, "M": AnyType()}
    return Schema([ColSpec(kinds.get(frame[name].dtype.kind, DataType.string), name) for name in frame.columns])
