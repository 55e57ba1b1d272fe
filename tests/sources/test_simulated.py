"""Where rows come from: the simulated network, and what all sources have in common."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from workspaces import ROOT

from tidegate.errors import SettingsError
from tidegate.sources import open_source, read_all
from tidegate.sources.simulated import RESOLUTION, SENTINEL, _fronts
from tidegate.workspace import identity
from tidegate.workspace.columns import ARRIVED, KEYS, STATION, TIME
from tidegate.workspace.dataset import Dataset

VARIABLES = list(RESOLUTION)


def simulated(end: str = "2024-04-01T00:00:00Z", **options: object) -> pd.DataFrame:
    section = {"seed": 7, "stations": 3, "start": "2024-01-01T00:00:00Z", "end": end, **options}
    return read_all(open_source(dataset("simulated", section)))


def dataset(source: str, options: dict[str, object], variables: Sequence[str] = VARIABLES) -> Dataset:
    return Dataset(
        source=source,
        options=options,
        frequency="1h",
        variables={name: {"unit": "m"} for name in variables},
        targets=variables[:1],
        season_steps=24,
    )


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    assert simulated().equals(simulated())
    assert not simulated().equals(simulated(seed=8))


def test_a_later_end_only_adds_rows() -> None:
    short, long = simulated("2024-02-01T00:00:00Z"), simulated("2024-04-01T00:00:00Z")
    # Rows are in the order of arrival, so what had arrived by February comes first, but for revisions on their way.
    assert long.head(len(short)).equals(short)


def test_values_are_rounded_to_the_resolution_of_the_sensor() -> None:
    rows = simulated()
    for name, decimals in RESOLUTION.items():
        assert (rows[name] == rows[name].round(decimals)).all()


def test_every_kind_of_fault_is_planted() -> None:
    rows = simulated("2025-01-01T00:00:00Z")
    hours = (rows[TIME].max() - rows[TIME].min()) / pd.Timedelta("1h") + 1
    assert rows.drop_duplicates(KEYS).groupby(STATION).size().lt(hours).all(), "gaps"
    assert rows.duplicated().any(), "exact duplicates"
    assert (rows[VARIABLES] == SENTINEL).any().all(), "sentinels"
    twice = rows.drop_duplicates()
    late = twice[twice.duplicated(KEYS)]
    assert (late[ARRIVED] > late[TIME]).all() and len(late), "late revisions"
    calm = rows["temperature"].where(rows["temperature"] != SENTINEL)
    assert calm.diff().abs().gt(20).any(), "spikes"
    wind = rows[rows[STATION] == "S01"].sort_values(TIME)["wind_speed"]
    assert (wind != wind.shift()).cumsum().value_counts().max() > 10, "a stuck sensor"


def test_without_faults_the_rows_are_clean() -> None:
    rows = simulated(faults=False)
    assert not rows.duplicated(KEYS).any()
    assert rows.groupby(STATION).size().nunique() == 1
    assert rows[VARIABLES].min().min() > -100


def test_a_front_reaches_the_stations_one_after_another() -> None:
    cold, _, dip = _fronts(np.random.default_rng(1), np.array([0.0, 100.0, 300.0]), hours=600)
    for effect in (cold, dip):
        arrival = (effect > 0.1).argmax(axis=1)
        assert arrival[0] < arrival[1] < arrival[2]


def test_temperature_has_a_daily_and_a_yearly_cycle() -> None:
    rows = simulated("2026-01-01T00:00:00Z", faults=False)
    by_month = rows.groupby(rows[TIME].dt.month)["temperature"].mean()
    by_hour = rows.groupby(rows[TIME].dt.hour)["temperature"].mean()
    assert by_month.loc[7] - by_month.loc[1] > 10
    assert by_hour.max() - by_hour.min() > 3


def test_an_unknown_source_or_variable_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"did you mean simulated\?; known: files,"):
        open_source(dataset("simulatd", {}))
    with pytest.raises(SettingsError, match="known: humidity, pressure"):
        open_source(dataset("simulated", {"start": "2024-01-01T00:00Z", "end": "now"}, ["ozone"]))


def test_the_default_data_are_those_of_the_committed_hash(workspace: Path) -> None:
    (workspace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    invoke(workspace, "ingest")
    assert identity.data_hash(workspace / "data.dvc") == identity.data_hash(ROOT / "data.dvc")
    assert (workspace / "data.dvc").read_text() == (ROOT / "data.dvc").read_text()
