"""Where rows come from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workspaces import ROOT, make_workspace, run_in

from tidegate import identity
from tidegate.errors import SettingsError, SourceError
from tidegate.frame import KEYS, STATION, TIME
from tidegate.settings import Ingest
from tidegate.sources import open_source
from tidegate.sources.simulated import RESOLUTION, SENTINEL, _fronts

VARIABLES = list(RESOLUTION)


def simulated(end: str = "2024-04-01T00:00:00Z", **options: object) -> pd.DataFrame:
    section = {"seed": 7, "stations": 3, "start": "2024-01-01T00:00:00Z", "end": end, **options}
    return open_source(Ingest(source="simulated", options=section), VARIABLES).read(None)


def files(tmp_path: Path, text: str | bytes, name: str = "a.csv", **options: object) -> pd.DataFrame:
    content = text.encode() if isinstance(text, str) else text
    (tmp_path / name).write_bytes(content)
    section = {"paths": str(tmp_path / "*"), "station": "station", "time": "time", **options}
    return open_source(Ingest(source="files", options=section), ["x"]).read(None)


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
    assert twice.duplicated(KEYS).any(), "late revisions"
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
    with pytest.raises(SettingsError, match="known: files, simulated"):
        open_source(Ingest(source="simulatd"), VARIABLES)
    with pytest.raises(SettingsError, match="known: humidity, pressure"):
        open_source(Ingest(source="simulated", options={"start": "2024-01-01T00:00Z", "end": "now"}), ["ozone"])


def test_a_station_column_and_a_time_zone(tmp_path: Path) -> None:
    rows = files(tmp_path, "station,time,x\nA,2024-01-01 00:00,1\nB,2024-01-01 00:00,NA\n", time_zone="Asia/Shanghai")
    assert rows[STATION].tolist() == ["A", "B"]
    assert rows[TIME].iloc[0] == pd.Timestamp("2023-12-31 16:00", tz="UTC")
    assert rows["x"].isna().tolist() == [False, True]


def test_one_station_a_file_is_named_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "harbour.csv").write_text("time,x\n2024-01-01T00:00Z,1\n")
    rows = files(tmp_path, "time,x\n2024-01-01T00:00Z,2\n", name="pier.csv", station=None)
    assert rows[STATION].tolist() == ["harbour", "pier"]


def test_time_in_four_columns_and_another_name_for_a_variable(tmp_path: Path) -> None:
    text = "station,y,m,d,h,PM2.5\nA,2024,2,29,23,1.5\n"
    rows = files(tmp_path, text, time=["y", "m", "d", "h"], columns={"x": "PM2.5"})
    assert rows[TIME].tolist() == [pd.Timestamp("2024-02-29 23:00", tz="UTC")]
    assert rows["x"].tolist() == [1.5]


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"station": ["A"], "time": pd.to_datetime(["2024-01-01"], utc=True), "x": [3.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    source = open_source(
        Ingest(source="files", options={"paths": str(tmp_path / "*.parquet"), "station": "station", "time": "time"}),
        ["x"],
    )
    assert source.read(None)["x"].tolist() == [3.0]


def test_offsets_that_differ_from_row_to_row_are_read(tmp_path: Path) -> None:
    rows = files(tmp_path, "station,time,x\nA,2024-03-31T01:00+01:00,1\nA,2024-03-31T03:00+02:00,1\n")
    assert rows[TIME].dt.hour.tolist() == [0, 1]


def test_a_table_whose_rows_are_numbered_twice_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"station": "A", "time": pd.to_datetime(["2024-01-01"], utc=True), "x": [3.0]})
    pd.concat([frame, frame.assign(x=4.0)]).to_parquet(tmp_path / "a.parquet")
    options = {"paths": str(tmp_path / "*"), "station": "station", "time": "time"}
    assert open_source(Ingest(source="files", options=options), ["x"]).read(None)["x"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("pattern", ["", "/", ".", "**.csv"])
def test_a_pattern_that_names_no_files_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match="paths"):
        files(tmp_path, "station,time,x\nA,2024-01-01,1\n", paths=pattern)


def test_two_files_of_one_name_are_not_one_station(tmp_path: Path) -> None:
    for place in ("north", "south"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "d.csv").write_text("time,x\n2024-01-01,1\n")
    options = {"paths": str(tmp_path / "*" / "d.csv"), "time": "time"}
    with pytest.raises(SourceError, match="would both be station d"):
        open_source(Ingest(source="files", options=options), ["x"]).read(None)


def test_an_hour_that_the_clock_repeats_is_first_summer_and_then_winter_time(tmp_path: Path) -> None:
    hours = ["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    text = "station,time,x\n" + "".join(f"A,{hour},1\n" for hour in hours)
    rows = files(tmp_path, text, time_zone="Europe/Berlin")
    assert rows[TIME].dt.hour.tolist() == [23, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "a.csv is empty"),
        ("station,time,x\n", {}, "a.csv holds no rows"),
        (b"\x00\x01\x02\x03" * 99, {}, "a.csv is not a text file"),
        (b"station,time,x\nA,2024-01-01,\xff\xfe\n", {}, "a.csv is not UTF-8"),
        ("station,when,x\nA,2024-01-01,1\n", {}, "has no column 'time'; it has station, when, x"),
        ("station,time,y\nA,2024-01-01,1\n", {}, "has no column 'x'"),
        ("station,time,x\nA,2024-01-01,1\nA,yesterday,1\n", {}, "a.csv, line 3: 'yesterday' is not a time"),
        ("station,time,x\nA,2024-01-01,1\n\nA,2024-01-02,much\n\n", {}, "a.csv, line 4"),
        ("station,time,x\nA,2024-01-01,1\nA,2024-01-02,much\n", {}, "line 3: 'much' in column 'x' is not a number"),
        (
            "station,time,x\nA,2024-03-31 02:30,1\n",
            {"time_zone": "Europe/Berlin"},
            "'2024-03-31 02:30' does not",
        ),
        ("station,time,x\nA,2024-01-01,1,9,9\n", {}, "is not a readable CSV file"),
        ("station,time,x\n,2024-01-01,1\n", {}, "a.csv, line 2: '' names no station"),
        ("station,time,x,x\nA,2024-01-01,1,2\n", {}, "a.csv has two columns 'x'"),
        ("station,time,x\nA,1024-01-01,1\n", {}, "line 2: '1024-01-01' is not a time"),
        ("station,time,x\nA,2024-01-01,inf\n", {}, "line 2: 'inf' in column 'x' is not a number"),
        ("station,y,m,d,h,x\nA,2024,1,1,99,1\n", {"time": ["y", "m", "d", "h"]}, "line 2: '2024 1 1 99' is not a time"),
        ("station,time,x\nA,2024-01-01,1\n", {"time_format": "%Q"}, "time_format is not one"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_line(
    tmp_path: Path, text: str | bytes, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        files(tmp_path, text, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_file_an_unknown_zone_and_a_broken_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No file is at"):
        files(tmp_path, "x", paths=str(tmp_path / "none-*.csv"))
    with pytest.raises(SettingsError, match="time_zone is 'Mars/Olympus': there is no such time zone"):
        files(tmp_path, "x", time_zone="Mars/Olympus")
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SourceError, match="is not a readable Parquet file"):
        files(tmp_path, "this is text", name="b.parquet")


def test_a_blank_cell_is_one_missing_cell(beijing: Path) -> None:
    def read(path: str) -> pd.DataFrame:
        options = {"paths": str(beijing / path), "station": "station", "time": ["year", "month", "day", "hour"]}
        return open_source(Ingest(source="files", options=options), ["SO2", "PM2.5"]).read(None)

    blank = read("variants/PRSA_Data_Aotizhongxin_blank-missing-cell.csv")
    token = read("PRSA_Data_Aotizhongxin_20130301-20170228.csv")
    assert blank.equals(token)
    assert blank["SO2"].isna().sum() == token["SO2"].isna().sum() > 0


def test_the_default_data_are_those_of_the_committed_hash(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    (workspace / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    run_in(workspace, "tidegate", "ingest")
    assert identity.data_hash(workspace / "data.dvc") == identity.data_hash(ROOT / "data.dvc")
    assert (workspace / "data.dvc").read_text() == (ROOT / "data.dvc").read_text()
