"""Forecasts over HTTP are those of the forecaster, and what cannot be answered is refused in one sentence."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from serving import CSV, JSON, Service, as_frame, as_json, forecaster_of, recent_rows

pytestmark = pytest.mark.slow

Rows = pd.DataFrame


@pytest.fixture(scope="module")
def rows(two_versions: Path) -> Rows:
    return recent_rows(two_versions)


@pytest.fixture(scope="module")
def expected(two_versions: Path, rows: Rows) -> Rows:
    return forecaster_of(two_versions, "1").forecast(rows)


def columns(rows: Rows) -> Any:
    return {name: [row[name] for row in as_json(rows)] for name in rows.columns}


FORMS: dict[str, Callable[[Rows], tuple[str, str]]] = {
    "records": lambda rows: (json.dumps(as_json(rows)), JSON),
    "columns": lambda rows: (json.dumps(columns(rows)), JSON),
    "split": lambda rows: (json.dumps(as_json(rows, "split")), f"{JSON}; charset=utf-8"),
    "dataframe_records": lambda rows: (json.dumps({"dataframe_records": as_json(rows)}), JSON),
    "dataframe_split": lambda rows: (json.dumps({"dataframe_split": as_json(rows, "split")}), JSON),
    "inputs": lambda rows: (json.dumps({"inputs": columns(rows)}), JSON),
    "instances": lambda rows: (json.dumps({"instances": as_json(rows)}), JSON),
    "csv": lambda rows: (rows.to_csv(index=False), CSV),
    "csv as Excel writes it": lambda rows: ("\ufeff" + rows.to_csv(index=False, lineterminator="\r\n"), CSV),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_rows_gives_what_the_forecaster_gives(
    service: Service, rows: Rows, expected: Rows, form: str
) -> None:
    body, kind = FORMS[form](rows)
    answer = service.ask(body=body.encode(), kind=kind)
    assert answer.status == 200 and answer.headers["tidegate-version"] == "1"
    pd.testing.assert_frame_equal(as_frame(answer.content), expected, check_dtype=False, rtol=1e-6)


def test_the_answer_is_csv_where_accept_says_so(service: Service, rows: Rows, expected: Rows) -> None:
    answer = service.ask(body=rows.to_csv(index=False).encode(), kind=CSV, Accept=CSV)
    assert answer.headers["content-type"].startswith(CSV)
    given = pd.read_csv(io.BytesIO(answer.body), keep_default_na=False).to_dict("records")
    pd.testing.assert_frame_equal(as_frame(given), expected, check_dtype=False, rtol=1e-6)
    assert service.ask(body=b"x", kind=CSV, Accept=CSV).content["message"]


def test_a_station_that_lacks_its_lookback_has_the_baseline_and_the_reason(service: Service, rows: Rows) -> None:
    short = rows[(rows["station"] != "S02") | (rows["time"] > rows["time"].max() - pd.Timedelta("5h"))]
    forecasts = as_frame(service.ask(body=json.dumps(as_json(short))).content)
    assert set(forecasts.loc[forecasts["station"] != "S02", "method"]) == {"model"}
    assert set(forecasts.loc[forecasts["station"] == "S02", "method"]) == {"baseline"}
    assert forecasts.loc[forecasts["station"] == "S02", "reason"].str.len().gt(0).all()


REFUSED: dict[str, tuple[Any, str, int, str]] = {
    "no JSON": ("[1", JSON, 400, "The body is no JSON (Expecting"),
    "too deep": ("[" * 100_000, JSON, 400, "The body is no JSON (maximum recursion depth"),
    "half a character": ('[{"station": "\\ud800", "time": "2024-03-31"}]', JSON, 400, "surrogates not allowed"),
    "no CSV": ("station,time\n1,2\n1,2,3,4\n", CSV, 400, "The body is no CSV with a header line (Error tokenizing"),
    "nothing": ("", CSV, 400, "The body is no CSV with a header line (No columns"),
    "another encoding": ("Zürich".encode("latin-1"), CSV, 400, "The body is not UTF-8 text"),
    "no rows": ('{"inputs": 1}', JSON, 400, "These are no rows with names"),
    "no station": ('[{"time": "2024-03-31"}]', JSON, 400, "The rows have no column 'station'"),
    "a null station": ('[{"station": null, "time": "2024-03-31"}]', JSON, 400, "The rows have no column 'temperature'"),
    "uneven rows": (
        '{"columns": ["station", "time"], "data": [[1]]}',
        JSON,
        400,
        "The rows of data do not fit columns",
    ),
    "a form": ("a=1", "application/x-www-form-urlencoded", 415, "Content-Type is application/x-www-form-urlencoded"),
    "no type": ("[]", "", 415, "Content-Type is not given: send application/json or text/csv."),
    "too large": ("x" * 1_500_000, JSON, 413, "The body is larger than 1 MiB"),
    "too large, in pieces": ([b"x" * 100_000] * 20, JSON, 413, "The body is larger than 1 MiB"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_is_a_status_and_a_sentence(service: Service, fault: str) -> None:
    body, kind, status, sentence = REFUSED[fault]
    answer = service.ask(body=iter(body) if isinstance(body, list) else body, kind=kind)
    assert (answer.status, sentence in answer.message) == (status, True), answer.body


def test_other_addresses_are_refused_too(service: Service) -> None:
    assert service.ask("/forecasts").status == 404
    assert "GET /forecast is not served here" in (answer := service.ask("/forecast")).message
    assert answer.status == 405 and answer.headers["allow"] == "POST"


def test_whatever_cells_hold_is_forecast_or_refused_and_never_a_fault(service: Service, rows: Rows) -> None:
    odd = [
        None,
        1,
        -1,
        1e308,
        10**400,
        2**63,
        "x",
        "",
        [],
        {},
        [1],
        {"a": 1},
        True,
        "2024-01-01",
        "NaN",
        "\x00",
        "\ud800",
    ]
    good, rng, statuses = as_json(rows), random.Random(3), set[int]()
    for _ in range(60):
        damaged = [dict(row) for row in good]
        for _ in range(rng.choice([1, 1, 30])):
            rng.choice(damaged)[rng.choice([*rows.columns, "note"])] = rng.choice(odd)
        answer = service.ask(body=json.dumps(damaged))
        assert answer.status == 200 or answer.message
        statuses.add(answer.status)
    assert statuses == {200, 400}


def test_health_says_which_version_and_metrics_count_every_answer(service: Service, rows: Rows) -> None:
    health = service.ask("/health")
    assert health.status == 200
    assert {**health.content, "loaded": "then"} == {
        "status": "ready", "model": "tidegate", "version": "1", "candidate": "linear", "loaded": "then", "message": None
    }  # fmt: skip
    assert pd.Timestamp.now("UTC") - pd.Timestamp(health.content["loaded"]) < pd.Timedelta("1h")
    good, bad = (f'tidegate_requests_total{{path="/forecast",status="{status}"}}' for status in (200, 400))
    before = service.metric(good), service.metric(bad), service.metric("tidegate_forecast_seconds_count")
    service.ask(body=rows.to_csv(index=False).encode(), kind=CSV)
    service.ask(body="[1")
    after = service.metric(good), service.metric(bad), service.metric("tidegate_forecast_seconds_count")
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]
    assert service.metric('tidegate_version_info{candidate="linear",model="tidegate",version="1"}') == 1
    assert service.metric("tidegate_requests_waiting") == 0


def test_the_page_of_the_interface_needs_no_other_address(service: Service) -> None:
    page, interface = service.ask("/docs"), service.ask("/openapi.json")
    assert page.status == interface.status == 200
    text = page.body.decode()
    assert "://" not in text and "<script" not in text
    assert all(path in text for path in interface.content["paths"])
    assert set(interface.content["paths"]) == {"/forecast", "/health", "/metrics"}
