"""What MLflow's pages say: runs that can be told apart, their true times, tables, a description, a model card."""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from workspaces import set_params

from tidegate.tracking import pages, results, store
from tidegate.workspace import identity
from tidegate.workspace.paths import read_json

pytestmark = pytest.mark.slow


@pytest.fixture
def runs(trained: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The runs of the trained workspace, by candidate."""
    monkeypatch.chdir(trained)
    client = store.open_client()
    return {
        run.data.tags["tidegate.candidate"]: run for run in client.search_runs([store.experiment_id(client)])
    }  # fmt: skip


def test_a_run_is_named_by_its_candidate_what_is_special_about_it_and_the_last_day_of_its_data(
    runs: dict[str, Any],
) -> None:
    assert runs["gru"].info.run_name == "gru · units 4 · data to 2024-03-31"
    assert runs["seasonal_naive"].info.run_name == "seasonal_naive · data to 2024-03-31"


def test_a_run_lasts_as_long_as_the_training_also_once_it_is_registered(runs: dict[str, Any]) -> None:
    for run in runs.values():
        lasted = (run.info.end_time - run.info.start_time) / 1000
        assert lasted == pytest.approx(run.data.metrics["training/seconds"], abs=0.01)
    registered = read_json(Path("artifacts/registration.json"))["candidate"]
    assert runs[registered].info.status == "FINISHED"


def test_the_scores_that_matter_have_plain_names_and_marks_are_out_of_sight(runs: dict[str, Any]) -> None:
    scores = read_json(Path("artifacts/evaluation/metrics.json"))
    for name, run in runs.items():
        plain = {metric for metric in run.data.metrics if "/" not in metric}
        assert plain == {"mase", "mae", "rmse", "crps", "coverage", "skill"}
        assert results.scores_of(run.info.run_id) == scores[name]
        seen = [tag for tag in run.data.tags if not tag.startswith("mlflow.")]
        assert all(tag.startswith(("tidegate.", "learnt_on.")) for tag in seen)


def test_scores_by_station_and_by_step_are_tables_and_curves(runs: dict[str, Any]) -> None:
    client = store.open_client()
    at_stations = pd.read_csv("artifacts/evaluation/by_station.csv")
    steps = pd.read_csv("artifacts/evaluation/by_step.csv").query("model == 'gru'")
    shown = mlflow.load_table("scores/by_station.json", run_ids=[runs["gru"].info.run_id])
    expected = at_stations[at_stations["model"] == "gru"].reset_index(drop=True)
    assert shown["mae"].tolist() == pytest.approx(expected["mae"].tolist(), rel=1e-5)
    curve = client.get_metric_history(runs["gru"].info.run_id, "by_step/mae")
    assert [point.step for point in curve] == steps["step"].tolist()
    assert [point.value for point in curve] == pytest.approx(steps["mae"].tolist(), rel=1e-5)


def test_the_experiment_says_how_to_read_it_and_leads_to_its_runs_best_first(runs: dict[str, Any]) -> None:
    (experiment,) = store.open_client().search_experiments()
    path = pages.runs_path(experiment.experiment_id)
    assert f"]({path})" in experiment.tags["mlflow.note.content"]
    assert pages.runs_url("http://a-server:5000/") == f"http://a-server:5000/{path}"
    view = json.loads(experiment.tags[pages.SHARED_VIEW])
    assert view["orderByKey"] == "metrics.`mase`" and view["orderByAsc"] and "metrics.`mae`" in view["selectedColumns"]


def test_the_card_of_a_version_holds_the_facts_of_the_artifacts(runs: dict[str, Any]) -> None:
    decision, gate = read_json(Path("artifacts/registration.json")), read_json(Path("artifacts/validation.json"))
    scores, proof = (
        read_json(Path("artifacts/evaluation/metrics.json")),
        read_json(Path("artifacts/windows/proof.json")),
    )
    card = store.open_client().get_model_version("tidegate", "1").description
    best = decision["candidate"]
    for fact in (
        f"**{best}**",
        f"{gate['values']['kept']:,} of {gate['values']['measured']:,} values",
        f"{proof['test']['targets_to'][:16]} | {proof['test']['windows']:,} |",
        f"held {scores[best]['coverage']:.1%}",
        decision["reason"],
        identity.data_hash(),
        runs[best].info.run_id,
        "Diebold–Mariano p",
        'load_model("models:/tidegate/1")',
    ):
        assert fact in card, fact
    for name, own in scores.items():
        assert name in card and f"{own['mase']:.4g}" in card


def test_a_data_set_has_an_experiment_of_its_own_and_runs_of_earlier_releases_are_found(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    store.open_client()
    with store.start_run({"tidegate.candidate": "gru"}) as before:
        pass
    set_params(workspace, {"register.name": "weather"})
    client = store.open_client()
    assert client.get_experiment(store.experiment_id(client)).name == "weather"
    (found,) = store.find_runs(client, **{"tidegate.candidate": "gru"})
    assert found.info.run_id == before.info.run_id
