"""MLflow's pages: what the experiment says of itself, and the address of its runs, best first.

MLflow shows the tag `mlflow.note.content` as the experiment's description. It shows no metric in a table of runs unless
a person switches it on; but it keeps views that one person shares with another as tags of the experiment, and opens
them by their key. The runs' view is such a one, so that the scores stand in the table.
"""

import json
from collections.abc import Sequence
from typing import Any

from mlflow import MlflowClient

from tidegate.tracking.store import REMOTE, experiment_id, tracking_client
from tidegate.workspace.settings import Settings

NOTE = "mlflow.note.content"
VIEW = "tidegate"
COLUMNS = 3  # of scores, that fit beside MLflow's own on a page of 1400 pixels
SHARED_VIEW = f"mlflow.sharedViewState.{VIEW}"
LOCAL = "http://127.0.0.1:5000"  # where `tidegate up` shows the workspace's own store


def runs_path(experiment: str) -> str:
    """Give the page of an experiment's runs, best first, within MLflow's pages."""
    return f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&workflowType=machine_learning"


def runs_url(server: str = "") -> str:
    """Give the address of the runs, best first: at a server, or at that which keeps them, or at that of `tidegate up`.

    Raises:
        ServiceError: MLflow does not answer.
    """
    with tracking_client() as client:
        path = runs_path(experiment_id(client))
    kept_at = REMOTE if REMOTE and REMOTE.startswith("http") else LOCAL
    return f"{(server or kept_at).rstrip('/')}/{path}"


def describe_experiment(settings: Settings, until: str, metrics: Sequence[str]) -> None:
    """Let the experiment say what it is and how to read it, and its runs stand best first, with their scores.

    Args:
        settings: of the workspace.
        until: the last day of the data.
        metrics: those that matter; candidates are ranked by `evaluate.metric`.
    """
    with tracking_client() as client:
        experiment = experiment_id(client)
        note = _description(settings, until, runs_path(experiment))
        view = json.dumps(_view(f"metrics.`{settings.evaluate.metric}`", metrics))
        _set_tags(client, experiment, {NOTE: note, SHARED_VIEW: view})


def _set_tags(client: MlflowClient, experiment: str, tags: dict[str, str]) -> None:
    known = client.get_experiment(experiment).tags
    for key, value in tags.items():
        if known.get(key) != value:
            client.set_experiment_tag(experiment, key, value)


def _view(ranked_by: str, metrics: Sequence[str]) -> dict[str, Any]:
    columns = ["attributes.`Duration`", *(f"metrics.`{name}`" for name in metrics[:COLUMNS])]
    return {"orderByKey": ranked_by, "orderByAsc": True, "selectedColumns": columns}


def _description(settings: Settings, until: str, runs: str) -> str:
    dataset, window = settings.dataset, settings.window
    targets = ", ".join(f"{name} ({dataset.variables[name].unit})" for name in dataset.targets)
    what = f"alerts {window.alert}" if window.alert else f"the next {window.horizon_steps} steps"
    return f"""### Forecasts of {targets}, {what} of {dataset.frequency}

Source: {dataset.source}; data to {until}.

**[Open the training runs, best first]({runs})**, or the registered model \
[{settings.register_.name}](#/models/{settings.register_.name}), whose versions bear a model card each.

How to read them:

- A run is one trained candidate on one state of the data. Its name says which, what is special about it, and the last \
day of its data. Trained again on the same data, it has a run of its own.
- `{settings.evaluate.metric}` ranks the candidates, less is better; `mase` below 1 beats the seasonal naive forecast \
of the training span; `skill` is the share of the baseline's error that is gone. All scores are of the same test \
origins, which no training has seen.
- `scores/by_station.json` and `scores/by_step.json` among a run's artifacts are tables; `by_step/` among its metrics \
is the error by step ahead, as a curve; `training/` holds the learning curve and the seconds that it took.
- `figures/` are drawn at the same stations and on the same axes for all candidates; `data_gate/` says what the data \
gate found.
- Tags that begin with `tidegate.` are the model's identity: `tidegate lineage` follows them.
"""
