"""What a JSON interface is asked: spans, and page after page."""

from typing import Any

import pandas as pd
import pytest
from http_services import Service
from json_sources import SPAN, Serve, record, refusal, source, x_of

from tidegate.errors import ServiceError, SettingsError
from tidegate.sources import read_all


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


def test_an_answer_without_a_next_page_is_the_last_and_is_noted(serve: Serve) -> None:
    piece = next(source(serve(lambda *_: {"items": []}).url + SPAN, records="items", next="links.next").pieces(None))
    for _ in range(2):
        list(piece.read())
        assert piece.notes == {"answers without links.next, taken as last pages": 1}


@pytest.mark.parametrize(
    "place", ["http://127.0.0.2/x", "https://127.0.0.1/x", "//elsewhere/x", "http://127.0.0.1:1@e.org"]
)
def test_a_next_page_elsewhere_is_not_asked(serve: Serve, place: str) -> None:
    message = refusal(source(serve(lambda *_: {"items": [], "next": place}).url + SPAN, records="items", next="next"))
    assert "names a next page at " in message and "which is not asked" in message


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


def test_a_service_that_ignores_the_page_number_is_recognised(serve: Serve) -> None:
    read = source(serve(lambda *_: [record()]).url + SPAN, page_parameter="seite")
    assert "as the page before it" in refusal(read)


def test_a_cursor_is_handed_on_until_there_is_none(serve: Serve) -> None:
    following = {None: "a/b", "a/b": 7, "7": ""}
    service = serve(lambda _, query: {"items": [record()], "meta": {"after": following[query.get("after")]}})
    read = source(service.url + "/x", records="items", cursor={"parameter": "after", "at": "meta.after"})
    assert len(read_all(read)) == 3
    assert service.asked == ["/x", "/x?after=a%2Fb", "/x?after=7"]
