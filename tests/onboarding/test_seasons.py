"""What `tidegate init` proposes for seasons, and what it writes beside the section `dataset`."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT

from tidegate.onboarding import write
from tidegate.onboarding.columns import Told
from tidegate.onboarding.proposal import Proposal, propose
from tidegate.workspace import settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def look(name: str) -> Proposal:
    return propose(name, None, Told(), settings.load_settings())


def table(steps: int, frequency: str, season: int, name: str) -> Proposal:
    """Look at a table whose values repeat after so many steps, if any."""
    rng = np.random.default_rng(0)
    cycle = 5 * np.sin(2 * np.pi * np.arange(steps) / season) if season else rng.normal(0, 1, steps).cumsum()
    times = pd.date_range("2010-01-04", periods=steps, freq=frequency)
    pd.DataFrame({"when": times, "level": (20 + cycle + rng.normal(0, 0.5, steps)).round(2)}).to_csv(name, index=False)
    return look(name)


@pytest.mark.parametrize(
    ("frequency", "season", "steps"),
    [("1D", 7, 7), ("1D", 0, 1), ("7D", 52, 52), ("7D", 0, 1), ("1h", 24, 24), ("1h", 168, 168)],
)
def test_the_season_is_one_that_the_values_show(here: Path, frequency: str, season: int, steps: int) -> None:
    assert table(600, frequency, season, "in.csv").dataset["season_steps"] == steps


def test_another_data_set_has_a_registry_name_of_its_own_and_a_week_its_weekday(here: Path) -> None:
    write.write(table(600, "1D", 7, "river levels.csv"))
    loaded = settings.load_settings()
    assert loaded.register_.name == "river-levels" and "weekday" in loaded.window.calendar
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("name: river-levels", "name: kept"))
    write.write(look("river levels.csv"))
    assert settings.load_settings().register_.name == "kept"
