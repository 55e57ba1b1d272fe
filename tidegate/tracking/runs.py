"""Runs of MLflow: one for each trained model, each search and trial, each classifier.

Runs are found again by tags: the candidate, the data and the digest of what was learnt. No run id stands in a file
of the pipeline. A training's record is written to disk before it is sent, and stays there until it has been: MLflow
may be away while nets learn.
"""

import logging
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from tidegate.errors import ServiceError
from tidegate.tracking.store import CRASHED, PROCESS, experiment_id, runs_where, start_run, tracking_client
from tidegate.tracking.utilisation import Utilisation
from tidegate.workspace import identity, processes
from tidegate.workspace.identity import Identity
from tidegate.workspace.paths import DATA, HISTORY, MODELS, UNSENT, read_json, write_json
from tidegate.workspace.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger("tidegate")

STUDY = "tidegate.study"
DIGEST, SECONDS = "tidegate.digest", "train_seconds"
RECORD = "record.id"  # one a training, which is sent once; no part of the identity
RESTORED = "restored-"  # of a record that stands for one not seen here
METRICS_A_CALL = 1000  # of MLflow's REST interface


@dataclass(frozen=True)
class TrainingRecord:
    """What is recorded of a training: plain values, so that it can wait on disk."""

    name: str
    tags: dict[str, str]
    params: dict[str, Any]
    data: str  # DVC's hash
    metrics: list[tuple[str, float, int, int]]  # name, value, milliseconds since 1970, step


def record_training(
    whose: Identity,
    digest: str,
    params: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    seconds: float | None,
    device: Mapping[str, str],
    usage: Utilisation | None = None,
    record: str = "",
) -> int:
    """Record a trained model: parameters, curve, system metrics, data set, identity and device as tags.

    Gives the number of records that still wait to be sent.
    """
    now, record = _now(), record or uuid.uuid4().hex
    metrics = [
        (name, value, now, int(row["epoch"]) + 1) for row in history for name, value in row.items() if name != "epoch"
    ]
    metrics += [(SECONDS, seconds, now, 0)] if seconds is not None else []
    readings = usage.readings if usage else []
    metrics += [(name, value, when, step) for step, (when, read) in enumerate(readings) for name, value in read.items()]
    learnt_on = {f"learnt_on.{key}": value for key, value in device.items()}
    tags = {**whose.tags(), **learnt_on, DIGEST: digest, RECORD: record}
    # Where a training has diverged, not all are numbers: the evaluation gate says so.
    finite = [metric for metric in metrics if math.isfinite(metric[1])]
    write_json(
        UNSENT / f"{record}.json", asdict(TrainingRecord(whose.candidate, tags, dict(params), whose.data, finite))
    )
    return send_unsent()


def send_unsent() -> int:
    """Send what waits on disk, each record once; give the number that still waits, MLflow being away."""
    UNSENT.mkdir(parents=True, exist_ok=True)
    with FileLock(UNSENT / "lock"):  # of two processes one sends
        return _send_all()


def _send_all() -> int:
    waiting = sorted(UNSENT.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for place, path in enumerate(waiting):
        training = TrainingRecord(**read_json(path))
        try:
            with tracking_client() as client:
                _send(client, training)
        except ServiceError as error:
            logger.warning("%d records wait in %s: %s", len(waiting) - place, UNSENT, error)
            return len(waiting) - place
        path.unlink()
    return 0


def _send(client: MlflowClient, training: TrainingRecord) -> None:
    """Make the run of a training; one that was cut off is taken up again, and one that is whole is left alone."""
    found = runs_where(client, **{RECORD: training.tags[RECORD]})
    if found and found[0].info.status == "FINISHED":
        return
    # A run that was made for want of this record, while that lay on another machine, becomes its own.
    same = {key: training.tags[key] for key in ("tidegate.candidate", "tidegate.data", "tidegate.params")}
    found = found or runs_where(client, **{RECORD: RESTORED + training.tags[DIGEST], **same})
    which = {"run_id": found[0].info.run_id} if found else {"run_name": training.name}
    with start_run(training.tags, **which) as run:
        mlflow.log_params(training.params)
        source = CodeDatasetSource({"dvc": f"{DATA}.dvc", "md5": training.data})
        mlflow.log_input(MetaDataset(source, name=DATA.name, digest=training.data), context="training")
        metrics = [Metric(*each) for each in training.metrics]
        for first in range(0, len(metrics), METRICS_A_CALL):
            client.log_batch(run.info.run_id, metrics=metrics[first : first + METRICS_A_CALL])


def find_run(candidate: str, data: str, digest: str) -> str | None:
    """Find the newest run of a trained model, by its tags."""
    with tracking_client() as client:
        runs = runs_where(client, **{"tidegate.candidate": candidate, "tidegate.data": data, DIGEST: digest})
    return runs[0].info.run_id if runs else None


def run_of(settings: Settings, candidate: str) -> str:
    """Find the run of a trained candidate, or make it: DVC may have restored a model that was trained elsewhere.

    Raises:
        ServiceError: MLflow is away.
    """
    whose, digest = identity.identity_of(settings, candidate), identity.folder_digest(MODELS / candidate)
    send_unsent()
    if found := find_run(candidate, whose.data, digest):
        return found
    params, curve = identity.parameters(settings, candidate), learning_curve(candidate)
    record_training(whose, digest, params, curve, None, {}, record=RESTORED + digest)
    if made := find_run(candidate, whose.data, digest):
        return made
    raise ServiceError(f"MLflow has no run of {candidate}, and took none: see that it is up, then run this again.")


def learning_curve(candidate: str) -> list[dict[str, float]]:
    """Read the learning curve of a trained candidate, one row an epoch."""
    return pd.read_csv(MODELS / candidate / HISTORY).to_dict("records")  # type: ignore[return-value]


def identity_tags(run_id: str) -> dict[str, str]:
    """Give the tags that name the model of a run."""
    with tracking_client() as client:
        tags = client.get_run(run_id).data.tags
    return {key: value for key, value in tags.items() if key.startswith("tidegate.")}


def train_seconds(run_id: str) -> float | None:
    """Say how long the model of a run took to train, if it was trained here."""
    with tracking_client() as client:
        seconds: float | None = client.get_run(run_id).data.metrics.get(SECONDS)
    return seconds


def record_evaluation(
    run_id: str, scores: Mapping[str, float], figures: "Mapping[str, Figure]", about_data: Sequence[Path] = ()
) -> None:
    """Add test metrics, figures, and what the data gate said to a model's run; a second time changes nothing."""
    with tracking_client() as client:
        known = client.get_run(run_id).data.metrics
        for name, value in scores.items():
            if known.get(f"test_{name}") != value:
                client.log_metric(run_id, f"test_{name}", value)
        for path in about_data:
            (client.log_artifacts if path.is_dir() else client.log_artifact)(run_id, str(path), "data_gate")
    record_figures(run_id, figures)


def record_figures(run_id: str, figures: "Mapping[str, Figure]") -> None:
    """Add figures to a model's run."""
    with tracking_client() as client:
        for name, figure in figures.items():
            client.log_figure(run_id, figure, f"figures/{name}.png")


def begin_search(whose: Identity, study: str) -> str:
    """Find the run of a search, or make it; its trials are its children."""
    with tracking_client() as client:
        if found := runs_where(client, **{STUDY: study}):
            return str(found[0].info.run_id)
        tags = {f"tidegate.search.{key}": str(value) for key, value in vars(whose).items()}
        with start_run({**tags, STUDY: study}, run_name=f"tune {whose.candidate}") as run:
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
    now = _now()
    seen = [Metric("validation_loss", loss, now, epoch) for epoch, loss in curve.items()]
    seen += [Metric("validation_error", value, now, 0)] if value is not None else []
    tags = {MLFLOW_PARENT_RUN_ID: parent, "tidegate.outcome": outcome}
    with tracking_client() as client, start_run(tags, run_name=f"trial {number + 1}") as run:
        mlflow.log_params(dict(params))
        client.log_batch(run.info.run_id, metrics=seen)


def record_classification(params: Mapping[str, Any], scores: Mapping[str, float]) -> None:
    """Record a classifier of whole sequences as a run: its options and files, and its test scores."""
    with tracking_client(), start_run({}, run_name=f"classify {params['train']}"):
        mlflow.log_params(dict(params))
        mlflow.log_metrics({f"test_{name}": value for name, value in scores.items() if math.isfinite(value)})


def close_dead() -> int:
    """Close the runs that are said to run in a process of this host that is gone; count them."""
    closed = 0
    with tracking_client() as client:
        for run in client.search_runs([experiment_id(client)], "attributes.status = 'RUNNING'"):
            whose = run.data.tags.get(PROCESS)
            if whose and processes.is_dead(whose):
                client.set_tag(run.info.run_id, CRASHED, f"its process is gone ({whose})")
                client.set_terminated(run.info.run_id, "FAILED")
                closed += 1
    return closed


def _now() -> int:
    """Give the time as MLflow counts it: milliseconds since 1970."""
    return int(time.time() * 1000)
