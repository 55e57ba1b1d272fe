"""Decisions of a person about the champion: forecasts follow at once, and the log says why."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, refused
from workspaces import copy_workspace, keep_models

from tidegate.forecasting.champions import reigns
from tidegate.forecasting.promotion import IncomparableError, duel_with_champion
from tidegate.pipeline import drive
from tidegate.stages import evaluate, register
from tidegate.tracking import registry
from tidegate.tracking.store import open_client
from tidegate.workspace import settings
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_versions(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose registry holds a champion, version 1, and a challenger, version 2, with the same forecasts."""
    copy = copy_workspace(trained, tmp_path_factory.mktemp("two") / "workspace", "mlflow", ".prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        subprocess.run(["git", "checkout", "-q", "--", "mlflow"], check=True)
        keep_models(copy, "seasonal_naive", "linear")
        for step in range(2):
            if step:
                Path(f"artifacts/models/{best()}/note.txt").write_text("the same forecasts under another digest")
            evaluate.run(settings.load_settings(), no_progress)
            register.run(settings.load_settings(), no_progress)
    return copy


def best() -> str:
    return str(open_client().get_model_version("tidegate", "1").tags["tidegate.candidate"])


@pytest.fixture
def here(two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = copy_workspace(two_versions, tmp_path / "workspace")
    monkeypatch.chdir(copy)
    return copy


def test_the_stage_enters_why_it_promoted(here: Path) -> None:
    table = reigns(drive.checked_settings())
    assert table["version"].tolist() == ["1"] and table["by"].tolist() == ["the stage register"]
    assert "there was no champion" in table["because"].iloc[0]


def test_promote_and_rollback_move_the_champion_and_forecasts_follow(here: Path) -> None:
    assert "by version 1 " in invoke(here, "forecast").stdout
    done = invoke(here, "promote", "2", "--because", "the new sensor needs it")
    assert done.stdout.strip() == (
        "tidegate version 2 is champion, in the place of version 1. Because: the new sensor needs it."
    )
    assert "by version 2 " in invoke(here, "forecast").stdout
    moved = json.loads(invoke(here, "rollback", "--json").stdout)
    assert (moved["version"], moved["before"]) == ("1", "2")
    assert "version 1 is champion, in the place of version 2" in moved["sentence"]
    assert "by version 1 " in invoke(here, "forecast").stdout
    table = reigns(drive.checked_settings())
    assert table["version"].tolist() == ["1", "2", "1"]
    assert table["because"].tolist()[1:] == ["the new sensor needs it", "version 2 was rolled back"]
    assert table["by"].iloc[1].startswith("tidegate promote, by ")
    shown = invoke(here, "champion").stdout
    assert shown.index("now") < shown.index("the new sensor")
    assert "version 1" in invoke(here, "champion", "--at", "2100-01-01").stdout


def test_a_version_that_was_rolled_back_is_not_promoted_again_by_itself(here: Path) -> None:
    invoke(here, "promote", "2", "--because", "a trial")
    invoke(here, "rollback", "--because", "too cold")
    evaluate.run(settings.load_settings(), no_progress)
    register.run(settings.load_settings(), no_progress)
    assert reigns(drive.checked_settings())["version"].iloc[-1] == "1"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("promote", "9", "--because", "x"), "tidegate has no version '9'; there are 1, 2"),
        (("promote", "1", "--because", "x"), "version 1 is champion already"),
        (("promote", "2", "--because", " "), "Give the reason"),
        (("rollback",), "there is nothing to go back to"),
        (("promote", "2", "--because", "x" * 1001), "The reason has 1,001 characters"),
        (("champion", "--at", "2020-01-01"), "the log begins at"),
        (("champion", "--at", "noon"), "'noon' is not a time"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(here: Path, words: tuple[str, ...], says: str) -> None:
    assert says in refused(here, *words)


def test_a_version_whose_files_are_gone_is_no_champion(here: Path) -> None:
    shutil.rmtree("mlflow/artifacts")
    assert "Version 2 cannot forecast" in refused(here, "promote", "2", "--because", "x")
    assert reigns(drive.checked_settings())["version"].tolist() == ["1"]


def test_a_version_that_was_deleted_is_shown_as_such_and_passed_over(here: Path) -> None:
    invoke(here, "promote", "2", "--because", "a trial")
    invoke(here, "rollback", "--because", "too cold")
    open_client().delete_model_version("tidegate", "2")
    assert "deleted" in invoke(here, "champion").stdout
    assert "nothing to go back to" in refused(here, "rollback")


def test_without_a_champion_the_sentence_says_what_helps(here: Path) -> None:
    open_client().delete_registered_model_alias("tidegate", "champion")
    assert "makes one of 1, 2 it" in refused(here, "forecast")
    assert "makes one of 1, 2 it" in refused(here, "rollback")
    assert reigns(drive.checked_settings())["until"].notna().all()


def test_a_champion_whose_forecast_is_not_finite_cannot_be_compared(here: Path, tmp_path: Path) -> None:
    champion = registry.champion("tidegate")
    assert champion
    model, spec = registry.version_files(champion)
    broken = shutil.copytree(model, tmp_path / "broken")
    with np.load(broken / "weights.npz") as stored:
        kept = dict(stored)
    kept["bias"][-1] = np.nan  # of the last step ahead
    np.savez(broken / "weights.npz", **kept)
    with pytest.raises(IncomparableError, match=r"its forecast for station S01 from 2024-0.* is not finite"):
        duel_with_champion(settings.load_settings(), best(), broken, spec)
