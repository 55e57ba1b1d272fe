"""The times in files: how they are written, and what becomes of them where the clock is changed."""

from pathlib import Path

import pandas as pd
import pytest
from source_files import dataset, files, noted, real, source_of, times

from tidegate.errors import SourceError
from tidegate.sources import open_source, read_all
from tidegate.workspace.columns import ARRIVED, STATION, TIME

BERLIN = {"time_zone": "Europe/Berlin"}
FORWARD = ["27T00:00", "27T01:00", "27T02:00"]


def text_of(hours: list[str], stations: str = "A") -> str:
    return "station,time,x\n" + "".join(f"{one},{hour},{row}\n" for row, hour in enumerate(hours) for one in stations)


@pytest.fixture(params=[1, 2, 3, 100])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.sources.files.CHUNK_ROWS", request.param)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-02-01", "01T00:00"),
        ("2024-02-01T03:00Z", "01T03:00"),
        ("2024-02-01 03:00:30.5", "01T03:00"),
        ("2024/2/1 3:00", "01T03:00"),
        ("2024-02-01 12:00 AM", "01T00:00"),
        ("2024-02-01 03:00 UTC", "01T03:00"),
        ("20240201", "01T00:00"),
        ("13.02.2024 03:00", "13T03:00"),
        ("2/13/2024 3:00 PM", "13T15:00"),
        ("01-Feb-2024 03:00", "01T03:00"),
    ],
)
def test_common_ways_to_write_a_time_are_read(tmp_path: Path, text: str, time: str) -> None:
    assert times(files(tmp_path, text_of([text]))) == [time]


def test_a_date_without_its_midnight_is_read_among_times(tmp_path: Path) -> None:
    assert times(files(tmp_path, text_of(["2024-02-01", "2024-02-01 01:00:00"]))) == ["01T00:00", "01T01:00"]


def test_seconds_and_milliseconds_since_1970_are_read(tmp_path: Path) -> None:
    assert times(files(tmp_path, text_of(["1706756400"]), time_format="unix")) == ["01T03:00"]
    assert times(files(tmp_path, text_of(["1706756400000"]), time_format="unix_ms")) == ["01T03:00"]
    pd.DataFrame({"station": "A", "time": [1706756400], "x": [1.0]}).to_parquet(tmp_path / "a.parquet")
    options = {"paths": str(tmp_path / "*.parquet")}
    assert times(read_all(source_of(tmp_path, time_format="unix", **options))) == ["01T03:00"]
    with pytest.raises(SourceError, match=r"column 'time' holds numbers, not times: .* to unix or unix_ms"):
        read_all(source_of(tmp_path, **options))


def test_offsets_that_differ_from_row_to_row_are_read(tmp_path: Path) -> None:
    assert times(files(tmp_path, text_of(["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"]))) == [
        "31T00:00",
        "31T01:00",
    ]


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize(
    ("hours", "options", "words"),
    [
        (["2024-01-01", "yesterday"], {}, "line 3: 'yesterday' is not a time"),
        (["yesterday"], {}, "line 2: 'yesterday' is not a time"),
        (["2024-01-01 00:00", "2024-01"], {}, "line 3: '2024-01' is not a time"),
        (["2024-01-01", ""], {}, "line 3: '' is not a time"),
        (["1024-01-01"], {}, "line 2: '1024-01-01' is not a time"),
        (["2024-01-01"], {"time_format": "%Q"}, "time_format is not one"),
        (["1704067200", "soon"], {"time_format": "unix"}, "line 3: 'soon' is not a time"),
        (["1704067200000"], {"time_format": "unix"}, "line 2: '1704067200000' is not a time"),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], {}, "line 3: '2024-01-01T01:00' has no time zone"),
        (["2024-01-01T00:00", "2024-01-01T01:00+01"], {}, "line 3: '2024-01-01T01:00+01' has a time zone"),
        (["13/01/2024", "01/13/2024"], {}, "line 3: '01/13/2024' is not a time"),
        (["01/02/2024", "01/03/2024"], {}, "such as '01/02/2024', may be month first or day first: set dataset."),
        (["2024-03-31 02:30"], BERLIN, "'2024-03-31 02:30' does not exist in Europe/Berlin, where the clock"),
        (["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 03:00"], BERLIN, "line 3: '2024-10-27 02:00' is ambig"),
        (["2024-10-27 02:00"] * 3, BERLIN, "line 2: '2024-10-27 02:00' is ambiguous in Europe/Berlin"),
    ],
)
def test_an_ambiguous_time_is_refused_with_its_line(
    tmp_path: Path, hours: list[str], options: dict[str, object], words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        files(tmp_path, text_of(hours), **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_hours_beyond_the_day_are_no_times(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="line 2: '2024 1 1 99' is not a time"):
        files(tmp_path, "station,y,m,d,h,x\nA,2024,1,1,99,1\n", time=["y", "m", "d", "h"])


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("change", ["refuse", "infer"])
@pytest.mark.parametrize("stations", ["A", "AB"])
def test_an_hour_that_the_clock_repeats_is_first_summer_and_then_winter_time(
    tmp_path: Path, stations: str, change: str
) -> None:
    hours = ["2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
    rows = files(tmp_path, text_of(hours, stations), clock_change=change, **BERLIN)
    for _, own in rows.groupby(STATION):
        assert times(own) == FORWARD


@pytest.mark.usefixtures("chunks")
def test_half_hours_that_the_clock_repeats_are_distinguished(tmp_path: Path) -> None:
    hours = [f"2024-10-27 {time}" for time in ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")]
    expected = ["26T23:30", "27T00:00", "27T00:30", "27T01:00", "27T01:30", "27T02:00"]
    rows = files(tmp_path, text_of(hours), **BERLIN)
    assert times(rows) == expected and rows["x"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("size", [3, 4, 100])
def test_in_a_file_that_goes_back_in_time_winter_time_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("tidegate.sources.files.CHUNK_ROWS", size)
    hours = [f"2024-10-27 {time}" for time in ("04:00", "03:00", "02:00", "02:00", "01:00", "00:00")]
    rows = files(tmp_path, text_of(hours), **BERLIN).sort_values(TIME)
    assert times(rows) == ["26T22:00", "26T23:00", "27T00:00", "27T01:00", "27T02:00", "27T03:00"]
    assert rows["x"].tolist() == [5, 4, 3, 2, 1, 0]


def test_of_a_file_that_goes_back_in_time_the_last_row_is_not_lost(tmp_path: Path) -> None:
    hours = ["2024-10-27 04:00", "2024-10-27 03:00", "2024-10-27 02:00"]
    rows = files(tmp_path, text_of(hours), clock_change="infer", **BERLIN)
    assert times(rows) == ["27T03:00", "27T02:00", "27T00:00"]


@pytest.mark.usefixtures("chunks")
def test_what_the_clock_makes_doubtful_is_inferred_and_counted_where_the_options_say_so(tmp_path: Path) -> None:
    hours = ["2024-03-31 02:30", "2024-10-27 02:00", "2025-10-26 02:00", "2025-10-26 02:00"]
    options = {"clock_change": "infer", **BERLIN}
    rows = files(tmp_path, text_of(hours), **options)
    assert times(rows) == ["31T01:30", "27T00:00", "26T00:00", "26T01:00"]
    assert noted(source_of(tmp_path, **options)) == {
        "times that do not exist in Europe/Berlin, taken as winter time": 1,
        "times in a doubled hour of Europe/Berlin that stand once, taken as summer time": 1,
        "times in a doubled hour of Europe/Berlin told apart by their order": 2,
    }


def test_labels_of_the_end_of_an_hour_cross_the_change_of_the_clock(tmp_path: Path) -> None:
    autumn = ["2024-10-27 02:00", "2024-10-27 03:00", "2024-10-27 03:00", "2024-10-27 04:00"]
    assert times(files(tmp_path, text_of(autumn), labels="end", **BERLIN)) == [*FORWARD, "27T03:00"]
    spring = ["2024-03-31 02:00", "2024-03-31 04:00"]
    assert times(files(tmp_path, text_of(spring), labels="end", **BERLIN)) == ["31T01:00", "31T02:00"]
    with pytest.raises(SourceError, match="'2024-03-31 03:00' does not exist"):
        files(tmp_path, text_of(["2024-03-31 03:00"]), labels="end", **BERLIN)


def test_an_arrival_that_may_be_two_times_is_the_later_one(tmp_path: Path) -> None:
    text = "station,time,x,known\nA,2024-10-26 00:00,1,2024-10-27 02:30\n"
    with pytest.raises(SourceError, match="'2024-10-27 02:30' is ambiguous"):
        files(tmp_path, text, arrived="known", **BERLIN)
    rows = files(tmp_path, text, arrived="known", clock_change="infer", **BERLIN)
    assert rows[ARRIVED].tolist() == [pd.Timestamp("2024-10-27 01:30", tz="UTC")]


@pytest.mark.parametrize("size", [1_000, 250_000])
def test_real_local_times_are_those_that_the_file_gives_in_utc(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("tidegate.sources.files.CHUNK_ROWS", size)
    options = {"paths": real("nyc_airports/weather.csv"), "station": "origin", "zone": "America/New_York"}
    local = read_all(open_source(dataset(("temp",), **{**options, "time": ["year", "month", "day", "hour"]})))
    utc = read_all(open_source(dataset(("temp",), **{**options, "time": "time_hour"})))
    assert local.equals(utc)


def test_real_local_times_with_many_rows_an_hour_are_inferred_where_the_options_say_so() -> None:
    options = {"paths": real("metro_traffic/*.csv"), "time": "date_time", "zone": "America/Chicago"}
    with pytest.raises(SourceError, match="'2015-11-01 01:00:00' is ambiguous in America/Chicago"):
        read_all(open_source(dataset(("traffic_volume",), **options)))
    source = open_source(dataset(("traffic_volume",), clock_change="infer", **options))
    assert len(read_all(source)) == 48_204
    assert sum(noted(source).values()) == 10
