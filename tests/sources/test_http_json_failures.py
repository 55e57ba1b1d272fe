"""A JSON interface that fails is asked again, later and later, and no more often than it allows."""

import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from http_services import Service
from json_sources import SPAN, Serve, record, refusal, source, x_of

from tidegate.errors import ServiceError


def test_failures_are_tried_again_later_and_later(serve: Serve, waits: list[float]) -> None:
    service = serve(lambda service, _: (503, {}, b"busy") if len(service.asked) < 4 else [record()])
    assert x_of(source(service.url + SPAN)) == [1.0]
    for wait, full in zip(waits, (1, 2, 4), strict=True):
        assert full / 2 <= wait <= full


def test_after_the_last_retry_the_answer_and_the_number_of_tries_are_reported(serve: Serve, waits: list[float]) -> None:
    service = serve(lambda *_: (500, {}, b'{"detail": "disk full"}'))
    message = refusal(source(service.url + SPAN, retries=2), ServiceError)
    assert 'answers 500 Internal Server Error ({"detail": "disk full"}); it was tried 3 times' in message
    assert service.url in message
    assert len(service.asked) == 3


@pytest.mark.parametrize("asked", ["7", "date"])
def test_it_waits_as_long_as_the_service_asks(serve: Serve, waits: list[float], asked: str) -> None:
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


def test_a_service_that_is_not_there_is_named(waits: list[float]) -> None:
    message = refusal(source("http://127.0.0.1:1/x" + SPAN, retries=1), ServiceError)
    assert "does not answer" in message and "tried 2 times" in message


def test_no_more_is_asked_in_a_minute_than_is_allowed(serve: Serve, waits: list[float]) -> None:
    times: list[float] = []
    service = serve(lambda service, _: times.append(sum(waits)) or ((500, {}, b"") if len(times) == 3 else []))
    for piece in source(service.url + SPAN, span_days=1, end="2024-01-05", requests_per_minute=20).pieces(None):
        list(piece.read())
    assert len(times) == 5
    assert all(later - sooner >= 3 - 1e-9 for sooner, later in itertools.pairwise(times))
