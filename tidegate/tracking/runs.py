"""MLflow runs: one for each trained model, for each search and trial, and for each classifier.

No file of the pipeline stores a run id: runs are found by their tags, which are the candidate, the data and the digest
of the trained model. The record of a training is written to disk first, and removed when it has been sent, because
MLflow may not be available while a net is trained.
"""

import logging
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from tidegate.errors import RecordRefused, ServiceError
from tidegate.tracking.store import (
    CRASHED,
    create_run,
    experiment_ids,
    find_runs,
    log_metrics,
    process_of,
    start_run,
    tracking_client,
)
from tidegate.tracking.utilisation import Utilisation
from tidegate.workspace import processes
from tidegate.workspace.identity import Identity, folder_digest, identity_of, parameters
from tidegate.workspace.paths import DATA, EXPERIMENT, HISTORY, MODELS, UNSENT, WINDOWS, read_json, write_json
from tidegate.workspace.settings import Settings

logger = logging.getLogger("tidegate")

STUDY = "tidegate.study"
DIGEST = "tidegate.digest"
TRAINING = "training/"  # prefix of metrics, which MLflow shows in a group of their own
SECONDS, SECONDS_BEFORE = f"{TRAINING}seconds", "train_seconds"  # the latter of earlier releases, as all that is BEFORE
# A tag with the id of a training record, so that it is sent once; MLflow shows no tag whose name begins so.
RECORD, RECORD_BEFORE = "mlflow.tidegate.record", "record.id"
RESTORED = "restored-"  # prefix of the record id of a model that was trained elsewhere
PROOF = WINDOWS / "proof.json"


@dataclass(frozen=True)
class TrainingRecord:
    """The record of a training: plain values, so that it can be stored on disk until it is sent."""

    name: str
    tags: dict[str, str]
    params: dict[str, Any]
    data: str  # DVC hash
    metrics: list[tuple[str, float, int, int]]  # name, value, milliseconds since 1970, step
    ended: int | None = None  # milliseconds since 1970; None in a record of an earlier release
    seconds: float = 0.0


def record_training(
    identity: Identity,
    digest: str,
    params: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    seconds: float | None,
    device: Mapping[str, str],
    usage: Utilisation | None = None,
    record: str = "",
) -> int:
    """Record a trained model: parameters, learning curve, system metrics and data set; identity and device as tags.

    Returns the number of records that still wait to be sent.
    """
    now, record = _now(), record or uuid.uuid4().hex
    metrics = [
        (TRAINING + name, value, now, int(row["epoch"]) + 1)
        for row in history
        for name, value in row.items()
        if name != "epoch"
    ]
    metrics += [(SECONDS, seconds, now, 0)] if seconds is not None else []
    readings = usage.readings if usage else []
    metrics += [(name, value, when, step) for step, (when, read) in enumerate(readings) for name, value in read.items()]
    device_tags = {f"learnt_on.{key}": value for key, value in device.items()}
    tags = {**identity.tags(), **device_tags, DIGEST: digest, RECORD: record}
    # If a training has diverged, some values are not finite: the evaluation gate reports this.
    finite = [metric for metric in metrics if math.isfinite(metric[1])]
    name = run_name(identity.candidate, params)
    training = TrainingRecord(name, tags, dict(params), identity.data, finite, now, seconds or 0.0)
    write_json(UNSENT / f"{record}.json", asdict(training))
    return send_unsent()


def run_name(candidate: str, params: Mapping[str, Any]) -> str:
    """Name a run so that it can be told from others: the candidate, what is special about it, its data's last day."""
    options = {key.removeprefix("model."): value for key, value in params.items() if key.startswith("model.")}
    special = ", ".join(
        f"{key} {options[key]}" for key in options if key != "family" and str(options[key]) not in candidate
    )
    until = f"data to {last_day()}" if PROOF.exists() else ""
    return " · ".join(filter(None, [candidate, special, until, EXPERIMENT]))


def last_day() -> str:
    """Give the last day of the data that the windows were cut from."""
    return str(read_json(PROOF)["test"]["targets_to"])[:10]


def send_unsent() -> int:
    """Send the records that wait on disk, each one once.

    Returns the number of records that still wait because MLflow does not answer.
    """
    UNSENT.mkdir(parents=True, exist_ok=True)
    with FileLock(UNSENT / "lock"):  # only one process at a time sends
        return _send_all()


def _send_all() -> int:
    waiting = sorted(UNSENT.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for index, path in enumerate(waiting):
        training = TrainingRecord(**read_json(path))
        try:
            with tracking_client() as client:
                _send(client, training)
        except RecordRefused as error:
            _set_aside(path, error)
            continue
        except ServiceError as error:
            logger.warning("%d records wait in %s: %s", len(waiting) - index, UNSENT, error)
            return len(waiting) - index
        path.unlink()
    return 0


def _set_aside(path: Path, error: RecordRefused) -> None:
    """Keep a record that MLflow will never take, with the reason, where it holds up no other."""
    folder = UNSENT / "refused"
    folder.mkdir(exist_ok=True)
    (folder / f"{path.stem}.txt").write_text(f"{error}.\n", encoding="utf-8")
    path.replace(folder / path.name)
    logger.warning("%s: it is set aside, with the reason, in %s", error, folder)


def _send(client: MlflowClient, training: TrainingRecord) -> None:
    """Create the run of a training; resume a run that was interrupted, and skip one that is finished."""
    mark = next(key for key in (RECORD, RECORD_BEFORE) if key in training.tags)
    runs = find_runs(client, **{mark: training.tags[mark]})
    if runs and runs[0].info.status == "FINISHED":
        return
    # `ensure_run` may have created a run for this model while its record was on another machine: that run is used.
    model_tags = {key: training.tags[key] for key in ("tidegate.candidate", "tidegate.data", "tidegate.params")}
    runs = runs or find_runs(client, **{mark: RESTORED + training.tags[DIGEST], **model_tags})
    length = int(training.seconds * 1000)
    began = (training.ended or _now()) - length
    run = runs[0] if runs else create_run(client, training.name, training.tags, began)
    run_id, began = run.info.run_id, run.info.start_time
    with start_run(training.tags, run_id=run_id):
        mlflow.log_params(training.params)
        source = CodeDatasetSource({"dvc": f"{DATA}.dvc", "md5": training.data})
        mlflow.log_input(MetaDataset(source, name=DATA.name, digest=training.data), context="training")
        log_metrics(client, run_id, [Metric(*metric) for metric in training.metrics])
    client.set_terminated(run_id, end_time=began + length)  # it was trained for so long, not sent for so long


def find_run(candidate: str, data: str, digest: str) -> str | None:
    """Find the newest run of a trained model, by its tags."""
    with tracking_client() as client:
        runs = find_runs(client, **{"tidegate.candidate": candidate, "tidegate.data": data, DIGEST: digest})
    return runs[0].info.run_id if runs else None


def ensure_run(settings: Settings, candidate: str) -> str:
    """Find the run of a trained candidate, or create it: DVC may have restored a model that was trained elsewhere.

    Raises:
        ServiceError: MLflow does not answer.
    """
    identity, digest = identity_of(settings, candidate), folder_digest(MODELS / candidate)
    send_unsent()
    if run_id := find_run(candidate, identity.data, digest):
        return run_id
    params, curve = parameters(settings, candidate), learning_curve(candidate)
    record_training(identity, digest, params, curve, None, {}, record=RESTORED + digest)
    if run_id := find_run(candidate, identity.data, digest):
        return run_id
    if (reason := UNSENT / "refused" / f"{RESTORED}{digest}.txt").exists():
        raise RecordRefused(f"MLflow takes no run of {candidate}: {reason.read_text(encoding='utf-8').strip()}")
    raise ServiceError(
        f"MLflow has no run of {candidate}, and did not create one: see that it is up, then run this again."
    )


def learning_curve(candidate: str) -> list[dict[str, float]]:
    """Read the learning curve of a trained candidate, one row per epoch."""
    return pd.read_csv(MODELS / candidate / HISTORY).to_dict("records")  # type: ignore[return-value]


def identity_tags(run_id: str) -> dict[str, str]:
    """Get the tags of a run that identify its model."""
    with tracking_client() as client:
        tags = client.get_run(run_id).data.tags
    return {key: value for key, value in tags.items() if key.startswith("tidegate.")}


def train_seconds(run_id: str) -> float | None:
    """Get how many seconds the model of a run was trained; None if it was not trained here."""
    with tracking_client() as client:
        metrics = client.get_run(run_id).data.metrics
    seconds: float | None = metrics.get(SECONDS, metrics.get(SECONDS_BEFORE))
    return seconds


def run_of_version(version: ModelVersion) -> str | None:
    """Find the run that trained a registered version; None if it is gone from the store."""
    keys = ("tidegate.candidate", "tidegate.data", DIGEST)
    known = all(key in version.tags for key in keys)
    return find_run(*(version.tags[key] for key in keys)) if known else version.run_id


def start_search(identity: Identity, study: str) -> str:
    """Find the run of a search, or create it; its trials are its child runs."""
    with tracking_client() as client:
        if runs := find_runs(client, **{STUDY: study}):
            return str(runs[0].info.run_id)
        tags = {f"tidegate.search.{key}": str(value) for key, value in vars(identity).items()}
        with start_run({**tags, STUDY: study}, run_name=f"tune {identity.candidate}") as run:
            return str(run.info.run_id)


def record_trial(
    parent: str,
    number: int,
    params: Mapping[str, Any],
    value: float | None,
    curve: Mapping[int, float],
    outcome: str,
) -> None:
    """Record a trial as a child run of its search: its values, validation losses and validation error."""
    now = _now()
    metrics = [Metric("validation_loss", loss, now, epoch) for epoch, loss in curve.items()]
    metrics += [Metric("validation_error", value, now, 0)] if value is not None else []
    tags = {MLFLOW_PARENT_RUN_ID: parent, "tidegate.outcome": outcome}
    with tracking_client() as client, start_run(tags, run_name=f"trial {number + 1}") as run:
        mlflow.log_params(dict(params))
        client.log_batch(run.info.run_id, metrics=metrics)


def record_classification(params: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Record a sequence classifier as a run: its options, its files and its test scores."""
    with tracking_client(), start_run({}, run_name=f"classify {params['train']}"):
        mlflow.log_params(dict(params))
        mlflow.log_metrics({f"test_{name}": value for name, value in scores.items() if math.isfinite(value)})


def close_dead_runs() -> int:
    """Close the runs whose process ran on this host and has ended; return their number."""
    closed = 0
    with tracking_client() as client:
        for run in client.search_runs(experiment_ids(client), "attributes.status = 'RUNNING'"):
            process = process_of(run)
            if process and processes.is_dead(process):
                client.set_tag(run.info.run_id, CRASHED, f"its process is gone ({process})")
                client.set_terminated(run.info.run_id, "FAILED")
                closed += 1
    return closed


def _now() -> int:
    """Give the time as MLflow stores it: milliseconds since 1970."""
    return int(time.time() * 1000)
