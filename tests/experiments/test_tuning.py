"""Tuning: a search that goes on where it was left, prunes, leaves its trace in MLflow, and writes back on request."""

from pathlib import Path

import pytest
from commands import refused
from ruamel.yaml import YAML
from workspaces import run_in, set_params

from tidegate.errors import SettingsError
from tidegate.experiments import tuning
from tidegate.pipeline.drive import checked_settings
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


@pytest.mark.long
@pytest.mark.slow
def test_a_search_goes_on_prunes_and_writes_the_best_back(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    set_params(copied, {"train.epochs": 4, "train.patience_epochs": 4, "train.epoch_windows": 256})
    before = Path("params.yaml").read_text()
    vary, outcomes = ["train.learning_rate=0.02,0.03,0.05,0.000001", "units=3,4"], list[str]()
    space = tuning.space_of(checked_settings(), "gru", vary)
    tuning.search(checked_settings(), "gru", 8, space, lambda _, outcome: outcomes.append(outcome))
    assert len(outcomes) == 8 and any("pruned" in outcome for outcome in outcomes)
    assert Path("params.yaml").read_text() == before
    words = ["tune", "gru", *(word for one in vary for word in ("--vary", one)), "--trials", "9", "--write"]
    printed = run_in(copied, "tidegate", *words).stdout
    assert [line.split()[:2] for line in printed.splitlines() if line.startswith("trial")] == [["trial", "9"]]
    written = YAML(typ="safe").load(Path("params.yaml"))["models"]["gru"]
    assert written["train"]["learning_rate"] > 0.01 and written["units"] in (3, 4)
    assert "# drawn anew each epoch" in Path("params.yaml").read_text()

    client = open_client()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    (parent,) = client.search_runs([experiment], "attributes.run_name = 'tune gru'")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(children) == 9
    assert all(child.data.params["units"] in ("3", "4") for child in children)


def test_what_cannot_be_tuned_is_refused(workspace: Path) -> None:
    assert "models.seasonal_naive has nothing to tune" in refused(workspace, "tune", "seasonal_naive")
    assert "is 'gruu', which is unknown" in refused(workspace, "tune", "gruu")


@pytest.mark.slow
def test_a_value_that_the_section_does_not_know_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    loaded = checked_settings()
    space = tuning.space_of(loaded, "gru", ["unitz=2,3"])
    with pytest.raises(SettingsError, match=r"models\.gru\.unitz is not a known key; did you mean units\?"):
        tuning.search(loaded, "gru", 1, space, lambda *_: None)
