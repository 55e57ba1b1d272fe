"""Forecasts that are issued again: what was lacking has come, both revisions are kept, and the newest stands."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from servers import postgres
from sqlalchemy import create_engine, inspect
from workspaces import built_once, copy_workspace, set_params

from tidegate.verification import table
from tidegate.verification.issued import complete, read_issued, standing

pytestmark = pytest.mark.slow
NEWEST, HOUR = pd.Timestamp("2024-03-01T00:00"), pd.Timedelta("1h")
STATIONS = ["A", "B", "C"]


def measured(times: pd.DatetimeIndex, stations: list[str] = STATIONS) -> pd.DataFrame:
    """A plan that changes every third hour, and a temperature that follows it."""
    parts = []
    for number, station in enumerate(stations):
        random = np.random.default_rng(number)
        plan = np.repeat(random.normal(0, 10, 1000), 3)
        noise = random.normal(0, 1, 3000)
        hour = ((times - pd.Timestamp("2024-01-01")) // HOUR).to_numpy()
        parts.append(pd.DataFrame({"station": station, "time": times, "plan": plan[hour].round(2),
                                   "temp": (100 + 2 * plan[hour] + noise[hour]).round(2)}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def give(workspace: Path, name: str, rows: pd.DataFrame) -> None:
    """Put a file where the workspace's source looks, and ingest it."""
    rows.to_csv(workspace / "in" / f"{name}.csv", index=False)
    invoke(workspace, "ingest")


def ahead(first: int, last: int) -> pd.DatetimeIndex:
    return pd.date_range(NEWEST + first * HOUR, NEWEST + last * HOUR, freq="h")


def plan_alone(first: int, last: int) -> pd.DataFrame:
    return measured(ahead(first, last)).assign(temp=np.nan)


@pytest.fixture(scope="session")
def planned(shared: Path, template: Path) -> Path:
    """A workspace whose champion needs a plan of the next six hours; the plan ends with the measurements."""

    def train(folder: Path) -> None:
        copy_workspace(template, folder)
        set_params(folder, {
            "dataset.source": "files",
            "dataset.options": {"paths": "in/*.csv", "station": "station", "time": "time"},
            "dataset.variables": {"temp": {"unit": "K"}, "plan": {"unit": "1"}},
            "dataset.targets": ["temp"], "dataset.covariates": [], "dataset.known": ["plan"],
            "models": {"seasonal_naive": {"family": "naive", "method": "seasonal"},
                       "linear": {"family": "autoregressive"}},
        })  # fmt: skip
        (folder / "in").mkdir()
        measured(pd.date_range("2024-01-01", NEWEST, freq="h")).to_csv(folder / "in" / "a.csv", index=False)
        stages = ("ingest", "validate", "window", "train seasonal_naive", "train linear", "evaluate", "register")
        for words in stages:
            invoke(folder, *words.split())

    return built_once(shared / "planned", train)


@pytest.fixture
def here(planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = copy_workspace(planned, tmp_path / "workspace", "logs", "cache")
    monkeypatch.chdir(copy)
    return copy


def forecast(workspace: Path, *words: str) -> str:
    return invoke(workspace, "forecast", *words).stdout.splitlines()[0]


def kept(workspace: Path) -> pd.DataFrame:
    files = sorted((workspace / "forecasts").rglob("*.parquet"))
    return pd.concat([read_issued(path) for path in files], ignore_index=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty database, to which forecasts go: a file, or a real PostgreSQL server on loopback."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/forecasts.db"
        monkeypatch.setenv(table.ADDRESS, address)
        yield address
        return
    with postgres() as server:
        address = f"postgresql+psycopg2://{server}/postgres"
        monkeypatch.setenv(table.ADDRESS, address)
        yield address


def stored(address: str) -> pd.DataFrame:
    engine = create_engine(address)
    rows = pd.read_sql_table("forecasts", engine)
    engine.dispose()
    return rows


def test_a_baseline_is_superseded_by_the_model_when_the_plan_comes(here: Path, database: str) -> None:
    assert "plan is not given for 6 of 6 steps ahead" in forecast(here)
    first = kept(here)
    assert set(first["method"]) == {"baseline"} and set(first["revision"]) == {0} and len(first) == 18
    give(here, "b", plan_alone(1, 6))
    line = forecast(here)
    assert "18 of them supersede earlier ones: A (plan is not given for 6 of 6 steps ahead)" in line
    both = kept(here)
    assert both.groupby("revision").size().to_dict() == {0: 18, 1: 18} and both["origin"].nunique() == 1
    pd.testing.assert_frame_equal(both[both["revision"] == 0].reset_index(drop=True), first)
    newest = standing(both)
    assert set(newest["method"]) == {"model"} and len(newest) == 18
    before = {path: path.read_bytes() for path in (here / "forecasts").rglob("*.parquet")}
    assert "0 new rows" in forecast(here)
    assert {path: path.read_bytes() for path in before} == before
    in_table = stored(database)
    assert in_table.groupby("revision").size().to_dict() == {0: 18, 1: 18}
    assert standing(in_table)["forecast"].sum() == pytest.approx(newest["forecast"].sum())


def test_a_late_station_is_forecast_again_when_its_values_come(here: Path) -> None:
    give(here, "b", plan_alone(1, 12))
    give(here, "c", measured(ahead(1, 2), ["A", "B"]))
    forecast(here)
    assert kept(here).groupby("station")["late_steps"].unique().map(list).to_dict() == {"A": [0], "B": [0], "C": [2]}
    give(here, "d", measured(ahead(1, 3)))
    line = forecast(here)
    rows = kept(here)
    again = rows[rows["revision"] == 1]
    assert set(again["station"]) == {"C"} and set(again["origin"]) == {(NEWEST + 2 * HOUR).tz_localize("UTC")}
    assert set(again["late_steps"]) == {0} and set(again["method"]) == {"model"} and len(again) == 6
    assert "24 new rows" in line and "6 of them supersede earlier ones: C (the newest temp is 2 steps old" in line
    assert "0 new rows" in forecast(here)
    # What was measured after the origin has no part in it.
    shutil.rmtree(here / "forecasts")
    forecast(here, "--backfill", str(NEWEST + 2 * HOUR), str(NEWEST + 2 * HOUR))
    anew = kept(here)
    alone = anew[anew["station"] == "C"]["forecast"].to_numpy()
    assert again["forecast"].to_numpy() == pytest.approx(alone, abs=1e-5)


def test_a_station_that_is_a_little_less_late_is_forecast_again(here: Path) -> None:
    give(here, "b", plan_alone(1, 12))
    give(here, "c", measured(ahead(1, 4), ["A", "B"]))
    forecast(here)
    give(here, "d", measured(ahead(1, 2)))
    forecast(here)
    newest = standing(kept(here))
    assert newest[newest["station"] == "C"]["late_steps"].tolist() == [2] * 6
    assert newest.groupby("station")["revision"].max().to_dict() == {"A": 0, "B": 0, "C": 1}


def test_what_is_older_than_the_rule_or_asked_for_by_time_stands(here: Path) -> None:
    forecast(here)
    give(here, "b", plan_alone(1, 12))
    for words in (("--as-of", str(NEWEST)), ("--backfill", str(NEWEST - HOUR), str(NEWEST))):
        forecast(here, *words)
        assert set(kept(here)["revision"]) == {0}
    set_params(here, {"forecast.reissue_hours": 0})
    assert "0 new rows" in forecast(here)
    set_params(here, {"forecast.reissue_hours": 2})
    give(here, "c", measured(ahead(1, 3)))
    assert "18 new rows" in forecast(here)
    set_params(here, {"forecast.reissue_hours": 3})
    assert "18 of them supersede" in forecast(here)


def test_rows_of_a_release_without_revisions_count_as_the_first(here: Path) -> None:
    forecast(here)
    (path,) = (here / "forecasts").rglob("*.parquet")
    older = pd.read_parquet(path).drop(columns=["revision", "late_steps"])
    older.to_parquet(path)
    give(here, "b", plan_alone(1, 6))
    forecast(here)
    assert kept(here).groupby("revision").size().to_dict() == {0: 18, 1: 18}
    assert len(standing(older)) == 18


def test_a_table_of_a_release_without_revisions_is_migrated_once_by_two_writers(here: Path, database: str) -> None:
    forecast(here)
    rows, engine = kept(here), create_engine(database)
    older = stored(database).drop(columns=["revision", "late_steps"])
    with engine.begin() as connection:
        names = inspect(connection).get_columns("forecasts")
        types = {column["name"]: column["type"].compile(engine.dialect) for column in names}
        described = ", ".join(f'"{name}" {types[name]}' for name in older.columns)
        connection.exec_driver_sql("DROP TABLE forecasts")
        key = "PRIMARY KEY (model, version, station, origin, time, variable)"
        connection.exec_driver_sql(f"CREATE TABLE forecasts ({described}, {key})")
        connection.exec_driver_sql("CREATE INDEX by_station ON forecasts (station)")
        connection.exec_driver_sql("CREATE VIEW seen AS SELECT station, forecast FROM forecasts")
    older.to_sql("forecasts", engine, if_exists="append", index=False)
    again = rows.assign(revision=1, method="model")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: table.store_forecasts("forecasts", part), [rows, again, rows, again]))
    found = stored(database)
    assert found.groupby("revision").size().to_dict() == {0: 18, 1: 18}
    assert sorted(found.loc[found["revision"] == 0, "forecast"]) == sorted(older["forecast"])
    assert "revision" in inspect(engine).get_pk_constraint("forecasts")["constrained_columns"]
    assert [index["name"] for index in inspect(engine).get_indexes("forecasts")] == ["by_station"]
    assert len(pd.read_sql_query("SELECT * FROM seen", engine)) == 36
    again_older = older.assign(station="new " + older["station"])
    again_older.to_sql("forecasts", engine, if_exists="append", index=False)  # an older release writes
    assert stored(database).groupby("revision").size().to_dict() == {0: 36, 1: 18}
    engine.dispose()


def test_the_newest_revision_of_each_forecast_stands() -> None:
    rows = pd.DataFrame({"station": list("AAB"), "origin": 1, "time": 2, "variable": "x", "revision": [1, 0, 0]})
    assert standing(rows).index.tolist() == [0, 2]
    assert standing(rows.drop(columns="revision").iloc[:1]).equals(rows.drop(columns="revision").iloc[:1])
    assert complete(rows.assign(forecast=1.0))["late_steps"].isna().all()
