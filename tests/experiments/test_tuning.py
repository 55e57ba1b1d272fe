"""Tuning: a search that goes on where it was left, prunes, leaves its trace in MLflow, and writes back on request."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from workspaces import run_in, set_params

from tidegate.errors import SettingsError
from tidegate.experiments import tuning
from tidegate.tracking.store import EXPERIMENT, open_client


def test_a_space_is_read_as_choices_or_as_a_range() -> None:
    space = tuning.parse_space(["units=32,64", "normalise=none,last", "train.learning_rate=1e-4..0.01"])
    assert space == {"units": [32, 64], "normalise": ["none", "last"], "train.learning_rate": (0.0001, 0.01)}


@pytest.mark.parametrize("word", ["units", "units=", "=3", "units=3..", "units=5..2", "units=a..b"])
def test_what_is_no_space_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match="says no space"):
        tuning.parse_space([word])


def test_values_are_put_into_a_section_without_touching_it() -> None:
    section = {"units": 4, "train": {"epochs": 3}}
    changed = tuning.with_values(section, {"units": 8, "train.learning_rate": 0.1})
    assert changed == {"units": 8, "train": {"epochs": 3, "learning_rate": 0.1}}
    assert section == {"units": 4, "train": {"epochs": 3}}


@pytest.mark.slow
def test_a_search_goes_on_prunes_and_writes_the_best_back(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_params(workspace, {"train.epochs": 4, "train.patience_epochs": 4, "train.epoch_windows": 256})
    for stage in ("ingest", "validate", "window"):
        run_in(workspace, "tidegate", stage)
    before = (workspace / "params.yaml").read_text()
    words = ["tidegate", "tune", "gru", "--vary", "train.learning_rate=0.02,0.03,0.05,0.000001", "--vary", "units=3,4"]
    first = run_in(workspace, *words, "--trials", "12").stdout
    assert first.count("\ntrial") + first.startswith("trial") == 12
    assert "pruned" in first
    assert (workspace / "params.yaml").read_text() == before
    second = run_in(workspace, *words, "--trials", "13", "--write").stdout
    assert [line.split()[:2] for line in second.splitlines() if line.startswith("trial")] == [["trial", "13"]]
    written = YAML(typ="safe").load(workspace / "params.yaml")["models"]["gru"]
    assert written["train"]["learning_rate"] > 0.01 and written["units"] in (3, 4)
    assert "# drawn anew each epoch" in (workspace / "params.yaml").read_text()

    monkeypatch.chdir(workspace)
    client = open_client()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    (parent,) = client.search_runs([experiment], "attributes.run_name = 'tune gru'")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(children) == 13
    assert all(child.data.params["units"] in ("3", "4") for child in children)


@pytest.mark.slow
def test_what_cannot_be_tuned_is_refused(workspace: Path) -> None:
    for stage in ("ingest", "validate", "window"):
        run_in(workspace, "tidegate", stage)
    for words, answer in (
        (["seasonal_naive"], "models.seasonal_naive has nothing to tune"),
        (["gruu"], "is 'gruu', which is unknown"),
        (["gru", "--vary", "unitz=2,3"], "models.gru.unitz is not a known key; did you mean units?"),
    ):
        done = run_in(workspace, "tidegate", "tune", *words, "--trials", "1", check=False)
        assert done.returncode == 2 and answer in " ".join((done.stdout + done.stderr).split())
