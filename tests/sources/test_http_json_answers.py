"""What a JSON interface answers becomes rows, or is refused with its place."""

import gzip
import json
from typing import Any

import pandas as pd
import pytest
from json_sources import SPAN, Serve, record, refusal, source, x_of

from tidegate.sources import read_all
from tidegate.sources.http_json import options as options_file
from tidegate.workspace.columns import STATION, TIME


def test_records_become_rows_whatever_they_are_nested_in(serve: Serve) -> None:
    service = serve(lambda *_: {"data": {"items": [{"when": {"utc": "2024-01-01T00:00:00Z"}, "pm2.5": {"v": "1.5"}}]}})
    where = {"records": "data.items", "time": "when.utc", "values": {"x": "pm2.5.v"}}
    rows = read_all(source(service.url + SPAN, **where))
    assert rows[STATION].tolist() == ["A"]
    assert rows[TIME].tolist() == [pd.Timestamp("2024-01-01", tz="UTC")]
    assert rows["x"].tolist() == [1.5]


def test_null_and_what_a_record_lacks_are_missing_and_rows_of_nothing_else_are_left_out(serve: Serve) -> None:
    records = [
        record(0, None, y=2),
        {"t": "2024-01-01T01:00:00Z", "y": 3},
        record(2, 4, y=None),
        record(3, None, y=None),
    ]
    rows = read_all(source(serve(lambda *_: records).url + SPAN, ("x", "y")))
    assert rows["x"].isna().tolist() == [True, True, False]
    assert rows["y"].isna().tolist() == [False, False, True]


def test_the_preset_reads_open_meteo_as_it_answers(serve: Serve) -> None:
    hours = [f"2024-01-{day:02d}T{hour:02d}:00" for day in (1, 2) for hour in range(24)]
    answer = {
        "latitude": 52.54, "longitude": 13.4, "utc_offset_seconds": 0, "timezone": "GMT",
        "hourly_units": {"time": "iso8601", "temperature_2m": "°C", "rain": "mm"},
        "hourly": {"time": hours, "temperature_2m": [1.2, None, *[3.0] * 46], "rain": [0.0] * 30 + [None] * 18},
    }  # fmt: skip
    service = serve(lambda *_: answer)
    url = options_file.PRESETS["open-meteo"]["url"].replace("https://archive-api.open-meteo.com", service.url)
    stations = {"Berlin": {"latitude": 52.5, "longitude": 13}}
    read = source(
        url, ("temperature", "rain"), {"time_zone": "Europe/Berlin"}, time=..., preset="open-meteo", stations=stations,
        values={"temperature": "temperature_2m"}, end="2024-01-02T12:00:00Z",
    )  # fmt: skip
    rows = read_all(read)
    assert service.asked == [
        "/v1/archive?latitude=52.5&longitude=13&start_date=2024-01-01&end_date=2024-01-02"
        "&hourly=temperature_2m,rain&timezone=UTC"
    ]
    assert rows[STATION].unique().tolist() == ["Berlin"]
    assert rows[TIME].tolist() == list(pd.date_range("2024-01-01", periods=36, freq="h", tz="UTC"))
    assert rows["temperature"].isna().sum() == 1


def test_what_the_user_gives_wins_over_the_preset(serve: Serve) -> None:
    service = serve(lambda *_: [record()])
    read = source(service.url + SPAN, preset="open-meteo", columns_at=None, time_zone="Asia/Tokyo")
    assert x_of(read) == [1.0]
    assert "from=2024-01-01&to=2024-01-02" in service.asked[0]  # the preset's dates, of Tokyo


def test_an_answer_may_hold_several_stations_of_which_those_listed_are_kept(serve: Serve) -> None:
    answer = [record(0, 1, id="A"), record(0, 2, id=7), record(0, 3, id="B")]
    service = serve(lambda *_: answer)
    url = service.url + "?from={since}"
    assert read_all(source(url, stations=..., station_at="id"))[STATION].tolist() == ["A", "7", "B"]
    assert read_all(source(url, stations=["B"], station_at="id"))[STATION].tolist() == ["B"]
    assert len(service.asked) == 2  # pieces are spans


def test_times_are_read_with_their_zone_in_that_of_the_dataset_or_as_unix_times(serve: Serve) -> None:
    def first(time: Any, zone: str = "UTC", **options: Any) -> str:
        service = serve(lambda *_: [{"t": time, "x": 1}])
        return read_all(source(service.url + SPAN, dataset={"time_zone": zone}, **options))[TIME][0].isoformat()[:16]

    assert first("2024-01-01T12:00:00+02:00", "Asia/Tokyo") == "2024-01-01T10:00"
    assert first("2024-01-01 12:00", "Asia/Tokyo") == "2024-01-01T03:00"
    assert first("2024-01-01 12:00", "Asia/Tokyo", time_zone="Europe/Berlin") == "2024-01-01T11:00"
    assert first(1704110400, time_format="unix") == "2024-01-01T12:00"
    assert first("1704110400000", time_format="unix_ms") == "2024-01-01T12:00"


@pytest.mark.parametrize(
    "time", [None, 1704110400, "soon", "", "2024-13-01", "2024-03-31T02:30", "2024-10-27T02:30", {}]
)
def test_a_time_that_cannot_be_read_is_refused(serve: Serve, time: Any) -> None:
    read = source(serve(lambda *_: [{"t": time, "x": 1}]).url + SPAN, time_zone="Europe/Berlin", end="2025-01-01")
    assert ("is not a time" in refusal(read)) != str(time).endswith("02:30")


def test_unix_times_in_the_wrong_unit_are_refused(serve: Serve) -> None:
    read = source(serve(lambda *_: [{"t": 1704110400000, "x": 1}]).url + SPAN, time_format="unix")
    assert "1704110400000 is not a time that can be read" in refusal(read)


def test_when_a_record_was_known_is_kept(serve: Serve) -> None:
    records = [record(0, known="2024-01-05T00:00:00Z"), record(1, known=None)]
    rows = read_all(source(serve(lambda *_: records).url + SPAN, arrived="known"))
    assert rows["arrived"].tolist() == [pd.Timestamp("2024-01-05", tz="UTC"), pd.NaT]


@pytest.mark.parametrize("value", ["dry", True, [1], {"v": 1}, "1_0", ""])
def test_a_value_that_is_no_number_is_refused_with_its_station_time_and_variable(serve: Serve, value: Any) -> None:
    message = refusal(source(serve(lambda *_: [record(0), record(1, value)]).url + SPAN))
    assert "x of station A at 2024-01-01T01:00:00Z is " in message
    assert "not a number" in message


def test_a_path_that_is_not_there_is_named_with_what_is(serve: Serve) -> None:
    answer = {"error": True, "reason": "no such thing", "items": [record()]}
    url = serve(lambda *_: answer).url + SPAN
    assert "without 'data' (it has error, reason, items): correct dataset.options.records" in refusal(
        source(url, records="data")
    )
    assert "'u' (it has t, x)" in refusal(source(url, records="items", time="u"))
    assert "'y' (it has t, x): correct dataset.options.values" in refusal(
        source(url, records="items", values={"x": "y"})
    )
    assert "at reason no list of records" in refusal(source(url, records="reason"))
    assert "an object of error, reason, items" in refusal(source(url))


def test_arrays_of_different_lengths_are_refused(serve: Serve) -> None:
    url = serve(lambda *_: {"hourly": {"t": ["2024-01-01T00:00", "2024-01-01T01:00"], "x": [1]}}).url + SPAN
    assert "1 values of x for 2 times" in refusal(source(url, columns_at="hourly"))
    assert "without 'y' (it has t, x)" in refusal(source(url, columns_at="hourly", values={"x": "y"}))


@pytest.mark.parametrize("body", [b'[{"t": "2024-01-01T00:0', b"<html>Sign in</html>", b"", b"\xff\xfe\xfa"])
def test_what_is_not_json_is_refused_and_not_asked_for_again(serve: Serve, body: bytes) -> None:
    service = serve(lambda *_: (200, {}, body))
    assert "is not JSON" in refusal(source(service.url + SPAN))
    assert len(service.asked) == 1


def test_a_compressed_answer_is_read(serve: Serve) -> None:
    packed = gzip.compress(json.dumps([record()]).encode())
    assert x_of(source(serve(lambda *_: (200, {"Content-Encoding": "gzip"}, packed)).url + SPAN)) == [1.0]
    broken = serve(lambda *_: (200, {"Content-Encoding": "gzip"}, b"not packed"))
    assert "cannot be read" in refusal(source(broken.url + SPAN))
