"""The MLflow model registry: versions of the forecaster, their identity as tags, and the aliases of versions."""

from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from tidegate.errors import DataError
from tidegate.tracking import packing
from tidegate.tracking.log_entries import CHALLENGER as CHALLENGER
from tidegate.tracking.log_entries import CHAMPION as CHAMPION
from tidegate.tracking.log_entries import SHADOW as SHADOW
from tidegate.tracking.read_only import files_in
from tidegate.tracking.store import start_run, tracking_client

PACKAGES = ("keras", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "ruamel.yaml", "tensorflow", "threadpoolctl")
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def find_version(name: str, tags: Mapping[str, str]) -> ModelVersion | None:
    """Find the registered version that has the tags of an identity."""
    with tracking_client() as client:
        for version in client.search_model_versions(f"name = '{name}'"):
            if all(version.tags.get(key) == value for key, value in tags.items()):
                return version
    return None


def get_version(name: str, number: str) -> ModelVersion:
    """Get a version by its number."""
    with tracking_client() as client:
        return client.get_model_version(name, number)


def version_numbers(name: str) -> list[str]:
    """List the versions of a registered model, the oldest first."""
    return sorted(tags_of_versions(name), key=int)


def tags_of_versions(name: str) -> dict[str, dict[str, str]]:
    """Give the tags of each version of a registered model, by its number."""
    with tracking_client() as client:
        return {str(v.version): dict(v.tags) for v in client.search_model_versions(f"name = '{name}'")}


def champion(name: str) -> ModelVersion | None:
    """Get the present champion of a registered model, if there is one."""
    return bearer(name, CHAMPION)


def bearer(name: str, alias: str) -> ModelVersion | None:
    """Get the version that bears an alias, if one does."""
    with tracking_client() as client:
        try:
            return client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in NOT_FOUND:
                return None
            raise


def version_files(version: ModelVersion) -> tuple[Path, Path]:
    """Download the files of a version: the folder of the model, and the spec of its windows.

    Raises:
        DataError: the store no longer has the files.
        ServiceError: the store does not answer.
    """
    with tracking_client():
        try:
            files = files_in(Path(download_artifacts(f"models:/{version.name}/{version.version}")))
            if files is None:
                raise FileNotFoundError("model.json is not among them")
        except (MlflowException, FileNotFoundError) as error:
            if isinstance(error, MlflowException) and error.error_code not in NOT_FOUND:
                raise
            raise DataError(
                f"the files of {version.name} version {version.version} are gone from the store ({error})"
            ) from None
    return files


def register(
    name: str,
    run_id: str,
    files: Mapping[str, Path],
    example: tuple[pd.DataFrame, pd.DataFrame],
    tags: Mapping[str, str],
    describe: Callable[[str], str],
) -> ModelVersion:
    """Register a forecaster as a new version, with its code, its signature, an input example and a description.

    Args:
        name: of the registered model.
        run_id: of the run that trained it.
        files: by name.
        example: recent measurements, and what is forecast from them.
        tags: of the version.
        describe: gives the description of a version, by its number.
    """
    recent, forecasts = example
    with tracking_client() as client:
        trained = client.get_run(run_id).info.end_time
        with TemporaryDirectory() as folder, start_run({}, run_id=run_id):
            package = packing.pack(Path(folder))
            with packing.importable(package):
                logged = mlflow.pyfunc.log_model(
                    name="forecaster",
                    python_model=str(packing.served_file(package)),
                    code_paths=[str(package)],
                    artifacts={artifact: str(path) for artifact, path in files.items()},
                    signature=ModelSignature(outputs=_schema(forecasts)),  # why no inputs: forecasting/request.py
                    input_example=recent.assign(time=recent["time"].astype("str")),
                    pip_requirements=[f"{name}=={metadata.version(name)}" for name in PACKAGES],
                )
        client.set_terminated(run_id, end_time=trained)  # the run is the training, which ended then
        version = mlflow.register_model(logged.model_uri, name, tags=dict(tags))
        client.update_model_version(name, version.version, describe(str(version.version)))
        return version


def record_page(version: ModelVersion, page: Path) -> None:
    """Add a page to the run that trained a version."""
    with tracking_client() as client:
        client.log_artifact(version.run_id, str(page), "report")


def set_tag(version: ModelVersion, key: str, value: str) -> None:
    """Set a tag of a version."""
    with tracking_client() as client:
        client.set_model_version_tag(version.name, version.version, key, value)


def _schema(frame: pd.DataFrame) -> Schema:
    """Describe a long frame. Times have any type, because MLflow's date type refuses times with a zone."""
    types = {"f": DataType.double, "M": AnyType()}
    return Schema([ColSpec(types.get(frame[name].dtype.kind, DataType.string), name) for name in frame.columns])


def no_champion(name: str) -> str:
    """Say that there is no champion, and what helps."""
    known = version_numbers(name)
    if known:
        return f'{name} has no champion: tidegate promote VERSION --because "…" makes one of {", ".join(known)} it.'
    return f"{name} has no champion yet: tidegate run trains and registers one."
