"""What the service says about itself: OpenAPI, and a page of it that needs nothing but itself."""

import json
from html import escape
from typing import Any

from tidegate.serving.bodies import CSV, JSON

SUMMARY = "The champion's forecasts: rows of recent measurements in, forecasts with intervals out."
ROWS = [
    {"station": "S01", "time": "2025-12-31T17:00Z", "temperature": 4.1},
    {"station": "S01", "time": "2025-12-31T18:00Z", "temperature": 3.8},
]
FORECAST_ROWS = [
    {
        "station": "S01",
        "origin": "2025-12-31T18:00:00Z",
        "time": "2025-12-31T19:00:00Z",
        "variable": "temperature",
        "forecast": 3.9,
        "q0.05": 2.8,
        "q0.95": 5.1,
        "method": "model",
        "reason": "",
    }
]
FORECAST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "The lookback's rows of each station, two lookbacks if one may be late: a station, a time (ISO 8601 text, "
            "UTC where it names no zone) and the variables, missing ones null or empty. JSON is a list of records, a "
            'mapping of columns, {"columns": …, "data": …}, or one of these as "dataframe_records", '
            '"dataframe_split", "inputs" or "instances".'
        ),
        "content": {
            JSON: {"schema": {}, "example": ROWS},
            CSV: {
                "schema": {"type": "string"},
                "example": "station,time,temperature\nS01,2025-12-31T17:00Z,4.1\nS01,2025-12-31T18:00Z,\n",
            },
        },
    }
}
_MESSAGE = {
    "content": {JSON: {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}},
}
FORECAST_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Forecasts: CSV where the header Accept asks for text/csv. The header Tidegate-Version names "
        "the version that made them.",
        "content": {JSON: {"schema": {"type": "array"}, "example": FORECAST_ROWS}, CSV: {}},
    },
    400: {"description": "The rows cannot be used: the message says which, and why.", **_MESSAGE},
    401: {"description": "The bearer token is absent or wrong.", **_MESSAGE},
    408: {"description": "The body has not arrived in time.", **_MESSAGE},
    413: {"description": "The body is too large.", **_MESSAGE},
    415: {"description": "The body is neither JSON nor CSV.", **_MESSAGE},
    503: {"description": "Too many requests wait, or there is no champion: Retry-After says when to ask.", **_MESSAGE},
}


def page(openapi: dict[str, Any]) -> str:
    """Write what OpenAPI says as a page of HTML, without scripts and without any other address."""
    parts = [
        _operation(method, path, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    title, summary = escape(openapi["info"]["title"]), escape(openapi["info"]["summary"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "pre{background:#eee;padding:1em;overflow:auto}td{padding:.2em 1em .2em 0;vertical-align:top}</style>"
        f"<h1>{title}</h1><p>{summary} <a href='openapi.json'>openapi.json</a></p>{''.join(parts)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {})
    answers = "".join(
        f"<tr><td>{escape(status)}<td>{escape(answer['description'])}"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['description'])}</p>"
        f"<p>{escape(body.get('description', ''))}</p>{_examples(body)}<table>{answers}</table>"
    )


def _examples(body: dict[str, Any]) -> str:
    return "".join(
        f"<p>{escape(kind)}</p><pre>{escape(_text(content['example']))}</pre>"
        for kind, content in body.get("content", {}).items()
    )


def _text(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=1)
