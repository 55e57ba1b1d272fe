"""What an evaluation adds to the run of a model: test scores, tables of them, figures, what the data gate found.

The scores that matter have plain names, so that MLflow shows them first; all else stands in groups: `test/`,
`by_step/`, `training/`. Earlier releases wrote `test_mase`, and no groups: their runs are read as well.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

from tidegate.tracking.store import log_metrics, tracking_client
from tidegate.workspace.paths import FINDINGS

TEST, TEST_BEFORE = "test/", "test_"
BY_STEP = "by_step"  # name of a table, and of the group of metrics that is made of it
TRAINING_BEFORE = {"train_loss", "validation_loss", "learning_rate", "train_seconds"}
GATE = "data_gate"  # folder of artifacts


def record_evaluation(
    run_id: str,
    scores: Mapping[str, float],
    first: Collection[str],
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, bytes],
    about_data: Sequence[Path] = (),
) -> None:
    """Add results to the run of a model; repeating it changes nothing.

    Args:
        run_id: of the model.
        scores: by metric.
        first: the metrics that matter.
        tables: scores by station and by step, the latter named "by_step", with a column `step`.
        figures: by name, as PNG.
        about_data: files and folders of the data gate.
    """
    with tracking_client() as client:
        run = client.get_run(run_id)
        now, known = int(time.time() * 1000), run.data.metrics
        changed = [Metric(name, value, now, step) for name, value, step in _changed(known, scores, first, tables)]
        log_metrics(client, run_id, changed)
        for path in about_data:
            (client.log_artifacts if path.is_dir() else client.log_artifact)(run_id, str(path), GATE)
        _record_tables(client, run_id, tables)
    record_figures(run_id, figures)


def _changed(
    known: Mapping[str, float], scores: Mapping[str, float], first: Collection[str], tables: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[str, float, int]]:
    """Give the metrics that a run does not have yet: name, value, step."""
    for score, value in scores.items():
        name = score if score in first else f"{TEST}{score}"
        if known.get(name) != value:
            yield name, value, 0
    if BY_STEP in tables:
        steps = tables[BY_STEP].set_index("step")
        for score in steps.columns.intersection(list(first)):
            curve = steps[score].dropna()
            if len(curve) and known.get(f"{BY_STEP}/{score}") != curve.iloc[-1]:
                for step, value in zip(curve.index.to_list(), curve.to_list(), strict=True):
                    yield f"{BY_STEP}/{score}", value, step


def _record_tables(client: MlflowClient, run_id: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Store tables as `log_table` does, which would add the rows to those of an evaluation before."""
    paths = {name: f"scores/{name}.json" for name in tables}
    for name, table in tables.items():
        client.log_text(run_id, table.to_json(orient="split", index=False), paths[name])
    marks = [{"path": path, "type": "table"} for path in paths.values()]
    client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(marks))


def record_figures(run_id: str, figures: Mapping[str, bytes]) -> None:
    """Add figures, as PNG, to the run of a model."""
    with tracking_client() as client, TemporaryDirectory() as folder:
        for name, drawn in figures.items():
            (Path(folder) / f"{name}.png").write_bytes(drawn)
        client.log_artifacts(run_id, folder, "figures")


def scores_of(run_id: str) -> dict[str, float]:
    """Get the test scores of a run."""
    with tracking_client() as client:
        metrics = client.get_run(run_id).data.metrics
    plain = {name: value for name, value in metrics.items() if "/" not in name and name not in TRAINING_BEFORE}
    grouped = {name: value for name, value in metrics.items() if name.startswith(TEST)}
    return {name.removeprefix(TEST).removeprefix(TEST_BEFORE): value for name, value in {**plain, **grouped}.items()}


def described(run_id: str) -> tuple[dict[str, str], dict[str, float], dict[str, int]]:
    """Get a run's parameters, its test scores, and how much each rule of the data gate found."""
    with tracking_client() as client, TemporaryDirectory() as folder:
        run = client.get_run(run_id)
        found: dict[str, int] = {}
        if any(item.path == f"{GATE}/{FINDINGS.name}" for item in client.list_artifacts(run_id, GATE)):
            path = client.download_artifacts(run_id, f"{GATE}/{FINDINGS.name}", folder)
            counts = pd.read_csv(path).groupby("rule")["found"].sum()
            found = {str(rule): int(count) for rule, count in counts.items()}
        return dict(run.data.params), scores_of(run_id), found
