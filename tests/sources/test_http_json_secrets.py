"""Keys of a JSON interface reach the service and nothing else; options that make no sense are refused."""

import json
import logging
import ssl
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from http_services import Service
from json_sources import KEY, SPAN, Serve, record, refusal, source

from tidegate.errors import ServiceError, SettingsError, SourceError
from tidegate.sources.http_json import options as options_file
from tidegate.sources.http_json import service as service_file


@pytest.mark.parametrize("key", [KEY, "key\\with\"quotes'"])
def test_the_key_reaches_the_service_and_nothing_else(
    serve: Serve, waits: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    monkeypatch.setenv("SERVICE_KEY", key)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    message: list[str] = []

    def reply(service: Service, query: dict[str, str]) -> Any:
        assert query["key"] == key
        echo = f"{service.asked[-1]} {key}"
        return [
            [record()], (401, {}, f"{'x' * 114} {key}".encode()), (500, {}, echo.encode()),
            (302, {"Location": service.asked[-1]}, b""), (200, {}, echo.encode()), [record(0, key)],
            [{"t": key, "x": 1}], [{key: 1}],
        ][len(message)]  # fmt: skip

    service = serve(reply)
    read = source(service.url + SPAN + "&key=${SERVICE_KEY}", headers={"X-Key": "${SERVICE_KEY}"}, retries=1)
    message.append(str(read.series()) + str(read.fingerprint()) + str([piece.name for piece in read.pieces(None)]))
    assert key not in message[0]
    for kind in (SourceError, ServiceError, SourceError, SourceError, SourceError, SourceError, SourceError):
        message.append(refusal(read, kind))
    assert {headers["X-Key"] for headers in service.headers} == {key}
    for text in [*message, caplog.text, *(str(logged.__dict__) for logged in caplog.records)]:
        for part in (key, key[:5], json.dumps(key)[1:-1], "3cret%2FKey", "Key%2B9"):
            assert part not in text
    assert all("***" in text for text in message[1:])


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


def test_a_next_page_may_name_the_key_and_is_reported_without_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", KEY)
    answer = {"items": [], "next": "/x?apikey=s3cret%2fKey%2b9&token=of-this-session"}
    url = serve(lambda *_: answer).url + SPAN + "&apikey=${SERVICE_KEY}"
    message = refusal(source(url, records="items", next="next"))
    assert "apikey=***&token=***" in message


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
    message = refusal(source("http://127.0.0.1:1/{since}", headers={"X-Key": "${SERVICE_KEY}"}), SettingsError)
    assert "X-Key" in message and value not in message


@pytest.mark.parametrize("place", ["file:///etc", "ftp://localhost", "https://me:hunter22@localhost", "http://"])
def test_an_address_from_the_environment_is_http_without_a_password(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("SERVICE", place)
    assert place not in refusal(source("${SERVICE}/{since}"), SettingsError)


@pytest.mark.parametrize(
    ("options", "message"),
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
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        source(**{"url": "http://localhost/{since}", **options})
    assert message in str(refused.value)
