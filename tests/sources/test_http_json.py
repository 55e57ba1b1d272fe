"""Rows from a JSON interface: a service on loopback that answers as each test scripts it."""

import gzip
import itertools
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pandas as pd
import pytest
from http_services import Service

from tidegate.errors import ServiceError, SettingsError, SourceError, TidegateError
from tidegate.sources import Source, open_source, read_all
from tidegate.sources.http_json import options as options_file
from tidegate.sources.http_json import service as service_file
from tidegate.workspace.columns import STATION, TIME
from tidegate.workspace.settings import Dataset

KEY = "s3cret/Key+9"
SPAN = "?station={station}&from={since}&to={until}"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Service, dict[str, str]], Any]], Service]]:
    services: list[Service] = []

    def start(reply: Callable[[Service, dict[str, str]], Any]) -> Service:
        services.append(Service(reply))
        return services[-1]

    yield start
    for service in services:
        service.leave.set()
        service.server.shutdown()
        service.server.server_close()


Serve = Callable[[Callable[[Service, dict[str, str]], Any]], Service]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on only when it is slept."""
    slept: list[float] = []
    monkeypatch.setattr(service_file, "sleep", slept.append)
    monkeypatch.setattr(service_file, "monotonic", lambda: sum(slept))
    return slept


def source(
    url: str, variables: tuple[str, ...] = ("x",), dataset: dict[str, Any] | None = None, **options: Any
) -> Source:
    given = {"url": url, "stations": ["A"], "start": "2024-01-01", "end": "2024-01-02", "time": "t", **options}
    given = {name: value for name, value in given.items() if value is not ...}
    return open_source(
        Dataset(
            source="http_json", options=given, frequency="1h", variables={name: {"unit": "m"} for name in variables},
            targets=variables[:1], season_steps=24, **(dataset or {}),
        )
    )  # fmt: skip


def record(hour: int = 0, x: Any = 1.0, **more: Any) -> dict[str, Any]:
    return {"t": f"2024-01-01T{hour:02d}:00:00Z", "x": x, **more}


def refusal(read: Source, kind: type[TidegateError] = SourceError) -> str:
    with pytest.raises(kind) as refused:
        read_all(read)
    said = str(refused.value)
    assert type(refused.value) is kind
    assert "\n" not in said and said.endswith(".")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return said


def x_of(read: Source) -> list[float]:
    return read_all(read)["x"].tolist()


# What an answer holds


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
def test_a_time_that_cannot_be_told_is_refused(serve: Serve, time: Any) -> None:
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
    said = refusal(source(serve(lambda *_: [record(0), record(1, value)]).url + SPAN))
    assert "x of station A at 2024-01-01T01:00:00Z is " in said
    assert "not a number" in said


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


# What is asked


@pytest.mark.parametrize(
    ("how", "first", "last"),
    [
        ("iso", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"),
        ("date", "2024-01-01", "2024-01-31"),
        ("unix", "1704067200", "1706745600"),
        ("unix_ms", "1704067200000", "1706745600000"),
        ("%Y%m%d", "20240101", "20240201"),
    ],
)
def test_a_span_is_written_as_the_service_wants_it(serve: Serve, how: str, first: str, last: str) -> None:
    seen: list[dict[str, str]] = []
    service = serve(lambda _, query: seen.append(query) or [])
    list(next(source(service.url + SPAN, span_format=how, end="2024-03-01").pieces(None)).read())
    assert (seen[0]["from"], seen[0]["to"]) == (first, last)


def test_what_goes_into_the_url_is_quoted(serve: Serve) -> None:
    service = serve(lambda *_: [record()])
    read_all(source(service.url + "/of/{station}/{since}", stations=["Köln/Süd?&#"]))
    assert service.asked == ["/of/K%C3%B6ln%2FS%C3%BCd%3F%26%23/2024-01-01T00%3A00%3A00Z"]


def test_spans_lie_on_a_grid_from_the_start_and_those_before_the_watermark_are_left_out() -> None:
    def names(end: str, since: str | None = None) -> list[str]:
        read = source("http://127.0.0.1:1/" + SPAN, stations=["A", "B"], span_days=10, end=end)
        return [piece.name for piece in read.pieces(None if since is None else pd.Timestamp(since, tz="UTC"))]

    short, long = names("2024-01-25"), names("2024-02-03")
    assert len(short) == len(set(short)) == 6
    assert short[:4] == long[:4]
    assert not set(short[4:]) & set(long), "the last span's name tells its end"
    assert names("2024-02-03", "2024-01-21") == long[4:]
    assert names("2024-02-03", "2024-01-20T23:00") == long[2:]


def test_pieces_that_have_been_read_are_not_asked_for_again(serve: Serve) -> None:
    failing = {"2024-01-03T00:00:00Z"}
    service = serve(lambda _, query: (500, {}, b"") if query["from"] in failing else [])
    read = source(service.url + SPAN, span_days=1, end="2024-01-06", retries=0)
    done = set()
    with pytest.raises(ServiceError):
        for piece in read.pieces(None):
            list(piece.read())
            done.add(piece.name)
    failing.clear()
    for piece in read.pieces(None):
        if piece.name not in done:
            list(piece.read())
    assert [path.split("from=")[1][:10] for path in service.asked] == [
        f"2024-01-{day:02d}" for day in (1, 2, 3, 3, 4, 5)
    ]


def test_it_is_current_until_a_step_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    read = source("http://127.0.0.1:1/" + SPAN, end="now")
    seen = []
    for clock in ("10:05", "10:55", "11:00"):
        monkeypatch.setattr(pd.Timestamp, "now", lambda tz, clock=clock: pd.Timestamp(f"2024-05-01 {clock}", tz=tz))
        seen.append((read.fingerprint(), read.end().hour))
    assert seen[0] == seen[1] != seen[2]
    assert [hour for _, hour in seen] == [10, 10, 11]
    other = source("http://127.0.0.1:1/" + SPAN, end="now", span_days=7)
    assert other.fingerprint() != read.fingerprint()
    assert other.series() == read.series()
    with pytest.raises(SettingsError, match="no step has ended since"):
        next(source("http://127.0.0.1:1/" + SPAN, end="now", start="2024-05-01T11:00:00Z").pieces(None))


def test_rows_beyond_the_end_or_before_the_start_are_left_out(serve: Serve) -> None:
    records = [{"t": "2023-12-31T23:00:00Z", "x": 0}, record(0, 1), {"t": "2024-01-02T00:00:00Z", "x": 2}]
    assert x_of(source(serve(lambda *_: records).url + SPAN)) == [1.0]


# Page by page


def test_next_pages_are_followed_by_their_url_absolute_or_relative(serve: Serve) -> None:
    def reply(service: Service, query: dict[str, str]) -> Any:
        page = int(query.get("p", 0))
        following = [f"{service.url}/far?p=1", "/near?p=2", "?p=3", None][page]
        return {"items": [record(page, page)], "links": {"next": following}}

    service = serve(reply)
    chunks = [len(chunk) for piece in source(service.url + SPAN, records="items", next="links.next").pieces(None)
              for chunk in piece.read()]  # fmt: skip
    assert chunks == [1, 1, 1, 1]
    assert service.asked[1:] == ["/far?p=1", "/near?p=2", "/near?p=3"]


def test_an_answer_that_tells_of_no_next_page_is_the_last_and_is_told(serve: Serve) -> None:
    piece = next(source(serve(lambda *_: {"items": []}).url + SPAN, records="items", next="links.next").pieces(None))
    for _ in range(2):
        list(piece.read())
        assert piece.notes == {"answers without links.next, taken as last pages": 1}


@pytest.mark.parametrize(
    "place", ["http://127.0.0.2/x", "https://127.0.0.1/x", "//elsewhere/x", "http://127.0.0.1:1@e.org"]
)
def test_a_next_page_elsewhere_is_not_asked(serve: Serve, place: str) -> None:
    said = refusal(source(serve(lambda *_: {"items": [], "next": place}).url + SPAN, records="items", next="next"))
    assert "names a next page at " in said and "which is not asked" in said


@pytest.mark.parametrize("way", [{"next": "more"}, {"cursor": {"parameter": "c", "at": "more"}}])
def test_pages_that_go_round_in_a_circle_are_refused(serve: Serve, way: dict[str, Any]) -> None:
    service = serve(lambda *_: {"items": [], "more": "/a"})
    assert "never end" in refusal(source(service.url + SPAN, records="items", **way))
    assert len(service.asked) == 2


def test_pages_are_counted_up_to_an_empty_one(serve: Serve) -> None:
    service = serve(lambda _, query: [record(int(query["page"]), 1)] if int(query["page"]) < 3 else [])
    assert len(read_all(source(service.url + "/all", page_parameter="page"))) == 2
    assert service.asked == ["/all?page=1", "/all?page=2", "/all?page=3"]
    assert len(read_all(source(service.url + "/all?limit=1", page_parameter="page", first_page=0))) == 3
    assert service.asked[-1] == "/all?limit=1&page=3"


def test_a_service_that_ignores_the_page_number_is_found_out(serve: Serve) -> None:
    read = source(serve(lambda *_: [record()]).url + SPAN, page_parameter="seite")
    assert "as the page before it" in refusal(read)


def test_a_cursor_is_handed_on_until_there_is_none(serve: Serve) -> None:
    following = {None: "a/b", "a/b": 7, "7": ""}
    service = serve(lambda _, query: {"items": [record()], "meta": {"after": following[query.get("after")]}})
    read = source(service.url + "/x", records="items", cursor={"parameter": "after", "at": "meta.after"})
    assert len(read_all(read)) == 3
    assert service.asked == ["/x", "/x?after=a%2Fb", "/x?after=7"]


# What may pass, and what does not


def test_failures_are_tried_again_later_and_later(serve: Serve, waits: list[float]) -> None:
    service = serve(lambda service, _: (503, {}, b"busy") if len(service.asked) < 4 else [record()])
    assert x_of(source(service.url + SPAN)) == [1.0]
    for wait, full in zip(waits, (1, 2, 4), strict=True):
        assert full / 2 <= wait <= full


def test_after_the_last_retry_it_is_said_what_was_answered_and_how_often(serve: Serve, waits: list[float]) -> None:
    service = serve(lambda *_: (500, {}, b'{"detail": "disk full"}'))
    said = refusal(source(service.url + SPAN, retries=2), ServiceError)
    assert 'answers 500 Internal Server Error ({"detail": "disk full"}); it was tried 3 times' in said
    assert service.url in said
    assert len(service.asked) == 3


@pytest.mark.parametrize("asked", ["7", "date"])
def test_it_waits_as_long_as_it_is_told_to(serve: Serve, waits: list[float], asked: str) -> None:
    def reply(service: Service, query: dict[str, str]) -> Any:
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        told = {"Retry-After": later if asked == "date" else asked}
        return (429, told, b"") if len(service.asked) == 1 else [record()]

    assert x_of(source(serve(reply).url + SPAN)) == [1.0]
    assert len(waits) == 1
    assert waits[0] == 7 if asked == "7" else 60 < waits[0] <= 90


def test_it_does_not_wait_for_hours(serve: Serve, waits: list[float]) -> None:
    read = source(serve(lambda *_: (429, {"Retry-After": "86400"}, b"")).url + SPAN)
    assert "asks to wait 86400 seconds" in refusal(read, ServiceError)
    assert not waits


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_what_the_service_refuses_is_not_asked_again(serve: Serve, waits: list[float], status: int) -> None:
    service = serve(lambda *_: (status, {"Location": "http://127.0.0.2/"}, b"no"))
    assert f"answers {status}" in refusal(source(service.url + SPAN))
    assert len(service.asked) == 1


def test_a_service_that_is_late_is_asked_again(serve: Serve, waits: list[float]) -> None:
    def reply(service: Service, query: dict[str, str]) -> Any:
        if len(service.asked) == 1:
            service.leave.wait(20)
        return [record()]

    assert x_of(source(serve(reply).url + SPAN, timeout_seconds=0.3)) == [1.0]
    assert len(waits) == 1


def test_a_connection_that_breaks_off_is_made_again(serve: Serve, waits: list[float]) -> None:
    cut = (200, {"Content-Length": "5000", "Connection": "close"}, b'[{"t": "2024')
    service = serve(lambda service, _: cut if len(service.asked) < 3 else [record()])
    assert x_of(source(service.url + SPAN)) == [1.0]
    assert len(service.asked) == 3


def test_a_service_that_is_not_there_is_told(waits: list[float]) -> None:
    said = refusal(source("http://127.0.0.1:1/x" + SPAN, retries=1), ServiceError)
    assert "does not answer" in said and "tried 2 times" in said


def test_no_more_is_asked_in_a_minute_than_is_allowed(serve: Serve, waits: list[float]) -> None:
    times: list[float] = []
    service = serve(lambda service, _: times.append(sum(waits)) or ((500, {}, b"") if len(times) == 3 else []))
    for piece in source(service.url + SPAN, span_days=1, end="2024-01-05", requests_per_minute=20).pieces(None):
        list(piece.read())
    assert len(times) == 5
    assert all(later - sooner >= 3 - 1e-9 for sooner, later in itertools.pairwise(times))


# What must not be said


@pytest.mark.parametrize("key", [KEY, "key\\with\"quotes'"])
def test_the_key_reaches_the_service_and_nothing_else(
    serve: Serve, waits: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    monkeypatch.setenv("SERVICE_KEY", key)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    said: list[str] = []

    def reply(service: Service, query: dict[str, str]) -> Any:
        assert query["key"] == key
        echo = f"{service.asked[-1]} {key}"
        return [
            [record()], (401, {}, f"{'x' * 114} {key}".encode()), (500, {}, echo.encode()),
            (302, {"Location": service.asked[-1]}, b""), (200, {}, echo.encode()), [record(0, key)],
            [{"t": key, "x": 1}], [{key: 1}],
        ][len(said)]  # fmt: skip

    service = serve(reply)
    read = source(service.url + SPAN + "&key=${SERVICE_KEY}", headers={"X-Key": "${SERVICE_KEY}"}, retries=1)
    said.append(str(read.series()) + str(read.fingerprint()) + str([piece.name for piece in read.pieces(None)]))
    assert key not in said[0]
    for kind in (SourceError, ServiceError, SourceError, SourceError, SourceError, SourceError, SourceError):
        said.append(refusal(read, kind))
    assert {headers["X-Key"] for headers in service.headers} == {key}
    for text in [*said, caplog.text, *(str(record.__dict__) for record in caplog.records)]:
        for part in (key, key[:5], json.dumps(key)[1:-1], "3cret%2FKey", "Key%2B9"):
            assert part not in text
    assert all("***" in text for text in said[1:])


def test_a_key_is_hidden_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "a b/ü'\"\\+9"
    monkeypatch.setenv("SERVICE_KEY", key)
    options = {
        "url": "http://localhost/{since}?k=${SERVICE_KEY}",
        "stations": ["A"],
        "start": "2024-01-01",
        "time": "t",
    }
    service = service_file.Service(options_file.Options.model_validate(options))
    in_urls = [quote(key), quote(key, safe=""), quote(key, safe="").lower(), quote_plus(key)]
    for text in (key, *in_urls, json.dumps(key)[1:-1], repr(key)[1:-1]):
        assert service.masked(f"<{text}>") == "<***>"


def test_certificates_are_checked() -> None:
    assert service_file.certificates().verify_mode is ssl.CERT_REQUIRED
    assert service_file.certificates().check_hostname


def test_a_next_page_may_name_the_key_and_is_not_told_with_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", KEY)
    answer = {"items": [], "next": "/x?apikey=s3cret%2fKey%2b9&token=of-this-session"}
    url = serve(lambda *_: answer).url + SPAN + "&apikey=${SERVICE_KEY}"
    said = refusal(source(url, records="items", next="next"))
    assert "apikey=***&token=***" in said


@pytest.mark.parametrize(
    "options",
    [
        {"url": "https://me:hunter22@localhost/{since}"},
        {"url": "https://hunter22@localhost/{since}"},
        {"url": "https://localhost/{since}?api_key=hunter22"},
        {"headers": {"Authorization": "Bearer hunter22"}},
        {"headers": {"X-API-Key": "hunter22"}},
    ],
)
def test_a_key_among_the_options_is_refused_and_not_repeated(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        source(**{"url": "https://localhost/{since}", **options})
    assert "hunter22" not in str(refused.value)
    assert "${NAME}" in str(refused.value)


def test_a_variable_of_the_environment_that_is_not_set_is_named_once_it_is_needed() -> None:
    read = source("http://127.0.0.1:1/{since}", headers={"X-Key": "${NO_SUCH_KEY}"})
    read.fingerprint(), read.series()
    assert "${NO_SUCH_KEY}" in refusal(read, SettingsError)


@pytest.mark.parametrize("value", ["line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_not_repeated(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SERVICE_KEY", value)
    said = refusal(source("http://127.0.0.1:1/{since}", headers={"X-Key": "${SERVICE_KEY}"}), SettingsError)
    assert "X-Key" in said and value not in said


@pytest.mark.parametrize("place", ["file:///etc", "ftp://localhost", "https://me:hunter22@localhost", "http://"])
def test_an_address_from_the_environment_is_http_without_a_password(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("SERVICE", place)
    assert place not in refusal(source("${SERVICE}/{since}"), SettingsError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "ftp://localhost/{since}"}, "https://"),
        ({"url": "http://localhost/"}, "asks for no span"),
        ({"url": "http://localhost/{since}{latitude}"}, "{latitude}, which station A does not have"),
        ({"stations": ["A", "B"]}, "the same for every station"),
        ({"stations": ["A", "A"]}, "listed twice"),
        ({"stations": ...}, "give stations, or station_at"),
        ({"next": "a", "page_parameter": "b"}, "give one of them"),
        ({"records": "a", "columns_at": "b"}, "both given"),
        ({"span_format": "day"}, "strftime"),
        ({"start": "today"}, "start is to be a time"),
        ({"end": "2023-12-31"}, "not after start"),
        ({"preset": "closed-meteo"}, "preset is 'closed-meteo'"),
        ({"values": {"z": "a"}}, "'z', which is unknown"),
        ({"retry": 3}, "did you mean retries"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        source(**{"url": "http://localhost/{since}", **options})
    assert said in str(refused.value)
