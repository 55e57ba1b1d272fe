"""Issued forecasts: each once, from what was known, every station, with the identity of model and data."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke, refused
from servers import postgres
from sqlalchemy import create_engine
from workspaces import ROOT, copy_workspace

from tidegate.errors import DataError, ServiceError, UserError
from tidegate.forecasting.issue import IssuedForecasts, issue_forecasts
from tidegate.measurements import frame as long_frame
from tidegate.verification import table
from tidegate.workspace import settings
from tidegate.workspace.paths import DATA, MEASUREMENTS
from tidegate.workspace.progress import no_progress

pytestmark = pytest.mark.slow


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained workspace, to stand in; its registry is that of the original."""
    copy = copy_workspace(trained, tmp_path / "workspace", "logs", "cache")
    monkeypatch.chdir(copy)
    return copy


def issue(as_of: str | None = None, span: tuple[str, str] | None = None) -> IssuedForecasts:
    return issue_forecasts(settings.load_settings(), no_progress, as_of, span)


def kept() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("forecasts").rglob("*.parquet")}


def silence(station: str, since: str) -> None:
    """Take a station's rows out of data/, from a time on."""
    for path in (DATA / MEASUREMENTS).glob("*.parquet"):
        rows = long_frame.read_frame(path)
        gone = (rows["station"] == station) & (rows["time"] >= pd.Timestamp(since))
        path.unlink()  # DVC's cache holds the same file
        long_frame.write_frame(path, rows[~gone])


def test_the_newest_step_is_forecast_once(here: Path) -> None:
    first = issue()
    assert len(first.rows) == 3 * 6 and set(first.rows["method"]) == {"model"}
    assert (first.rows["origin"] == pd.Timestamp("2024-03-31T23:00Z")).all()
    assert (first.rows["time"] > first.rows["origin"]).all()
    before = kept()
    assert issue().rows.empty and kept() == before


def test_each_row_leads_to_its_model_and_its_data(here: Path) -> None:
    row = issue().rows.iloc[0]
    assert (row["model"], row["version"]) == ("tidegate", "1")
    assert f"md5: {row['data']}" in Path("data.dvc").read_text() and row["model_data"] == row["data"]
    assert len(row["model_commit"]) == 40


def test_as_of_a_past_moment_nothing_later_is_seen(here: Path) -> None:
    past = issue("2024-03-10T07:30").rows
    assert (past["origin"] == pd.Timestamp("2024-03-10T07:00Z")).all()
    shutil.rmtree("forecasts")
    for station in ("S01", "S02", "S03"):
        silence(station, "2024-03-10T07:30Z")
    again = issue("2024-03-10T07:30").rows
    pd.testing.assert_frame_equal(past, again)


def test_a_span_is_forecast_from_every_step_as_each_would_be_alone(here: Path) -> None:
    alone = issue("2024-03-01T00:00").rows
    both = issue(span=("2024-02-29T12:00", "2024-03-01T06:00"))
    assert len(both.origins) == 19 and len(both.rows) == 18 * 18  # one of them was there
    assert sorted(kept()) == ["2024-02.parquet", "2024-03.parquet"]
    shutil.rmtree("forecasts")
    whole = issue(span=("2024-02-29T12:00", "2024-03-01T06:00")).rows
    own = whole[whole["origin"] == alone["origin"].iloc[0]].reset_index(drop=True)
    assert np.allclose(own["forecast"], alone["forecast"], atol=1e-5)
    assert issue(span=("2024-02-29T12:00", "2024-03-01T06:00")).rows.empty


def test_what_was_issued_stands_when_measurements_are_revised(here: Path) -> None:
    issue()
    before = kept()
    silence("S02", "2024-03-31T00:00Z")
    assert issue().rows.empty and kept() == before


def test_a_station_that_is_too_late_for_the_model_gets_a_marked_baseline(here: Path) -> None:
    silence("S02", "2024-03-31T05:00Z")
    issued = issue()
    methods = issued.rows.groupby("station")["method"].unique().map(list).to_dict()
    assert methods == {"S01": ["model"], "S02": ["baseline"], "S03": ["model"]}
    assert "by the baseline: S02 (the newest temperature is 19 steps old" in issued.sentence
    poor = issued.rows[issued.rows["station"] == "S02"]
    assert poor["forecast"].notna().all() and (poor["q0.05"] < poor["q0.95"]).all()
    rows = pd.concat([long_frame.read_frame(path) for path in (DATA / MEASUREMENTS).glob("*.parquet")])
    measured = rows[rows["station"] == "S02"].sort_values("time")["temperature"]
    assert poor["forecast"].round(2).isin(measured.tail(24).round(2)).all()  # of the day before, or the newest


def test_the_origin_is_the_newest_step_that_enough_stations_have_reported(here: Path) -> None:
    silence("S01", "2024-03-31T22:00Z")
    silence("S03", "2024-03-31T22:00Z")
    assert issue().origins[0] == pd.Timestamp("2024-03-31T21:00Z")  # S02 alone is later
    loaded = settings.load_settings()
    eager = loaded.model_copy(update={"forecast": loaded.forecast.model_copy(update={"complete_share": 0.3})})
    assert issue_forecasts(eager, no_progress, None, None).origins[0] == pd.Timestamp("2024-03-31T23:00Z")


def test_a_station_that_the_model_does_not_know_is_named(here: Path) -> None:
    path = max((DATA / MEASUREMENTS).glob("*.parquet"))
    rows = long_frame.read_frame(path)
    path.unlink()
    long_frame.write_frame(path, pd.concat([rows, rows[rows["station"] == "S01"].assign(station="new")]))
    assert issue().sentence.endswith("left out, unknown to the model: new")


def test_without_a_champion_or_measurements_there_is_one_sentence(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="'noon' is not a time"):
        issue("noon")
    with pytest.raises(DataError, match=r"holds no measurements up to 2020-01-01"):
        issue("2020-01-01")
    with pytest.raises(DataError, match="Nothing was measured in that span"):
        issue(span=("2031-01-01", "2031-01-02"))
    loaded = settings.load_settings()
    other = loaded.model_copy(update={"register_": loaded.register_.model_copy(update={"name": "other"})})
    with pytest.raises(UserError, match="other has no champion yet"):
        issue_forecasts(other, no_progress, None, None)


def test_a_variable_that_only_the_champion_reads_is_named_with_its_version(here: Path) -> None:
    loaded = settings.load_settings()
    variables = {name: value for name, value in loaded.dataset.variables.items() if name != "humidity"}
    other = loaded.model_copy(update={"dataset": loaded.dataset.model_copy(update={"variables": variables})})
    with pytest.raises(UserError, match="Champion tidegate version 1 reads humidity, which"):
        issue_forecasts(other, no_progress, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database: a file, or a real PostgreSQL server on loopback."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/forecasts.db"
        return
    with postgres() as address:
        yield f"postgresql+psycopg2://{address}/postgres"


def test_a_table_holds_each_row_once(here: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(table.ADDRESS, database)
    printed = issue().sentence
    assert "in sqlite:///" in printed or ("in postgresql+psycopg2://tide:***@" in printed and "secret" not in printed)
    issue()
    issue(span=("2024-03-31T20:00", "2024-03-31T23:00"))
    rows = pd.read_sql_table("forecasts", create_engine(database))
    assert len(rows) == 4 * 18 and not rows.duplicated(["station", "origin", "time", "variable"]).any()
    kept_rows = pd.concat(long_frame.read_frame(path) for path in Path("forecasts").rglob("*.parquet"))
    assert rows["forecast"].sum() == pytest.approx(kept_rows["forecast"].sum())
    newest = pd.to_datetime(rows["origin"], utc=True).max()
    assert newest == pd.Timestamp("2024-03-31T23:00Z")


def test_what_a_database_missed_comes_with_the_next_call(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(table.ADDRESS, "postgresql+psycopg2://tide:secret@127.0.0.1:1/none")
    with pytest.raises(
        ServiceError, match=r"The database at postgresql\+psycopg2://tide:\*\*\*@127.0.0.1:1/none refuses"
    ):
        issue()
    monkeypatch.setenv(table.ADDRESS, f"sqlite:///{tmp_path}/forecasts.db")
    assert issue().rows.empty
    assert len(pd.read_sql_table("forecasts", create_engine(f"sqlite:///{tmp_path}/forecasts.db"))) == 18
    monkeypatch.setenv(table.ADDRESS, "nothing")
    with pytest.raises(UserError, match="is no address of a database"):
        issue()


def test_the_command_prints_a_line_and_refuses_in_one(here: Path) -> None:
    printed = invoke(here, "forecast", "--as-of", "2024-03-20").stdout.splitlines()
    assert printed[0].startswith("forecast               18 new rows from 2024-03-20 00:00 UTC, by version 1 (")
    assert printed[1:] == ["They are kept in forecasts/tidegate-v1/."]
    assert "leave one out" in refused(here, "forecast", "--as-of", "2024", "--backfill", "2024", "2025")


def test_a_moment_and_a_span_or_half_a_span_are_refused() -> None:
    with pytest.raises(UserError, match="leave one out"):
        issue_forecasts(
            settings.load_settings(ROOT / "params.yaml"), no_progress, "2024-03-01", ("2024-03-01", "2024-03-02")
        )
    for half in (("2024-03-01", None), (None, "2024-03-01")):
        with pytest.raises(UserError, match="two ends one is given"):
            issue_forecasts(settings.load_settings(ROOT / "params.yaml"), no_progress, None, half)
