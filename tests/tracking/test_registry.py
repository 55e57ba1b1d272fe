"""Runs and versions: found again by identity, and promoted only on evidence."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import invoke
from workspaces import copy_workspace, keep_models, run_in, set_params

from models.nets import numpy_cells
from tidegate.errors import GateClosed
from tidegate.forecasting.promotion import COMPLETE
from tidegate.pipeline import drive
from tidegate.stages import evaluate, register
from tidegate.tracking import runs
from tidegate.tracking.store import EXPERIMENT, open_client
from tidegate.workspace import identity, settings
from tidegate.workspace.paths import read_json, write_json
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluated(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained workspace whose registry holds evaluated runs and no version."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("evaluated"), "mlflow", ".prefect")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(copy)
        subprocess.run(["git", "checkout", "-q", "--", "mlflow"], check=True)
        evaluate.run(settings.load_settings(), no_progress)
    return copy


@pytest.fixture
def here(evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the evaluated workspace to change at will, with a registry of its own."""
    copy = copy_workspace(evaluated, tmp_path / "workspace")
    monkeypatch.chdir(copy)
    return copy


def decide() -> dict[str, object]:
    register.run(settings.load_settings(), no_progress)
    decision: dict[str, object] = read_json(Path("artifacts/registration.json"))
    return decision


def versions() -> dict[str, list[str]]:
    client = open_client()
    found = client.search_model_versions("name = 'tidegate'")
    return {v.version: sorted(client.get_model_version("tidegate", v.version).aliases) for v in found}


def worsen(candidate: str, others: float) -> None:
    """Make all but one candidate worse, so that it is the best."""
    path = Path("artifacts/evaluation/metrics.json")
    scores = read_json(path)
    baseline = scores["seasonal_naive"]["mase"]
    for name in scores:
        scores[name]["mase"] = baseline * (others if name == candidate else 2.0)
    scores["seasonal_naive"]["mase"] = baseline
    write_json(path, scores)


def test_the_first_model_that_beats_seasonal_naive_is_champion(here: Path) -> None:
    decision = decide()
    assert decision["promoted"] and decision["version"] == 1
    assert "there was no champion" in str(decision["reason"])
    assert list(versions().values()) == [["challenger", "champion"]]


def test_a_net_that_forecasts_otherwise_than_keras_is_not_registered(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worsen("gru", 0.5)
    monkeypatch.setattr(numpy_cells, "ONE", np.float32(1.001))
    with pytest.raises(GateClosed, match="The registration gate is closed: what gru forecasts in NumPy and in Keras"):
        decide()
    assert versions() == {}


def test_the_same_identity_is_never_registered_twice(here: Path) -> None:
    first = decide()
    assert decide() == first
    assert len(versions()) == 1


def test_without_beating_seasonal_naive_nothing_is_registered(here: Path) -> None:
    worsen("gru", 1.0)  # a tie
    decision = decide()
    assert not decision["registered"] and not decision["promoted"] and decision["version"] is None
    assert versions() == {}


def test_a_tie_with_the_champion_does_not_promote(here: Path) -> None:
    first = decide()
    best = str(first["candidate"])
    Path(f"artifacts/models/{best}/note.txt").write_text("the same forecasts under another digest")
    evaluate.run(settings.load_settings(), no_progress)
    again = decide()
    assert again["registered"] and not again["promoted"]
    assert "does not beat the champion" in str(again["reason"])
    assert sorted(versions().values()) == [["challenger"], ["champion"]]


def test_a_worse_model_does_not_promote_and_a_better_one_does(here: Path) -> None:
    worsen("rnn", 0.99)
    assert decide()["candidate"] == "rnn"
    evaluate.run(settings.load_settings(), no_progress)
    scores = read_json(Path("artifacts/evaluation/metrics.json"))
    best = min(scores, key=lambda name: scores[name]["mase"])
    assert best != "rnn"
    better = decide()
    assert better["promoted"] and "beats the champion" in str(better["reason"])
    evidence = better["evidence"]
    assert isinstance(evidence, dict) and set(evidence) == {"significance", "origins", "stations", "coverage"}
    version = open_client().get_model_version("tidegate", "2")
    assert version.tags["tidegate.evidence.significance"] == evidence["significance"]
    assert "Diebold–Mariano p" in version.description
    assert decide() == better, "what was decided is read back"
    worsen("seasonal_naive", 1.0)
    worsen("lstm" if best != "lstm" else "gru", 0.98)  # better than naive on paper, but the champion is better still
    worse = decide()
    assert worse["registered"] and not worse["promoted"]


def test_a_champion_that_cannot_be_compared_is_not_replaced(here: Path) -> None:
    decide()
    keep_models(here, "seasonal_naive", "linear")
    set_params(here, {"window.horizon_steps": 3})
    from tidegate.stages import train, window

    window.run(settings.load_settings(), no_progress)
    for name in settings.load_settings().models:
        train.run(settings.load_settings(), no_progress, name)
    evaluate.run(settings.load_settings(), no_progress)
    decision = decide()
    assert decision["registered"] and not decision["promoted"]
    assert "its horizon is 6, not 3" in str(decision["reason"])


def test_a_registration_killed_before_its_aliases_is_finished_later(here: Path) -> None:
    first = decide()
    client = open_client()
    client.delete_model_version_tag("tidegate", "1", COMPLETE)
    for alias in ("champion", "challenger"):
        client.delete_registered_model_alias("tidegate", alias)
    assert decide() == first
    assert list(versions().values()) == [["challenger", "champion"]]


def test_a_champion_whose_files_are_gone_is_not_replaced(here: Path) -> None:
    worsen("rnn", 0.99)
    decide()
    shutil.rmtree("mlflow/artifacts")
    evaluate.run(settings.load_settings(), no_progress)
    decision = decide()
    assert decision["registered"] and not decision["promoted"]
    assert "are gone from the store" in str(decision["reason"])


def test_a_former_champion_that_returns_is_called_a_former_one(here: Path) -> None:
    worsen("rnn", 0.99)
    decide()
    evaluate.run(settings.load_settings(), no_progress)
    assert decide()["promoted"]
    worsen("rnn", 0.99)
    again = decide()
    assert again["version"] == 1 and not again["promoted"] and "now version 2 is" in str(again["reason"])


def test_a_registry_that_was_lost_is_filled_again(copied: Path) -> None:
    assert not list((copied / "mlflow").iterdir())
    invoke(copied, "register")
    decision = read_json(copied / "artifacts/registration.json")
    assert decision["promoted"] and decision["version"] == 1


def test_each_trained_model_has_one_run_with_all_that_names_it(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    chosen = drive.checked_settings()  # as every command reads them
    client = open_client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert len(client.search_runs([experiment.experiment_id])) == len(chosen.models)
    whose = identity.identity_of(chosen, "gru")
    run_id = runs.find_run("gru", whose.data, identity.folder_digest(Path("artifacts/models/gru")))
    assert run_id is not None
    run = client.get_run(run_id)
    assert runs.identity_tags(run_id) == {**whose.tags(), runs.DIGEST: run.data.tags[runs.DIGEST]}
    assert run.data.tags["learnt_on.device"].startswith(("CPU (", "GPU (")) and run.data.tags["learnt_on.kernel"]
    assert len(whose.commit) == 40 and whose.dirty is False
    assert run.data.params["window.lookback_steps"] == "24" and run.data.params["model.units"] == "4"
    learnt = {f"training/{name}" for name in ("train_loss", "validation_loss", "seconds")}
    assert learnt | {"mae", "mase", "test/width"} <= set(run.data.metrics)
    assert len(client.get_metric_history(run_id, "training/validation_loss")) == 2
    data = run.inputs.dataset_inputs[0].dataset
    assert (data.name, data.digest) == ("data", whose.data)
    figures = {item.path for item in client.list_artifacts(run_id, "figures")}
    assert figures == {
        f"figures/{name}.png" for name in ("error_by_horizon", "forecast", "gradient_flow", "learning_curve")
    }


def test_a_change_of_a_tracked_file_makes_the_identity_dirty(here: Path) -> None:
    assert identity.git_state()[1] is False
    Path("README.md").write_text("changed")
    assert identity.git_state()[1] is True


def test_identities_differ_in_each_of_their_parts(here: Path) -> None:
    whose = identity.identity_of(settings.load_settings(), "gru")
    changes = {"candidate": "x", "data": "x", "commit": "x", "dirty": True, "params": "x", "seed": 9}
    assert len({frozenset(replace(whose, **{k: v}).tags().items()) for k, v in changes.items()}) == len(changes)
    set_params(here, {"dataset.season_steps": 12})
    assert identity.identity_of(settings.load_settings(), "gru").params != whose.params


def test_dvc_shows_metrics_and_plots(copied: Path, tmp_path: Path) -> None:
    metrics = run_in(copied, "dvc", "metrics", "show").stdout
    heading, *lines = metrics.splitlines()
    assert heading.split() == ["Path", "coverage", "crps", "mae", "mase", "rmse"]
    names = ("gru", "linear", "lstm", "rnn", "seasonal_naive")
    assert [line.split()[0] for line in lines] == [f"artifacts/scores/{name}.json" for name in names]
    scores = read_json(copied / "artifacts" / "evaluation" / "metrics.json")["gru"]
    assert read_json(copied / "artifacts" / "scores" / "gru.json").items() <= scores.items()
    run_in(copied, "dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "Test error by steps ahead" in page and "validation_loss" in page and 'src="http' not in page


def test_a_run_that_a_dead_process_left_open_is_closed_with_the_reason(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die = (
        "import os, mlflow\nfrom tidegate.tracking import store\nstore.open_client()\nstore.start_run({})\n"
        "mlflow.start_run(nested=True)\nos._exit(9)\n"
    )
    assert run_in(workspace, "python", "-c", die, check=False).returncode == 9
    monkeypatch.chdir(workspace)
    assert (runs.close_dead_runs(), runs.close_dead_runs()) == (1, 0)  # the nested one bears no mark
    ended = [
        (run.info.status, run.data.tags.get("process.crashed", "").split(" (")[0])
        for run in open_client().search_runs(["1"])
    ]
    assert sorted(ended) == [("FAILED", "its process is gone"), ("RUNNING", "")]
