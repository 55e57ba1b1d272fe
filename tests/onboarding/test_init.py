"""`tidegate init`: what it sees in measurements of others, and what it writes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from sqlalchemy import create_engine
from workspaces import REAL_DATA, ROOT

from tidegate.errors import SourceError, UserError
from tidegate.onboarding import write
from tidegate.onboarding.columns import Told
from tidegate.onboarding.proposal import Proposal, propose
from tidegate.quality.suite import rules_of
from tidegate.sources import open_source
from tidegate.workspace import settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def look(source: Path | str, zone: str | None = None, wide: bool | None = None, table: str | None = None) -> Proposal:
    return propose(str(source), table, Told(time_zone=zone, wide=wide), settings.load_settings())


def real(name: str) -> Path:
    if not (REAL_DATA / name).exists():
        pytest.skip(f"{REAL_DATA / name} is not here")
    return REAL_DATA / name


def written(found: Proposal) -> settings.Settings:
    """Write what was proposed, and read it back as every command does."""
    write.write(found)
    loaded = settings.load_settings()
    open_source(loaded.dataset)
    return loaded


def findings(found: Proposal, rule: str) -> set[str]:
    return set(found.findings.loc[found.findings["rule"] == rule, "variable"])


def hourly(days: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=24 * days, freq="h")
    level = 10 + 5 * np.sin(np.arange(len(times)) / 24 * 2 * np.pi) + rng.normal(0, 1, len(times))
    return pd.DataFrame({"when": times, "place": "A", "level (cm)": level.round(2), "state": "ok"})


def test_columns_units_frequency_and_season_are_seen(here: Path) -> None:
    pd.concat([hourly(), hourly().assign(place="B")]).to_csv("in.csv", index=False)
    found = look("in.csv")
    own = found.dataset
    assert own["options"] == {**own["options"], "paths": "in.csv", "time": "when", "station": "place"}
    assert own["options"]["columns"] == {"level": "level (cm)"}
    assert (own["frequency"], own["season_steps"], own["targets"]) == ("1h", 24, ["level"])
    assert found.profiles["level"].unit == "cm" and found.left_out == {"state": "not numbers"}
    assert write.remarks(found)[-1].startswith("expected  about ")
    loaded = written(found)
    assert loaded.dataset.variables["level"].unit == "cm"


def test_a_sentinel_is_suspected_where_it_stands_apart_and_nowhere_else(here: Path) -> None:
    rows = hourly()
    rows.loc[[5, 50, 60], "level (cm)"] = -999
    rows["pressure"] = np.random.default_rng(1).normal(1000, 5, len(rows)).round(0)
    rows.to_csv("in.csv", index=False)
    found = look("in.csv")
    assert (rows["pressure"] == 999).any()
    assert found.profiles["level"].sentinels == (-999.0,) and found.profiles["pressure"].sentinels == ()
    assert written(found).dataset.sentinels_of("pressure") == ()


def test_tolerances_are_set_to_what_is_there_and_say_where(here: Path) -> None:
    rows = hourly(60)
    rows.loc[rows.index[100:500], "level (cm)"] = np.nan
    rows.to_csv("in.csv", index=False)
    loaded = written(look("in.csv"))
    assert (
        rules_of(loaded.validate_).of("gap").steps >= 400
        and rules_of(loaded.validate_).of("missing").tolerance >= 400 / 1440
    )
    assert "# there: level at A, 2024-01-05" in Path("params.yaml").read_text()


def test_a_day_longer_than_the_lookback_lengthens_it_and_says_so(here: Path) -> None:
    rows = hourly(400).assign(when=pd.date_range("2024-01-01", periods=24 * 400, freq="10min"))
    rows.to_csv("in.csv", index=False)
    assert "window.lookback_steps is 144, a season" in write.write(look("in.csv"))
    assert settings.load_settings().window.lookback_steps == 144


def test_a_table_of_a_database_is_looked_at_too(here: Path) -> None:
    rows = hourly().rename(columns={"level (cm)": "level"})
    rows["when"] = rows["when"].dt.strftime("%Y-%m-%d %H:%M:%S")
    rows.to_sql("hours", create_engine("sqlite:///own.db"), index=False)
    found = look("sqlite:///own.db", table="hours")
    assert found.dataset["source"] == "sql" and found.dataset["options"]["table"] == "hours"
    written(found)
    with pytest.raises(UserError, match="Give it with --table"):
        look("sqlite:///own.db")
    with pytest.raises(SourceError, match="no table days in that database; its tables: hours"):
        look("sqlite:///own.db", table="days")


@pytest.mark.parametrize(
    ("content", "words"),
    [("a,b\n1,2\n3,4\n", "no column holds times"), ("time,b\n2024-01-01,x\n2024-01-02,y\n", "no column holds numbers")],
)
def test_what_cannot_be_recognised_is_refused_in_a_sentence(here: Path, content: str, words: str) -> None:
    Path("in.csv").write_text(content)
    with pytest.raises(UserError, match=words):
        look("in.csv")


def test_no_file_is_refused(here: Path) -> None:
    (here / "empty").mkdir()
    with pytest.raises(SourceError, match=r"No file of measurements|No file is at"):
        look("empty")


@pytest.mark.slow
def test_the_command_asks_writes_and_never_overwrites_without_force(workspace: Path) -> None:
    hourly().to_csv(workspace / "in.csv", index=False)
    before = (workspace / "params.yaml").read_text()
    asked = invoke(workspace, "init", "in.csv")
    assert "There is nobody to ask: give --yes." in asked.stdout and "Nothing was written." in asked.stdout
    assert (workspace / "params.yaml").read_text() == before
    done = invoke(workspace, "init", "in.csv", "--yes").stdout
    assert "720 rows of 1 stations, each 1h" in done and "the target" in done
    again = invoke(workspace, "init", "in.csv", "--yes", check=False)
    assert again.returncode == 2 and "--force replaces it" in again.stderr
    words = ["init", "in.csv", "--yes", "--force", "--time-zone", "Europe/Berlin", "--json"]
    told = json.loads(invoke(workspace, *words).stdout)
    assert (told["rows"], told["stations"]) == (720, 1) and told["target"] and told["remarks"]
    assert "time_zone: Europe/Berlin" in (workspace / "params.yaml").read_text()
    invoke(workspace, "ingest")
    invoke(workspace, "validate")


# What the README of each real data set lists, found.


def test_beijing(here: Path) -> None:
    found = look(real("beijing"))
    own = found.dataset
    assert own["options"]["time"] == ["year", "month", "day", "hour"] and own["options"]["station"] == "station"
    assert found.stations == 8 and own["targets"] == ["PM2.5"] and set(found.left_out) == {"No", "wd"}
    assert own["relations"] == ["PM2.5 <= PM10", "DEWP <= TEMP"]
    assert findings(found, "relation") >= {"PM2.5 <= PM10"} and "SO2" in findings(found, "stuck")
    assert found.profiles["PRES"].sentinels == () and found.profiles["TEMP"].low < -20
    assert found.profiles["CO"].missing == pytest.approx(0.05, abs=0.01)


def test_ett(here: Path) -> None:
    found = look(real("ett/ETTh1.csv"))
    assert found.dataset["frequency"] == "1h" and found.dataset["targets"] == ["OT"]
    assert findings(found, "stuck") >= {"LUFL", "MUFL"} and found.profiles["MULL"].low < -6


def test_nyc_airports(here: Path) -> None:
    found = look(real("nyc_airports/weather.csv"), zone="America/New_York")
    assert found.dataset["options"]["station"] == "origin" and found.dataset["options"]["time"] == "time_hour"
    assert found.stations == 3 and "wind_gust" in found.left_out
    (row,) = found.findings[found.findings["rule"] == "range"].to_dict("records")
    assert (row["variable"], row["station"], row["from"][:10]) == ("wind_speed", "EWR", "2013-02-12")
    lost = found.findings[found.findings["rule"] == "clock_change"]
    assert set(lost["station"]) == {"EWR", "JFK", "LGA"} and lost["to"].str.startswith("2013-11-03").all()


def test_metro_traffic(here: Path) -> None:
    found = look(real("metro_traffic"))
    assert found.dataset["targets"] == ["traffic_volume"] and found.dataset["options"]["clock_change"] == "infer"
    assert findings(found, "range") >= {"temp", "rain_1h"} and "gap" in found.tolerances
    notes: Any = " ".join(found.notes)
    assert "identical rows" in notes and "rows that disagree" in notes
    assert found.tolerances["gap"][1] > 307 * 24


def test_jena(here: Path) -> None:
    found = look(real("jena_2020"))
    assert found.dataset["frequency"] == "10min" and found.dataset["season_steps"] == 144
    assert {name for name, own in found.profiles.items() if own.sentinels == (-9999.0,)} == {"wv", "max_PAR", "OT"}
    assert found.profiles["rain"].floor == 0 and any("1 identical rows" in note for note in found.notes)
    assert written(found).dataset.options["columns"]["PAR"].startswith("PAR (")


def test_pjm(here: Path) -> None:
    found = look(real("pjm"))
    own = found.dataset
    assert own["options"]["wide"] == "reading" and own["options"]["labels"] == "end"
    assert own["time_zone"] == "America/New_York" and found.stations == 3
    assert any("steps back in time" in note for note in found.notes)
    assert any("doubled hour" in note for note in found.notes)
    assert findings(found, "clock_change") == {"*"}


def test_exchange_rates(here: Path) -> None:
    found = look(real("exchange_rate/exchange_rate.csv"))
    assert found.dataset["options"]["wide"] == "reading" and found.stations == 8
    assert found.dataset["frequency"] == "1D" and found.dataset["season_steps"] == 1  # a random walk has no season
    stuck = found.findings[found.findings["rule"] == "stuck"]
    assert set(stuck["station"]) == {"4"}


# What others' files are like, and what must not pass for measurements.


def test_numbers_that_name_stations_are_stations(here: Path) -> None:
    parts = [hourly(20).drop(columns=["place", "state"]).assign(station=name) for name in (101, 102)]
    pd.concat(parts).to_csv("in.csv", index=False)
    found = look("in.csv")
    assert found.dataset["options"]["station"] == "station" and found.stations == 2
    assert list(found.profiles) == ["level"]


def test_decimal_commas_and_days_before_months_are_read(here: Path) -> None:
    rows = hourly(20).drop(columns=["place", "state"])
    rows["when"] = rows["when"].dt.strftime("%d.%m.%Y %H:%M")
    rows.to_csv("in.csv", index=False, sep=";", decimal=",")
    found = look("in.csv")
    assert found.dataset["options"]["time_format"] == "%d.%m.%Y %H:%M"
    assert found.span[1].isoformat() == "2024-01-20T23:00:00+00:00"
    assert found.profiles["level"].most == rows["level (cm)"].max()


def test_days_in_a_zone_that_changes_its_clock_are_dates(here: Path) -> None:
    rows = pd.DataFrame({"date": pd.date_range("2023-01-01", periods=500, freq="D").strftime("%Y-%m-%d")})
    rows["x"] = np.random.default_rng(0).normal(size=500).round(3)
    rows.to_csv("in.csv", index=False)
    found = look("in.csv", zone="Europe/Berlin")
    assert found.dataset["frequency"] == "1D" and not findings(found, "off_grid") and "off_grid" not in found.tolerances


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            pd.concat([hourly(10), hourly(10).assign(place="B", **{"level (cm)": 3.0})]).drop(columns="place"),
            "--station",
        ),
        (
            hourly(2).assign(when=pd.date_range("2020-01-01", periods=48, freq="MS"))[["when", "level (cm)"]],
            "lie between steps of",
        ),
    ],
    ids=["stations without a column", "months"],
)
def test_what_is_misread_is_refused_instead_of_tolerated(here: Path, rows: pd.DataFrame, words: str) -> None:
    rows.to_csv("in.csv", index=False)
    with pytest.raises(UserError, match=words):
        look("in.csv")


def test_a_secret_in_an_address_is_refused_and_not_printed(here: Path) -> None:
    for address in ("https://user:s3cret@localhost:1/x.csv", "https://localhost:1/x.csv?sig=s3cret"):
        with pytest.raises(UserError) as caught:
            look(address)
        assert "s3cret" not in str(caught.value)


def test_another_init_takes_back_what_was_tolerated_of_the_last(here: Path) -> None:
    rows = hourly(60)
    rows.assign(**{"level (cm)": rows["level (cm)"].mask(rows.index.isin(range(100, 500)))}).to_csv(
        "in.csv", index=False
    )
    write.write(look("in.csv"))
    hourly(60).to_csv("in.csv", index=False)
    assert any("validate.rules.gap.steps is 336 again" in printed for printed in write.write(look("in.csv")))
