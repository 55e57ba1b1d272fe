"""Backtest: every test origin once, and nothing of a fold's future in what it learns."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from workspaces import run_in, set_params

from tidegate.errors import SettingsError
from tidegate.experiments import backtest
from tidegate.measurements import frame
from tidegate.workspace import settings
from tidegate.workspace.paths import CLEAN, QUARANTINE


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the clean data and the settings of the trained workspace."""
    (tmp_path / "artifacts").mkdir()
    for file in (CLEAN, QUARANTINE):
        shutil.copy(trained / file, tmp_path / file)
    shutil.copy(trained / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_folds_hold_every_test_origin_once(here: Path) -> None:
    loaded = settings.load_settings()
    steps = frame.read_frame(CLEAN)["time"].nunique()
    found = backtest.folds(loaded, 100)
    origins = [origin for fold in found for origin in range(fold.first, fold.end)]
    first = steps - round(steps * loaded.window.test_share)
    assert origins == list(range(first, steps - loaded.window.horizon_steps + 1))
    assert [fold.number for fold in found] == list(range(1, len(found) + 1))
    assert {fold.end - fold.first for fold in found[:-1]} == {100}


@pytest.mark.slow
def test_what_comes_after_a_fold_changes_nothing_in_it(here: Path) -> None:
    loaded = settings.load_settings()
    fold = backtest.folds(loaded, 100)[0]
    before = {name: backtest.measure(loaded, fold, name) for name in ("linear", "gru")}
    clean = frame.read_frame(CLEAN)
    times = sorted(clean["time"].unique())
    late = clean["time"] > times[fold.end + loaded.window.horizon_steps - 2]
    assert late.any()
    clean.loc[late, "temperature"] += 30
    clean.to_parquet(CLEAN)
    assert {name: backtest.measure(loaded, fold, name) for name in before} == before


@pytest.mark.slow
def test_folds_too_long_for_the_data_are_refused(here: Path) -> None:
    set_params(here, {"window.test_share": 0.85, "window.validation_share": 0.14})
    with pytest.raises(SettingsError, match="The first fold would have"):
        backtest.folds(settings.load_settings(), 100)


@pytest.mark.slow
@pytest.mark.long
def test_the_flow_measures_folds_side_by_side_as_they_are_alone(
    workspace: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "artifacts").mkdir()
    for file in (CLEAN, QUARANTINE):
        shutil.copy(trained / file, workspace / file)
    words = ("backtest", "linear", "gru", "--refit-every", "250", "--workers", "2")
    printed = run_in(workspace, "tidegate", *words).stdout
    rows = pd.read_csv(workspace / "artifacts" / "backtest.csv")
    assert len(rows) == 2 * rows["fold"].nunique() and set(rows["model"]) == {"linear", "gru"}
    assert "Backtest, mase: temperature" in printed and "all" in printed
    monkeypatch.chdir(workspace)
    loaded = settings.load_settings()
    fold = backtest.folds(loaded, 250)[1]
    for name in ("linear", "gru"):
        alone = backtest.measure(loaded, fold, name)
        row = rows[(rows["model"] == name) & (rows["fold"] == 2)].iloc[0]
        assert row["mase"] == pytest.approx(alone["mase"], rel=1e-5)
    done = invoke(workspace, "backtest", "gruu", check=False)
    assert done.returncode == 2 and "is 'gruu', which is unknown" in done.stderr
